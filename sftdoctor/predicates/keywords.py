"""Whether a call of the user's gives a keyword where it can be edited: in the call, or in a dictionary beside it."""

from __future__ import annotations

import ast

from sftdoctor.model import Location
from sftdoctor.nodes import Syntax, syntax_of


def is_written(source: str, location: Location, name: str, *, adds: bool = False) -> bool:
    """Whether an edit finds a keyword.

    Args:
        source: The script.
        location: Of the call.
        name: The keyword.
        adds: Whether the edit may add it, where the call unpacks nothing.

    Returns:
        Whether the call gives it by itself, or unpacks a dictionary that is written out and has it; True as well where
        there is no such call, so that it is another edit's matter.
    """
    syntax = syntax_of(source)
    calls = _calls_at(syntax, location) if syntax is not None else []
    return not calls or any(_gives(syntax, call, name, adds) for call in calls if syntax is not None)


def _gives(syntax: Syntax, call: ast.Call, name: str, adds: bool) -> bool:
    unpacked = [keyword.value for keyword in call.keywords if keyword.arg is None]
    if any(keyword.arg == name for keyword in call.keywords) or (adds and not unpacked):
        return True
    return any(_has(_bound(syntax, value), name) for value in unpacked)


def _calls_at(syntax: Syntax, location: Location) -> list[ast.Call]:
    """The calls that stand there: of `f(…).g()` two begin at one place."""
    end = (location.end_line, location.end_column)
    return [
        node
        for node in syntax.nodes
        if isinstance(node, ast.Call)
        and (node.lineno, node.col_offset + 1) == (location.line, location.column)
        and (None in end or (node.end_lineno, (node.end_col_offset or 0) + 1) == end)
    ]


def _bound(syntax: Syntax, value: ast.expr) -> ast.expr:
    """What a name is bound to, where a single statement of the script binds it."""
    if not isinstance(value, ast.Name):
        return value
    found = [
        node.value
        for node in syntax.nodes
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == value.id for t in node.targets)
    ]
    return found[0] if len(found) == 1 else value


def _has(value: ast.expr, name: str) -> bool:
    if isinstance(value, ast.Dict):
        return any(isinstance(key, ast.Constant) and key.value == name for key in value.keys)
    made = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict"
    return made and isinstance(value, ast.Call) and any(keyword.arg == name for keyword in value.keywords)
