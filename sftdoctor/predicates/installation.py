"""The installation itself: `problem`, `core-missing`, `platform`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sftdoctor.link.program import QUANTIZATIONS
from sftdoctor.model import Cause, Place
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    as_texts,
    fails,
    fails_each,
    fails_if,
    predicate,
    unknown,
)

_IMPORT = re.compile(r"^\s*(?:import|from)\s+(\w+)", re.MULTILINE)
PROBLEMS = (
    *("leftover", "duplicate", "unreadable", "python-path", "user-site", "library-path"),
    *("incompatible", "unavailable", "unresolvable"),
)


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
    """Distributions that this run cannot do without are not installed; one match for all of them."""
    if not context.environment.complete:
        return unknown("not every distribution of the target is known")
    missing = tuple(name for name in core(context) if name not in context.environment.distributions)
    return fails(Match({"name": missing}, cause=_about(context, missing[0]))) if missing else HOLDS


def core(context: Context) -> tuple[str, ...]:
    """The distributions that a run needs: the scenario's core; for a script those that it imports or quantises with.

    Args:
        context: What is judged.

    Returns:
        Canonical names, in the scenario's order.
    """
    names = context.workload.scenario.core
    if context.script is None:
        return names
    texts = (context.script.source, *(source for _, source in context.script.modules))
    imported = {match[1] for text in texts for match in _IMPORT.finditer(text)}
    if any(fact.value in QUANTIZATIONS for fact in context.facts.get("quantization", ())):
        imported.add("bitsandbytes")
    return tuple(name for name in names if name in imported)


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
