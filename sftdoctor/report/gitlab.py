"""A Report as GitLab Code Quality (docs.gitlab.com, "Code Quality report format": part of Code Climate's)."""

from __future__ import annotations

from typing import Any

from sftdoctor.fingerprint import fingerprints
from sftdoctor.model import Report, Severity
from sftdoctor.report import anchor as anchors
from sftdoctor.report.plain import clean

SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.INFO: "info"}


def to_list(report: Report) -> list[dict[str, Any]]:
    """A Report as Code Quality issues.

    Args:
        report: What was found.

    Returns:
        Plain values, one a finding; paths are relative to the working directory, which GitLab takes for the
        repository. What could not be judged has no place in this format.
    """
    issues = []
    findings = anchors.shown(report)
    for finding, mark in zip(findings, fingerprints(findings), strict=True):
        place = anchors.anchor(report, finding)
        lines = {"begin": place.line or 1, "end": place.end_line or place.line or 1}
        title, *rest = anchors.told(report, finding)
        issues.append(
            {
                "type": "issue",
                "check_name": clean(finding.id, 40),
                "description": f"{clean(finding.id, 40)}: {title}",
                "content": {"body": "\n".join(rest)},
                "categories": ["Compatibility"],
                "severity": SEVERITIES[anchors.level(finding)],
                "fingerprint": mark,
                "location": {"path": place.path, "lines": lines},
            }
        )
    return issues
