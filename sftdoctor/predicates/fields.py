"""The fields of a dataclass whose bases lie in other distributions, read from their sources (never imported)."""

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
    """The fields that are known to be there, as a Signature of the constructor."""

    names: frozenset[str]

    def accepts(self, keyword: str) -> bool:
        """Whether it is the name of a field."""
        return keyword in self.names


def fields_of(library: Library, called: str) -> Fields | None:
    """The fields of a dataclass, those of its bases among them.

    Args:
        library: Knows where the sources lie.
        called: "package.module:Class".

    Returns:
        None where it is no dataclass, or one of its bases cannot be read.
    """
    module, _, name = called.partition(":")
    names = _collected(library, module, name, DEPTH) if name.isidentifier() else None
    return None if names is None else Fields(frozenset(names))


def _collected(library: Library, module: str, name: str, depth: int) -> set[str] | None:
    place = library.path(module)
    source = _read(str(place)) if place is not None and depth else None
    if source is None:
        return None
    definition = source.classes.get(name)
    if definition is None:
        origin = source.imports.get(name)
        return _collected(library, *_absolute(module, place, origin), depth - 1) if origin else None
    if not any("dataclass" in ast.unparse(one) for one in definition.decorator_list):
        return None
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
        names |= inherited
    return names


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
