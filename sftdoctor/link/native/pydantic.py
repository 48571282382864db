"""Pydantic models of the user's own that a config file becomes: their fields keep what the file says."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor.link import calls, expressions
from sftdoctor.link.state import Frame, Raised
from sftdoctor.link.values import (
    UNKNOWN,
    Arguments,
    Class,
    Const,
    Dict,
    Instance,
    Native,
    Seq,
    Value,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

BASES = frozenset({"BaseModel", "BaseSettings"})
MAKERS = ("model_validate", "parse_obj")
DUMPERS = ("model_dump", "dict")
_NUMBERS = {"int": int, "float": float}


def is_model(machine: Machine, cls: Class) -> bool:
    """Whether a class of the user's derives from pydantic's BaseModel, which is not followed itself."""
    if cls.module is None or not machine.is_script(cls.module) or "pydantic" not in machine.imports:
        return False
    named = (expressions.last_name(base) for one in cls.mro if one.node is not None for base in one.node.bases)
    return not BASES.isdisjoint(named)


def make(machine: Machine, cls: Class, args: Arguments) -> Instance:
    """What `Model(**values)` gives: the fields that the class annotates; other values are dropped, as pydantic does."""
    made = Instance(cls, {}, True)
    for name, (annotation, default) in _fields(machine, cls).items():
        given = args.keywords.get(name, UNKNOWN if args.double_star else default)
        made.attrs[name] = _converted(machine, annotation, given)
    for name in DUMPERS:
        made.attrs[name] = Native(name, lambda _m, _a: _dumped(made))
    return made


def maker(machine: Machine, cls: Class, name: str) -> Value | None:
    """The class method of a model that makes one of a dictionary; None for other names."""
    if name not in MAKERS or not is_model(machine, cls):
        return None

    def call(inner: Machine, args: Arguments) -> Value:
        given = strip(args.get(0, "obj") or UNKNOWN)
        if not isinstance(given, Dict):
            return UNKNOWN
        return make(inner, cls, Arguments([], {k: v for k, v in given.items.items() if isinstance(k, str)}))

    return Native(name, call)


def _fields(machine: Machine, cls: Class) -> dict[str, tuple[ast.expr, Value]]:
    """Name → annotation and default of what the class and its bases annotate."""
    found: dict[str, tuple[ast.expr, Value]] = {}
    for base in reversed(cls.mro):
        own = base.node is not None and base.module is not None and machine.is_script(base.module)
        for item in base.node.body if own and base.node is not None else ():
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                default = base.ns.get(item.target.id, UNKNOWN) if item.value is not None else UNKNOWN
                found[item.target.id] = item.annotation, default if isinstance(strip(default), Const) else UNKNOWN
    return found


def _converted(machine: Machine, annotation: ast.expr, value: Value) -> Value:
    """A value as a field of that type takes it: dictionaries become models, texts become numbers."""
    inner = strip(value)
    if isinstance(inner, Dict):
        kind = _class(machine, annotation)
        if kind is None:
            return value
        given = {key: item for key, item in inner.items.items() if isinstance(key, str)}
        if is_model(machine, kind):
            return make(machine, kind, Arguments([], given, False, inner.open))
        return calls.construct(machine, machine.frame, kind, Arguments([], given, False, inner.open), None)
    if isinstance(inner, Seq) or not isinstance(inner, Const) or inner.value is None:
        return value
    written = ast.unparse(annotation)
    number = next((kind for name, kind in _NUMBERS.items() if name in written), None)
    if number is None or not isinstance(inner.value, str):
        return value
    try:
        return Const(number(inner.value))
    except ValueError:
        return UNKNOWN


def _class(machine: Machine, annotation: ast.expr) -> Class | None:
    frame = machine.frame
    try:
        found = strip(expressions.evaluate(machine, Frame(frame.module, frame.module.ns, "module"), annotation))
    except Raised:
        return None
    return found if isinstance(found, Class) and found.module is not None else None


def _dumped(model: Instance) -> Value:
    """model_dump(): a dictionary of the fields, models at any depth."""
    found = Dict()
    for name, value in model.attrs.items():
        inner = strip(value)
        if name not in DUMPERS:
            found.items[name] = _dumped(inner) if isinstance(inner, Instance) and "dict" in inner.attrs else value
    return found
