"""Version ranges: the gate of every rule, and the predicates `version` and `python`.

A gate asks which code is there, so a pre-release, a development build and a post-release count as the release that
they belong to (torch 2.6.0a0+df5bbc0 is judged as 2.6.0), and a local part ("+cu124") is no part of the version.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from sftdoctor.predicates.core import HOLDS, THERE, Argument, Context, Judgement, predicate, unknown

Release = tuple[int, ...]
_PLAIN = re.compile(r"\s*(>=|<=|==|!=|<|>)\s*(\d+(?:\.\d+)*)\s*")
_OPERATORS: Mapping[str, Callable[[Release, Release], bool]] = {
    ">=": ge,
    "<=": le,
    "==": eq,
    "!=": ne,
    "<": lt,
    ">": gt,
}


@cache
def release(version: str) -> Release | None:
    """The release numbers of a version without trailing zeros; None where it cannot be read or has an epoch."""
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    return None if parsed.epoch else _stripped(parsed.release)


def in_range(version: str, specifier: str) -> bool | None:
    """Whether a version lies in a PEP 440 range, for a gate.

    Args:
        version: As the distribution names it.
        specifier: A range such as ">=0.15,<0.25"; "*" holds every version.

    Returns:
        None where the version cannot be read.
    """
    if specifier == "*":
        return True
    numbers = release(version)
    clauses = _clauses(specifier)
    if numbers is not None and clauses is not None:
        return all(compare(numbers, bound) for compare, bound in clauses)
    try:
        return SpecifierSet(specifier).contains(Version(version).base_version, prereleases=True)
    except InvalidVersion:
        return None


def gate(context: Context, name: str, specifier: str) -> Judgement:
    """Judge one line of `[applies]`, or the predicate `version`.

    Args:
        context: What may be looked at.
        name: A distribution's canonical name, or "python".
        specifier: A PEP 440 range, "*" (any version) or "absent".

    Returns:
        Fails where the distribution's version lies in the range.
    """
    version = context.environment.python if name == "python" else context.environment.version(name)
    if version is None:
        if not context.environment.complete:
            return unknown(f"whether {name} is there is not known")
        return THERE if specifier == "absent" else HOLDS
    if specifier == "absent":
        return HOLDS
    inside = in_range(version, specifier)
    if inside is None:
        return unknown(f"{name} has a version that cannot be read: {version!r}")
    return THERE if inside else HOLDS


@predicate(
    "version",
    {
        "distribution": Argument("text", "canonical name of the distribution", required=True),
        "in": Argument("specifier", 'PEP 440 range, "*" (any version) or "absent"', required=True),
    },
)
def version_in(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The installed version lies in the range. For what `[applies]` cannot say: inside `any` and `not`."""
    return gate(context, arguments["distribution"], arguments["in"])


@predicate("python", {"in": Argument("specifier", "PEP 440 range of the target's Python", required=True)})
def python_in(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The target's Python lies in the range."""
    return gate(context, "python", arguments["in"])


@cache
def _clauses(specifier: str) -> tuple[tuple[Callable[[Release, Release], bool], Release], ...] | None:
    """The clauses of a range that has plain release numbers alone (nearly all have); None for any other.

    packaging needs 30 µs to parse and ask one range; a thousand rules have two thousand.
    """
    found = []
    for clause in specifier.split(","):
        match = _PLAIN.fullmatch(clause)
        if match is None:
            return None
        found.append((_OPERATORS[match[1]], _stripped(tuple(int(part) for part in match[2].split(".")))))
    return tuple(found)


def _stripped(numbers: Release) -> Release:
    """2.6.0 → 2.6, so that tuples compare as versions do."""
    end = len(numbers)
    while end > 1 and numbers[end - 1] == 0:
        end -= 1
    return numbers[:end]
