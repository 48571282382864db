"""Builtin functions, types and exceptions."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import TYPE_CHECKING

from sftdoctor.link import attributes, classes, containers, enumerations, expressions, files, guards, importing, paths
from sftdoctor.link.native.versions import TorchRelease
from sftdoctor.link.state import POSSIBLE
from sftdoctor.link.values import (
    FALSE,
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Const,
    Dict,
    Function,
    Instance,
    Likely,
    MaybeUnbound,
    Module,
    Native,
    Partial,
    Seq,
    Value,
    origin,
    placed,
    strip,
    text,
    truth,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

OPEN_TYPES = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex, bool, type)


def table() -> dict[str, Value]:
    """Every builtin name: those of NATIVES followed, exceptions and types as classes, the rest unknown."""
    found: dict[str, Value] = dict.fromkeys(dir(builtins), UNKNOWN)
    found["object"] = root = Class("object", None)
    root.mro = [root]
    known: dict[type, Class] = {object: root}
    for value in vars(builtins).values():
        if isinstance(value, type):
            _type(value, known)
    for kind, cls in known.items():
        found[kind.__name__] = cls
    for name in (
        "__builtins__",
        "__path__",
        "__spec__",
        "__package__",
        "__loader__",
        "__doc__",
        "__cached__",
        "__annotations__",
    ):
        found[name] = UNKNOWN  # every module (or package) has these
    found["EnvironmentError"] = found["IOError"] = found["OSError"]
    for name, call in NATIVES.items():
        found[name] = Native(name, call)
    for name, kind in (("dict", dict), ("list", list), ("tuple", tuple), ("set", set), ("frozenset", frozenset)):
        found[name] = known[kind]
    known[dict].ns["fromkeys"] = Native("fromkeys", _from_keys)
    return found


def _type(kind: type, known: dict[type, Class]) -> Class:
    if kind not in known:
        cls = Class(kind.__name__, None)
        cls.bases = [_type(base, known) for base in kind.__bases__]
        cls.open = kind in OPEN_TYPES or not issubclass(kind, BaseException)
        classes.linearize(cls)
        cls.ns["__new__"] = UNKNOWN
        known[kind] = cls
    return known[kind]


def _hasattr(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(1, "name"))
    if name is None or not args.positional:
        return UNKNOWN
    doubtful = isinstance(args.positional[0], Likely)
    answer = attributes.has(machine, args.positional[0], name)
    if answer is None:
        return UNKNOWN
    return Likely(Const(answer)) if doubtful else Const(answer)


def _getattr(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(1, "name"))
    if name is None or not args.positional:
        return UNKNOWN
    return attributes.resolve(machine, machine.frame, args.positional[0], name, args.get(2, "default"))


def _setattr(machine: Machine, args: Arguments) -> Value:
    if len(args.positional) != 3:
        return NONE
    owner, name = strip(args.positional[0]), text(args.positional[1])
    if name is None:
        if isinstance(owner, Module | Class | Instance):
            owner.open = True
        if isinstance(owner, Instance) and machine.strict:
            containers.doubt(owner)
    else:
        machine.set_attribute(owner, name, args.positional[2])
        if isinstance(owner, Instance):
            owner.settings = placed(owner.settings, name, origin(args.positional[1]))
    return NONE


def _classes(value: Value) -> list[Class] | None:
    value = strip(value)
    if isinstance(value, Class):
        return [value]
    if isinstance(value, Seq) and not value.open:
        inner = [_classes(item) for item in value.items]
        return None if None in inner else [cls for group in inner if group for cls in group]
    return None


def _class_name(value: Value) -> str | None:
    """Name of the builtin type that a value is of, or None."""
    if isinstance(value, Const):
        if isinstance(value.value, enumerations.Member):
            return "str"
        return None if isinstance(value.value, TorchRelease) else type(value.value).__name__
    if isinstance(value, Seq):
        return value.kind
    return "dict" if isinstance(value, Dict) else None


def _is_partial(value: Value, wanted: Value) -> bool | None:
    """`isinstance(value, functools.partial)`, the one class that is known by what calling it does; else None."""
    wanted = strip(wanted)
    if not isinstance(wanted, Native) or wanted.name != "partial":
        return None
    if isinstance(value, Partial):
        return True
    known = isinstance(value, Function | Bound | Class | Module) or _class_name(value) is not None
    return False if known or (isinstance(value, Instance) and not value.cls.open) else None


def _isinstance(machine: Machine, args: Arguments) -> Value:
    if len(args.positional) != 2:
        return UNKNOWN
    given, wanted = args.positional[0], _classes(args.positional[1])
    doubtful = isinstance(given, Likely | MaybeUnbound)
    value = strip(given)
    answer: bool | None
    if isinstance(value, Const) and value.value is None:
        return Likely(FALSE) if doubtful else FALSE
    if wanted is None:
        answer = _is_partial(value, args.positional[1])
        return UNKNOWN if answer is None else Likely(Const(answer)) if doubtful else Const(answer)
    answer = enumerations.is_member(value, wanted)
    if answer is not None:
        return Likely(Const(answer)) if doubtful else Const(answer)
    if isinstance(value, Instance):
        answers = [classes.is_subclass(value.cls, cls) for cls in wanted]
        answer = True if True in answers else None if None in answers or (value.open and value.cls.open) else False
    elif (name := _class_name(value)) is not None:
        names = {name, "int"} if name == "bool" else {name}
        others = all(cls.module is None or not (cls.open or cls.abstract) for cls in wanted)
        answer = (
            True if any(cls.name in names and cls.module is None for cls in wanted) else (False if others else None)
        )
    elif isinstance(value, Class | Function | Module | Bound | Partial):
        kinds = {cls.name for cls in wanted if cls.module is None}
        answer = ("type" in kinds) if isinstance(value, Class) and kinds == {c.name for c in wanted} else None
        if isinstance(value, Function | Module | Bound) and kinds == {c.name for c in wanted}:
            answer = False
    if answer is None:
        return UNKNOWN
    return Likely(Const(answer)) if doubtful else Const(answer)


def _issubclass(_machine: Machine, args: Arguments) -> Value:
    if len(args.positional) != 2:
        return UNKNOWN
    cls, wanted = strip(args.positional[0]), _classes(args.positional[1])
    if not isinstance(cls, Class) or wanted is None:
        return UNKNOWN
    answers = [classes.is_subclass(cls, other) for other in wanted]
    return Const(True) if True in answers else UNKNOWN if None in answers else FALSE


def _len(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(value, Seq | Dict) and not value.open:
        return Const(len(value.items))
    if isinstance(value, Const) and isinstance(value.value, str | bytes | tuple):
        return Const(len(value.value))
    return UNKNOWN


def _collection(kind: str) -> Callable[[Machine, Arguments], Value]:
    def make(machine: Machine, args: Arguments) -> Value:
        if not args.positional:
            return Const(frozenset()) if kind == "frozenset" else Seq(kind)
        items = expressions.iterate(machine, args.positional[0])
        if items is None:
            return UNKNOWN if kind == "frozenset" else Seq(kind, [], True)
        if kind == "frozenset":
            plain = [guards.plain(item) for item in items]
            return UNKNOWN if any(p is None or isinstance(p, list) for p in plain) else Const(frozenset(plain))
        return Seq(kind, items)

    return make


def _from_keys(machine: Machine, args: Arguments) -> Value:
    """dict.fromkeys(…)."""
    items = expressions.iterate(machine, args.get(0, "iterable") or UNKNOWN)
    keys = [text(item) for item in items or ()]
    known = {key: args.get(1, "value") or NONE for key in keys if key is not None}
    return Dict(known, items is None or None in keys)


def make_dict(machine: Machine, args: Arguments) -> Value:
    """dict(…), OrderedDict(…)."""
    found = Dict(dict(args.keywords), args.double_star or args.star)
    for source in args.positional[:1]:
        source = strip(source)
        if isinstance(source, Dict):
            found.items = {**source.items, **found.items}
            found.open |= source.open
            found.settings = {k: v for k, v in (source.settings or {}).items() if k not in args.keywords} or None
            found.settings = {**(found.settings or {}), **args.settings} or None
            continue
        for pair in expressions.iterate(machine, source) or [UNKNOWN]:
            pair = strip(pair)
            key = guards.plain(pair.items[0]) if isinstance(pair, Seq) and len(pair.items) == 2 else None
            if key is None or isinstance(key, list) or not isinstance(pair, Seq):
                found.open = True
            else:
                found.items.setdefault(key, pair.items[1])
                found.place(key, origin(pair.items[0]))
    return found


def _plain(function: Callable[..., object]) -> Callable[[Machine, Arguments], Value]:
    """A builtin applied to constants."""

    def call(_machine: Machine, args: Arguments) -> Value:
        plain = [guards.plain(arg) for arg in args.positional]
        unknown = any(
            p is None and not isinstance(strip(a), Const) for p, a in zip(plain, args.positional, strict=True)
        )
        if args.keywords or args.star or unknown:
            return UNKNOWN
        try:
            return Const(function(*plain))
        except Exception:
            return UNKNOWN

    return call


def _quantifier(deciding: bool) -> Callable[[Machine, Arguments], Value]:
    def call(machine: Machine, args: Arguments) -> Value:
        items = expressions.iterate(machine, args.positional[0]) if args.positional else None
        if items is None:
            return UNKNOWN
        answers = [truth(item)[0] for item in items]
        if deciding in answers:
            return Const(deciding)
        return UNKNOWN if None in answers else Const(not deciding)

    return call


def _callable(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(value, Function | Class | Bound | Native | Partial):
        return Const(True)
    return FALSE if isinstance(value, Const | Seq | Dict | Module) else UNKNOWN


def _type_of(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if len(args.positional) == 1 else UNKNOWN
    return value.cls if isinstance(value, Instance) else UNKNOWN


def _enumerate(machine: Machine, args: Arguments) -> Value:
    items = expressions.iterate(machine, args.positional[0]) if len(args.positional) == 1 else None
    if items is None or args.keywords:
        return Seq("list", [], True)
    return Seq("list", [Seq("tuple", [Const(index), item]) for index, item in enumerate(items)])


def _zip(machine: Machine, args: Arguments) -> Value:
    lanes = [expressions.iterate(machine, arg) for arg in args.positional]
    if None in lanes:
        return Seq("list", [], True)
    return Seq("list", [Seq("tuple", list(items)) for items in zip(*(lane or [] for lane in lanes), strict=False)])


def _sorted(machine: Machine, args: Arguments) -> Value:
    items = expressions.iterate(machine, args.positional[0]) if args.positional else None
    return Seq("list", [], True) if items is None else Seq("list", items, len(items) > 1)


def _globals(machine: Machine, _args: Arguments) -> Value:
    return machine.frame.module.names()


def _vars(machine: Machine, args: Arguments) -> Value:
    frame = machine.frame
    if not args.positional and frame.kind == "module":
        return _globals(machine, args)
    if not args.positional and frame.cls is not None:
        frame.cls.open = True  # what is written to it becomes an attribute
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(value, Instance) and not value.open:
        return Dict(value.attrs, True, value.settings)
    if isinstance(value, Module) and value.state != "opaque":
        return value.names()
    return Dict({}, True)


def _dir(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(value, Module) and value.state == "done" and not value.open and value.lazy is None:
        return Seq("list", [Const(name) for name in value.ns])
    return Seq("list", [], True)


def _import(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(0, "name"))
    if name is None:
        return UNKNOWN
    found = importing.load(machine, machine.frame, name, None)
    top = machine.modules.get(name.partition(".")[0])
    return top if top is not None and not args.get(3, "fromlist") else found


def _nothing(_machine: Machine, _args: Arguments) -> Value:
    return NONE


def _execute(machine: Machine, _args: Arguments) -> Value:
    if machine.doubt < POSSIBLE:
        machine.frame.module.open = True
    return NONE


NATIVES: dict[str, Callable[[Machine, Arguments], Value]] = {
    "open": files.open_file,
    "hasattr": _hasattr,
    "getattr": _getattr,
    "setattr": _setattr,
    "isinstance": _isinstance,
    "issubclass": _issubclass,
    "len": _len,
    "any": _quantifier(True),
    "all": _quantifier(False),
    "callable": _callable,
    "enumerate": _enumerate,
    "zip": _zip,
    "sorted": _sorted,
    "globals": _globals,
    "vars": _vars,
    "locals": _vars,
    "dir": _dir,
    "print": _nothing,
    "exec": _execute,
    "__import__": _import,
    "range": lambda _m, _a: Seq("list", [], True),
    "min": _plain(min),
    "max": _plain(max),
    "abs": _plain(abs),
    "repr": _plain(repr),
}
CONSTRUCTORS: dict[str, Callable[[Machine, Arguments], Value]] = {
    "str": lambda m, a: paths.string(m, a, _plain(str)),
    "int": _plain(int),
    "float": _plain(float),
    "bool": lambda _m, a: (
        UNKNOWN if not a.positional or truth(a.positional[0])[0] is None else Const(truth(a.positional[0])[0])
    ),
    "list": _collection("list"),
    "tuple": _collection("tuple"),
    "set": _collection("set"),
    "frozenset": _collection("frozenset"),
    "dict": make_dict,
    "type": _type_of,
    "range": lambda _m, _a: Seq("list", [], True),
    "enumerate": _enumerate,
    "zip": _zip,
    "property": lambda _m, _a: UNKNOWN,
}
"""What calling a builtin type gives."""
