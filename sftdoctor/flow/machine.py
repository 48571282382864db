"""Statements, calls and branches: the Machine."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Protocol

from sftdoctor.flow.arguments import Arguments, bind
from sftdoctor.flow.expressions import Expressions
from sftdoctor.flow.heap import MISSING, Heap, join_values
from sftdoctor.flow.values import UNKNOWN, ClassValue, Function, Method, Obj, Partial, RaisedError, Ref, Value

BUDGET = 400_000
DEPTH = 16
ITEMS = 24
"""A loop over so many known items is evaluated item by item; over more, once with an unknown one."""
_PARENT = ("enclosing frame",)


class World(Protocol):
    """What lies outside the evaluated source."""

    def name(self, machine: Machine, name: str, module: str) -> Value:
        """A global or builtin that no frame binds."""

    def attribute(self, machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
        """An attribute that the heap does not hold."""

    def set_attribute(self, machine: Machine, value: Value, name: str, new: Value, node: ast.AST) -> None:
        """`value.name = new`."""

    def call(self, machine: Machine, function: Value, given: Arguments, node: ast.AST) -> Value:
        """A call of a Ref, a Method or a class without source."""

    def inline(self, machine: Machine, function: Function, given: Arguments) -> bool:
        """Whether a function whose source is at hand is evaluated."""

    def elements(self, machine: Machine, value: Value) -> tuple[Value, ...] | None:
        """What a loop over that value sees, where it sees anything for sure."""

    def has_attribute(self, machine: Machine, value: Value, name: str) -> bool | None:
        """hasattr(value, name); None where it cannot be known."""

    def resolve(self, module: str, imported: str, level: int) -> str:
        """The absolute name of what `from imported import …` names in a module."""


class BudgetError(Exception):
    """The source is too large to be followed."""


class Machine(Expressions):
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

    def run(self, body: list[ast.stmt], module: str, names: dict[str, Value] | None = None) -> Obj:
        """Evaluate statements in a new frame.

        Args:
            body: The statements of a module, or some of a function.
            module: Name of the module that they belong to.
            names: What the frame binds beforehand.

        Returns:
            The frame.
        """
        frame = self.heap.add(Obj("frame"), dict(names or {}))
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
        """Name of the module that is being evaluated."""
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

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Function:
        return Function(node, self.module, self._frames[-1] if self._frames else None)

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
        return UNKNOWN if any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(node)) else value

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

    # Branches

    def either(self, first: Callable[[], Value], second: Callable[[], Value]) -> Value:
        """Evaluate two ways of which it is not known which is taken, and join them.

        Raises:
            RaisedError: Where both raise. A way that raises is taken for the way that is not taken.
        """
        before = self.heap.fork()
        results: list[tuple[Value, Heap]] = []
        problem: RaisedError | None = None
        for way, heap in ((first, self.heap), (second, before)):
            self.heap = heap
            try:
                results.append((way(), self.heap))
            except RaisedError as error:
                problem = problem or error
        if not results:
            assert problem is not None
            raise problem
        value, self.heap = results[0]
        if len(results) == 2:
            self.heap, value = join_values((self.heap, results[1][1]), value, results[1][0])
        return value

    def _branch(self, body: list[ast.stmt], orelse: list[ast.stmt]) -> bool:
        """Both branches of an unknown condition; whether any path goes on."""
        before = self.heap.fork()
        alive: list[Heap] = []
        problem: RaisedError | None = None
        ended = 0
        for statements, heap in ((body, self.heap), (orelse, before)):
            self.heap = heap
            try:
                if self.block(statements):
                    alive.append(self.heap)
                else:
                    ended += 1
            except RaisedError as error:
                problem = problem or error
        if alive:
            self.heap = alive[0] if len(alive) == 1 else alive[0].join(alive[1])
        elif problem is not None and not ended:
            raise problem
        return bool(alive)

    def block(self, body: list[ast.stmt]) -> bool:
        """Evaluate statements; whether the path goes on behind them."""
        for statement in body:
            self.spend()
            method = getattr(self, f"_do_{type(statement).__name__.lower()}", None)
            if method is not None and method(statement) is False:
                return False
        return True

    # Statements

    def _do_expr(self, node: ast.Expr) -> None:
        self.evaluate(node.value)

    def _do_if(self, node: ast.If) -> bool:
        decided = self.truth(self.evaluate(node.test))
        if decided is not None:
            return self.block(node.body if decided else node.orelse)
        return self._branch(node.body, node.orelse)

    def _do_return(self, node: ast.Return) -> bool:
        value = self.evaluate(node.value)
        self._returns[-1].append((value, self.heap.fork()))
        return False

    def _do_raise(self, node: ast.Raise) -> bool:
        kind, message = "Exception", ""
        if isinstance(node.exc, ast.Call):
            kind = ast.unparse(node.exc.func)
            texts = [self.evaluate(argument) for argument in node.exc.args[:1]]
            message = texts[0] if texts and isinstance(texts[0], str) else ""
        elif node.exc is not None:
            kind = ast.unparse(node.exc)
        raise RaisedError(kind, message)

    def _do_assign(self, node: ast.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target, value)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.assign(node.target, self.evaluate(node.value))

    def _do_augassign(self, node: ast.AugAssign) -> None:
        value = self.arithmetic(node.op, self.evaluate(node.target), self.evaluate(node.value), node)
        self.assign(node.target, value)

    def assign(self, target: ast.expr, value: Value) -> None:
        if isinstance(target, ast.Name):
            self.heap.set(self._frames[-1], target.id, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            items = self.items_of(value)
            fits = items is not None and len(items) == len(target.elts)
            for index, part in enumerate(target.elts):
                part = part.value if isinstance(part, ast.Starred) else part
                self.assign(part, items[index] if fits and items is not None else UNKNOWN)
        elif isinstance(target, ast.Attribute):
            owner = self.evaluate(target.value)
            self.world.set_attribute(self, owner, target.attr, value, target)
        elif isinstance(target, ast.Subscript):
            self._assign_item(self.evaluate(target.value), target, value)

    def _assign_item(self, owner: Value, target: ast.Subscript, value: Value) -> None:
        if not isinstance(owner, Obj) or owner.kind not in ("dict", "list"):
            return
        key = self.evaluate(target.slice) if not isinstance(target.slice, ast.Slice) else UNKNOWN
        if isinstance(key, (str, int)):
            self.heap.set(owner, key, value)
        else:
            self.heap.record(owner).open = True

    def _do_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.heap.drop(self._frames[-1], target.id)

    def _do_functiondef(self, node: ast.FunctionDef) -> None:
        self.heap.set(self._frames[-1], node.name, self.function(node))

    def _do_asyncfunctiondef(self, node: ast.AsyncFunctionDef) -> None:
        self.heap.set(self._frames[-1], node.name, self.function(node))

    def _do_classdef(self, node: ast.ClassDef) -> None:
        bases = tuple(self.evaluate(base) for base in node.bases)
        self.heap.set(self._frames[-1], node.name, ClassValue(node, self.module, self._frames[-1], bases))

    def _do_import(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            self.heap.set(self._frames[-1], bound, Ref(alias.name if alias.asname else bound))

    def _do_importfrom(self, node: ast.ImportFrom) -> None:
        module = self.world.resolve(self.module, node.module or "", node.level)
        for alias in node.names:
            if alias.name != "*":
                self.heap.set(self._frames[-1], alias.asname or alias.name, Ref(f"{module}.{alias.name}"))

    def _do_with(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            value = self.evaluate(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value)
        return self.block(node.body)

    _do_asyncwith = _do_with

    def _do_try(self, node: ast.Try) -> bool:
        try:
            alive = self.block(node.body) and self.block(node.orelse)
        except RaisedError:
            if not node.handlers:
                self.block(node.finalbody)
                raise
            alive = self.block(node.handlers[0].body)
        return self.block(node.finalbody) and alive

    _do_trystar = _do_try

    def _do_match(self, node: ast.Match) -> bool:
        self.evaluate(node.subject)
        return self._cases([case.body for case in node.cases])

    def _cases(self, bodies: list[list[ast.stmt]]) -> bool:
        if not bodies:
            return True
        rest = ast.Expr(ast.Constant(None))
        return self._branch(bodies[0], [_Cases(bodies[1:])] if len(bodies) > 1 else [rest])

    def _do__cases(self, node: _Cases) -> bool:
        return self._cases(node.bodies)

    # Loops

    def _do_for(self, node: ast.For | ast.AsyncFor) -> bool:
        iterated = self.evaluate(node.iter)
        items = self.items_of(iterated)
        if items is None:
            items = self.world.elements(self, iterated)
        if items is not None and len(items) <= ITEMS:
            return self._rounds(node, items)
        before = self.heap.fork()
        alive = self._rounds(node, (UNKNOWN,))
        self.heap = self.heap.join(before) if alive else before
        return True

    _do_asyncfor = _do_for

    def _rounds(self, node: ast.For | ast.AsyncFor, items: tuple[Value, ...]) -> bool:
        exits: list[Heap] = []
        alive = True
        for item in items:
            self.assign(node.target, item)
            alive = self._round(node.body, exits)
            if not alive:
                break
        if alive:
            alive = self.block(node.orelse)
        for heap in exits:
            self.heap = self.heap.join(heap) if alive else heap
            alive = True
        return alive

    def _round(self, body: list[ast.stmt], exits: list[Heap]) -> bool:
        """One round; heaps of `break` go to exits, those of `continue` are joined."""
        self._loops.extend((exits, continues := list[Heap]()))
        try:
            alive = self.block(body)
        finally:
            del self._loops[-2:]
        for heap in continues:
            self.heap = self.heap.join(heap) if alive else heap
            alive = True
        return alive

    def _do_while(self, node: ast.While) -> bool:
        decided = self.truth(self.evaluate(node.test))
        if decided is False:
            return self.block(node.orelse)
        before = self.heap.fork()
        exits: list[Heap] = []
        alive = self._round(node.body, exits)
        heaps = [*([self.heap] if alive else []), *exits, *([before] if decided is None else [])]
        if not heaps:
            return False
        self.heap = heaps[0]
        for heap in heaps[1:]:
            self.heap = self.heap.join(heap)
        return True

    def _do_break(self, node: ast.Break) -> bool:
        if self._loops:
            self._loops[-2].append(self.heap.fork())
        return False

    def _do_continue(self, node: ast.Continue) -> bool:
        if self._loops:
            self._loops[-1].append(self.heap.fork())
        return False


class _Cases(ast.stmt):
    """The cases of a match statement that are left."""

    def __init__(self, bodies: list[list[ast.stmt]]) -> None:
        super().__init__()
        self.bodies = bodies
