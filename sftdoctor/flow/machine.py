"""Frames, names and calls: the Machine."""

from __future__ import annotations

import ast

from sftdoctor import nodes
from sftdoctor.flow.arguments import Arguments, bind
from sftdoctor.flow.heap import MISSING, Heap, join_values
from sftdoctor.flow.statements import Statements
from sftdoctor.flow.values import UNKNOWN, Function, Method, Obj, Partial, Value
from sftdoctor.flow.world import World

BUDGET = 400_000
DEPTH = 16
_PARENT = ("enclosing frame",)


class BudgetError(Exception):
    """The source is too large to be followed."""


class Machine(Statements):
    """Evaluates source against a World.

    Args:
        world: What lies outside.
        budget: So many expressions and statements are evaluated at most.
    """

    def __init__(self, world: World, budget: int = BUDGET) -> None:
        self.world = world
        self.heap = Heap()
        self.budget = budget
        self._frames: list[Obj] = []
        self._modules: list[str] = []
        self._functions: list[ast.AST] = []
        self._returns: list[list[tuple[Value, Heap]]] = []
        self._loops: list[list[Heap]] = []

    # Frames and names

    def run(self, body: list[ast.stmt], module: str, frame: Obj | None = None) -> Obj:
        """Evaluate statements.

        Args:
            body: The statements of a module, or some of a function.
            module: Name of the module that they belong to.
            frame: What they bind their names in, with what it binds beforehand; a new one for None.

        Returns:
            The frame.
        """
        frame = frame or self.heap.add(Obj("frame"))
        self._enter(frame, module, frame)
        try:
            self.block(body)
        finally:
            self._leave()
        return frame

    def _enter(self, frame: Obj, module: str, node: object) -> None:
        self._frames.append(frame)
        self._modules.append(module)
        self._functions.append(node)  # type: ignore[arg-type]
        self._returns.append([])

    def _leave(self) -> list[tuple[Value, Heap]]:
        self._frames.pop()
        self._modules.pop()
        self._functions.pop()
        return self._returns.pop()

    @property
    def module(self) -> str:
        return self._modules[-1] if self._modules else ""

    def lookup(self, name: str, node: ast.AST) -> Value:
        frame: Obj | None = self._frames[-1]
        while frame is not None:
            found = self.heap.get(frame, name, MISSING)
            if found is not MISSING:
                return found
            frame = self.heap.get(frame, _PARENT, None)
        return self.world.name(self, name, self.module)

    def spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise BudgetError

    def attribute(self, value: Value, name: str, node: ast.AST) -> Value:
        if isinstance(value, Obj):
            found = self.heap.get(value, name, MISSING)
            if found is not MISSING and value.kind not in ("dict", "list"):
                return found
        return self.world.attribute(self, value, name, node)

    def set_attribute(self, owner: Value, name: str, value: Value, node: ast.AST) -> None:
        self.world.set_attribute(self, owner, name, value, node)

    def item(self, value: Value, key: Value) -> Value:
        return self.world.item(self, value, key)

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        return self.world.elements(self, value)

    def resolve(self, imported: str, level: int) -> str:
        return self.world.resolve(self.module, imported, level)

    def imported(self, name: str, level: int = 0) -> Obj | None:
        return self.world.imported(self, self.module, name, level)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        return Function(node, self.module, self._frames[-1] if self._frames else None)

    def decorated(self, function: Function) -> Value:
        return self.world.decorated(self, function)

    # Calls

    def call(self, function: Value, given: Arguments, node: ast.AST) -> Value:
        if isinstance(function, Partial):
            merged = Arguments(
                [*function.positional, *given.positional],
                {**dict(function.keywords), **given.keywords},
                given.open or function.open,
            )
            return self.call(function.function, merged, node)
        if isinstance(function, Function):
            if function.node in self._functions or len(self._frames) > DEPTH:
                return UNKNOWN
            return self.enter(function, given) if self.world.inline(self, function, given) else UNKNOWN
        if isinstance(function, Method) and isinstance(function.receiver, Obj):
            built_in = self._container_method(function.receiver, function.name, given)
            if built_in is not MISSING:
                return built_in
        return self.world.call(self, function, given, node)

    def enter(self, function: Function, given: Arguments) -> Value:
        """Evaluate a function's body.

        Args:
            function: The function.
            given: What the call passes, without the receiver of a bound method.

        Returns:
            What it returns; UNKNOWN for generators.

        Raises:
            RaisedError: On every path, or because the arguments do not fit.
        """
        if function.bound:
            given = Arguments([function.receiver, *given.positional], given.keywords, given.open)
        spec = function.node.args
        bound = bind(function.name, spec, given)
        frame = self.heap.add(Obj("frame"), dict(bound.values))
        self.heap.set(frame, _PARENT, function.scope)
        self._enter(frame, function.module, function.node)
        try:
            for name, default in bound.defaults.items():
                self.heap.set(frame, name, self.evaluate(default))
            if spec.vararg is not None:
                self.heap.set(frame, spec.vararg.arg, UNKNOWN if given.open else bound.rest)
            if spec.kwarg is not None:
                self.heap.set(frame, spec.kwarg.arg, self.make_dict(dict(bound.keywords), open=given.open))
            value = self._body(function.node)
        finally:
            self._leave()
        return value

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Value:
        if isinstance(node, ast.Lambda):
            return self.evaluate(node.body)
        loops, self._loops = self._loops, []
        try:
            alive = self.block(node.body)
        finally:
            self._loops = loops
        returns = self._returns[-1]
        if alive:
            returns.append((None, self.heap))
        if not returns:
            return UNKNOWN
        value, self.heap = returns[0]
        for other, heap in returns[1:]:
            self.heap, value = join_values((self.heap, heap), value, other)
        return UNKNOWN if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in nodes.walk(node)) else value

    def _container_method(self, obj: Obj, name: str, given: Arguments) -> Value:
        """Methods of dictionaries and lists; MISSING for everything else."""
        if obj.kind == "list" and name == "append" and len(given.positional) == 1:
            self.heap.set(obj, len(self.heap.record(obj).slots), given.positional[0])
            return None
        if obj.kind != "dict":
            return MISSING
        key = given.get(0, "key")
        if name in ("get", "pop", "setdefault") and isinstance(key, (str, int)):
            return self._dict_access(obj, name, key, given.get(1, "default"))
        if name == "update":
            for source in given.positional:
                self.update_dict(obj, source)
            self.heap.record(obj).slots.update(given.keywords)
            return None
        if name == "copy":
            copied = self.make_dict({})
            self.update_dict(copied, obj)
            return copied
        return UNKNOWN

    def _dict_access(self, obj: Obj, name: str, key: str | int, default: Value) -> Value:
        there = self.heap.has(obj, key)
        value = self.heap.get(obj, key) if there else (UNKNOWN if there is None else default)
        if name == "pop":
            self.heap.drop(obj, key)
        elif name == "setdefault" and there is not True:
            self.heap.set(obj, key, value)
        return value
