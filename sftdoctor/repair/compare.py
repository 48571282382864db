"""Is a Report better than another? A fix counts when its finding is gone and nothing new has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from sftdoctor.model import Confidence, Finding, Report, Severity

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


def matters(finding: Finding) -> bool:
    """Whether a finding may turn a candidate down: errors and warnings that are more than possible."""
    return finding.severity is not Severity.INFO and finding.confidence is not Confidence.POSSIBLE


def is_error(finding: Finding) -> bool:
    """Whether a finding says that the run breaks."""
    return finding.severity is Severity.ERROR and finding.confidence is not Confidence.POSSIBLE


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
