"""Follows calls: whether the arguments fit what is called, and what happens inside."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor.link import classes, containers, enumerations, expressions, lazy, parsers, refusals, signatures
from sftdoctor.link.keys.values import judge_values
from sftdoctor.link.native import pydantic
from sftdoctor.link.state import LIKELY, POSSIBLE, Frame, Left
from sftdoctor.link.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Const,
    Dict,
    Field,
    Function,
    Instance,
    Likely,
    MaybeUnbound,
    Native,
    Partial,
    Seq,
    Super,
    Value,
    merged,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine


GENERATED = "a dataclass's __init__"


def call_expression(machine: Machine, frame: Frame, node: ast.Call) -> Value:
    """What a call gives.

    Raises:
        Raised: The call cannot work, or what it runs raises.
    """
    if isinstance(node.func, ast.Name) and node.func.id == "super":
        return _super(machine, frame, node)
    callee = expressions.evaluate(machine, frame, node.func)
    args = expressions.arguments(machine, frame, node)
    if isinstance(callee, Native) and callee.name == GENERATED:
        return _generated(machine, frame, callee, args, node)
    special = machine.special(frame, node, strip(callee), args)
    if special is not None:
        return special
    frame.call = node
    outer, machine.hedged = machine.doubt, isinstance(callee, Likely | MaybeUnbound)
    machine.doubt = max(outer, LIKELY if machine.hedged else outer)
    try:
        return invoke(machine, frame, callee, args, node)
    finally:
        machine.hedged, machine.doubt = False, outer


def _generated(machine: Machine, frame: Frame, callee: Native, args: Arguments, node: ast.Call) -> Value:
    """`super().__init__(…)` where a dataclass's generated constructor comes next."""
    cls, instance = callee.attrs["of"], callee.attrs["self"]
    signature = signatures.of_class(cls) if isinstance(cls, Class) else None
    if signature is None or not isinstance(cls, Class):
        return NONE
    problems = signatures.misfits(signature, args)
    if problems:
        machine.misfit(problems, f"{cls.name}.__init__", frame, node, cls)
        args = _fitting(signature, args)
    if isinstance(instance, Instance):
        _fill_fields(machine, frame, instance, signatures.dataclass_fields(cls) or [], args)
    return NONE


def _super(machine: Machine, frame: Frame, node: ast.Call) -> Value:
    scope: Frame | None = frame
    while scope is not None and (scope.function is None or scope.function.owner is None):
        scope = scope.enclosing
    if scope is None or scope.function is None or scope.function.owner is None or (node.args and len(node.args) != 2):
        return UNKNOWN
    spec = getattr(scope.function.node.args, "args", [])
    first = scope.scope.get(spec[0].arg) if spec else None
    owner: Value = strip(expressions.evaluate(machine, frame, node.args[0])) if node.args else scope.function.owner
    return Super(owner, first) if first is not None and isinstance(owner, Class) else UNKNOWN


def invoke(machine: Machine, frame: Frame, callee: Value, args: Arguments, node: ast.AST | None) -> Value:
    """Call something with arguments that are evaluated already.

    Raises:
        Raised: As call_expression does.
    """
    callee = strip(callee)
    if isinstance(callee, Native):
        return callee.call(machine, args)
    if isinstance(callee, Bound):
        inner = Arguments([callee.self, *args.positional], args.keywords, args.star, args.double_star, args.settings)
        return invoke(machine, frame, callee.function, inner, node)
    if isinstance(callee, Partial):
        merged = Arguments(
            [*callee.args.positional, *args.positional],
            {**callee.args.keywords, **args.keywords},
            args.star or callee.args.star,
            args.double_star or callee.args.double_star,
            {**callee.args.settings, **args.settings},
        )
        return invoke(machine, frame, callee.function, merged, node)
    if isinstance(callee, Function):
        return _call_function(machine, frame, callee, args, node)
    if isinstance(callee, Class):
        return construct(machine, frame, callee, args, node)
    if isinstance(callee, Instance):
        method, _ = callee.cls.lookup("__call__")
        if isinstance(method, Function):
            return invoke(machine, frame, Bound(method, callee), args, node)
    _escape(machine, args)
    return UNKNOWN


def _escape(machine: Machine, args: Arguments, function: Function | None = None) -> None:
    """What is handed to unknown code, or to a function that is not followed, may come back changed."""
    for value in [*args.positional, *args.keywords.values()]:
        value = strip(value)
        if isinstance(value, Dict):
            containers.forget(value)
        elif isinstance(value, Seq):
            value.open = True
        elif isinstance(value, Native) and isinstance(held := value.attrs.get("__self__"), Dict | Seq):
            held.open = True
        elif isinstance(value, Bound) and isinstance(held := strip(value.self), Instance):
            _unsettle(held)
        elif isinstance(value, Instance) and machine.strict:
            containers.doubt(value, None if function is None else refusals.attributes_set(machine, function))


def _unsettle(instance: Instance) -> None:
    """A method that unknown code may call at any time may set any attribute."""
    instance.open = True
    for name, value in instance.attrs.items():
        instance.attrs[name] = Likely(strip(value)) if isinstance(strip(value), Instance) else UNKNOWN


# ---------------------------------------------------------------- functions


def _call_function(machine: Machine, frame: Frame, function: Function, args: Arguments, node: ast.AST | None) -> Value:
    signature = signatures.of_node(function.node)
    problems = signatures.misfits(signature, args)
    if problems:
        machine.misfit(problems, function.qualname, frame, node, function, args.settings)
        if not machine.is_script(machine.asker(frame, node)[0].module):
            return UNKNOWN
        args = _fitting(signature, args)
    outer = machine.doubt
    machine.doubt = min(outer, machine.shared_calls.get(id(node), outer))
    try:
        return _follow_function(machine, function, args)
    finally:
        machine.doubt = outer


def _follow_function(machine: Machine, function: Function, args: Arguments) -> Value:
    if not machine.enters(function):
        _escape(machine, args, function)
        first = strip(args.positional[0]) if args.positional else UNKNOWN
        if isinstance(function.node, ast.AsyncFunctionDef) and isinstance(first, Instance):
            _unsettle(first)  # it runs some time, and what it sets cannot be seen
        return UNKNOWN
    key = machine.memo_key(function, args)
    if key is not None and key in machine.memo:
        return machine.memo[key]
    if key is None:
        return run_function(machine, function, args)
    machine.memo[key] = UNKNOWN  # while it runs: recursion ends here
    try:
        value = run_function(machine, function, args)
    except BaseException:
        machine.memo.pop(key, None)  # what raises once raises again
        raise
    machine.memo[key] = value
    return value


def run_function(machine: Machine, function: Function, args: Arguments) -> Value:
    """Follow a function's body with its parameters bound; what it returns."""
    return _returned(returns(machine, function, args))


def returns(machine: Machine, function: Function, args: Arguments) -> list[Value]:
    """The same, with what each return that may be reached gives."""
    machine.hedged = False
    node = machine.complete(function)
    scope = machine.scope_of(node)
    frame = Frame(
        function.module,
        _bind_parameters(function, args),
        "function",
        function.closure,
        function,
        qualname=function.qualname,
        line=node.lineno,
        locals=scope.bound,
        globals=scope.declared,
        future_annotations=True,
    )
    outer, catching = machine.doubt, len(machine.catching)
    before, importing = machine.steps_left, machine.spent_importing
    machine.frames.append(frame)
    try:
        if isinstance(node, ast.Lambda):
            return [expressions.evaluate(machine, frame, node.body)]
        machine.execute_block(frame, node.body)
    except Left:
        pass
    else:
        frame.returned.append(NONE)
    finally:
        machine.frames.pop()
        machine.charge(function, before - machine.steps_left - (machine.spent_importing - importing))
        machine.doubt = outer
        del machine.catching[catching:]
    return [UNKNOWN] if scope.yields else frame.returned


def _returned(values: list[Value]) -> Value:
    """What a call gives: the value of the return that is surely reached, doubtful where others may come first."""
    if not values:
        return UNKNOWN
    last = values[-1]
    if len(values) == 1:
        return last
    agreed = merged(values)
    if agreed is not None:
        return agreed
    if isinstance(last, Likely):
        return UNKNOWN
    return Likely(last) if isinstance(last, Const | Instance | Function | Bound | Partial) else UNKNOWN


def _bind_parameters(function: Function, args: Arguments) -> dict[str, Value]:
    """Parameter name → value; defaults where nothing was given, UNKNOWN where something may have been."""
    spec = function.node.args
    scope: dict[str, Value] = {}
    positional = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
    defaults = dict(zip(positional[len(positional) - len(function.defaults) :], function.defaults, strict=True))
    for name, value in zip(positional, args.positional, strict=False):
        scope[name] = value
    keyword_only = {arg.arg: default for arg, default in zip(spec.kwonlyargs, function.kw_defaults, strict=True)}
    extra: dict[str, Value] = {}
    for name, value in args.keywords.items():
        if name in positional or name in keyword_only:
            scope[name] = value
        else:
            extra[name] = value
    for name in [*positional, *keyword_only]:
        if name not in scope:
            default = defaults.get(name) or keyword_only.get(name)
            open_ended = args.double_star or (args.star and name in positional)
            if open_ended:
                scope[name] = UNKNOWN
            else:
                scope[name] = default if default is not None else UNKNOWN
    if spec.vararg:
        scope[spec.vararg.arg] = Seq("tuple", args.positional[len(positional) :], args.star)
    if spec.kwarg:
        places = {name: place for name, place in args.settings.items() if name in extra}
        scope[spec.kwarg.arg] = Dict(dict(extra), args.double_star, places or None)
    return scope


# ---------------------------------------------------------------- classes


def construct(machine: Machine, frame: Frame, cls: Class, args: Arguments, node: ast.AST | None) -> Value:
    """What calling a class gives."""
    if cls.name.endswith("_LazyModule"):
        return lazy.build(machine, args) or UNKNOWN
    if any(base.name in ("Enum", "Flag", "type", "Module" if cls.module is None else "Enum") for base in cls.mro):
        return enumerations.member(machine, frame, cls, args, node)
    if pydantic.is_model(machine, cls):
        return pydantic.make(machine, cls, args)
    if cls.made_otherwise:
        return UNKNOWN
    missing = classes.missing_methods(cls) if cls.abstract else []
    if missing:
        how = "without an implementation for" if machine.locator.python >= (3, 12) else "with"
        message = f"Can't instantiate abstract class {cls.name} {how} abstract method {missing[0].name!r}"
        machine.broken("abstract-method", "TypeError", message, missing[0].name, frame, node, callee=missing[0])
    signature = signatures.of_class(cls)
    if signature is not None:
        problems = signatures.misfits(signature, args)
        if problems:
            maker = _maker(cls) if cls.module is not None and machine.is_script(cls.module) else cls
            machine.misfit(problems, f"{maker.name}.__init__", frame, node, maker, args.settings)
            args = _fitting(signature, args)
        judge_values(machine, frame, cls, args, node)
    instance = Instance(cls, {}, cls.open)
    types = parsers.types_given(cls, args)
    initializer, owner = cls.lookup("__init__")
    fields = signatures.dataclass_fields(cls)
    before = next((base for base in cls.mro if base.fields is not None and base.dataclass_init), None)
    generated = before is not None and (owner is None or cls.mro.index(before) < cls.mro.index(owner))
    if generated and fields is not None:
        with refusals.making(machine, frame, cls, node):
            _fill_fields(machine, frame, instance, fields, args)
    elif isinstance(initializer, Function):
        with refusals.making(machine, frame, cls, node):
            _initialize(machine, frame, instance, initializer, args, node)
    elif cls.module is None:
        _escape(machine, args)
        instance.attrs["args"] = Seq("tuple", list(args.positional), args.star)
        instance.open = True
    elif args.positional and any(
        base.module is None and base.name.endswith(("Error", "Exception")) for base in cls.mro
    ):
        instance.attrs["args"] = Seq("tuple", list(args.positional), args.star)
    else:
        instance.open |= cls.open
    parsers.remember_types(machine, instance, types, args)
    return instance


def _maker(cls: Class) -> Class:
    """The class whose constructor a class has: that of a base, where it defines none."""
    own = (base for base in cls.mro if "__init__" in base.ns or (base.fields is not None and base.dataclass_init))
    return next(own, cls)


def _fitting(signature: signatures.Signature, args: Arguments) -> Arguments:
    """The call as it would be once mended, so that what follows is judged too."""
    keywords = {name: value for name, value in args.keywords.items() if signature.accepts(name)}
    places = {name: place for name, place in args.settings.items() if name in keywords}
    return Arguments(args.positional, keywords, args.star, True, places)


def _fill_fields(machine: Machine, frame: Frame, instance: Instance, fields: list[Field], args: Arguments) -> None:
    order = [f.name for f in fields if f.init and not f.kw_only]
    given = {**dict(zip(order, args.positional, strict=False)), **args.keywords}
    handed: list[Value] = []
    for field in fields:
        if field.name in given:
            value = given[field.name]
        elif args.double_star:
            value = UNKNOWN
        else:
            made = field.factory
            value = field.default if made is None else expressions.evaluate(machine, frame, made)
        if field.init_only:
            handed.append(value)
        else:
            instance.attrs[field.name] = value
    post, _ = instance.cls.lookup("__post_init__")
    if isinstance(post, Function) and machine.doubt < POSSIBLE:
        invoke(machine, frame, Bound(post, instance), Arguments(handed), None)


def _initialize(
    machine: Machine, frame: Frame, instance: Instance, initializer: Function, args: Arguments, node: ast.AST | None
) -> None:
    full = Arguments([instance, *args.positional], args.keywords, args.star, args.double_star, args.settings)
    if not machine.enters(initializer):
        instance.open |= initializer.module.state != "opaque"
        return
    if instance.cls.open:
        instance.open = True
    if instance.cls.lookup("__new__")[0] is not None and signatures.misfits(signatures.of_node(initializer.node), full):
        instance.open = True  # its __new__ gives something else
        return
    _call_function(machine, frame, initializer, full, node)
