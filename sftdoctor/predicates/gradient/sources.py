"""Functions and classes of the target's packages, cut out of their files without parsing the rest."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sftdoctor.model import Environment

FILE_LIMIT = 4 * 1024 * 1024
_DEFINITION = re.compile(r"(?m)^(    )?(?:async +)?(def|class) +(\w+)")
_FROM = re.compile(r"(?m)^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n(#]+)")
_IMPORT = re.compile(r"(?m)^import[ \t]+([\w.]+)(?:[ \t]+as[ \t]+(\w+))?")
_NAME_AS = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")
_DEPTH = 8


@dataclass
class Module:
    """One module as text."""

    name: str
    text: str
    package: bool
    path: Path
    _functions: dict[str, ast.FunctionDef | None] = field(default_factory=dict)
    _fields: dict[str, ast.expr | None] = field(default_factory=dict)
    _index: dict[str, int] | None = None
    _imports: dict[str, str] | None = None
    _lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """Its lines."""
        if self._lines is None:
            self._lines = self.text.split("\n")
        return self._lines

    @property
    def imports(self) -> dict[str, str]:
        """Name → what it is imported from, absolute and dotted."""
        if self._imports is None:
            self._imports = {}
            for source, names in _FROM.findall(self.text):
                base = absolute(self.name, self.package, source)
                for name, alias in _NAME_AS.findall(re.sub(r"#[^\n]*", "", names).strip("()")):
                    self._imports[alias or name] = f"{base}.{name}"
            for name, alias in _IMPORT.findall(self.text):
                self._imports.setdefault(alias or name.partition(".")[0], name if alias else name.partition(".")[0])
        return self._imports

    @property
    def index(self) -> dict[str, int]:
        """Every class, function and method ("Class.method") → the index of its line; the first counts."""
        if self._index is None:
            self._index = {}
            owner, line, position = "", 0, 0
            for match in _DEFINITION.finditer(self.text):
                line += self.text.count("\n", position, match.start())
                position = match.start()
                indented, kind, name = match.groups()
                if indented:
                    self._index.setdefault(f"{owner}.{name}", line)
                else:
                    owner = name if kind == "class" else ""
                    self._index.setdefault(name, line)
        return self._index

    def function(self, qualified: str) -> ast.FunctionDef | None:
        """The function or method ("Class.method") that the module itself defines."""
        if qualified not in self._functions:
            line = self.index.get(qualified)
            cut = _parse("\n".join(self._indented(line, 4 if "." in qualified else 0))) if line is not None else None
            self._functions[qualified] = cut if isinstance(cut, ast.FunctionDef) else None
        return self._functions[qualified]

    def bases(self, class_: str) -> tuple[str, ...] | None:
        """The bases of a class as the source writes them; None where the module has no such class."""
        line = self.index.get(class_)
        head = (
            re.match(r"class +\w+\s*(\([^)]*\))?", "\n".join(self.lines[line : line + 12]))
            if line is not None
            else None
        )
        if head is None:
            return None
        listed = (head[1] or "()").strip("()").split(",")
        return tuple(base.strip() for base in listed if base.strip() and "=" not in base)

    def field(self, class_: str, name: str) -> ast.expr | None:
        """The default that a class body gives a field (`name: type = …`), as an expression."""
        key = f"{class_}:{name}"
        if key not in self._fields:
            self._fields[key] = self._field(class_, name)
        return self._fields[key]

    def _field(self, class_: str, name: str) -> ast.expr | None:
        start = self.index.get(class_)
        body = self._indented(start, 0) if start is not None else []
        head = re.compile(rf"    {re.escape(name)}\s*:")
        for offset, line in enumerate(body):
            if head.match(line):
                statement = _parse("\n".join(self._indented((start or 0) + offset, 4)))
                return statement.value if isinstance(statement, ast.AnnAssign) else None
        return None

    def methods_with(self, text: str) -> Iterator[ast.FunctionDef]:
        """The methods (of any class) whose source holds a text."""
        for match in re.finditer(re.escape(text), self.text):
            number = self.text.count("\n", 0, match.start())
            while number >= 0 and not re.match(r"    (?:async +)?def ", self.lines[number]):
                number -= 1
            if number >= 0:
                found = _parse("\n".join(self._indented(number, 4)))
                if isinstance(found, ast.FunctionDef):
                    yield found

    def _indented(self, start: int, indent: int) -> list[str]:
        """A definition: its first line and everything that is indented deeper (or only closes its brackets)."""
        stop = start + 1
        while stop < len(self.lines):
            line = self.lines[stop]
            stripped = line.lstrip()
            if stripped and stripped[0] not in "#)]}" and len(line) - len(stripped) <= indent:
                break
            stop += 1
        return self.lines[start:stop]


def _parse(text: str) -> ast.stmt | None:
    try:
        body = ast.parse(textwrap.dedent(text)).body
    except (SyntaxError, ValueError, RecursionError):
        return None
    return body[0] if body else None


def absolute(module: str, package: bool, imported: str) -> str:
    """The absolute name of a relative import ("..models" in "trl.trainer.sft_trainer" is "trl.models")."""
    rest = imported.lstrip(".")
    level = len(imported) - len(rest)
    if not level:
        return imported
    parts = module.split(".")
    parts = parts[: len(parts) - level + (1 if package else 0)]
    return ".".join([*parts, rest]) if rest else ".".join(parts)


class Sources:
    """The modules of a target, by name.

    Args:
        roots: Import roots in the order in which they are searched.
    """

    def __init__(self, roots: tuple[str, ...]) -> None:
        self.roots = roots
        self._modules: dict[str, Module | None] = {}
        self.asked: set[tuple[str, str]] = set()
        """(module, name) of every definition that was looked for; what a recorded excerpt has to hold."""
        self.concerned: dict[ast.AST, bool] = {}
        """Of a function cut out of them, whether it has to do with checkpointing or adapters."""
        self._changes: dict[tuple[str, str], bool] = {}

    def module(self, name: str) -> Module | None:
        """A module's text; None where it is not there, is compiled, or is too large."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        for path, package in self._places(name):
            try:
                if path.is_file() and path.stat().st_size <= FILE_LIMIT:
                    return Module(name, path.read_text(encoding="utf-8", errors="replace"), package, path)
            except OSError:
                continue
        return None

    def _places(self, name: str) -> Iterator[tuple[Path, bool]]:
        """Where a module may lie, and whether as a package."""
        below = Path(*name.split("."))
        for root in self.roots:
            yield Path(root, below, "__init__.py"), True
            yield Path(root, below).with_suffix(".py"), False

    def files(self) -> list[str]:
        """The files that were read, and those that were looked for before them or in vain."""
        found: list[str] = []
        for name, module in self._modules.items():
            for path, _ in self._places(name):
                found.append(str(path))
                if module is not None and path == module.path:
                    break
        return found

    def locate(self, dotted: str) -> tuple[Module, str] | None:
        """The module that defines what a dotted name stands for, through re-exports.

        Args:
            dotted: "trl.models.prepare_peft_model".

        Returns:
            (module, name in it); None where it cannot be found.
        """
        for _ in range(_DEPTH):
            owner, _, name = dotted.rpartition(".")
            module = self.module(owner) if owner else None
            if module is None:
                return None
            self.asked.add((owner, name))
            if module.bases(name) is not None or module.function(name) is not None:
                return module, name
            exported = module.imports.get(name)
            if exported is None or exported == dotted:
                return None
            dotted = exported
        return None

    def method(self, class_: str, name: str) -> tuple[Module, ast.FunctionDef] | None:
        """A method that a class has or inherits, as far as its bases have source here.

        Args:
            class_: Dotted name of the class.
            name: The method.

        Returns:
            The module that defines it, and its definition.
        """
        for module, own in self.lineage(class_):
            self.asked.add((module.name, f"{own}.{name}"))
            found = module.function(f"{own}.{name}")
            if found is not None:
                return module, found
        return None

    def lineage(self, class_: str) -> Iterator[tuple[Module, str]]:
        """A class and its bases, nearest first: (module, name in it)."""
        waiting = [class_]
        seen: set[str] = set()
        while waiting and len(seen) < 4 * _DEPTH:
            current = waiting.pop(0)
            located = self.locate(current) if current not in seen else None
            seen.add(current)
            if located is not None:
                module, own = located
                yield module, own
                for base in module.bases(own) or ():
                    top, _, rest = base.partition(".")
                    imported = module.imports.get(top)
                    resolved = f"{module.name}.{base}" if imported is None else imported + (f".{rest}" if rest else "")
                    waiting.append(resolved)

    def changes(self, class_: str, name: str) -> bool:
        """Whether a module of the class or its bases assigns `self.name`, so that a field's default may not last."""
        key = (class_, name)
        if key not in self._changes:
            assigned = re.compile(rf"self\.{re.escape(name)}\s*=[^=]")
            self._changes[key] = any(assigned.search(module.text) for module, _ in self.lineage(class_))
        return self._changes[key]

    def field(self, class_: str, name: str) -> ast.expr | None:
        """The default of a field that a class has or inherits."""
        for module, own in self.lineage(class_):
            self.asked.add((module.name, f"{own}:{name}"))
            found = module.field(own, name)
            if found is not None:
                return found
        return None


@lru_cache(maxsize=8)
def _cached(roots: tuple[str, ...], versions: tuple[str | None, ...]) -> Sources:
    return Sources(roots)


def sources_of(environment: Environment) -> Sources:
    """The sources of an environment's packages.

    Args:
        environment: The target, or a candidate for it.

    Returns:
        Its sources; kept while the versions stay the same, so that several rules read a file once.
    """
    roots = dict.fromkeys(environment.paths)
    roots.update(dict.fromkeys(found.root for found in environment.distributions.values() if found.root))
    versions = tuple(environment.version(name) for name in ("transformers", "trl", "peft", "torch"))
    return _cached(tuple(root for root in roots if root), versions)
