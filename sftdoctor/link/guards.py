"""Three-valued conditions: true, false or not known, and whether that is sure."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sftdoctor import nodes
from sftdoctor.link import expressions
from sftdoctor.link.state import Frame
from sftdoctor.link.values import (
    Class,
    Const,
    Dict,
    Function,
    FunctionNode,
    Instance,
    Likely,
    MaybeUnbound,
    Module,
    Seq,
    Unknown,
    Value,
    strip,
    truth,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

Answer = tuple[bool | None, bool]

SHORT = 8
"""Statements of a function that does no more than answer a question."""
_DOINGS = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.With, ast.For, ast.While, ast.Try, ast.Await)

ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def condition(machine: Machine, frame: Frame, node: ast.expr) -> Answer:
    """Whether a condition holds.

    Args:
        machine: The run.
        frame: Whose names it uses.
        node: The condition.

    Returns:
        True, False or None (cannot be known), and whether that is sure (False: it hangs on a name that an unknown
        branch may have bound anew).
    """
    if isinstance(node, ast.BoolOp):
        return _connective(machine, frame, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        answer, sure = condition(machine, frame, node.operand)
        return (None if answer is None else not answer), sure
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left = expressions.evaluate(machine, frame, node.left)
        right = expressions.evaluate(machine, frame, node.comparators[0])
        sure = not isinstance(left, Likely | MaybeUnbound) and not isinstance(right, Likely | MaybeUnbound)
        return compare(node.ops[0], strip(left), strip(right)), sure
    return truth(expressions.evaluate(machine, frame, node))


def decided(machine: Machine, frame: Frame, node: ast.expr) -> Answer:
    """The same for what is done or not: in a check of a config, what is no more than likely is not known."""
    answer, sure = condition(machine, frame, node)
    return (answer, sure) if sure or not machine.strict else (None, False)


def is_question(node: FunctionNode) -> bool:
    """Whether a function is short and changes nothing, as `is_torch_version(">=", "2.5")` is: following it where it may
    not be reached does no harm, and its answer counts."""
    if isinstance(node, ast.Lambda):
        return True
    if len(node.body) > SHORT:
        return False
    for one in nodes.walk(node):
        if isinstance(one, _DOINGS):
            return False
        if isinstance(one, ast.Attribute | ast.Subscript) and not isinstance(one.ctx, ast.Load):
            return False
    return True


def _connective(machine: Machine, frame: Frame, node: ast.BoolOp) -> Answer:
    """`and`, `or`: one deciding operand settles it, whatever the others are."""
    deciding = isinstance(node.op, ast.Or)
    answer: bool | None = not deciding
    all_sure = True
    for operand in node.values:
        with machine.doubting(answer is None):  # what is not known may have settled it
            found, sure = condition(machine, frame, operand)
        if found is deciding:
            return deciding, sure or (answer is None and not machine.strict)
        if found is None:
            answer = None
        all_sure &= sure
    return answer, all_sure


def compare(op: ast.cmpop, left: Value, right: Value) -> bool | None:
    """What one comparison of two values gives; None where that cannot be known."""
    if isinstance(op, ast.Is | ast.IsNot):
        same = _identical(left, right)
        return same if same is None or isinstance(op, ast.Is) else not same
    if isinstance(op, ast.In | ast.NotIn):
        inside = _contains(left, right)
        return inside if inside is None or isinstance(op, ast.In) else not inside
    if isinstance(left, Const) and isinstance(right, Const):
        try:
            return bool(ORDER[type(op)](left.value, right.value))
        except (TypeError, ValueError):
            return None
    if isinstance(left, Seq | Const) and isinstance(right, Seq | Const):
        a, b = plain(left), plain(right)
        if a is not None and b is not None:
            try:
                return bool(ORDER[type(op)](a, b))
            except TypeError:
                return None
    if isinstance(op, ast.Eq | ast.NotEq):
        same = _identical(left, right)
        if same is None or (same is False and isinstance(left, Instance | Unknown) | isinstance(right, Instance)):
            return None
        return same if isinstance(op, ast.Eq) else not same
    return None


def plain(value: Value) -> Any:
    """A constant or a closed sequence of constants as Python has it; None where it is neither."""
    value = strip(value)
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Seq) and not value.open:
        items = [plain(item) for item in value.items]
        if any(i is None and not isinstance(strip(o), Const) for i, o in zip(items, value.items, strict=True)):
            return None
        return tuple(items) if value.kind == "tuple" else items
    return None


def _identical(left: Value, right: Value) -> bool | None:
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return None
    if isinstance(left, Const) and isinstance(right, Const):
        if left.value is None or right.value is None:
            return left.value is right.value
        return bool(left.value == right.value) if type(left.value) is type(right.value) else None
    if left is right:
        return True
    none_side = (isinstance(left, Const) and left.value is None) or (isinstance(right, Const) and right.value is None)
    if none_side:
        return False
    known = (Module, Class, Function)
    return False if isinstance(left, known) and isinstance(right, known) else None


def _contains(item: Value, container: Value) -> bool | None:
    if not isinstance(item, Const):
        return False if isinstance(container, Seq | Dict) and not container.open and not container.items else None
    try:
        if isinstance(container, Const) and isinstance(container.value, str | bytes | frozenset | tuple):
            return item.value in container.value
        if isinstance(container, Dict):
            if item.value in container.items:
                return not isinstance(container.items[item.value], MaybeUnbound) or None
            return None if container.open else False
    except TypeError:
        return None
    if isinstance(container, Seq):
        known = [strip(i) for i in container.items]
        if any(isinstance(i, Const) and i.value == item.value for i in known):
            return True
        closed = not container.open and all(isinstance(i, Const | Class | Function | Module) for i in known)
        return False if closed else None
    return None
