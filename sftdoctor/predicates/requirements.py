"""Declared requirements: `requirement` (what `pip check` sees, and the floors of extras) and `requires-python`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.model import Cause, Distribution, Environment, Place
from sftdoctor.predicates.core import Argument, Context, Judgement, Match, as_texts, fails_each, predicate
from sftdoctor.predicates.versions import in_range

DEVELOPMENT = re.compile(
    r"(^|[-_.])(all|benchmarks?|build|ci|deepspeed-testing|dev|devel|doc|docs|docs_specific|lint|"
    r"quality|release|test|tests|testing|typing)($|[-_.])"
)
"""Extras that people who work on a package install; nobody who fine-tunes has to meet their pins."""
WITHIN = "core: the scenario's core among itself; run: what that needs, directly or not; elsewhere: all the rest"
_CLAUSE = r"(?:>=|<=|==|!=|~=|<|>)[0-9][0-9A-Za-z.*+!]*"
_PLAIN = re.compile(rf"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[A-Za-z0-9,._-]*\])?\(?((?:{_CLAUSE}(?:,{_CLAUSE})*)?),?\)?")
"""A requirement without blanks and marker as nearly all are: a name, plain ranges; packaging parses 20 times slower."""
_RELEASE = re.compile(r"\d+(\.\d+)*")


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
        for line in environment.distributions[name].requires:
            dependency, _, marker = _split(line)
            is_new = dependency in environment.distributions and dependency not in reached
            if is_new and "extra" not in marker and _applies(marker, environment):
                waiting.append(dependency)
    return frozenset(reached)


def _unmet(
    environment: Environment, owner: Distribution, wanted: frozenset[str] | None, extra: bool
) -> Iterator[Match]:
    """What a distribution asks for and does not get. Cheap questions first: of a thousand lines nearly all are met."""
    seen: set[tuple[str, str]] = set()
    for line in owner.requires:
        name, specifier, marker = _split(line)
        installed = environment.distributions.get(name)
        if not name or (wanted is not None and name not in wanted) or ("extra" in marker) is not extra:
            continue
        if installed is None and (extra or not environment.complete):
            continue
        if extra:
            specifier = _floor(specifier)
        if installed is not None and _met(specifier, installed.version) is not False:
            continue
        of_extra = _extra_of(owner, marker, environment) if extra else ""
        if of_extra is None or not (extra or _applies(marker, environment)) or (name, specifier) in seen:
            continue
        seen.add((name, specifier))
        yield _match(owner, name, installed, specifier, of_extra)


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


@lru_cache(maxsize=8192)
def _split(line: str) -> tuple[str, str, str]:
    """Canonical name, range and marker of a requirement; the name is empty where the line cannot be read."""
    head, _, marker = line.partition(";")
    match = _PLAIN.fullmatch("".join(head.split()))
    if match:
        return str(canonicalize_name(match[1])), match[2], marker.strip()
    try:
        parsed = Requirement(line)
    except InvalidRequirement:
        return "", "", ""
    return str(canonicalize_name(parsed.name)), str(parsed.specifier), str(parsed.marker or "")


def _applies(marker: str, environment: Environment, extra: str = "") -> bool:
    if not marker:
        return True
    try:
        return _marker(marker).evaluate({**environment.markers, "extra": extra})
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return False


@lru_cache(maxsize=1024)
def _marker(text: str) -> Marker:
    return Marker(text)


def _extra_of(owner: Distribution, marker: str, environment: Environment) -> str | None:
    """The extra that a line belongs to; None where it does not apply here, is not in use, or is for the developers."""
    # markers name the extras where the metadata's Provides-Extra is missing
    for extra in owner.extras or re.findall(r"""extra\s*==\s*["']([^"']+)["']""", marker):
        if DEVELOPMENT.search(extra) or not _applies(marker, environment, extra):
            continue
        if _is_in_use(owner, extra, environment):
            return extra
    return None


def _is_in_use(owner: Distribution, extra: str, environment: Environment) -> bool:
    """Whether all that an extra adds is installed: one for sound, of which the decoder is missing, says nothing."""
    for line in owner.requires:
        name, _, marker = _split(line)
        if "extra" in marker and name not in environment.distributions and _applies(marker, environment, extra):
            return False
    return True


def _floor(specifier: str) -> str:
    """The lower bounds of a range alone."""
    return ",".join(clause for clause in specifier.split(",") if clause.startswith(">"))


@lru_cache(maxsize=8192)
def _met(specifier: str, version: str) -> bool | None:
    """Whether a version meets a range as pip sees it (pre-releases allowed); None where either cannot be read."""
    if not specifier:
        return True
    try:
        if _RELEASE.fullmatch(version):
            # for a plain release a gate and pip are of one mind, and the gate's answer is ten times cheaper
            return in_range(version, specifier)
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None
