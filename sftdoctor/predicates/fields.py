"""What constructors take that the linker does not know: dataclasses over several distributions, decorated classes.

Read from their sources (never imported).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sftdoctor.predicates.core import Library

DEPTH = 12
"""Imports and bases that are followed from one class."""


@dataclass(frozen=True)
class Fields:
    """The names that a constructor is known to take, as a Signature."""

    names: frozenset[str]
    complete: bool = True
    """Whether it takes no others (a decorator may add some)."""

    def accepts(self, keyword: str) -> bool:
        """Whether it is one of the names."""
        return keyword in self.names


def fields_of(library: Library, called: str) -> Fields | None:
    """What the constructor of a class takes: a dataclass's fields with those of its bases, or the names of `__init__`.

    Args:
        library: Knows where the sources lie.
        called: "package.module:Class".

    Returns:
        None where it is neither, or one of the bases cannot be read.
    """
    module, _, name = called.partition(":")
    return _collected(library, module, name, DEPTH) if name.isidentifier() else None


def _collected(library: Library, module: str, name: str, depth: int) -> Fields | None:
    place = library.path(module)
    source = _read(str(place)) if place is not None and depth else None
    if source is None:
        return None
    definition = source.classes.get(name)
    if definition is None:
        origin = source.imports.get(name)
        return _collected(library, *_absolute(module, place, origin), depth - 1) if origin else None
    if not any("dataclass" in ast.unparse(one) for one in definition.decorator_list):
        return _of_init(definition)
    complete = True
    names = {
        statement.target.id
        for statement in definition.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and "ClassVar" not in ast.unparse(statement.annotation)
    }
    for base in definition.bases:
        inherited = _collected(library, module, base.id, depth - 1) if isinstance(base, ast.Name) else None
        if inherited is None:
            return None
        names |= inherited.names
        complete &= inherited.complete
    return Fields(frozenset(names), complete)


def _of_init(definition: ast.ClassDef) -> Fields | None:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            spec = statement.args
            names = frozenset(one.arg for one in (*spec.args[1:], *spec.kwonlyargs))
            return Fields(names, not (statement.decorator_list or definition.decorator_list or spec.kwarg))
    return None


@dataclass(frozen=True)
class _Origin:
    """Where an imported name is from."""

    module: str
    level: int
    name: str


def _absolute(module: str, place: Path | None, origin: _Origin) -> tuple[str, str]:
    if not origin.level:
        return origin.module, origin.name
    is_package = place is not None and place.name == "__init__.py"
    parts = module.split(".")
    parts = parts[: len(parts) - origin.level + is_package]
    return ".".join([*parts, *filter(None, [origin.module])]), origin.name


@dataclass(frozen=True)
class _Source:
    classes: dict[str, ast.ClassDef]
    imports: dict[str, _Origin]


@lru_cache(maxsize=64)
def _read(path: str) -> _Source | None:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    classes: dict[str, ast.ClassDef] = {}
    imports: dict[str, _Origin] = {}
    for node in _outer(tree):
        if isinstance(node, ast.ClassDef):
            classes[node.name] = node
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                imports[alias.asname or alias.name] = _Origin(node.module or "", node.level, alias.name)
    return _Source(classes, imports)


def _outer(tree: ast.AST) -> Iterator[ast.AST]:
    """The statements that are not inside of a function or class."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            yield from _outer(node)
