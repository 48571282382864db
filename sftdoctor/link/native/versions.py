"""Versions as programs ask for them: packaging's, the copies of it that libraries carry, and what packages say of
themselves."""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.link.values import UNKNOWN, Arguments, Const, Native, Value, constant, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

COPIED = ("InvalidVersion", "VERSION_PATTERN")
"""What a module defines before its class Version if it is a copy of packaging.version (pandas/util/version,
pyarrow/vendored/version.py, numpy/_utils/_pep440.py, torch/_vendor/packaging/version.py)."""


class TorchRelease:
    """`torch.__version__`: compared as a version, with strings and tuples too (torch/torch_version.py).

    A build for CUDA from the package index names its CUDA (2.13.0+cu130) and its metadata does not (2.13.0): what would
    hang on that is not known.

    Args:
        version: As the metadata has it.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self._may_be = (version,) if version.local else (version, Version(f"{version}+cu1"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.version, name)

    def _compared(self, op: Callable[[Any, Any], bool], other: Any) -> bool:
        if isinstance(other, TorchRelease):
            other = other.version
        if isinstance(other, tuple | list):
            other = ".".join(map(str, other))
        try:
            wanted = Version(other) if isinstance(other, str) else other
        except InvalidVersion as error:
            raise TypeError(str(error)) from error
        answers = {op(version, wanted) for version in self._may_be}
        if len(answers) > 1:
            raise TypeError("it hangs on the local label")
        return answers.pop()

    def __lt__(self, other: Any) -> bool:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> bool:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> bool:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> bool:
        return self._compared(operator.ge, other)

    def __eq__(self, other: object) -> bool:
        return self._compared(operator.eq, other)

    def __ne__(self, other: object) -> bool:
        return self._compared(operator.ne, other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return str(self.version)


def version(_machine: Machine, args: Arguments) -> Value:
    """packaging.version.Version and parse."""
    given = args.get(0, "version")
    known = constant(given)
    if isinstance(known, TorchRelease):
        return Const(known)
    written = text(given)
    try:
        return Const(Version(written)) if written is not None else UNKNOWN
    except InvalidVersion:
        return UNKNOWN


def specifiers(_machine: Machine, args: Arguments) -> Value:
    """packaging.specifiers.SpecifierSet."""
    given = text(args.get(0, "specifiers")) if args.positional else ""
    try:
        found = SpecifierSet(given) if given is not None else None
    except InvalidSpecifier:
        found = None
    return Const(found) if found is not None else UNKNOWN


def copied(name: str, bound: Container[str]) -> Native | None:
    """What packaging.version calls so, of a copy of it; None for anything else.

    Args:
        name: Of a class or function.
        bound: Names that its module binds.
    """
    known = name in ("Version", "parse") and all(one in bound for one in COPIED)
    return Native(name, version) if known else None


def of_package(machine: Machine, module: str, distribution: str) -> Value | None:
    """What `package.__version__` is, by the metadata.

    Args:
        machine: Whose environment.
        module: The module that is asked; one below the top is another matter.
        distribution: That it belongs to.

    Returns:
        None where that is not known.
    """
    found = machine.environment.version(canonicalize_name(distribution))
    if "." in module or found is None:
        return None
    if module != "torch":
        return Const(found)
    try:
        return Const(TorchRelease(Version(found)))
    except InvalidVersion:
        return None
