"""Python's builtins, as far as they matter to what a script or a library function does."""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sftdoctor.flow.arguments import Arguments
from sftdoctor.flow.heap import MISSING
from sftdoctor.flow.values import UNKNOWN, Obj, Partial, Ref, Value

if TYPE_CHECKING:
    from sftdoctor.flow.machine import Machine

_NAMES = frozenset(dir(builtins))
_TEXT_LIMIT = 200


def builtin(name: str) -> Value:
    """The builtin of that name; UNKNOWN where there is none."""
    return Ref(f"builtins.{name}") if name in _NAMES else UNKNOWN


def call_builtin(machine: Machine, function: Value, given: Arguments, node: ast.AST) -> Value:
    """What a call of a builtin (or of functools.partial) gives back.

    Args:
        machine: The machine.
        function: What is called.
        given: What the call passes.
        node: The call.

    Returns:
        Its value; MISSING where it is no builtin that is known here.
    """
    if not isinstance(function, Ref):
        return MISSING
    if function.name == "functools.partial" and given.positional:
        return Partial(given.positional[0], tuple(given.positional[1:]), tuple(given.keywords.items()), given.open)
    if not function.name.startswith("builtins."):
        return MISSING
    known = _CALLS.get(function.last)
    return known(machine, given, node) if known is not None else MISSING


def _getattr(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    owner, name = given.get(0, ""), given.get(1, "")
    if not isinstance(name, str):
        return UNKNOWN
    there = machine.world.has_attribute(machine, owner, name)
    if there is False and len(given.positional) > 2:
        return given.positional[2]
    value = machine.attribute(owner, name, node)
    return UNKNOWN if there is None and len(given.positional) > 2 else value


def _hasattr(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    name = given.get(1, "")
    there = machine.world.has_attribute(machine, given.get(0, ""), name) if isinstance(name, str) else None
    return UNKNOWN if there is None else there


def _setattr(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    owner, name, value = (given.get(index, "") for index in range(3))
    if isinstance(name, str):
        machine.world.set_attribute(machine, owner, name, value, node)
    return None


def _dict(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    made = machine.make_dict({}, node, open=given.open)
    for source in given.positional:
        machine.update_dict(made, source)
    machine.heap.record(made).slots.update(given.keywords)
    return made


def _sequence(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0, "", ())
    items = machine.items_of(value)
    if items is None and isinstance(value, Obj) and value.kind == "dict" and not machine.heap.record(value).open:
        items = tuple(machine.heap.record(value).slots)
    return items if items is not None else UNKNOWN


def _list(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    items = _sequence(machine, given, node)
    return items if items is UNKNOWN else machine.make_list(items, node)


def _len(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    items = _sequence(machine, given, node)
    return len(items) if isinstance(items, tuple) else UNKNOWN


def _bool(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    decided = machine.truth(given.get(0, "", False))
    return UNKNOWN if decided is None else decided


def _convert(kind: Callable[[Any], Value], machine: Machine, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0, "")
    if len(given.positional) != 1 or not isinstance(value, (str, int, float)) or len(str(value)) > _TEXT_LIMIT:
        return UNKNOWN
    try:
        return kind(value)
    except ValueError:
        return UNKNOWN


_CALLS: Mapping[str, Callable[[Machine, Arguments, ast.AST], Value]] = {
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "dict": _dict,
    "list": _list,
    "tuple": _sequence,
    "set": _sequence,
    "len": _len,
    "bool": _bool,
    "int": functools.partial(_convert, int),
    "float": functools.partial(_convert, float),
    "str": functools.partial(_convert, str),
}
