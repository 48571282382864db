"""Follows statements: what each binds, which branch is taken, what leaves a block."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link import classes, expressions, importing, paths, refusals, scripts
from sftdoctor.link.guards import condition, decided
from sftdoctor.link.native import versions
from sftdoctor.link.state import LIKELY, POSSIBLE, Frame, Left, Noted, Raised, Try
from sftdoctor.link.values import (
    NONE,
    UNKNOWN,
    Class,
    Const,
    Dict,
    Function,
    Instance,
    Likely,
    MaybeUnbound,
    Module,
    Seq,
    Value,
    merged,
    origin,
    placed,
    strip,
    text,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

REPLACED = (Function, Class, Dict, Seq)
"""What a branch binds anew because the old one would not do."""
SEEN = frozenset({"ImportError", "ModuleNotFoundError", "PackageNotFoundError"})
"""Exceptions that are seen wherever they are raised."""
MAX_ROUNDS = 4_000
"""Rounds of one loop that are followed one by one."""


def execute(machine: Machine, frame: Frame, body: Sequence[ast.stmt]) -> None:
    """Follow the statements of a block in order.

    Raises:
        Raised: One of them raises and nothing here handles it.
        Left: The block is left by return, break or continue.
    """
    for node in body:
        machine.step()
        frame.line = node.lineno
        handler = STATEMENTS.get(type(node))
        if handler is None:
            continue
        if machine.is_script(frame.module):
            scripts.tolerate(machine, frame, node, handler)
        else:
            handler(machine, frame, node)


# ---------------------------------------------------------------- binding


def assign(machine: Machine, frame: Frame, target: ast.expr, value: Value) -> None:
    """Bind a target (a name, attribute, item, or a tuple of them) to a value."""
    if isinstance(target, ast.Name):
        bind(machine, frame, target.id, value)
    elif isinstance(target, ast.Attribute):
        set_attribute(machine, expressions.evaluate(machine, frame, target.value), target.attr, value)
    elif isinstance(target, ast.Subscript):
        _set_item(machine, frame, target, value)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(machine, frame, target.elts, strip(value))
    elif isinstance(target, ast.Starred):
        assign(machine, frame, target.value, UNKNOWN)


def bind(machine: Machine, frame: Frame, name: str, value: Value) -> None:
    """Bind a name in the frame (or in its module, where the function declares it global)."""
    outer = frame.enclosing if name in frame.globals else None
    while outer is not None and (outer.kind != "function" or name not in outer.scope):
        outer = outer.enclosing
    if outer is not None:  # nonlocal
        outer.scope[name] = value if machine.doubt < POSSIBLE else UNKNOWN
    elif name in frame.globals:
        frame.module.ns[name] = value if machine.doubt < POSSIBLE else Likely(UNKNOWN)
    else:
        frame.scope[name] = value


def _unpack(machine: Machine, frame: Frame, targets: list[ast.expr], value: Value) -> None:
    known = isinstance(value, Seq) and not value.open and len(value.items) == len(targets)
    starred = any(isinstance(t, ast.Starred) for t in targets)
    for index, target in enumerate(targets):
        item = value.items[index] if isinstance(value, Seq) and known and not starred else UNKNOWN
        assign(machine, frame, target, item)


def set_attribute(machine: Machine, owner: Value, name: str, value: Value) -> None:
    """What `owner.name = value` does."""
    owner = strip(owner)
    if machine.doubt >= POSSIBLE:
        value = UNKNOWN
    if isinstance(owner, Class) and name == "__init__" and owner.name.endswith("_LazyModule"):
        machine.shims.append(value)
    paths.assigned(machine, owner, name, value)
    if isinstance(owner, Module | Class):
        owner.ns[name] = value
        owner.open |= name == "__class__"
    elif isinstance(owner, Instance | Function):
        owner.attrs[name] = value
        if isinstance(owner, Instance):
            owner.settings = placed(owner.settings, name, None)
    elif isinstance(owner, Dict) and owner.dotted:
        owner.items[name] = value
        owner.place(name, None)


def _set_item(machine: Machine, frame: Frame, target: ast.Subscript, value: Value) -> None:
    owner = strip(expressions.evaluate(machine, frame, target.value))
    key = strip(expressions.evaluate(machine, frame, target.slice))
    if isinstance(owner, Dict):
        if isinstance(key, Const) and machine.doubt < POSSIBLE:
            try:
                owner.items[key.value] = value
                owner.place(key.value, origin(key))
            except TypeError:
                owner.open = True
        else:
            key_value = key.value if isinstance(key, Const) and key.value.__hash__ else None
            held = owner.items.get(key_value)
            if held is not None:  # there is one either way, if there was one
                owner.items[key_value] = MaybeUnbound(UNKNOWN) if isinstance(held, MaybeUnbound) else UNKNOWN
            else:
                owner.open = True
    elif isinstance(owner, Seq):
        owner.open = True
        if paths.is_search_path(machine, owner):  # sys.path[:0] = …
            paths.append(machine, owner, [UNKNOWN])
    if isinstance(owner, Dict) and owner is machine.sys_modules and isinstance(key, Const) and isinstance(value, Value):
        machine.replace_module(str(key.value), strip(value))


def _assign(machine: Machine, frame: Frame, node: ast.Assign) -> None:
    value = expressions.evaluate(machine, frame, node.value)
    for target in node.targets:
        assign(machine, frame, target, value)


def _annotated(machine: Machine, frame: Frame, node: ast.AnnAssign) -> None:
    if not frame.future_annotations and frame.kind != "function" and machine.locator.python < (3, 14):
        expressions.evaluate(machine, frame, node.annotation)
    if node.value is not None:
        assign(machine, frame, node.target, expressions.evaluate(machine, frame, node.value))


def _augmented(machine: Machine, frame: Frame, node: ast.AugAssign) -> None:
    load = ast.copy_location(_as_load(node.target), node.target)
    old = strip(expressions.evaluate(machine, frame, load))
    new = strip(expressions.evaluate(machine, frame, node.value))
    if isinstance(old, Seq) and old.kind == "list" and isinstance(node.op, ast.Add):
        if paths.is_search_path(machine, old):
            paths.append(machine, old, new.items if isinstance(new, Seq) and not new.open else [UNKNOWN])
        elif isinstance(new, Seq) and machine.doubt < POSSIBLE and len(old.items) <= expressions.MAX_ITEMS:
            old.items.extend(new.items)
            old.open |= new.open
        else:
            old.open = True
        return
    assign(machine, frame, node.target, expressions.binary(node.op, old, new))


def _as_load(target: ast.expr) -> ast.expr:
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    return target


def _delete(machine: Machine, frame: Frame, node: ast.Delete) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            frame.scope.pop(target.id, None)
        elif isinstance(target, ast.Subscript):
            owner = strip(expressions.evaluate(machine, frame, target.value))
            key = strip(expressions.evaluate(machine, frame, target.slice))
            if isinstance(owner, Dict) and isinstance(key, Const) and key.value.__hash__:
                owner.items.pop(key.value, None)


# ---------------------------------------------------------------- branches


def fork(
    machine: Machine,
    frame: Frame,
    branches: Sequence[Callable[[], None]],
    doubt: int = POSSIBLE,
    bodies: Sequence[Sequence[ast.stmt]] = (),
) -> None:
    """Follow each of several branches of which one is taken, and join what they leave.

    Args:
        machine: The run.
        frame: Whose names they bind.
        branches: What to follow.
        doubt: How much doubt there is inside of them.
        bodies: The statements of each, where they are at hand: what one that raises would have bound is not missed.

    Raises:
        Raised: Every branch raises.
        Left: Every branch leaves the block.
    """
    before = dict(frame.scope)
    ends: list[dict[str, Value]] = []
    left: list[Raised | Left] = []
    broken: list[list[Noted]] = []
    outer, within = machine.doubt, machine.branches
    unbound: set[str] = set()
    for number, branch in enumerate(branches):
        noted = len(machine.noted)
        frame.scope.clear()
        frame.scope.update(before)
        machine.doubt, machine.branches = max(outer, doubt), within + 1
        try:
            branch()
            ends.append(dict(frame.scope))
            broken.append(machine.noted[noted:])
        except Raised as raised:
            machine.note(raised)
            left.append(raised)
            broken.append(machine.noted[noted:])
            if bodies:
                unbound.update(*map(scripts.bound, bodies[number]))
        except Left as leave:
            left.append(leave)
            if not leave.refused:
                broken.append(machine.noted[noted:])
            if leave.how != "return":
                frame.exits.append(dict(frame.scope))
        finally:
            machine.doubt, machine.branches = outer, within
    if len(branches) > 1 and broken and machine.is_script(frame.module) and machine.running:
        _settle(broken, within, outer)
    if not ends:
        frame.scope.clear()
        frame.scope.update(before)
        leaving = next((leave for leave in left if isinstance(leave, Left)), left[0])
        try:
            raise leaving
        finally:
            del leaving
            left.clear()  # a frame that holds what it raises is held by it
    joined = ends[0] if len(ends) == 1 else join(before, ends)
    frame.scope.clear()
    frame.scope.update({**dict.fromkeys(unbound, UNKNOWN), **joined})
    if not all(_refuses(machine, frame, leave) for leave in left):
        frame.may_have_left = machine.strict
        machine.doubt = max(outer, LIKELY)
    elif frame.may_have_left and outer < LIKELY:
        machine.doubt = LIKELY
    left.clear()


def _refuses(machine: Machine, frame: Frame, leave: Raised | Left) -> bool:
    """Whether the user's own program, or a config of its, gives up there: a run that goes on gave what it asks for."""
    refused = isinstance(leave, Left) and leave.refused
    return refused and (machine.is_script(frame.module) or machine.strict)


def _settle(broken: list[list[Noted]], branches: int, doubt: int) -> None:
    """What breaks in the same way in every branch breaks whichever is taken.

    Args:
        broken: What broke in each of them, those left out that the program refuses to take.
        branches: How many unknown branches lead to where they part.
        doubt: How much doubt there is that they are reached.
    """
    ways = [{(one.event.kind, one.event.name) for one in each if one.branches == branches + 1} for each in broken]
    common = set.intersection(*ways)
    for one in (one for each in broken for one in each):
        if (one.event.kind, one.event.name) in common and one.event.name and not one.event.hedged:
            one.event.doubt = min(one.event.doubt, doubt)
            one.branches = branches


def join(before: dict[str, Value], ends: list[dict[str, Value]]) -> dict[str, Value]:
    """The names after several branches: known where all agree, likely what it was where some kept it."""
    joined: dict[str, Value] = {}
    for name in {name: None for end in ends for name in end}:
        values = [end.get(name) for end in ends]
        first = values[0]
        if all(value is first for value in values) and first is not None:
            joined[name] = first
            continue
        bound = [value for value in values if value is not None]
        same = merged(bound)
        if len(bound) < len(values):
            joined[name] = MaybeUnbound(same or UNKNOWN)
        elif same is not None:
            doubtful = isinstance(same, Const) and any(isinstance(value, Likely | MaybeUnbound) for value in bound)
            joined[name] = Likely(same) if doubtful else same
        elif (kept := strip(before.get(name, UNKNOWN))) and any(strip(value) is kept for value in bound):
            joined[name] = UNKNOWN if isinstance(kept, REPLACED) else Likely(kept)
        else:
            joined[name] = UNKNOWN
    return joined


def _if(machine: Machine, frame: Frame, node: ast.If) -> None:
    answer, sure = decided(machine, frame, node.test)
    if answer is None:
        if machine.running and node.orelse and machine.doubt < POSSIBLE:
            _share(machine, node)
        bodies = (node.body, node.orelse)
        fork(machine, frame, [lambda body=body: execute(machine, frame, body) for body in bodies], bodies=bodies)  # type: ignore[misc]
        return
    body = node.body if answer else node.orelse
    if sure:
        execute(machine, frame, body)
        return
    outer = machine.doubt
    machine.doubt = max(outer, LIKELY)
    try:
        execute(machine, frame, body)
    finally:
        machine.doubt = outer
    for name in _bound_in(node.orelse if answer else node.body):
        if name in frame.scope and not isinstance(frame.scope[name], Likely | MaybeUnbound):
            frame.scope[name] = Likely(frame.scope[name])


def _share(machine: Machine, node: ast.If) -> None:
    """Let the plainest of the calls that both branches make of one function be followed: it is called either way."""
    first, second = _calls(node.body), _calls(node.orelse)
    for name in first.keys() & second.keys():
        plainest = min(first[name], second[name], key=lambda call: len(call.args) + len(call.keywords))
        machine.shared_calls[id(plainest)] = LIKELY


def _calls(body: Sequence[ast.stmt]) -> dict[str, ast.Call]:
    """The calls that are statements of a block, by what is called; of its conditions those that all branches make."""
    found: dict[str, ast.Call] = {}
    for item in body:
        if isinstance(item, ast.If):
            inner = _calls(item.orelse)
            found.update({name: call for name, call in _calls(item.body).items() if name in inner})
        elif isinstance(item, ast.Try | ast.With):
            found.update(_calls(item.body))
        value = item.value if isinstance(item, ast.Expr | ast.Assign | ast.Return) else None
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute | ast.Name):
            found[ast.unparse(value.func)] = value
    return found


def _bound_in(body: Sequence[ast.stmt]) -> set[str]:
    return {n.id for item in body for n in nodes.walk(item) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _in_loop(machine: Machine, frame: Frame, follow: Callable[[], None]) -> None:
    """Follow a loop and join to its end what each break on the way left bound."""
    before, outer = dict(frame.scope), frame.exits
    frame.exits = []
    try:
        follow()
        if frame.exits:
            joined = join(before, [dict(frame.scope), *frame.exits])
            frame.scope.clear()
            frame.scope.update(joined)
    finally:
        frame.exits = outer


def _for(machine: Machine, frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    _in_loop(machine, frame, lambda: _loop(machine, frame, node))


def _loop(machine: Machine, frame: Frame, node: ast.For | ast.AsyncFor) -> None:
    rounds = expressions.iterate(machine, expressions.evaluate(machine, frame, node.iter))
    if rounds is None or len(rounds) > MAX_ROUNDS or machine.doubt >= POSSIBLE:
        _unknown_loop(machine, frame, node, lambda: assign(machine, frame, node.target, UNKNOWN))
        return
    for item in rounds:
        machine.step()
        assign(machine, frame, node.target, item)
        try:
            execute(machine, frame, node.body)
        except Left as leave:
            if leave.how == "break":
                return
            if leave.how != "continue":
                raise
    execute(machine, frame, node.orelse)


def _while(machine: Machine, frame: Frame, node: ast.While) -> None:
    _in_loop(machine, frame, lambda: _while_loop(machine, frame, node))


def _while_loop(machine: Machine, frame: Frame, node: ast.While) -> None:
    answer, _ = decided(machine, frame, node.test)
    if answer is False:
        execute(machine, frame, node.orelse)
    elif isinstance(node.test, ast.Constant) and answer:
        try:
            execute(machine, frame, node.body)
        except Left as leave:
            if leave.how == "return":
                raise
        if machine.strict:
            machine.doubt = max(machine.doubt, LIKELY)  # there may be more rounds
    else:
        _unknown_loop(machine, frame, node, lambda: None)


def _unknown_loop(
    machine: Machine, frame: Frame, node: ast.For | ast.AsyncFor | ast.While, start: Callable[[], None]
) -> None:
    """A loop whose rounds are not known: once or not at all."""

    def once() -> None:
        start()
        try:
            execute(machine, frame, node.body)
        except Left as leave:
            if leave.how == "return":
                raise

    # a run has data, so that its loops are entered; what an import or a check loops over may well be empty
    entered = machine.running and not machine.strict
    fork(machine, frame, [once, lambda: None], LIKELY if entered else POSSIBLE)
    if machine.strict and any(isinstance(one, ast.Return) for item in node.body for one in nodes.walk(item)):
        machine.doubt = max(machine.doubt, LIKELY)  # it may have ended there
    if machine.strict and node.orelse:
        fork(machine, frame, [lambda: execute(machine, frame, node.orelse), lambda: None])
    for name in _counted(node.body):
        if name in frame.scope:
            frame.scope[name] = UNKNOWN


def _counted(body: Sequence[ast.stmt]) -> set[str]:
    """Names that a loop counts up: after it they are not what they were."""
    return {
        n.target.id
        for item in body
        for n in nodes.walk(item)
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }


def _match(machine: Machine, frame: Frame, node: ast.Match) -> None:
    expressions.evaluate(machine, frame, node.subject)

    def follow(case: ast.match_case) -> Callable[[], None]:
        def branch() -> None:
            for part in nodes.walk(case.pattern):
                name = getattr(part, "name", None) or getattr(part, "rest", None)
                if name:
                    frame.scope[name] = UNKNOWN
            execute(machine, frame, case.body)

        return branch

    last = node.cases[-1]
    takes_all = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
    fork(machine, frame, [*(follow(case) for case in node.cases), *([] if takes_all else [lambda: None])])


# ---------------------------------------------------------------- exceptions


def _try(machine: Machine, frame: Frame, node: ast.Try) -> None:
    own = machine.is_script(frame.module)
    handlers = [handler for handler in node.handlers if not (own and scripts.ends_run(handler))]
    caught = [_caught(machine, frame, handler) for handler in handlers]
    machine.catching.append(Try(caught, frame if own else None))
    pending: Raised | Left | None = None
    handled: Raised | None = None
    try:
        execute(machine, frame, node.body)
    except Raised as raised:
        handled = raised
    except Left as leave:
        pending = leave
    finally:
        machine.catching.pop()
    try:
        if handled is not None:
            _handle(machine, frame, node, handled)
        elif pending is None:
            _go_on(machine, frame, node)
    except (Raised, Left) as leave:
        pending = leave
    try:
        execute(machine, frame, node.finalbody)
        if pending is not None:
            raise pending
    finally:
        del pending, handled  # a frame that holds what it raises is held by it


def _go_on(machine: Machine, frame: Frame, node: ast.Try) -> None:
    """After a try whose body raised nothing that is seen; in a config's check Python itself may have raised there."""
    caught = {handler: _caught(machine, frame, handler) for handler in node.handlers if machine.strict}
    others = [one for one, names in caught.items() if names is None or not SEEN.issuperset(names or ("Exception",))]
    if not others:
        execute(machine, frame, node.orelse)
        return
    bodies = [node.orelse, *(handler.body for handler in others)]
    fork(machine, frame, [lambda body=body: execute(machine, frame, body) for body in bodies], bodies=bodies)  # type: ignore[misc]


def _caught(machine: Machine, frame: Frame, handler: ast.ExceptHandler) -> tuple[str, ...] | None:
    """Names of the exceptions that the handler catches; () for all of them, None where that is not known."""
    if handler.type is None:
        return ()
    try:
        found = strip(expressions.evaluate(machine, frame, handler.type))
    except Raised:
        return None
    classes_ = found.items if isinstance(found, Seq) else [found]
    names = [c.name for c in map(strip, classes_) if isinstance(c, Class)]
    return tuple(names) if len(names) == len(classes_) else None


def matches(caught: tuple[str, ...] | None, raised: Raised) -> bool | None:
    """Whether a handler for these exceptions takes this one (None: not known)."""
    if caught == ():
        return True
    names = raised.names()
    if caught is None or not names:
        return None
    return any(name in names for name in caught)


def _handle(machine: Machine, frame: Frame, node: ast.Try, raised: Raised) -> None:
    for handler in node.handlers:
        match = matches(_caught(machine, frame, handler), raised)
        if match is False:
            continue
        if handler.name:
            attrs: dict[str, Value] = {"args": Seq("tuple", [Const(raised.message)]), "msg": Const(raised.message)}
            frame.scope[handler.name] = Instance(raised.cls, attrs, True) if raised.cls else UNKNOWN
        frame.handling.append(raised)
        try:
            if match:
                execute(machine, frame, handler.body)
            else:
                fork(machine, frame, [lambda body=handler.body: execute(machine, frame, body)])  # type: ignore[misc]
        finally:
            frame.handling.pop()
            if handler.name:
                frame.scope.pop(handler.name, None)
        return
    raise raised


def _raise(machine: Machine, frame: Frame, node: ast.Raise) -> None:
    if node.exc is None:
        again = frame.handling[-1] if frame.handling else Raised(None, "")
        if again.event is None and frame.handling:
            refusals.refuse(machine, frame, again.cls, again.message, node)
        raise again
    value = strip(expressions.evaluate(machine, frame, node.exc))
    cls = value.cls if isinstance(value, Instance) else value if isinstance(value, Class) else None
    message = ""
    if isinstance(value, Instance):
        args = value.attrs.get("args")
        parts = args.items if isinstance(args, Seq) else []
        message = " ".join(filter(None, (text(part) for part in parts)))
    pending = frame.handling[-1] if frame.handling else None
    if pending is not None and pending.event is not None and cls is not None:
        # raised because of what was just caught: the root is what the user has to mend
        raise Raised(cls, message or pending.message, pending.event)
    if frame.kind == "function" and machine.doubt >= LIKELY:
        # behind branches that are not known, most often the end of a search that really succeeds
        frame.returned.append(UNKNOWN)
        raise Left("return", refused=not machine.catches(Raised(cls, message)))
    raised = Raised(cls, message, machine.raised_event(frame, cls, message, node))
    if machine.running and not machine.catches(raised):
        if machine.branches and machine.is_script(frame.module):
            raise Left("return", refused=True)
        if raised.event is None:
            refusals.tell(machine, frame, cls, node)
            return  # the run is assumed to be given what it asks for; this branch was followed too coarsely
    raise raised


def _return(machine: Machine, frame: Frame, node: ast.Return) -> None:
    value = expressions.evaluate(machine, frame, node.value) if node.value is not None else NONE
    frame.returned.append(value if machine.doubt < POSSIBLE else Likely(value))
    raise Left("return")


def _assert(machine: Machine, frame: Frame, node: ast.Assert) -> None:
    condition(machine, frame, node.test)


# ---------------------------------------------------------------- the rest


def _define(machine: Machine, frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    bind(machine, frame, node.name, classes.define_function(machine, frame, node))


def _class(machine: Machine, frame: Frame, node: ast.ClassDef) -> None:
    known = versions.copied(node.name, frame.scope)
    bind(machine, frame, node.name, known or classes.define_class(machine, frame, node))


def _with(machine: Machine, frame: Frame, node: ast.With | ast.AsyncWith) -> None:
    suppressed: list[tuple[str, ...] | None] = []
    for item in node.items:
        value = strip(expressions.evaluate(machine, frame, item.context_expr))
        if isinstance(value, Instance) and value.cls.name == "suppress":
            suppressed.append(tuple(c.name for c in value.attrs.values() if isinstance(c, Class)))
        if item.optional_vars is not None:
            itself = isinstance(value, Instance) and ("__enter__" in value.cls.ns or paths.FILE in value.attrs)
            entered = value if itself else UNKNOWN
            assign(machine, frame, item.optional_vars, entered)
    machine.catching.append(Try(suppressed))
    try:
        execute(machine, frame, node.body)
    except Raised as raised:
        if not any(matches(caught, raised) for caught in suppressed):
            raise
    finally:
        machine.catching.pop()


def _expression(machine: Machine, frame: Frame, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Constant):
        expressions.evaluate(machine, frame, node.value)


def _break(_machine: Machine, _frame: Frame, _node: ast.Break) -> None:
    raise Left("break")


def _continue(_machine: Machine, _frame: Frame, _node: ast.Continue) -> None:
    raise Left("continue")


Handler = Callable[..., None]
STATEMENTS: dict[type[ast.stmt], Handler] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Match: _match,
    ast.Try: _try,
    ast.Raise: _raise,
    ast.Return: _return,
    ast.Assert: _assert,
    ast.FunctionDef: _define,
    ast.AsyncFunctionDef: _define,
    ast.ClassDef: _class,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Expr: _expression,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Import: importing.import_statement,
    ast.ImportFrom: importing.import_from_statement,
}
if hasattr(ast, "TryStar"):
    STATEMENTS[ast.TryStar] = _try
