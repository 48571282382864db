"""What `fix` takes up, and in which way: what a check promises, and what a plan is made from."""

from __future__ import annotations

from collections.abc import Sequence

from sftdoctor.model import Confidence, Finding, Safety, Severity

WITH_UNSAFE = "--unsafe takes it"
"""How the reason begins for which a plan leaves out what it could do."""


def matters(finding: Finding) -> bool:
    """Whether a finding may turn a candidate down: errors and warnings that are more than possible."""
    return finding.severity is not Severity.INFO and finding.confidence is not Confidence.POSSIBLE


def is_error(finding: Finding) -> bool:
    """Whether a finding says that the run breaks."""
    return finding.severity is Severity.ERROR and finding.confidence is not Confidence.POSSIBLE


def may_take(safety: Safety, unsafe: bool) -> bool:
    """Whether a remedy of that safety is taken."""
    return safety is Safety.SAFE or (unsafe and safety is Safety.UNSAFE)


def by_edit(finding: Finding, unsafe: bool) -> bool:
    """Whether a script or config is edited for a finding."""
    return any(fix.kind == "edit" and fix.edit is not None and may_take(fix.safety, unsafe) for fix in finding.fixes)


def by_versions(finding: Finding, unsafe: bool) -> bool:
    """Whether the search for versions may be tried on a finding."""
    # A link that breaks between two packages is cured by versions of either, whatever a rule says.
    if is_error(finding) and finding.cause is not None and finding.location is None:
        return True
    return any(fix.kind == "package" and fix.require and may_take(fix.safety, unsafe) for fix in finding.fixes)


def searched(findings: Sequence[Finding], unsafe: bool) -> list[Finding]:
    """The findings for which versions are searched: what breaks; mere warnings where nothing does, for one that is
    cured along costs nothing, and no other is worth a change of the environment."""
    found = [one for one in findings if matters(one) and by_versions(one, unsafe)]
    return [one for one in found if is_error(one)] or found


def edited(findings: Sequence[Finding], unsafe: bool) -> list[Finding]:
    """The findings for which a file is edited."""
    return [one for one in findings if matters(one) and by_edit(one, unsafe)]
