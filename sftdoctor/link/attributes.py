"""Follows attribute access: modules, classes, instances, constants and containers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor.link import calls, containers, enumerations, importing, unseen
from sftdoctor.link.native import pydantic
from sftdoctor.link.state import Frame, Raised
from sftdoctor.link.values import (
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
    Super,
    Value,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

EVERY_CLASS = unseen.EVERY_OBJECT | frozenset(dir(type)) | {"__qualname__", "__orig_bases__", "__dataclass_fields__"}


def get(machine: Machine, frame: Frame, owner: Value, name: str, node: ast.expr) -> Value:
    """What `owner.name` stands for.

    Raises:
        Raised: There is no such attribute, or reading it raises.
    """
    if isinstance(owner, Module):
        return of_module(machine, frame, owner, name, node)
    if isinstance(owner, Instance):
        return _of_instance(machine, frame, owner, name, node)
    if isinstance(owner, Class):
        return _of_class(machine, frame, owner, name, node)
    if isinstance(owner, Super):
        return _of_super(machine, owner, name)
    if isinstance(owner, Dict) and owner.dotted and name in owner.items:
        return owner.items[name]
    if isinstance(owner, Const | Seq | Dict):
        return containers.method(machine, owner, name)
    if isinstance(owner, Native):
        return owner.attrs.get(name, UNKNOWN)
    if isinstance(owner, Function):
        return _of_function(owner, name)
    if isinstance(owner, Bound):
        if name == "__self__":
            return owner.self
        if name == "__func__":
            return owner.function
        return get(machine, frame, owner.function, name, node)
    if isinstance(owner, Partial) and name == "func":
        return owner.function
    return UNKNOWN


def has(machine: Machine, owner: Value, name: str) -> bool | None:
    """What hasattr(owner, name) gives; None where that cannot be known."""
    owner = strip(owner)
    if isinstance(owner, Module):
        return importing.offers(machine, owner, name)
    if isinstance(owner, Class):
        if owner.lookup(name)[0] is not None or name in EVERY_CLASS:
            return True
        return None if owner.open else False
    if isinstance(owner, Instance):
        found = owner.attrs.get(name)
        if found is not None:
            return None if isinstance(found, MaybeUnbound | Likely) else True
        if owner.cls.lookup(name)[0] is not None or name in unseen.EVERY_OBJECT:
            return True
        made_up = owner.cls.lookup("__getattr__")[0] is not None
        return None if made_up or unseen.may_have(machine, owner, name) else False
    if isinstance(owner, Const):
        return hasattr(owner.value, name)
    if isinstance(owner, Function):
        return True if name in owner.attrs or hasattr(has, name) else (name == "__wrapped__" and bool(owner.wrapped))
    return None


def of_module(machine: Machine, frame: Frame, module: Module, name: str, node: ast.expr) -> Value:
    """What `module.name` stands for."""
    if name == "__dict__" and module.state != "opaque" and module.lazy is None:
        return module.names()
    found = importing.member(machine, module, name, frame)
    if found is not None:
        return Likely(found.value) if isinstance(found, MaybeUnbound) else found
    return machine.broken(
        "missing-attribute",
        "AttributeError",
        f"module '{module.name}' has no attribute '{name}'",
        name,
        frame,
        node,
        callee=module,
    )


def _of_class(machine: Machine, frame: Frame, cls: Class, name: str, node: ast.expr) -> Value:
    if (maker := pydantic.maker(machine, cls, name)) is not None:
        return maker
    found, _ = cls.lookup(name)
    if found is not None:
        return enumerations.of_class(cls, _bind(machine, found, cls, cls))
    if name == "__name__":
        return Const(cls.name)
    if name == "__mro__":
        return Seq("tuple", list(cls.mro), cls.open)
    if cls.open or name in EVERY_CLASS or cls.module is None or _from_metaclass(cls):
        return UNKNOWN
    if any(unseen.assigns(machine, base, name) for base in cls.mro if not _bare_field(base, name)):
        return UNKNOWN
    if _own_distribution(frame, cls) or cls.module.state == "running":
        return UNKNOWN
    message = f"type object '{cls.name}' has no attribute '{name}'"
    return machine.broken("missing-attribute", "AttributeError", message, name, frame, node, callee=cls)


def _bare_field(cls: Class, name: str) -> bool:
    """Whether a dataclass declares the name as a field that leaves no attribute on the class."""
    return cls.fields is not None and any(field.name == name for field in cls.fields)


def _from_metaclass(cls: Class) -> bool:
    return any(base.name in ("Enum", "Flag", "Protocol", "NamedTuple", "TypedDict") for base in cls.mro)


def _of_instance(machine: Machine, frame: Frame, instance: Instance, name: str, node: ast.expr) -> Value:
    if name == "__class__":
        return instance.cls
    if name == "__dict__":
        return Dict(instance.attrs, instance.open or instance.cls.open, instance.settings)
    found = instance.attrs.get(name)
    if found is not None:
        return Likely(found.value) if isinstance(found, MaybeUnbound) else found
    inherited, owner = instance.cls.lookup(name)
    if name.startswith("__") and not name.endswith("__") and frame.function is not None and frame.function.owner:
        owner = frame.function.owner
        inherited = owner.ns.get(name)
    if inherited is not None and owner is not None:
        if isinstance(inherited, Function) and inherited.kind == "property":
            return calls.invoke(machine, frame, Bound(inherited, instance), Arguments(), node)
        if instance.open and not isinstance(inherited, Function) and unseen.reassigned(machine, instance.cls, name):
            return UNKNOWN
        return _bind(machine, inherited, instance, instance.cls)
    if unseen.may_have(machine, instance, name) or _own_distribution(frame, instance.cls):
        return UNKNOWN
    made = unseen.made_up(machine, frame, instance, name)
    if made is not None:
        return made
    message = f"'{instance.cls.name}' object has no attribute '{name}'"
    return machine.broken("missing-attribute", "AttributeError", message, name, frame, node, callee=instance.cls)


def _own_distribution(frame: Frame, cls: Class) -> bool:
    """Whether code and class come from one distribution, which knows itself better than we do."""
    return cls.module is not None and cls.module.distribution == frame.module.distribution


def _of_super(machine: Machine, owner: Super, name: str) -> Value:
    target = strip(owner.self)
    cls = target.cls if isinstance(target, Instance) else target if isinstance(target, Class) else None
    if cls is None or owner.after not in cls.mro:
        return UNKNOWN
    behind = cls.mro[cls.mro.index(owner.after) + 1 :]
    for base in behind:
        found = base.ns.get(name)
        if found is not None:
            return _bind(machine, found, target, cls)
        if base.fields is not None and name == "__init__" and base.dataclass_init:
            return Native(calls.GENERATED, lambda m, a: UNKNOWN, {"self": target, "of": base})
        if base.open and _unseen_bases(base):
            return UNKNOWN
    return UNKNOWN


def _unseen_bases(cls: Class) -> bool:
    return any(not isinstance(strip(base), Class) for base in cls.bases)


def _of_function(function: Function, name: str) -> Value:
    if name in function.attrs:
        return function.attrs[name]
    if name == "__name__":
        return Const(function.name)
    if name == "__module__":
        return Const(function.module.name)
    if name == "__wrapped__" and function.wrapped is not None:
        return function.wrapped
    return UNKNOWN


def _bind(machine: Machine, found: Value, target: Value, cls: Class) -> Value:
    """What a class's attribute becomes when it is read through the class or an instance."""
    found = strip(found)
    if isinstance(found, Function):
        if found.kind == "staticmethod":
            return found
        if found.kind == "classmethod":
            return Bound(found, cls)
        if found.kind == "property":
            return UNKNOWN
        return Bound(found, target) if isinstance(target, Instance) else found
    if isinstance(found, Partial | Native) and isinstance(target, Instance):
        return found
    return found


def resolve(machine: Machine, frame: Frame, owner: Value, name: str, default: Value | None) -> Value:
    """What getattr(owner, name, default) gives."""
    owner = strip(owner)
    answer = has(machine, owner, name)
    if answer is False and default is not None:
        return default
    if answer is None and default is not None and isinstance(owner, Instance | Class | Module):
        if isinstance(owner, Instance) and name in owner.attrs:
            return Likely(strip(owner.attrs[name]))
        return UNKNOWN
    node = ast.Attribute(ast.Name("object", ast.Load()), name, ast.Load())
    try:
        return get(
            machine, frame, owner, name, ast.copy_location(node, ast.Constant(0, lineno=frame.line, col_offset=0))
        )
    except Raised:
        if default is not None:
            return default
        raise
