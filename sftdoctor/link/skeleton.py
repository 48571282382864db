"""Syntax trees without function bodies: what importing needs, small in memory and quick to read again."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.link.locate import parse, read_source

FORMAT = 2
"""Raised when what is kept changes."""
MIN_SIZE = 2_000
"""Bytes of source below which keeping a skeleton does not pay."""
SPANS = "# ends:"
"""Starts the last line of a skeleton: the first and last line of each function."""


class Trees:
    """Reads modules as trees without function bodies.

    Args:
        folder: Where skeletons are kept between runs; None keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.parsed = 0
        """Modules whose full text was parsed."""
        self._ends: dict[str, dict[int, int]] = {}
        self._lines: dict[str, list[str]] = {}
        self._whole: dict[str, dict[int, ast.AST]] = {}

    def load(self, path: Path) -> ast.Module:
        """The tree of a module, its function bodies left out.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no Python, too large or no text.
        """
        kept = self._place(path)
        if kept is not None:
            try:
                text = kept.read_text("utf-8")
                self._ends[str(path)] = _read_ends(text)
                return parse(text, str(path))
            except (OSError, ValueError):
                pass  # not there yet, or damaged: made anew below
        source = read_source(path)
        tree = parse(source, str(path))
        self.parsed += 1
        spans = list(prune(tree))
        self._ends[str(path)] = {span.line: span.end for span in spans}
        if kept is not None and len(source) > MIN_SIZE:
            _keep(kept, _without(source, spans))
        return tree

    def function(self, path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST | None:
        """A function's definition with its body; None where it cannot be found again.

        Raises:
            OSError: The module cannot be read.
            ValueError: It is no text any more.
        """
        end = self._ends.get(path, {}).get(node.lineno)
        if end is None:
            return self.whole(path).get(node.lineno)
        if path not in self._lines:
            self._lines[path] = read_source(Path(path)).split("\n")
        text = "\n".join(self._lines[path][node.lineno - 1 : end])
        inside = node.col_offset > 0  # a block around it spares taking the indentation off its strings
        try:
            found: ast.AST = parse(f"if 1:\n{text}" if inside else text, path).body[0]
        except ValueError:
            return self.whole(path).get(node.lineno)
        if inside and isinstance(found, ast.If):
            found = found.body[0]
        return ast.increment_lineno(found, node.lineno - (2 if inside else 1))

    def whole(self, path: str) -> dict[int, ast.AST]:
        """Line → definition (def or class) of a module with all its bodies.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no Python, too large or no text.
        """
        if path not in self._whole:
            tree = parse(read_source(Path(path)), path)
            self.parsed += 1
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            self._whole[path] = {node.lineno: node for node in ast.walk(tree) if isinstance(node, kinds)}
        return self._whole[path]

    def forget(self) -> None:
        """Let go of texts and trees."""
        self._lines.clear()
        self._whole.clear()

    def _place(self, path: Path) -> Path | None:
        """Where a module's skeleton is kept: by its name, size and time of change."""
        if self.folder is None:
            return None
        try:
            found = path.stat()
        except OSError:
            return None
        identity = f"{FORMAT}|{'/'.join(path.parts[-4:])}|{found.st_size}|{found.st_mtime_ns}"
        name = hashlib.sha256(identity.encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:40]}.py"


@dataclass(frozen=True)
class Span:
    """Where a function's body was, in lines from 1."""

    line: int
    """Line of its def."""
    start: int
    """First line of its body."""
    end: int
    column: int


def prune(tree: ast.Module) -> Iterator[Span]:
    """Leave out the body of every function of a module, in place.

    Yields:
        Where each was; bodies that start on a line of their def's header are not yielded.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        for node in _statements(todo.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first, last = node.body[0], node.body[-1]
                start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
                header = max([node.lineno, *(n.end_lineno or 0 for n in _header(node))])
                node.body = [ast.copy_location(ast.Expr(ast.copy_location(ast.Constant(...), first)), first)]
                if start > header:
                    yield Span(node.lineno, start, last.end_lineno or start, first.col_offset)
            else:
                todo.append(node)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements (and handlers, cases) right inside a block."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(node, part, ())


def _header(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | ast.arg]:
    spec = node.args
    found: list[ast.expr | ast.arg] = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *spec.defaults]
    found += [item for item in (*spec.kw_defaults, node.returns, spec.vararg, spec.kwarg) if item is not None]
    return found


def _without(source: str, spans: list[Span]) -> str:
    """The text with each body replaced by `...`, every other line where it was, and a last line that tells the ends."""
    lines = source.split("\n")
    for span in spans:
        first = lines[span.start - 1]
        indent = first[: len(first) - len(first.lstrip())] or " " * span.column
        lines[span.start - 1 : span.end] = [f"{indent}...", *[""] * (span.end - span.start)]
    ends = " ".join(f"{span.line}-{span.end}" for span in spans)
    return "\n".join([*lines, f"{SPANS} {ends}"])


def _read_ends(text: str) -> dict[int, int]:
    """Line of each def → last line of its body, from the last line of a skeleton.

    Raises:
        ValueError: There is no such line.
    """
    last = text[text.rfind("\n") + 1 :]
    if not last.startswith(SPANS):
        raise ValueError("no skeleton")
    pairs = (item.partition("-") for item in last[len(SPANS) :].split())
    return {int(line): int(end) for line, _, end in pairs}


def _keep(place: Path, text: str) -> None:
    """Write a skeleton for other runs; a full disk or a forbidden folder only costs time."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{place.name}.{os.getpid()}")
        temporary.write_text(text, "utf-8")
        temporary.replace(place)
    except (OSError, UnicodeError):
        return
