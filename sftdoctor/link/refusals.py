"""What a config's own constructor refuses of the values that the user's code gives it."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sftdoctor.link import describe, expressions
from sftdoctor.link.state import CERTAIN, Frame, Raised
from sftdoctor.link.values import Class, Value, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

CONFIGS = ("Config", "Arguments")
"""How the names of classes end whose objects are values alone, which their constructors check."""


@dataclass(frozen=True)
class Making:
    """A config that the user's code makes.

    Attributes:
        frame: The user's.
        node: The call.
        name: The config's class.
    """

    frame: Frame
    node: ast.AST | None
    name: str


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
    return machine.making is not None and machine.doubt == CERTAIN and not machine.is_script(frame.module)


def _note(machine: Machine, frame: Frame, cls: Class | None, message: str, line: int) -> None:
    made = machine.making
    assert made is not None
    kind, exception, words = "refused-arguments", cls.name if cls else "Exception", " ".join(message.split())
    event = describe.event(kind, exception, words, made.name, made.frame, made.node, machine.doubt, frame.function)
    event.callee = describe.site(frame.module, line)
    machine.note(Raised(cls, words, event))


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
