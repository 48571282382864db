"""Values of the machine as the plain values that facts hold."""

from __future__ import annotations

import ast
from typing import Any

from sftdoctor.flow import UNKNOWN, Machine, Ref, Value

_PLAIN = (bool, int, float, str)
_SHORT = {"half": "float16", "float": "float32"}


def said(value: Value) -> Any:
    """A plain value as it is, a type of torch by its name ("float16"), else "unknown"."""
    if isinstance(value, Ref) and value.name.startswith("torch."):
        return _SHORT.get(value.last, value.last)
    return value if value is None or isinstance(value, _PLAIN) else "unknown"


def said_list(machine: Machine, value: Value) -> Any:
    """The same for what may be a list too: a tuple of plain values."""
    items = machine.items_of(value)
    return said(value) if items is None else tuple(said(item) for item in items)


def keyword_node(node: ast.AST | None, name: str) -> ast.AST | None:
    """Where a keyword's value stands in a call; the call itself where it is not given there."""
    if isinstance(node, ast.Call):
        return next((keyword.value for keyword in node.keywords if keyword.arg == name), node)
    return node


def is_given(value: Value) -> Any:
    """Whether something is passed: true, false (None is nothing) or "unknown"."""
    return "unknown" if value is UNKNOWN else value is not None
