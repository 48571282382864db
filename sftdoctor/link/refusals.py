"""What the constructors of configs and trainers refuse of what the user's code gives them."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link import calls, describe, expressions, signatures
from sftdoctor.link.keys import tell as keys
from sftdoctor.link.state import CERTAIN, Frame, Raised
from sftdoctor.link.values import UNKNOWN, Arguments, Class, Function, Module, Value, text
from sftdoctor.link.words import typed

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Setting

CONFIGS = ("Config", "Arguments", "Trainer")
"""How the names of classes end whose constructors check what they are given."""


@dataclass(frozen=True)
class Making:
    """A config or trainer that the user's code makes.

    Attributes:
        frame: The user's.
        node: The call.
        name: Its class.
        settings: Of one whose values stand in a config file: these, by their names.
        doubt: How much doubt there is that they count.
    """

    frame: Frame
    node: ast.AST | None
    name: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    doubt: int = CERTAIN


@contextlib.contextmanager
def making(machine: Machine, frame: Frame, cls: Class, node: ast.AST | None) -> Iterator[None]:
    """While it lasts, the constructor of a class is followed.

    Args:
        machine: The run.
        frame: Who calls it.
        cls: The class.
        node: The call.
    """
    outer = machine.making
    if machine.is_script(frame.module):
        is_config = any(base.name.endswith(CONFIGS) for base in cls.mro)
        machine.making = Making(frame, node, cls.name) if is_config else None
    try:
        yield
    finally:
        machine.making = outer


def attributes_set(machine: Machine, function: Function) -> frozenset[str] | None:
    """The attributes that a function's own body may set, of whatever object; None where it may set any."""
    found = set()
    for one in nodes.walk(machine.complete(function)):
        if isinstance(one, ast.Attribute) and one.attr == "__dict__":
            return None
        if isinstance(one, ast.Call) and getattr(one.func, "id", "") in ("setattr", "vars", "exec"):
            return None
        if isinstance(one, ast.Attribute) and not isinstance(one.ctx, ast.Load):
            found.add(one.attr)
    return frozenset(found)


def judge_config(
    machine: Machine, path: str, settings: Sequence[Setting], classes: Sequence[Class], doubt: int
) -> None:
    """What the dataclasses that a config file is read into refuse of it.

    Args:
        machine: A machine that has followed their modules.
        path: The file.
        settings: What it says, at any depth.
        classes: The dataclasses.
        doubt: How much doubt there is, since a command line may say otherwise.
    """
    frame = Frame(Module(f"__{path}__", {}), {}, "module")
    top = {one.keys[0]: one for one in settings if len(one.keys) == 1 and not one.repeated}
    machine.running, machine.doubt, outer = True, CERTAIN, machine.making
    for cls in classes:
        fields = [one for one in signatures.dataclass_fields(cls) or [] if one.init]
        types = {one.name: one.annotation for one in fields}
        own = {name: top[name] for name in types if name in top}
        given: dict[str, Value] = {one.name: UNKNOWN for one in fields if not one.has_default}
        given |= {name: typed(one.value, types[name]) for name, one in own.items()}
        machine.making = Making(frame, None, cls.name, own, doubt) if own else None
        calls.construct(machine, frame, cls, Arguments([], given), None)
    machine.making = outer


def tell(machine: Machine, frame: Frame, cls: Class | None, node: ast.Raise) -> None:
    """Note a raise that is surely come to with what the user's call gives.

    Args:
        machine: The run.
        frame: Where it stands.
        cls: What it raises.
        node: The statement.
    """
    if _counts(machine, frame):
        _note(machine, frame, cls, _wording(machine, frame, node.exc), node.lineno)


def refuse(machine: Machine, frame: Frame, cls: Class | None, message: str, node: ast.AST | None) -> None:
    """Python itself refuses a value there.

    Args:
        machine: The run.
        frame: Where it stands.
        cls: What Python raises.
        message: Its words.
        node: The call.

    Raises:
        Raised: A try takes it.
    """
    raised = Raised(cls, message)
    if machine.catches(raised):
        raise raised
    if _counts(machine, frame):
        _note(machine, frame, cls, message, getattr(node, "lineno", 0))


def _counts(machine: Machine, frame: Frame) -> bool:
    return machine.strict and machine.doubt == CERTAIN and not machine.is_script(frame.module)


def _note(machine: Machine, frame: Frame, cls: Class | None, message: str, line: int) -> None:
    made = machine.making
    assert made is not None
    kind, exception, words = "refused-arguments", cls.name if cls else "Exception", " ".join(message.split())
    if made.settings:
        setting = _meant(list(made.settings.values()), words)
        event = keys.tell(
            machine, kind, setting, exception=exception, message=words, callee=frame.function, doubt=made.doubt
        )
        event.name = made.name
        event.callee = describe.site(frame.module, line)
        return
    event = describe.event(kind, exception, words, made.name, made.frame, made.node, machine.doubt, frame.function)
    event.callee = describe.site(frame.module, line)
    machine.note(Raised(cls, words, event))


def _meant(settings: Sequence[Setting], words: str) -> Setting:
    """The key that an exception speaks of: by its name, or its value; else the last."""
    named = [one for one in settings if re.search(rf"\b{re.escape(one.name)}\b", words)]
    valued = [one for one in settings if words.startswith(f"{one.value} ") or f"'{one.value}'" in words]
    return [*settings, *reversed(valued), *reversed(named)][-1]


def _wording(machine: Machine, frame: Frame, node: ast.expr | None) -> str:
    """What the exception will say, with … for what is not known of it."""
    said = node.args[0] if isinstance(node, ast.Call) and node.args else None
    if isinstance(said, ast.JoinedStr):
        return "".join(_part(machine, frame, part) for part in said.values)
    return (text(_evaluated(machine, frame, said)) or "…") if said is not None else ""


def _part(machine: Machine, frame: Frame, part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    return text(_evaluated(machine, frame, ast.JoinedStr([part]))) or "…"


def _evaluated(machine: Machine, frame: Frame, node: ast.expr) -> Value:
    return expressions.evaluate(machine, frame, ast.fix_missing_locations(node))
