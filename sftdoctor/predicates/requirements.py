"""Declared requirements: `requirement` (what `pip check` sees, and the floors of extras) and `requires-python`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.model import Cause, Distribution, Environment, Place
from sftdoctor.predicates.core import Argument, Context, Judgement, Match, as_texts, fails_each, predicate

DEVELOPMENT = re.compile(
    r"(^|[-_.])(all|benchmarks?|build|ci|deepspeed-testing|dev|devel|doc|docs|docs_specific|lint|"
    r"quality|release|test|tests|testing|typing)($|[-_.])"
)
"""Extras that people who work on a package install; nobody who fine-tunes has to meet their pins."""
WITHIN = "core: the scenario's core among itself; run: what that needs, directly or not; elsewhere: all the rest"
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@predicate(
    "requirement",
    {
        "kind": Argument("text", "declared, or the floor of an extra", True, ("declared", "extra")),
        "within": Argument("text", WITHIN, False, ("core", "run", "elsewhere")),
        "distribution": Argument("texts", "who requires"),
        "dependency": Argument("texts", "who is required"),
    },
    values=("distribution", "distribution_version", "dependency", "found", "requirement", "specifier", "extra"),
)
def requirement(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A distribution declares a requirement that is not met; one match each.

    `declared` is what `pip check` sees. `extra` is the lower bound that an optional extra sets for a distribution
    that is really installed: no resolver looks at it, since nobody asked for the extra by name.
    """
    extra = arguments["kind"] == "extra"
    wanted = _named(context, arguments, "dependency")
    return fails_each(
        match for owner in _owners(context, arguments) for match in _unmet(context.environment, owner, wanted, extra)
    )


@predicate("requires-python", {}, values=("name", "found", "specifier"))
def requires_python(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A distribution's Requires-Python excludes the target's Python; one match each."""
    python = context.environment.python
    return fails_each(
        Match(
            {"name": owner.name, "found": python, "specifier": owner.requires_python or ""},
            cause=Cause(caller=_place(owner), callee=Place("python", python), name="python"),
        )
        for owner in context.environment.distributions.values()
        if owner.requires_python and _met(owner.requires_python, python) is False
    )


def _named(context: Context, arguments: Mapping[str, Any], side: str) -> frozenset[str] | None:
    """The distributions that may stand on one side of a requirement; None for any."""
    if side in arguments:
        return frozenset(as_texts(arguments[side]))
    return frozenset(context.workload.scenario.core) if arguments.get("within") == "core" else None


def _owners(context: Context, arguments: Mapping[str, Any]) -> list[Distribution]:
    installed = context.environment.distributions
    names = _named(context, arguments, "distribution")
    within = arguments.get("within")
    run = needed_by_run(context) if within in ("run", "elsewhere") else None
    return [
        owner
        for name, owner in installed.items()
        if (names is None or name in names) and (run is None or (name in run) is (within == "run"))
    ]


def needed_by_run(context: Context) -> frozenset[str]:
    """The scenario's core and everything installed that it requires, directly or not (canonical names)."""
    environment = context.environment
    waiting = [name for name in context.workload.scenario.core if name in environment.distributions]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        waiting.extend(
            dependency
            for line in environment.distributions[name].requires
            if (dependency := _name(line)) in environment.distributions and dependency not in reached
            if "extra" not in line.partition(";")[2] and _applies(_parsed(line), environment)
        )
    return frozenset(reached)


def _unmet(
    environment: Environment, owner: Distribution, wanted: frozenset[str] | None, extra: bool
) -> Iterator[Match]:
    seen: set[tuple[str, str]] = set()
    for line in owner.requires:
        name = _name(line)
        installed = environment.distributions.get(name)
        # most lines of a big package belong to extras whose distributions are not there: skip them unparsed
        if (wanted is not None and name not in wanted) or ("extra" in line.partition(";")[2]) is not extra:
            continue
        if installed is None and (extra or not environment.complete):
            continue
        asked = _asked(owner, line, environment, extra)
        if asked is None or (installed is not None and _met(asked[0], installed.version) is not False):
            continue
        if (name, asked[0]) not in seen:
            seen.add((name, asked[0]))
            yield _match(owner, name, installed, *asked)


def _asked(owner: Distribution, line: str, environment: Environment, extra: bool) -> tuple[str, str] | None:
    """The range that a line asks for and the extra that it belongs to; None where it does not apply here."""
    parsed = _parsed(line)
    if parsed is None:
        return None
    if not extra:
        return (str(parsed.specifier), "") if _applies(parsed, environment) else None
    name = _extra_of(owner, parsed, environment)
    return None if name is None else (str(_floor(parsed.specifier)), name)


def _match(owner: Distribution, name: str, installed: Distribution | None, specifier: str, extra: str) -> Match:
    found = installed.version if installed else None
    return Match(
        {
            "distribution": owner.name,
            "distribution_version": owner.version,
            "dependency": name,
            "found": f"{name} {found}" if found else f"no {name}",
            "requirement": f"{name}{specifier}",
            "specifier": specifier,
            "extra": extra,
        },
        cause=Cause(
            _place(owner),
            Place(name, found),
            name,
            f"{owner.name}{f'[{extra}]' if extra else ''} requires {name}{specifier}",
        ),
    )


def _place(owner: Distribution) -> Place:
    return Place(owner.name, owner.version)


def _name(line: str) -> str:
    match = _NAME.match(line)
    return str(canonicalize_name(match[1])) if match else ""


@lru_cache(maxsize=4096)
def _parsed(line: str) -> Requirement | None:
    try:
        return Requirement(line)
    except InvalidRequirement:
        return None


def _applies(parsed: Requirement | None, environment: Environment, extra: str = "") -> bool:
    if parsed is None:
        return False
    if parsed.marker is None:
        return True
    try:
        return parsed.marker.evaluate({**environment.markers, "extra": extra})
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return False


def _extra_of(owner: Distribution, parsed: Requirement, environment: Environment) -> str | None:
    """The extra that a line belongs to; None where it is for those who work on the package, or does not apply here."""
    for extra in owner.extras or _named_extras(parsed):
        if not DEVELOPMENT.search(extra) and _applies(parsed, environment, extra):
            return extra
    return None


def _named_extras(parsed: Requirement) -> tuple[str, ...]:
    """Extras that a marker names, where the metadata's Provides-Extra is missing."""
    return tuple(re.findall(r'extra == "([^"]+)"', str(parsed.marker)))


def _floor(specifier: SpecifierSet) -> SpecifierSet:
    """The lower bounds of a range alone."""
    return SpecifierSet(",".join(str(clause) for clause in specifier if clause.operator in (">=", ">")))


def _met(specifier: str, version: str) -> bool | None:
    """Whether a version meets a range as pip sees it (pre-releases allowed); None where either cannot be read."""
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None
