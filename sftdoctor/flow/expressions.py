"""Expressions: from a node of the syntax tree to a Value."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from packaging.version import Version

from sftdoctor.flow.arguments import Arguments
from sftdoctor.flow.heap import MISSING, Heap
from sftdoctor.flow.values import UNKNOWN, ClassValue, Function, Method, Obj, Ref, Value, truth

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
}
_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_TEXT_LIMIT = 10_000


class Expressions:
    """The half of the Machine that evaluates expressions."""

    heap: Heap

    def lookup(self, name: str, node: ast.AST) -> Value:
        """The value of a name; Machine knows the frames."""
        raise NotImplementedError

    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        """The value of an attribute; Machine asks the World."""
        raise NotImplementedError

    def call(self, function: Value, given: Arguments, node: ast.AST) -> Value:
        """What a call gives back; Machine knows how."""
        raise NotImplementedError

    def item(self, value: Value, key: Value) -> Value:
        """`value[key]` of what is no container here; Machine asks the World."""
        raise NotImplementedError

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        """The function that a definition makes."""
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value) -> None:
        """Bind a target."""
        raise NotImplementedError

    def spend(self) -> None:
        """Take one step of the budget."""
        raise NotImplementedError

    def truth(self, value: Value) -> bool | None:
        """Whether a value is true, with what the heap knows about its length."""
        if isinstance(value, Obj) and value.kind in ("dict", "list", "set"):
            record = self.heap.record(value)
            sure = sum(1 for _ in self.heap.items(value))
            return True if sure else (None if record.open or record.slots else False)
        return truth(value)

    def evaluate(self, node: ast.expr | None) -> Value:
        """Evaluate an expression; what is not understood is UNKNOWN."""
        if node is None:
            return None
        self.spend()
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        return method(node) if method is not None else UNKNOWN

    def _constant(self, node: ast.Constant) -> Value:
        return node.value

    def _name(self, node: ast.Name) -> Value:
        return self.lookup(node.id, node)

    def _attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.evaluate(node.value), node.attr, node)

    def _namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Value:
        return self.function(node)

    def _await(self, node: ast.Await) -> Value:
        return self.evaluate(node.value)

    def _tuple(self, node: ast.Tuple) -> Value:
        return self._elements(node.elts)

    def _elements(self, nodes: list[ast.expr]) -> Value:
        if any(isinstance(item, ast.Starred) for item in nodes):
            return UNKNOWN
        return tuple(self.evaluate(item) for item in nodes)

    def _list(self, node: ast.List) -> Value:
        items = self._elements(node.elts)
        return self.make_list(items if isinstance(items, tuple) else None, node)

    def _set(self, node: ast.Set) -> Value:
        return self._elements(node.elts)

    def make_list(self, items: tuple[Value, ...] | None, node: ast.AST | None = None) -> Obj:
        """A list with those items; with unknown ones for None."""
        return self.heap.add(Obj("list", node), dict(enumerate(items or ())), open=items is None)

    def items_of(self, value: Value) -> tuple[Value, ...] | None:
        """The items of a tuple or list; None where they cannot be known."""
        if isinstance(value, tuple):
            return value
        if isinstance(value, Obj) and value.kind == "list":
            record = self.heap.record(value)
            if not record.open and list(record.slots) == list(range(len(record.slots))):
                return tuple(self.heap.get(value, index) for index in range(len(record.slots)))
        return None

    def make_dict(self, slots: dict[Any, Value], node: ast.AST | None = None, *, open: bool = False) -> Obj:
        """A dictionary with those keys; `open` where it may have more."""
        return self.heap.add(Obj("dict", node), slots, open=open)

    def _dict(self, node: ast.Dict) -> Value:
        made = self.make_dict({}, node)
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                self.update_dict(made, self.evaluate(value))
                continue
            name, item = self.evaluate(key), self.evaluate(value)
            if isinstance(name, (str, int, tuple)) or name is None:
                self.heap.set(made, name, item)
            else:
                self.heap.record(made).open = True
        return made

    def update_dict(self, target: Obj, source: Value) -> None:
        """target.update(source)."""
        if isinstance(source, Obj) and source.kind == "dict":
            self.heap.record(target).slots.update(self.heap.record(source).slots)
            self.heap.record(target).open |= self.heap.record(source).open
        elif source is not None:
            self.heap.record(target).open = True

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        parts = [self._text_of(part) for part in node.values]
        return "".join(parts) if all(isinstance(part, str) for part in parts) else UNKNOWN

    def _text_of(self, part: ast.expr) -> Any:
        value = self.evaluate(part.value if isinstance(part, ast.FormattedValue) else part)
        if isinstance(part, ast.FormattedValue) and (part.format_spec is not None or part.conversion not in (-1, 115)):
            return UNKNOWN
        return str(value) if value is None or isinstance(value, (str, int, float, Version)) else UNKNOWN

    def _ifexp(self, node: ast.IfExp) -> Value:
        decided = self.truth(self.evaluate(node.test))
        if decided is not None:
            return self.evaluate(node.body if decided else node.orelse)
        return self.either(lambda: self.evaluate(node.body), lambda: self.evaluate(node.orelse))

    def either(self, first: Callable[[], Value], second: Callable[[], Value]) -> Value:
        """The value after one of two ways, of which it is not known which is taken."""
        raise NotImplementedError

    def _boolop(self, node: ast.BoolOp) -> Value:
        stops = isinstance(node.op, ast.Or)
        unsure = False
        value: Value = UNKNOWN
        for operand in node.values:
            value = self.evaluate(operand)
            decided = self.truth(value)
            if decided is stops:
                # `unknown and False` is falsy, whatever the unknown is; `unknown or x` is truthy for a truthy x.
                return stops if unsure else value
            unsure |= decided is None
        return UNKNOWN if unsure else value

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        value = self.evaluate(node.operand)
        if isinstance(node.op, ast.Not):
            decided = self.truth(value)
            return UNKNOWN if decided is None else not decided
        if isinstance(value, (int, float)) and isinstance(node.op, ast.USub):
            return -value
        return UNKNOWN

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        return self.arithmetic(node.op, left, right, node)

    def arithmetic(self, op: ast.operator, left: Value, right: Value, node: ast.AST) -> Value:
        """left op right, for constants and dictionaries."""
        if isinstance(op, ast.BitOr) and isinstance(left, Obj) and left.kind == "dict":
            merged = self.make_dict({}, node)
            self.update_dict(merged, left)
            self.update_dict(merged, right)
            return merged
        operation = _ARITHMETIC.get(type(op))
        numbers = all(isinstance(value, (int, float)) and abs(value) < 1e15 for value in (left, right))
        texts = isinstance(op, ast.Add) and all(isinstance(value, str) for value in (left, right))
        if operation is None or not (numbers or texts):
            return UNKNOWN
        try:
            result = operation(left, right)
        except ArithmeticError:
            return UNKNOWN
        return UNKNOWN if isinstance(result, str) and len(result) > _TEXT_LIMIT else result

    def _compare(self, node: ast.Compare) -> Value:
        left = self.evaluate(node.left)
        result: bool | None = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.evaluate(comparator)
            one = self.compare(op, left, right)
            if one is False:
                return False
            result = None if one is None or result is None else result
            left = right
        return UNKNOWN if result is None else result

    def compare(self, op: ast.cmpop, left: Value, right: Value) -> bool | None:
        """One comparison; None where it cannot be known."""
        if isinstance(op, (ast.In, ast.NotIn)):
            inside = self.contains(right, left)
            return inside if inside is None or isinstance(op, ast.In) else not inside
        if isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
            equal = self._equal(left, right, identity=isinstance(op, (ast.Is, ast.IsNot)))
            return equal if equal is None or isinstance(op, (ast.Is, ast.Eq)) else not equal
        order = _ORDER.get(type(op))
        both_numbers = all(isinstance(value, (int, float)) for value in (left, right))
        if order is None or not (both_numbers or (type(left) is type(right) and isinstance(left, (str, Version)))):
            return None
        return bool(order(left, right))

    def _equal(self, left: Value, right: Value, *, identity: bool) -> bool | None:
        if left is UNKNOWN or right is UNKNOWN:
            return None
        if isinstance(left, Ref) or isinstance(right, Ref):
            return left == right if isinstance(left, Ref) and isinstance(right, Ref) else None
        if isinstance(left, Method) or isinstance(right, Method):
            return None
        if isinstance(left, (Obj, Function, ClassValue)) or isinstance(right, (Obj, Function, ClassValue)):
            return True if left is right else (False if identity or left is None or right is None else None)
        if isinstance(left, tuple) and isinstance(right, tuple):
            parts = [self._equal(x, y, identity=False) for x, y in zip(left, right, strict=False)]
            return False if len(left) != len(right) or False in parts else (None if None in parts else True)
        return bool(left == right)

    def contains(self, container: Value, item: Value) -> bool | None:
        """`item in container`; None where it cannot be known."""
        if isinstance(container, str):
            return item in container if isinstance(item, str) else None
        if isinstance(container, Obj) and container.kind == "dict":
            return self.heap.has(container, item) if isinstance(item, (str, int)) else None
        items = self.items_of(container)
        if items is None:
            return None
        answers = [self._equal(item, other, identity=False) for other in items]
        return True if True in answers else (None if None in answers else False)

    def _subscript(self, node: ast.Subscript) -> Value:
        value = self.evaluate(node.value)
        key = self.evaluate(node.slice) if not isinstance(node.slice, ast.Slice) else UNKNOWN
        if isinstance(value, Obj) and value.kind in ("dict", "list") and isinstance(key, (str, int)):
            return self.heap.get(value, key)
        if isinstance(value, tuple) and isinstance(key, int) and -len(value) <= key < len(value):
            return value[key]
        return self.item(value, key) if isinstance(value, Obj) and value.kind not in ("dict", "list") else UNKNOWN

    def _call(self, node: ast.Call) -> Value:
        function = self.evaluate(node.func)
        given = Arguments()
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                items = self.items_of(self.evaluate(argument.value))
                given.positional.extend(items or ())
                given.open |= items is None
            else:
                given.positional.append(self.evaluate(argument))
        for keyword in node.keywords:
            value = self.evaluate(keyword.value)
            if keyword.arg is not None:
                given.keywords[keyword.arg] = value
            else:
                self._spread(given, value)
        return self.call(function, given, node)

    def _spread(self, given: Arguments, value: Value) -> None:
        """`**value`."""
        if not isinstance(value, Obj) or value.kind != "dict":
            given.open = True
            return
        record = self.heap.record(value)
        given.open |= record.open
        for key in record.slots:
            if isinstance(key, str):
                given.keywords[key] = self.heap.get(value, key)

    def slot(self, obj: Obj, name: str) -> Value:
        """A slot that is there, else MISSING."""
        return self.heap.get(obj, name, MISSING)
