"""A Report as GitHub workflow commands: the annotations of a job.

The runner shows at most ten errors, ten warnings and ten notices of a step and drops the rest silently
(docs.github.com, "Workflow commands for GitHub Actions"; actions/runner, ActionCommand.cs for the escapes). So the
last place of a level that overflows says what is left out.
"""

from __future__ import annotations

from sftdoctor.model import Finding, Report, Severity
from sftdoctor.report import anchor as anchors
from sftdoctor.report import words
from sftdoctor.report.language import count
from sftdoctor.report.plain import clean

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
MOST = 10
"""Annotations of one level that a step can show."""
NAMED = 30
"""Ids that are named where findings are left out."""


def render(report: Report) -> str:
    """The annotations, and one plain line with the verdict.

    Args:
        report: What was found.

    Returns:
        Lines for the standard output of a workflow step.
    """
    lines = []
    for level in Severity:
        findings = [finding for finding in anchors.shown(report) if anchors.level(finding) is level]
        gaps = _gaps(report) if level is Severity.INFO else []
        room = MOST if len(findings) + len(gaps) <= MOST else MOST - 1 - len(gaps)
        lines += [_annotation(report, finding, level) for finding in findings[:room]]
        left = findings[room:]
        if left:
            ids = list(dict.fromkeys(clean(finding.id, 40) for finding in left))
            more = ", …" if len(ids) > NAMED else ""
            what = f"{count(len(left), words.noun(level))} more, not shown here: {', '.join(ids[:NAMED])}{more}"
            lines.append(_command(COMMANDS[level], {"title": "sftdoctor"}, what))
        lines += gaps
    return "\n".join([*lines, _data(anchors.verdict_line(report))]) + "\n"


def _gaps(report: Report) -> list[str]:
    if not report.not_judged:
        return []
    said = [f"{', '.join(things)}: {reason}" for reason, things in words.gaps(report.not_judged).items()]
    return [_command("notice", {"title": f"sftdoctor: {words.gap_count(report)}"}, "\n".join(said))]


def _annotation(report: Report, finding: Finding, level: Severity) -> str:
    title, *rest = anchors.told(report, finding)
    place = anchors.anchor(report, finding)
    properties = {"title": f"{clean(finding.id, 40)} {title}"}
    if not place.path.startswith(("/", "~")):  # only a file of the repository can be shown
        properties["file"] = place.path
        if place.line is not None:
            properties["line"] = str(place.line)
            properties["endLine"] = str(place.end_line or place.line)
        if place.column is not None and place.end_line == place.line:
            properties["col"] = str(place.column)
            properties["endColumn"] = str(place.end_column or place.column)
    return _command(COMMANDS[level], properties, "\n".join(rest or [title]))


def _command(name: str, properties: dict[str, str], data: str) -> str:
    said = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {said}::{_data(data)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
