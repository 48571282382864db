"""Enumerations whose members are texts: what `Strategy("steps")` gives, and what it refuses."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor.link import calls, refusals
from sftdoctor.link.state import Frame
from sftdoctor.link.values import UNKNOWN, Arguments, Bound, Class, Const, Function, Likely, Native, Value, strip

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine


class Member(str):
    """A member of an enumeration of texts: it equals its text, and is of another type.

    Attributes:
        cls: The enumeration.
        shown: What `str()` makes of it, and from Python 3.11 on an f-string too: "Strategy.STEPS".
    """

    __slots__ = ("cls", "shown")
    cls: Class
    shown: str

    def __str__(self) -> str:
        return self.shown


def of_class(cls: Class, value: Value) -> Value:
    """What `Strategy.STEPS` gives: the member, where the class is an enumeration of texts."""
    held = strip(value)
    if not isinstance(held, Const) or type(held.value) is not str or members(cls) is None:
        return value
    found = Member(held.value)
    found.cls = cls
    found.shown = _shown(cls, held.value)
    return Const(found)


def _shown(cls: Class, value: str) -> str:
    if any(base.name == "StrEnum" or "__str__" in base.ns for base in cls.mro if base.name not in ("str", "Enum")):
        return value
    names = (name for name, held in cls.ns.items() if getattr(strip(held), "value", None) == value)
    return f"{cls.name}.{next(names, value)}"


def is_member(value: Value, wanted: list[Class]) -> bool | None:
    """Whether a text is a member of one of several enumerations of texts; None where one of them is none such."""
    if not isinstance(value, Const) or any(members(cls) is None for cls in wanted):
        return None
    return isinstance(value.value, Member) and any(cls in value.value.cls.mro for cls in wanted)


def members(cls: Class) -> list[Const] | None:
    """The members of an enumeration of texts, each as its text; None for any other class, or where one is not known."""
    names = [base.name for base in cls.mro]
    if "Enum" not in names or "str" not in names:
        return None
    values = [strip(value) for name, value in cls.ns.items() if not name.startswith("_")]
    values = [value for value in values if not isinstance(value, Function | Native)]
    known = [value for value in values if isinstance(value, Const) and isinstance(value.value, str)]
    return known if len(known) == len(values) else None


def member(machine: Machine, frame: Frame, cls: Class, args: Arguments, node: ast.AST | None) -> Value:
    """The member that a value stands for, as the text that it equals.

    Args:
        machine: The run.
        frame: Who asks.
        cls: The enumeration.
        args: The value.
        node: The call.

    Returns:
        UNKNOWN where that is not known, or there is none.

    Raises:
        Raised: There is none, and a try takes that.
    """
    known, wanted = members(cls), args.get(0, "value")
    asked = strip(wanted) if wanted is not None else None
    if known is None or not isinstance(asked, Const):
        return UNKNOWN
    found = next((one for one in known if one.value == asked.value), None)
    if found is not None:
        made = of_class(cls, found)
        return Likely(made) if isinstance(wanted, Likely) else made
    replacement, _ = cls.lookup("_missing_")
    if isinstance(wanted, Likely):
        return UNKNOWN
    if isinstance(replacement, Function):
        return calls.invoke(machine, frame, Bound(replacement, cls), Arguments([asked]), node)
    refusals.refuse(machine, frame, machine.exception("ValueError"), f"{asked.value!r} is not a valid {cls.name}", node)
    return UNKNOWN
