"""Where a module raises by itself, in which words and under which condition: read from its syntax tree, never run."""

from __future__ import annotations

import ast
from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

FEWEST_LETTERS = 12
"""Letters and digits of a raise's own words that must stand in a message: fewer are anybody's."""
MOST_PARTS = 64
"""Parts of a message that are kept."""
CONDITIONS = 3
"""Innermost conditions that are told."""
CONDITION_WIDTH = 160
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
Names = ChainMap[str, ast.expr]
"""Names that hold a text: those of the function, then those around it."""


@dataclass(frozen=True)
class Site:
    """One `raise` or `assert` of a module."""

    kind: str
    """Last part of the exception's name; "" where something is raised that was made elsewhere."""
    words: tuple[str, ...]
    """What its message always says, in order: the text between what is filled in. ("",) where nothing is known."""
    line: int
    end_line: int
    function: str
    """"Class.method"; "" at the top of the module."""
    tests: tuple[tuple[str, ast.expr], ...] = ()
    """The innermost CONDITIONS under which it is reached, the outermost first: "if", "not" or "except", and of what."""

    def conditions(self) -> tuple[str, ...]:
        """The conditions as source, each shortened to CONDITION_WIDTH."""
        return tuple(_short(_said(how, test)) for how, test in self.tests)


def sites(tree: ast.Module) -> list[Site]:
    """Every raise and assert of a module, in the order of its lines.

    Args:
        tree: The module.

    Raises:
        RecursionError: It is nested too deeply.
    """
    return sorted(_below(tree.body, Site("", ("",), 0, 0, ""), ChainMap()), key=lambda site: site.line)


def best_of(found: Sequence[Site], kind: str, message: str, function: str, line: int | None) -> Site | None:
    """The place that raised an exception.

    Args:
        found: Those of the module that its innermost frame names.
        kind: The exception's name, with or without its module.
        message: Its message; may be cut off.
        function: The frame's function, with or without its class.
        line: The frame's line, of a version of the module that may be another; None where it is not known.

    Returns:
        The one whose own words stand in the message; of several that which says most, then the nearest. Else the
        wordless one that stands at that very line. None where there is none, or nothing can be told from it.
    """
    name, method = kind.rpartition(".")[2], function.rpartition(".")[2]
    here = [site for site in found if site.function.rpartition(".")[2] == method and site.kind in ("", name)]
    worded = [site for site in here if _letters(site) >= FEWEST_LETTERS]
    whole = [site for site in worded if fits(site.words, message)]
    said = whole or [site for site in worded if fits(site.words, message, cut_off=True)]
    if said:
        return max(said, key=lambda site: (_letters(site), -abs(site.line - (line or 0))))
    at = [site for site in here if line is not None and site.line <= line <= site.end_line and not _letters(site)]
    return at[0] if at else None


def fits(words: Sequence[str], message: str, *, cut_off: bool = False) -> bool:
    """Whether a message may be made of a raise's words with something filled in between; in linear time.

    Args:
        words: Site.words.
        message: The message, in one line or several.
        cut_off: Whether it ends within the words, at least FEWEST_LETTERS into one of their parts.
    """
    rest = " ".join(message.split())
    for number, part in enumerate(" ".join(one.split()) for one in words):
        at = rest.find(part)
        if at < 0 and cut_off and len(part) >= FEWEST_LETTERS:
            at = rest.find(part[:FEWEST_LETTERS])
            return at >= 0 and (number > 0 or at == 0) and part.startswith(rest[at:])
        if at < 0 or (number == 0 and at > 0):
            return False
        rest = rest[at + len(part) :]
    return True


def _letters(site: Site) -> int:
    return sum(character.isalnum() for part in site.words for character in part)


def _said(how: str, test: ast.expr) -> str:
    if how == "except":
        return f"{ast.unparse(test)} was raised"
    if how == "if":
        return ast.unparse(test)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return ast.unparse(test.operand)
    return ast.unparse(ast.UnaryOp(ast.Not(), test))


def _short(condition: str) -> str:
    return condition if len(condition) <= CONDITION_WIDTH else condition[: CONDITION_WIDTH - 1] + "…"


def _below(body: Sequence[ast.stmt], at: Site, names: Names) -> Iterator[Site]:
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = statement.value
        if isinstance(statement, _SCOPES):
            name = f"{at.function}.{statement.name}".lstrip(".")
            yield from _below(statement.body, replace(at, function=name, tests=()), names.new_child())
        elif isinstance(statement, ast.Raise):
            yield _raise(statement, at, names)
        elif isinstance(statement, ast.Assert):
            words = _text(statement.msg, names) if statement.msg else ("",)
            yield _placed(_under(at, "not", statement.test), statement, "AssertionError", words)
        else:
            yield from _within(statement, at, names)


def _within(statement: ast.stmt, at: Site, names: Names) -> Iterator[Site]:
    """Those in the blocks of a compound statement."""
    if isinstance(statement, ast.If):
        yield from _below(statement.body, _under(at, "if", statement.test), names)
        yield from _below(statement.orelse, _under(at, "not", statement.test), names)
        return
    for field in ("body", "orelse", "finalbody"):
        yield from _below(getattr(statement, field, ()), at, names)
    for handler in getattr(statement, "handlers", ()):
        yield from _below(handler.body, _under(at, "except", handler.type) if handler.type else at, names)
    for case in getattr(statement, "cases", ()):
        yield from _below(case.body, at, names)


def _under(at: Site, how: str, test: ast.expr) -> Site:
    return replace(at, tests=(*at.tests, (how, test))[-CONDITIONS:])


def _raise(statement: ast.Raise, at: Site, names: Names) -> Site:
    raised = statement.exc
    call = raised if isinstance(raised, ast.Call) else None
    named = call.func if call else raised
    name = named.attr if isinstance(named, ast.Attribute) else named.id if isinstance(named, ast.Name) else ""
    words = _text(call.args[0], names) if call and call.args else ("",)
    return _placed(at, statement, name if name[:1].isupper() else "", words)


def _placed(at: Site, statement: ast.stmt, kind: str, words: tuple[str, ...]) -> Site:
    end = statement.end_lineno or statement.lineno
    return replace(at, kind=kind, words=words, line=statement.lineno, end_line=end)


def _text(value: ast.expr, names: Names) -> tuple[str, ...]:
    """The parts of a text that are always there, with a border wherever something is filled in."""
    parts: list[str] = [""]
    for number, piece in enumerate(_pieces(value, names, 0)):
        if piece is None:
            parts.append("")
        elif number < MOST_PARTS:
            parts[-1] += piece
        else:
            break
    return tuple(parts[:MOST_PARTS])


def _pieces(value: ast.expr, names: Names, depth: int) -> Iterator[str | None]:
    """The text in order, None for what is filled in."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        for part in value.values:
            yield from _pieces(part, names, depth)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        yield from _pieces(value.left, names, depth)
        yield from _pieces(value.right, names, depth)
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mod):
        yield from _filled(value.left, "%", names, depth)
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "format":
        yield from _filled(value.func.value, "{", names, depth)
    elif isinstance(value, ast.Name) and value.id in names and depth < 2:
        yield from _pieces(names[value.id], names, depth + 1)
    else:
        yield None


def _filled(template: ast.expr, sign: str, names: Names, depth: int) -> Iterator[str | None]:
    """A template's text; what starts a placeholder ends one part, and the placeholder goes unread."""
    for piece in _pieces(template, names, depth):
        if piece is None:
            yield None
            continue
        first, *others = piece.split(sign)
        yield first
        for other in others:
            yield None
            yield other.partition("}")[2] if sign == "{" else other.lstrip("0123456789.-+")[1:]
