"""What the Machine asks about everything outside the evaluated source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Protocol

from sftdoctor.flow.arguments import Arguments
from sftdoctor.flow.values import Function, Obj, Value

if TYPE_CHECKING:
    from sftdoctor.flow.machine import Machine


class World(Protocol):
    """What lies outside the evaluated source."""

    def name(self, machine: Machine, name: str, module: str) -> Value:
        """A global or builtin that no frame binds."""

    def attribute(self, machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
        """An attribute that the heap does not hold."""

    def set_attribute(self, machine: Machine, value: Value, name: str, new: Value, node: ast.AST) -> None:
        """`value.name = new`."""

    def item(self, machine: Machine, value: Value, key: Value) -> Value:
        """`value[key]`, where value is an Obj that is neither a dictionary nor a list."""

    def call(self, machine: Machine, function: Value, given: Arguments, node: ast.AST) -> Value:
        """A call of a Ref, a Method or a class without source."""

    def inline(self, machine: Machine, function: Function, given: Arguments) -> bool:
        """Whether a function whose source is at hand is evaluated."""

    def decorated(self, machine: Machine, function: Function) -> Value:
        """What a function's definition binds, with the decorators that its node has."""

    def elements(self, machine: Machine, value: Value) -> tuple[Value, ...] | None:
        """What a loop over that value sees, where it sees anything for sure."""

    def has_attribute(self, machine: Machine, value: Value, name: str) -> bool | None:
        """hasattr(value, name); None where it cannot be known."""

    def resolve(self, module: str, imported: str, level: int) -> str:
        """The absolute name of what `from imported import …` names in a module."""

    def imported(self, machine: Machine, module: str, name: str, level: int) -> Obj | None:
        """The frame of what a module imports by that name, where it is to be followed; None where it lies outside."""
