"""Follows expressions: what each stands for."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sftdoctor.link import attributes, calls, classes, containers, enumerations, files, guards, lazy, paths, static
from sftdoctor.link.state import LIKELY, POSSIBLE, Frame, Raised
from sftdoctor.link.values import (
    UNKNOWN,
    Arguments,
    Class,
    Const,
    Dict,
    Instance,
    Likely,
    MaybeUnbound,
    Module,
    Native,
    Seq,
    Unknown,
    Value,
    origin,
    strip,
    truth,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

MAX_TEXT = 20_000
"""Characters; a string that grows larger is not followed."""
MAX_ITEMS = 20_000
ITEMS = "^items"
"""Attribute of an object that no program can set: what it gives by number (of a match of re its groups)."""

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
}


def evaluate(machine: Machine, frame: Frame, node: ast.expr) -> Value:
    """What an expression stands for.

    Raises:
        Raised: It raises.
    """
    handler = EXPRESSIONS.get(type(node))
    if handler is None:
        return UNKNOWN
    machine.step()
    return handler(machine, frame, node)


def last_name(node: ast.expr) -> str:
    """The last part of a name: "BaseModel" of `pydantic.BaseModel`; empty for all else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def lookup(machine: Machine, frame: Frame, name: str) -> Value | None:
    """What a name stands for by Python's scoping; None where nothing binds it."""
    scope: Frame | None = frame
    while scope is not None:
        if scope is frame or scope.kind == "function":
            found = scope.scope.get(name) if name not in scope.globals else None
            if found is not None:
                return found
            if scope.kind == "function" and name in scope.locals:
                return UNKNOWN
        scope = scope.enclosing
    found = frame.module.ns.get(name)
    if found is not None:
        return found
    if frame.module.state == "opaque":
        return static.member(machine, frame.module, name) or machine.builtins.get(name) or UNKNOWN
    return machine.builtins.get(name)


def _name(machine: Machine, frame: Frame, node: ast.Name) -> Value:
    found = lookup(machine, frame, node.id)
    if found is None:
        if frame.module.unsure or machine.declares_global(frame.module, node.id):
            return UNKNOWN
        return machine.unbound(frame, node)
    if isinstance(found, MaybeUnbound):
        return Likely(found.value)
    return found


def _constant(_machine: Machine, _frame: Frame, node: ast.Constant) -> Value:
    return Const(node.value)


def _attribute(machine: Machine, frame: Frame, node: ast.Attribute) -> Value:
    owner = evaluate(machine, frame, node.value)
    if not isinstance(owner, Likely | MaybeUnbound):
        return attributes.get(machine, frame, owner, node.attr, node)
    machine.hedged = True
    try:
        found = strip(attributes.get(machine, frame, strip(owner), node.attr, node))
    finally:
        machine.hedged = False
    return found if isinstance(found, Const | Native | Unknown) else Likely(found)


def _call(machine: Machine, frame: Frame, node: ast.Call) -> Value:
    return calls.call_expression(machine, frame, node)


def _bool(machine: Machine, frame: Frame, node: ast.BoolOp) -> Value:
    """`a or b` is a where a is true; the last operand otherwise. Behind an unknown one its truth may be known."""
    deciding = isinstance(node.op, ast.Or)
    value: Value = UNKNOWN
    doubtful = likely = False
    for operand in node.values:
        with machine.doubting(doubtful):
            value = evaluate(machine, frame, operand)
        answer, sure = truth(value)
        if answer is deciding:
            break
        doubtful |= answer is None
        likely |= not sure
    if doubtful:
        return Unknown(deciding) if answer is deciding else UNKNOWN
    return Likely(value) if likely and isinstance(value, Const) else value


def _not(machine: Machine, frame: Frame, node: ast.UnaryOp) -> Value:
    if isinstance(node.op, ast.Not):
        answer, sure = guards.condition(machine, frame, node.operand)
        if answer is None:
            return UNKNOWN
        return Const(not answer) if sure else Likely(Const(not answer))
    value = strip(evaluate(machine, frame, node.operand))
    if isinstance(node.op, ast.USub) and isinstance(value, Const) and isinstance(value.value, int | float):
        return Const(-value.value)
    return UNKNOWN


def _compare(machine: Machine, frame: Frame, node: ast.Compare) -> Value:
    if len(node.ops) == 1:
        answer, sure = guards.condition(machine, frame, node)
        if answer is None:
            return UNKNOWN
        return Const(answer) if sure else Likely(Const(answer))
    values = [strip(evaluate(machine, frame, n)) for n in (node.left, *node.comparators)]
    answers = [guards.compare(op, a, b) for op, a, b in zip(node.ops, values, values[1:], strict=False)]
    if any(answer is False for answer in answers):
        return Const(False)
    return UNKNOWN if None in answers else Const(True)


def _if_else(machine: Machine, frame: Frame, node: ast.IfExp) -> Value:
    answer, sure = guards.condition(machine, frame, node.test)
    outer = machine.doubt
    if answer is not None:
        machine.doubt = outer if sure else max(outer, LIKELY)
        try:
            value = evaluate(machine, frame, node.body if answer else node.orelse)
        finally:
            machine.doubt = outer
        return value if sure else Likely(strip(value))
    machine.doubt = POSSIBLE
    try:
        found = []
        for side in (node.body, node.orelse):
            try:
                found.append(strip(evaluate(machine, frame, side)))
            except Raised as raised:
                machine.note(raised)
    finally:
        machine.doubt = outer
    if len(found) == 2 and found[0] is found[1]:
        return found[0]
    named = [value for value in found if isinstance(value, Const) and files.is_name(value)]
    return Likely(named[0]) if len(named) == 1 and UNKNOWN in found else UNKNOWN


def may_swell(template: str | bytes) -> bool:
    """Whether a format may give far more text than goes into it: "%999999d"."""
    text = template if isinstance(template, str) else template.decode("latin-1")
    return re.search(r"\d{4}|\*", text) is not None


def binary(op: ast.operator, left: Value, right: Value) -> Value:
    """What an arithmetic operator gives, for constants and sequences."""
    if isinstance(left, Const) and isinstance(right, Const) and type(op) in OPERATORS:
        if isinstance(op, ast.Mod) and isinstance(left.value, str | bytes) and may_swell(left.value):
            return UNKNOWN
        if isinstance(op, ast.Mult) and not all(isinstance(one.value, int | float) for one in (left, right)):
            return UNKNOWN
        try:
            result = OPERATORS[type(op)](left.value, right.value)
        except Exception:
            return UNKNOWN
        return UNKNOWN if isinstance(result, str | bytes | tuple) and len(result) > MAX_TEXT else Const(result)
    if isinstance(op, ast.Add) and isinstance(left, Seq) and isinstance(right, Seq):
        if len(left.items) + len(right.items) < MAX_ITEMS:
            return Seq(left.kind, [*left.items, *right.items], left.open or right.open)
        return Seq(left.kind, [], True)
    if isinstance(op, ast.BitOr) and isinstance(left, Dict) and isinstance(right, Dict):
        joined = Dict(dict(left.items), left.open, left.settings)
        containers.take(joined, right)
        return joined
    return UNKNOWN


def _binary(machine: Machine, frame: Frame, node: ast.BinOp) -> Value:
    operands = evaluate(machine, frame, node.left), evaluate(machine, frame, node.right)
    left, right = map(strip, operands)
    if isinstance(left, Instance) and isinstance(node.op, ast.Div) and left.cls.name == "Path":
        return paths.divide(machine, left, right)
    found = binary(node.op, left, right)
    doubtful = isinstance(found, Const) and any(isinstance(one, Likely | MaybeUnbound) for one in operands)
    return Likely(found) if doubtful else found


def _sequence(machine: Machine, frame: Frame, node: ast.List | ast.Tuple | ast.Set) -> Value:
    kind = {ast.List: "list", ast.Tuple: "tuple", ast.Set: "set"}[type(node)]
    found = Seq(kind)
    for item in node.elts:
        if isinstance(item, ast.Starred):
            inner = iterate(machine, evaluate(machine, frame, item.value))
            if inner is None:
                found.open = True
            else:
                found.items.extend(inner)
        else:
            found.items.append(evaluate(machine, frame, item))
    return found


def _dict(machine: Machine, frame: Frame, node: ast.Dict) -> Value:
    found = Dict()
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        value = evaluate(machine, frame, value_node)
        if key_node is None:
            inner = strip(value)
            if isinstance(inner, Dict):
                containers.take(found, inner)
            else:
                found.open = True
            continue
        named = evaluate(machine, frame, key_node)
        key = guards.plain(named)
        try:
            hash(key)
        except TypeError:
            key = None
        if key is None and not (isinstance(key_node, ast.Constant) and key_node.value is None):
            found.open = True
        else:
            found.items[key] = value
            found.place(key, origin(named))
    return found


def _joined(machine: Machine, frame: Frame, node: ast.JoinedStr) -> Value:
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        if isinstance(part, ast.FormattedValue):
            value = strip(evaluate(machine, frame, part.value))
            if isinstance(value, Const) and part.format_spec is None and part.conversion == -1:
                bare = isinstance(value.value, enumerations.Member) and machine.locator.python < (3, 11)
                parts.append(str.__str__(value.value) if bare else str(value.value))
                continue
        return UNKNOWN
    joined = "".join(parts)
    return Const(joined) if len(joined) <= MAX_TEXT else UNKNOWN


def _subscript(machine: Machine, frame: Frame, node: ast.Subscript) -> Value:
    owner = strip(evaluate(machine, frame, node.value))
    if isinstance(node.slice, ast.Slice):
        return _slice(machine, frame, owner, node.slice)
    key = guards.plain(evaluate(machine, frame, node.slice))
    if key is None:
        return UNKNOWN
    if isinstance(node.value, ast.Attribute) and node.value.attr == lazy.STRUCTURE and isinstance(key, str):
        package = strip(evaluate(machine, frame, node.value.value))
        if isinstance(package, Module) and lazy.has_key(machine, package, key) is False:
            return machine.broken("missing-attribute", "KeyError", f"'{key}'", key, frame, node, callee=package)
    if owner is machine.sys_modules:
        return machine.modules.get(str(key), UNKNOWN)
    if isinstance(owner, Instance):
        owner = owner.attrs.get(ITEMS, UNKNOWN)
    if isinstance(owner, Dict):
        try:
            return owner.items.get(key, UNKNOWN)
        except TypeError:
            return UNKNOWN
    if (
        isinstance(owner, Seq)
        and isinstance(key, int)
        and not owner.open
        and -len(owner.items) <= key < len(owner.items)
    ):
        return owner.items[key] if owner.kind != "set" else UNKNOWN
    if isinstance(owner, Const) and isinstance(owner.value, str | tuple):
        try:
            return Const(owner.value[key])
        except (TypeError, IndexError, KeyError):
            return UNKNOWN
    return UNKNOWN


def _slice(machine: Machine, frame: Frame, owner: Value, node: ast.Slice) -> Value:
    bounds: list[int | None] = []
    for part in (node.lower, node.upper, node.step):
        value = None if part is None else strip(evaluate(machine, frame, part))
        if value is not None and not (isinstance(value, Const) and isinstance(value.value, int | None)):
            return UNKNOWN
        bounds.append(None if value is None else value.value)
    if isinstance(owner, Const) and isinstance(owner.value, str | tuple):
        return Const(owner.value[slice(*bounds)])
    if isinstance(owner, Seq) and not owner.open:
        return Seq(owner.kind, owner.items[slice(*bounds)])
    return UNKNOWN


def _lambda(machine: Machine, frame: Frame, node: ast.Lambda) -> Value:
    return classes.define_function(machine, frame, node)


def _comprehension(
    machine: Machine, frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Value:
    inner = Frame(frame.module, {}, "function", frame, qualname=frame.qualname, line=frame.line)
    found, mapping = Seq("set" if isinstance(node, ast.SetComp) else "list"), Dict()

    def collect() -> None:
        if isinstance(node, ast.DictComp):
            named = evaluate(machine, inner, node.key)
            key = guards.plain(named)
            if key is None or isinstance(key, list):
                mapping.open = True
            else:
                mapping.items[key] = evaluate(machine, inner, node.value)
                mapping.place(key, origin(named))
        else:
            found.items.append(evaluate(machine, inner, node.elt))

    outermost = evaluate(machine, frame, node.generators[0].iter)  # the one part that sees the names of a class body
    if not _rounds(machine, inner, node.generators, outermost, collect):
        found.open = mapping.open = True
    return mapping if isinstance(node, ast.DictComp) else found


def _rounds(
    machine: Machine, frame: Frame, generators: list[ast.comprehension], over: Value, collect: Callable[[], None]
) -> bool:
    """Run a comprehension's loops, the first over `over`; whether every round and every condition was known."""
    first, rest = generators[0], generators[1:]
    items = iterate(machine, over)
    if items is None:
        return False
    known = True
    for item in items:
        machine.assign(frame, first.target, item)
        answers = [guards.decided(machine, frame, test)[0] for test in first.ifs]
        if any(answer is False for answer in answers):
            continue
        if None in answers:
            known = False
        elif rest:
            known &= _rounds(machine, frame, rest, evaluate(machine, frame, rest[0].iter), collect)
        else:
            collect()
    return known


def _named(machine: Machine, frame: Frame, node: ast.NamedExpr) -> Value:
    value = evaluate(machine, frame, node.value)
    machine.assign(frame, node.target, value)
    return value


def _await(machine: Machine, frame: Frame, node: ast.Await | ast.YieldFrom) -> Value:
    evaluate(machine, frame, node.value)
    return UNKNOWN


def _yield(machine: Machine, frame: Frame, node: ast.Yield) -> Value:
    if node.value is not None:
        evaluate(machine, frame, node.value)
    return UNKNOWN


def iterate(machine: Machine, value: Value) -> list[Value] | None:
    """The items that a loop over the value sees; None where they are not known."""
    doubtful = isinstance(value, Likely | MaybeUnbound)
    value = strip(value)
    if doubtful:
        return None
    if isinstance(value, Seq) and not value.open and len(value.items) <= MAX_ITEMS:
        return list(value.items)
    if isinstance(value, Dict) and not value.open:
        return [value.key(key) for key in value.items]
    if isinstance(value, Const) and isinstance(value.value, str | tuple | frozenset | range):
        return [Const(item) for item in value.value] if len(value.value) < MAX_ITEMS else None
    if isinstance(value, Class) and (known := enumerations.members(value)) is not None:
        return list[Value](known)
    return None


def arguments(machine: Machine, frame: Frame, node: ast.Call) -> Arguments:
    """The arguments of a call, `*` and `**` unpacked as far as known."""
    found = Arguments()
    for item in node.args:
        if isinstance(item, ast.Starred):
            inner = iterate(machine, evaluate(machine, frame, item.value))
            if inner is None:
                found.star = True
            elif not found.star:
                found.positional.extend(inner)
        elif not found.star:
            found.positional.append(evaluate(machine, frame, item))
        else:
            evaluate(machine, frame, item)
    for keyword in node.keywords:
        value = evaluate(machine, frame, keyword.value)
        if keyword.arg is not None:
            found.keywords[keyword.arg] = value
            continue
        inner_dict = strip(value)
        if isinstance(inner_dict, Dict):
            sure = {k: v for k, v in inner_dict.items.items() if isinstance(k, str) and not isinstance(v, MaybeUnbound)}
            found.keywords.update(sure)
            found.settings.update({k: v for k, v in (inner_dict.settings or {}).items() if k in sure})
            found.double_star |= inner_dict.open or len(sure) < len(inner_dict.items)
        else:
            found.double_star = True  # None too: Python would refuse it, so that something else is there in a run
    return found


EXPRESSIONS: dict[type[ast.expr], Callable[..., Value]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.BoolOp: _bool,
    ast.UnaryOp: _not,
    ast.Compare: _compare,
    ast.IfExp: _if_else,
    ast.BinOp: _binary,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.Subscript: _subscript,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.NamedExpr: _named,
    ast.Await: _await,
    ast.YieldFrom: _await,
    ast.Yield: _yield,
}
