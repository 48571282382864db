"""Which guesses a search need not link, by what became of those that it has linked.

A name that a package lacked in two versions is taken to be lacking in those between; and where a version cured what it
was for, another of the same package is no better unless it costs less.
"""

from __future__ import annotations

from collections.abc import Sequence

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.model import Finding, Report
from sftdoctor.repair import compare
from sftdoctor.repair.candidates import Move
from sftdoctor.repair.search import Candidate


def is_hopeless(move: Move, now: str | None, findings: Sequence[Finding], tried: Sequence[Candidate]) -> bool:
    """Whether a version lies between the one that is there and one that cured nothing of what it is for.

    Args:
        move: The guess.
        now: The version of its package that is there; None where there is none.
        findings: What is to be cured.
        tried: Judged candidates that go one move beyond the same set.
    """
    if len(move.wanted) != 1 or now is None:
        return False
    ((name, wanted),) = move.wanted.items()
    asked = [one for one in findings if one.id in move.findings]
    for other in tried:
        spec = other.moves[-1].wanted
        if set(spec) != {name} or other.report is None or not _between(wanted, now, spec[name]):
            continue
        there = {compare.key(one) for one in other.report.findings}
        if asked and all(compare.key(one) in there for one in asked):
            return True
    return False


def is_settled(
    move: Move, least: float, findings: Sequence[Finding], before: Report, tried: Sequence[Candidate]
) -> bool:
    """Whether another version of the same package has done already what this one could do, at no more cost.

    What then still came to light has nothing to do with what was changed: it had been hidden behind the break, and
    comes to light with any version that cures it.

    Args:
        move: The guess.
        least: What it costs at least.
        findings: What is to be cured.
        before: The report of the set that it goes beyond.
        tried: Judged candidates that go one move beyond the same set.
    """
    asked = {compare.key(one) for one in findings if one.id in move.findings}
    for other in tried:
        if set(other.moves[-1].wanted) != set(move.wanted) or other.report is None or least < other.bare:
            continue
        there = {compare.key(one) for one in other.report.findings}
        if not asked & there and not any(_is_about(one, other) for one in compare.came(before, other.report)):
            return True
    return False


def _is_about(finding: Finding, candidate: Candidate) -> bool:
    """Whether a finding may have come from what a candidate changes."""
    cause = finding.cause
    if cause is None:
        return True
    sides = [place.distribution for place in (cause.caller, cause.callee) if place]
    return any(canonicalize_name(side) in candidate.versions for side in sides)


def _between(wanted: str, now: str, other: str) -> bool:
    """Whether the first version lies between the two others, or is the last; each may stand behind "=="."""
    try:
        version, here, there = (Version(text.removeprefix("==")) for text in (wanted, now, other))
    except InvalidVersion:
        return False
    return min(here, there) <= version <= max(here, there)
