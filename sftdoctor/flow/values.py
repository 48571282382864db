"""The values of the evaluator. Constants are plain Python values; everything mutable is an Obj on the Heap."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

Value = Any
"""None, bool, int, float, str, bytes, a tuple of values, packaging's Version, or one of the classes here."""


class Unknown:
    """What cannot be known; there is one, UNKNOWN."""

    def __bool__(self) -> bool:
        raise TypeError("an unknown value is neither true nor false: ask truth()")

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Ref:
    """Something outside the evaluated source, by its dotted name: "peft.get_peft_model"."""

    name: str

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, eq=False)
class Obj:
    """An object with identity; its contents lie on the Heap."""

    kind: str
    """dict, list, frame, instance, or whatever the World makes of it."""
    node: ast.AST | None = field(default=None, repr=False)
    """Where it was made."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function whose source is at hand."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    module: str
    scope: Obj | None = None
    """The frame that encloses its definition."""
    receiver: Value = None
    """`self` of a bound method."""
    bound: bool = False

    @property
    def name(self) -> str:
        """Its name, "<lambda>" for a lambda."""
        return "<lambda>" if isinstance(self.node, ast.Lambda) else self.node.name


@dataclass(frozen=True, eq=False)
class ClassValue:
    """A class whose source is at hand."""

    node: ast.ClassDef
    module: str
    scope: Obj | None = None
    bases: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Method:
    """An attribute of an object that is called; the World knows what it does."""

    receiver: Value
    name: str


@dataclass(frozen=True, eq=False)
class Partial:
    """functools.partial(function, …)."""

    function: Value
    positional: tuple[Value, ...] = ()
    keywords: tuple[tuple[str, Value], ...] = ()
    open: bool = False
    """Whether more is bound than can be known."""


@runtime_checkable
class Joinable(Protocol):
    """A value that knows what it is when one branch had this and the other had that."""

    def joined(self, other: Any) -> Value:
        """The value after both branches."""


class RaisedError(Exception):
    """The evaluated source raises, on every path that is left."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


def truth(value: Value) -> bool | None:
    """Whether a value is true.

    Args:
        value: Any value; containers are asked through Machine.truth, which sees the heap.

    Returns:
        None where it cannot be known.
    """
    if value is UNKNOWN or isinstance(value, (Ref, Method)):
        return None
    if value is None or isinstance(value, (bool, int, float, str, bytes, tuple)):
        return bool(value)
    return True


def same(a: Value, b: Value) -> bool:
    """Whether two values are one and the same, as far as it can be said (True is not 1)."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, (Obj, Function, ClassValue, Partial, Unknown)):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
