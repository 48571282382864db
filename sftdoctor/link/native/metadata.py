"""importlib.metadata: which distributions are installed, and what happens to who asks for one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Seq, Value, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine


def _version(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(0, "distribution_name"))
    version = machine.environment.version(canonicalize_name(name)) if name is not None else None
    return Const(version) if version is not None else _described(machine, args)


def _described(machine: Machine, args: Arguments) -> Value:
    """metadata(), distribution(), requires(), files(): their content is not known, that they raise is."""
    name = text(args.get(0, "distribution_name"))
    if not name or machine.environment.version(canonicalize_name(name)) or not machine.environment.complete:
        return UNKNOWN
    frame, message = machine.frame, f"No package metadata was found for {name}"
    return machine.broken(
        "missing-distribution", "PackageNotFoundError", message, name, frame, frame.call, raising=True
    )


def _by_module(machine: Machine, _args: Arguments) -> Value:
    found: dict[Any, Value] = {}
    for distribution in machine.environment.distributions.values():
        for name in distribution.top_level or (distribution.name.replace("-", "_"),):
            held = found.setdefault(name, Seq("list"))
            assert isinstance(held, Seq)
            held.items.append(Const(distribution.name))
    return Dict(found)


NATIVE: dict[str, Callable[[Machine, Arguments], Value]] = {
    "version": _version,
    "packages_distributions": _by_module,
    **dict.fromkeys(("metadata", "distribution", "requires", "files"), _described),
}
