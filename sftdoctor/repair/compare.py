"""Is a Report better than another? A fix counts when its finding is gone and nothing new has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from sftdoctor.goals import is_error as is_error
from sftdoctor.goals import matters as matters
from sftdoctor.model import Finding, Report

Key = tuple[str, ...]


def key(finding: Finding) -> Key:
    """What makes a finding the same one in two reports, whatever the versions and lines are."""
    cause, place = finding.cause, finding.location
    caller = cause.caller if cause else None
    callee = cause.callee if cause else None
    return (
        cause.name if cause else finding.id,
        caller.distribution if caller else "",
        caller.module if caller else "",
        callee.distribution if callee else "",
        callee.symbol or "" if callee else "",
        place.path if place else "",
        "" if cause else finding.message if place else "",
    )


def came(before: Report, after: Report) -> tuple[Finding, ...]:
    """Findings that matter and were not there before, or not as often."""
    known = count(before.findings)
    found = []
    for finding in after.findings:
        known[key(finding)] -= 1
        if matters(finding) and known[key(finding)] < 0:
            found.append(finding)
    return tuple(found)


def remained(before: Report, after: Report, ids: Collection[str]) -> tuple[Finding, ...]:
    """Findings of these ids of which there are as many as before: nothing of that kind was cured."""
    old = Counter(finding.id for finding in before.findings)
    new = Counter(finding.id for finding in after.findings)
    return tuple(one for one in after.findings if one.id in ids and new[one.id] >= old[one.id] > 0)


def count(findings: Iterable[Finding]) -> Counter[Key]:
    """How often each finding is there: one script can make the same mistake twice."""
    return Counter(key(finding) for finding in findings)
