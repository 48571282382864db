"""Syntax trees without function bodies: what importing needs, quick to parse and small in memory.

Most of a module's text stands in function bodies, and most functions are never followed. So the bodies are taken out of
the text before it is parsed, and a function that is followed is parsed on its own.
"""

from __future__ import annotations

import ast
import os
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from sftdoctor import nodes
from sftdoctor.link.locate import decode_source, parse, read_source

DEF = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]", re.MULTILINE)
MARK = re.compile(r"""\"\"\"|'''|\n([ \t]*)(?:async[ \t]+)?def[ \t]""")
"""A triple quote, or the line feed before a function, with its indentation; so written it is found at half the cost."""
BEFORE_STRING = re.compile(r"[^\"'#]*(?:\"[^\"'#\\]*\"[^\"'#]*)*")
"""What may stand before a triple quote on its line, for it to start a string."""
COMMENT = re.compile(r"#[^\n]*")
LINE_BODY = re.compile(r"\)[^()\[\]]*:[ \t]*[^\s:]")
"""A header that already has its colon: what follows ends with a colon of its own."""
SKIPPED = "|".join(
    (
        r"#[^\n]*",
        r'"""[^"\\]*(?:(?:\\[\s\S]|"(?!""))[^"\\]*)*"""',
        r"'''[^'\\]*(?:(?:\\[\s\S]|'(?!''))[^'\\]*)*'''",
        r'"[^"\\\n]*(?:\\[\s\S][^"\\\n]*)*"',
        r"'[^'\\\n]*(?:\\[\s\S][^'\\\n]*)*'",
    )
)
"""Comments and whole strings; a string within a string of an f-string ends it early, which the parser then tells."""
COLON = re.compile(r":[ \t]*(?:#[^\n]*)?\n")
"""The end of a header whose body starts on a line of its own."""
MAX_HEADER = 20_000
"""Characters; a longer header is left to the parser."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a function's body is, in lines from 1."""

    line: int
    """Line of its def."""
    start: int
    """First line of its body."""
    end: int
    """Last line of its body."""


class Trees:
    """Reads modules as trees without function bodies."""

    def __init__(self) -> None:
        self.parsed = 0
        """Modules that were parsed."""
        self._ends: dict[str, dict[int, int]] = {}
        self._texts: dict[str, str] = {}
        self._starts: dict[str, array[int]] = {}
        self._whole: dict[str, dict[int, ast.AST]] = {}
        self._thought: Mapping[str, bytes] = {}

    def suppose(self, thought: Mapping[str, bytes]) -> None:
        """Read some modules as they would be after edits that are only thought of.

        Args:
            thought: Real path → what the file would hold.
        """
        if thought == self._thought:
            return
        changed, self._thought = {*thought, *self._thought}, thought
        for kept in (self._ends, self._texts, self._starts, self._whole):
            for path in [path for path in kept if os.path.realpath(path) in changed]:
                del kept[path]

    def _read(self, path: Path) -> str:
        thought = self._thought.get(os.path.realpath(path)) if self._thought else None
        return read_source(path) if thought is None else decode_source(thought)

    def load(self, path: Path) -> ast.Module:
        """The tree of a module, its function bodies left out.

        Raises:
            OSError: It cannot be read.
            ValueError: It is no Python, too large or no text.
        """
        source = self._read(path)
        self.parsed += 1
        try:
            text, spans = without_bodies(source)
            tree = parse(text, str(path))
        except ValueError:  # unclear where its functions end, or it is no Python
            tree, spans = parse(source, str(path)), []
        spans += prune(tree)
        self._ends[str(path)] = {span.line: span.end for span in spans}
        return tree

    def function(self, path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST | None:
        """A function's definition with its body; None where it cannot be found again.

        Raises:
            OSError: The module cannot be read.
            ValueError: It is no text any more.
        """
        end = self._ends.get(path, {}).get(node.lineno)
        if end is None:
            return node  # it was short enough to be left as it is
        return self._statement(path, node.lineno, end) or self._definitions(path).get(node.lineno)

    def class_lines(self, path: str, node: ast.ClassDef) -> str:
        """The text of a class statement, its decorators left out.

        Raises:
            OSError: The module cannot be read.
            ValueError: It is no text any more.
        """
        return self._lines(path, node.lineno, self._last_line(path, node))

    def class_statements(self, path: str, node: ast.ClassDef) -> list[str]:
        """The text of a class statement in pieces that can be parsed, each with one or a few statements of its body.

        Args:
            path: The module's file.
            node: The statement, its function bodies left out.

        Returns:
            The pieces in order: the first has the header, each later one stands in a block of its own.

        Raises:
            OSError: The module cannot be read.
            ValueError: It is no text any more.
        """
        lasts: list[int] = []
        for item in node.body:
            if lasts and item.lineno <= lasts[-1]:  # on the line where the one before ends
                lasts.pop()
            lasts.append(self._last_line(path, item))
        lasts[-1] = max(lasts[-1], self._last_line(path, node))
        firsts = [node.lineno, *(last + 1 for last in lasts)]
        pieces = [self._lines(path, first, last) for first, last in zip(firsts, lasts, strict=False)]
        return [piece if not index and not node.col_offset else f"if 1:\n{piece}" for index, piece in enumerate(pieces)]

    def _last_line(self, path: str, node: ast.stmt) -> int:
        """The last line of a statement with the function bodies that were left out of it."""
        last = node.end_lineno or node.lineno
        ends = self._ends.get(path, {})
        return max(last, *(ends.get(line, 0) for line in range(node.lineno, last + 1)))

    def text(self, path: str) -> str:
        """The text of a module.

        Raises:
            OSError: It cannot be read.
            ValueError: It is too large or no text.
        """
        if path not in self._texts:
            self._texts[path] = self._read(Path(path))
        return self._texts[path]

    def forget(self) -> None:
        """Let go of texts and trees."""
        self._texts.clear()
        self._starts.clear()
        self._whole.clear()

    def _statement(self, path: str, line: int, end: int) -> ast.AST | None:
        """The statement in those lines; None where they are none on their own."""
        text = self._lines(path, line, end)
        inside = text[:1].isspace()  # a block around it spares taking the indentation off its strings
        before = "\n" * (line - 2) + "if 1:\n" if inside else "\n" * (line - 1)
        try:
            found: ast.AST = parse(before + text, path).body[0]
        except (ValueError, IndexError):
            return None
        return found.body[0] if inside and isinstance(found, ast.If) else found

    def _lines(self, path: str, first: int, last: int) -> str:
        """Some lines of a module, counted from 1."""
        text = self.text(path)
        if path not in self._starts:
            sizes = (len(line) + 1 for line in text.split("\n"))
            self._starts[path] = array("L", accumulate(sizes, initial=0))
        starts = self._starts[path]
        return text[starts[first - 1] : starts[min(last, len(starts) - 1)] - 1]

    def _definitions(self, path: str) -> dict[int, ast.AST]:
        """Line → definition of a module that is parsed whole."""
        if path not in self._whole:
            tree = parse(self.text(path), path)
            self.parsed += 1
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            self._whole[path] = {node.lineno: node for node in nodes.walk(tree) if isinstance(node, kinds)}
        return self._whole[path]


def without_bodies(source: str) -> tuple[str, list[Span]]:
    """A module's text with each function body replaced by `...`, every other line where it was.

    Args:
        source: The text; its lines end with a line feed.

    Returns:
        The text, and where the bodies were.

    Raises:
        ValueError: It is laid out so that only a parser can tell where its functions end.
    """
    parts: list[str] = []
    spans: list[Span] = []
    source = f"\n{source}"  # so that a line feed stands before each line
    done, line, at = 1, 1, 0
    while match := MARK.search(source, at):
        if match[1] is None:
            at = _string_end(source, match)
            continue
        at = match.end()
        head = match.start() + 1
        body = _header_end(source, head, at)
        if body is None:
            continue
        end = _body_end(source, body, match[1])
        line += source.count("\n", done, head)
        start = line + source.count("\n", head, body)
        size = source.count("\n", body, end)
        spans.append(Span(line, start, start + size - (source[end - 1] == "\n")))
        parts += [source[done:body], f"{match[1]} ...", "\n" * size]
        line, done, at = start + size, end, end - 1  # the line feed before what follows
    parts.append(source[done:])
    return "".join(parts), spans


def _string_end(source: str, match: re.Match[str]) -> int:
    """Where a triple-quoted string outside of all functions ends."""
    before = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
    if before and not BEFORE_STRING.fullmatch(before):
        raise ValueError("quotes that may stand in a comment or another string")
    end = source.find(match[0], match.end())
    if end < 0 or source[end - 1] == "\\":
        raise ValueError("a string whose end is unclear")
    return end + 3


def _header_end(source: str, start: int, at: int) -> int | None:
    """Where the line after a def's header starts, whose name is at `at`; None where its body is on the same line."""
    for colon in COLON.finditer(source, at, start + MAX_HEADER):
        header = source[start : colon.start()]
        if DEF.search(header, 1):
            return None
        if "#" in header:
            header = COMMENT.sub("", header)
        if header.count("(") == header.count(")") and header.count("[") == header.count("]"):
            return None if LINE_BODY.search(header) else colon.end()
    return None


def _body_end(source: str, body: int, indent: str) -> int:
    """Where the first line after a body starts that is indented no deeper than its def.

    Raises:
        ValueError: That line may go on with something that the body began.
    """
    found = _dedent(len(indent)).search(source, body - 1)
    end = found.start() + 1 if found else len(source)
    if source.count('"""', body, end) % 2 or source.count("'''", body, end) % 2:
        end = _end_past_strings(source, body, len(indent))
    if source[end - 2] == "\\":
        raise ValueError("a line that goes on at the left margin")
    if end <= body:
        raise ValueError("a function without a body")
    return end


def _end_past_strings(source: str, body: int, width: int) -> int:
    """The same where a string or a comment may hold that line: slower, since each of them is stepped over."""
    for part in _parts(width).finditer(source, body - 1):
        if part[1] is not None:
            return part.start() + 1
    return len(source)


@lru_cache(maxsize=64)
def _dedent(width: int) -> re.Pattern[str]:
    """Finds the line feed before a line of code that is indented by that many characters or fewer."""
    return re.compile(rf"\n(?=[ \t]{{0,{width}}}[^\s#])")


@lru_cache(maxsize=64)
def _parts(width: int) -> re.Pattern[str]:
    """Finds comments, strings and, as its group, what `_dedent` finds."""
    return re.compile(rf"{SKIPPED}|({_dedent(width).pattern})")


def prune(tree: ast.Module) -> Iterator[Span]:
    """Leave out the body of every function of a module, in place; those on the line of their def stay.

    Yields:
        Where each was; those that were left out before are not told.
    """
    todo: list[ast.AST] = [tree]
    while todo:
        for node in _statements(todo.pop()):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                todo.append(node)
                continue
            if _is_stub(node):
                continue
            first, last = node.body[0], node.body[-1]
            start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
            if start > max([node.lineno, *(n.end_lineno or 0 for n in _header(node))]):
                node.body = [ast.copy_location(ast.Expr(ast.copy_location(ast.Constant(...), first)), first)]
                yield Span(node.lineno, start, last.end_lineno or start)


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    only = node.body[0]
    return isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statements (and handlers, cases) right inside a block."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(node, part, ())


def _header(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr | ast.arg]:
    spec = node.args
    found: list[ast.expr | ast.arg] = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *spec.defaults]
    found += [item for item in (*spec.kw_defaults, node.returns, spec.vararg, spec.kwarg) if item is not None]
    return found
