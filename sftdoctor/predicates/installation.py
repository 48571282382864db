"""The installation itself: `problem`, `core-missing`, `platform`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.model import Cause, Place
from sftdoctor.predicates.core import (
    Argument,
    Context,
    Judgement,
    Match,
    as_texts,
    fails_each,
    fails_if,
    predicate,
    unknown,
)

PROBLEMS = ("leftover", "duplicate", "unreadable", "shadowed", "incompatible", "unavailable", "unresolvable")


@predicate(
    "problem",
    {
        "kind": Argument("texts", "kind of Problem that reading the installation showed", True, PROBLEMS),
        "name": Argument("texts", "distribution or module that it concerns"),
    },
    values=("name", "path", "detail"),
)
def problem(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Reading the installation showed a flaw of that kind; one match each."""
    kinds, names = as_texts(arguments["kind"]), as_texts(arguments.get("name"))
    return fails_each(
        Match({"name": found.name, "path": found.path, "detail": found.detail}, cause=_about(context, found.name))
        for found in context.environment.problems
        if found.kind in kinds and (not names or found.name in names)
    )


@predicate("core-missing", {}, values=("name",))
def core_missing(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A distribution that this kind of run cannot do without is not installed; one match each."""
    if not context.environment.complete:
        return unknown("not every distribution of the target is known")
    return fails_each(
        Match({"name": name}, cause=_about(context, name))
        for name in context.workload.scenario.core
        if name not in context.environment.distributions
    )


@predicate(
    "platform",
    {
        "system": Argument("texts", "sys.platform", choices=("linux", "darwin", "win32")),
        "machine": Argument("texts", "platform.machine(): x86_64, aarch64, arm64, AMD64, …"),
    },
    one_of=("system", "machine"),
)
def platform(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The target's operating system or processor is one of these."""
    for argument, marker in (("system", "sys_platform"), ("machine", "platform_machine")):
        if argument not in arguments:
            continue
        value = context.environment.markers.get(marker)
        if value is None:
            return unknown("the target's platform is not known")
        if value not in as_texts(arguments[argument]):
            return fails_if(False)
    return fails_if(True)


def _about(context: Context, name: str) -> Cause:
    return Cause(caller=None, callee=Place(name, context.environment.version(name)), name=name)
