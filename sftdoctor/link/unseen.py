"""Attributes that nothing was seen to set: what an instance may have all the same."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link import calls
from sftdoctor.link.locate import parse
from sftdoctor.link.state import Frame, Raised, Try
from sftdoctor.link.values import UNKNOWN, Arguments, Bound, Class, Const, Function, Instance, Value, strip

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

EVERY_OBJECT = frozenset(dir(object)) | {"__dict__", "__module__", "__weakref__", "__slots__", "__annotations__"}
ANY = "*"
"""Among the names that a class assigns: any."""
SETTERS = ("setattr", "vars", "__dict__")


def reassigned(machine: Machine, cls: Class, name: str) -> bool:
    """Whether a method sets an attribute of the instance over the one of the class."""
    return any(assigns(machine, base, name) for base in cls.mro)


def may_have(machine: Machine, instance: Instance, name: str) -> bool:
    """Whether an attribute that was not seen may be there all the same."""
    cls = instance.cls
    if instance.open or cls.open or name in EVERY_OBJECT:
        return True
    if cls.lookup("__getattribute__")[0] is not None or cls.module is None:
        return True
    # what a dataclass sets by computed names are its own fields: its constructor takes no others
    return any(
        assigns(machine, base, name) or (base.fields is None and assigns(machine, base, ANY)) for base in cls.mro
    )


def _of_name_alone(machine: Machine, getter: Function) -> bool:
    """Whether a `__getattr__` asks for the name alone, and of the instance no more than its class."""
    node = machine.complete(getter)
    if getter.kind != "function" or not node.args.args:
        return False
    own, everything = node.args.args[0].arg, nodes.walk(node)
    asked = sum(_is_name(part, own) for part in everything)
    return asked == sum(_is_class_of(part, own) for part in everything)


def _is_class_of(node: ast.AST, name: str) -> bool:
    """Whether a node is `type(NAME)` or `NAME.__class__`."""
    if isinstance(node, ast.Call):
        return (
            isinstance(node.func, ast.Name)
            and node.func.id == "type"
            and any(_is_name(part, name) for part in node.args[:1])
        )
    return isinstance(node, ast.Attribute) and node.attr == "__class__" and _is_name(node.value, name)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def made_up(machine: Machine, frame: Frame, instance: Instance, name: str) -> Value | None:
    """What the class's own `__getattr__` gives for a name that nothing else has; None where it refuses it for sure."""
    found, _ = instance.cls.lookup("__getattr__")
    if found is None:
        return None
    getter = strip(found)
    if not isinstance(getter, Function) or not _of_name_alone(machine, getter):
        return UNKNOWN
    machine.catching.append(Try([("AttributeError",)]))
    try:
        return calls.invoke(machine, frame, Bound(getter, instance), Arguments([Const(name)]), None)
    except Raised as raised:
        if "AttributeError" in raised.names() and raised.event is None:
            return None
        raise
    finally:
        machine.catching.pop()


def assigns(machine: Machine, cls: Class, name: str) -> bool:
    """Whether a class has a `self.NAME = …`, an annotation or slot of that name, found without executing.

    Args:
        machine: The run.
        cls: The class alone, without its bases.
        name: The attribute; ANY asks whether it sets attributes whose names it computes.
    """
    if cls.statements is None:
        cls.statements = [*machine.class_statements(cls)]
    for index, piece in enumerate(cls.statements):
        if isinstance(piece, str):
            if not _may_assign(piece, name):
                continue
            cls.statements[index] = piece = _assigned(piece)
        if name in piece:
            return True
    return False


def _may_assign(piece: str, name: str) -> bool:
    """Whether a piece holds the word that it must hold to assign the attribute."""
    if name == ANY:
        return any(sign in piece for sign in SETTERS)
    return name in piece and re.search(rf"\b{re.escape(name)}\b", piece) is not None


def _assigned(text: str) -> frozenset[str]:
    """Every attribute that a piece of a class may give its instances, and ANY where it computes their names."""
    names: set[str] = set()
    try:
        tree = parse(text, "")
    except ValueError:
        return frozenset({ANY})
    computes = any(sign in text for sign in SETTERS)
    for item in nodes.walk(tree):
        if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store):
            names.add(item.attr)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            names.add(item.target.id)
        elif isinstance(item, ast.Constant) and isinstance(item.value, str) and item.value.isidentifier():
            names.add(item.value)
        elif isinstance(item, ast.FunctionDef) and computes and ANY not in names and _sets_any(item):
            names.add(ANY)
    return frozenset(names)


def _sets_any(method: ast.FunctionDef) -> bool:
    """Whether a method sets attributes whose names it computes (unpickling aside, which no run starts with)."""
    for item in nodes.walk(method):
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id in ("setattr", "vars"):
            return True
        if isinstance(item, ast.Attribute) and item.attr == "__dict__" and method.name != "__setstate__":
            return True
    return False
