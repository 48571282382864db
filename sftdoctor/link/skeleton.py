"""Syntax trees without function bodies: what importing needs, small in memory and quick to read again."""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sftdoctor.link.locate import parse, read_source

FORMAT = 1
"""Raised when what is kept changes."""
MIN_SIZE = 2_000
"""Bytes of source below which keeping a skeleton does not pay."""


class Trees:
    """Reads modules as trees without function bodies.

    Args:
        folder: Where skeletons are kept between runs; None keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.parsed = 0
        """Modules whose full text was parsed."""
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
                return parse(kept.read_text("utf-8"), str(path))
            except (OSError, ValueError):
                pass  # not there yet, or damaged: made anew below
        source = read_source(path)
        tree = parse(source, str(path))
        self.parsed += 1
        spans = list(prune(tree))
        if kept is not None and len(source) > MIN_SIZE:
            _keep(kept, _without(source, spans))
        return tree

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


def prune(tree: ast.Module) -> Iterator[tuple[int, int, int]]:
    """Leave out the body of every function of a module, in place.

    Yields:
        First and last line of each body, and the column it starts at; bodies on the line of their def are not yielded.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first, last = node.body[0], node.body[-1]
                start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
                header = max([node.lineno, *(n.end_lineno or 0 for n in _header(node))])
                node.body = [ast.copy_location(ast.Expr(ast.copy_location(ast.Constant(...), first)), first)]
                if start > header:
                    yield start, last.end_lineno or start, first.col_offset
            elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                todo.append(node)


def _header(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | ast.arg]:
    spec = node.args
    found: list[ast.expr | ast.arg] = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *spec.defaults]
    found += [item for item in (*spec.kw_defaults, node.returns, spec.vararg, spec.kwarg) if item is not None]
    return found


def _without(source: str, spans: list[tuple[int, int, int]]) -> str:
    """The text with each span of lines replaced by `...`, every other line where it was."""
    lines = source.split("\n")
    for start, end, column in spans:
        indent = lines[start - 1][: len(lines[start - 1]) - len(lines[start - 1].lstrip())] or " " * column
        lines[start - 1 : end] = [f"{indent}...", *[""] * (end - start)]
    return "\n".join(lines)


def _keep(place: Path, text: str) -> None:
    """Write a skeleton for other runs; a full disk or a forbidden folder only costs time."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{place.name}.{os.getpid()}")
        temporary.write_text(text, "utf-8")
        temporary.replace(place)
    except (OSError, UnicodeError):
        return
