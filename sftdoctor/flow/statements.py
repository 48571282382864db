"""Statements, branches and loops: from a block of the syntax tree to the heaps behind it."""

from __future__ import annotations

import ast
from collections.abc import Callable

from sftdoctor.flow.expressions import Expressions
from sftdoctor.flow.heap import Heap, join_values
from sftdoctor.flow.values import UNKNOWN, ClassValue, Function, Obj, RaisedError, Ref, Value

ITEMS = 24
"""A loop over so many known items is evaluated item by item; over more, once with an unknown one."""


class Statements(Expressions):
    """The part of the Machine that evaluates statements."""

    _frames: list[Obj]
    _returns: list[list[tuple[Value, Heap]]]
    _loops: list[list[Heap]]

    @property
    def module(self) -> str:
        """Name of the module that is being evaluated."""
        raise NotImplementedError

    def set_attribute(self, owner: Value, name: str, value: Value, node: ast.AST) -> None:
        """`owner.name = value`; Machine asks the World."""
        raise NotImplementedError

    def elements(self, value: Value) -> tuple[Value, ...] | None:
        """What a loop over a value that is no container sees; Machine asks the World."""
        raise NotImplementedError

    def decorated(self, function: Function) -> Value:
        """What a definition binds; Machine asks the World."""
        raise NotImplementedError

    def resolve(self, imported: str, level: int) -> str:
        """The absolute name of what `from imported import …` names; Machine asks the World."""
        raise NotImplementedError

    def imported(self, name: str, level: int = 0) -> Obj | None:
        """The frame of a module that is followed; Machine asks the World."""
        raise NotImplementedError

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
            self.set_attribute(owner, target.attr, value, target)
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
        self.heap.set(self._frames[-1], node.name, self.decorated(self.function(node)))

    def _do_asyncfunctiondef(self, node: ast.AsyncFunctionDef) -> None:
        self.heap.set(self._frames[-1], node.name, self.function(node))

    def _do_classdef(self, node: ast.ClassDef) -> None:
        bases = tuple(self.evaluate(base) for base in node.bases)
        self.heap.set(self._frames[-1], node.name, ClassValue(node, self.module, self._frames[-1], bases))

    def _do_import(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            frame = self.imported(alias.name)
            value: Value = Ref(alias.name if alias.asname else bound)
            if frame is not None:
                value = frame if alias.asname else self.imported(bound)
            self.heap.set(self._frames[-1], bound, value)

    def _do_importfrom(self, node: ast.ImportFrom) -> None:
        module = self.resolve(node.module or "", node.level)
        frame = self.imported(node.module or "", node.level)
        for alias in node.names:
            if alias.name != "*":
                value: Value = Ref(f"{module}.{alias.name}")
                if frame is not None:
                    value = self._member(frame, node, alias.name, value)
                self.heap.set(self._frames[-1], alias.asname or alias.name, value)
            elif frame is not None:
                for name, value in self.heap.items(frame):
                    if isinstance(name, str) and name[:1] != "_":
                        self.heap.set(self._frames[-1], name, value)

    def _member(self, frame: Obj, node: ast.ImportFrom, name: str, otherwise: Value) -> Value:
        """What a followed module has by that name: a name of its own, or a module below it."""
        if self.heap.has(frame, name) is False:
            below = self.imported(f"{node.module}.{name}" if node.module else name, node.level)
            return otherwise if below is None else below
        return self.heap.get(frame, name)

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
            items = self.elements(iterated)
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
