"""A Report as SARIF 2.1.0 (OASIS Standard, errata 01), as code scanning services read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from sftdoctor import __version__
from sftdoctor.fingerprint import fingerprints
from sftdoctor.model import Edit, Finding, Fix, Report, Rule, Severity, Suppressed
from sftdoctor.report import anchor as anchors
from sftdoctor.report import words
from sftdoctor.report.anchor import Anchor
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.wording import sentences

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PRECISIONS = {"certain": "very-high", "likely": "high", "possible": "medium"}
"""Confidence of a rule in the words that GitHub sorts by (rule.properties.precision)."""
SOURCE_ROOT = "%SRCROOT%"

JSON = dict[str, Any]
Edited = Callable[[Edit], "tuple[str, str] | None"]
"""An edit → the text of its file before and after; None where it cannot be made."""


def to_dict(report: Report, rules: Sequence[Rule] = (), edited: Edited = lambda edit: None) -> JSON:
    """A Report as a SARIF log with one run.

    Args:
        report: What was found.
        rules: The rules, with their pages; of those that found something, help is shown.
        edited: Carries out the edits that the fixes name, on texts.

    Returns:
        Plain values.
    """
    # one that the project lives with is a result too, said to be suppressed: it stays closed where results are kept
    shown = anchors.shown(report)
    findings = (*shown, *(item.finding for item in report.suppressed))
    ids = list(dict.fromkeys(finding.id for finding in findings))
    pages = {rule.id: rule for rule in rules}
    titles = {finding.id: finding.title for finding in reversed(findings)}
    driver = {
        "name": "sftdoctor",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(id_, pages.get(id_), titles[id_]) for id_ in ids],
    }
    marks = fingerprints(findings)
    suppressions = (*([] for _ in shown), *([_suppression(item)] for item in report.suppressed))
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": f"sftdoctor/{clean(report.workload.scenario.name, 80)}/"},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {SOURCE_ROOT: {"description": _message("the folder that sftdoctor was run in")}},
                "invocations": [_invocation(report)],
                "results": [
                    {**_result(report, finding, ids.index(finding.id), mark, edited), "suppressions": suppressed}
                    for finding, mark, suppressed in zip(findings, marks, suppressions, strict=True)
                ],
                "properties": {"verdict": report.verdict.value, "target": words.target_parts(report.environment)},
            }
        ],
    }


def _message(text: str) -> JSON:
    # "[words](target)" is a link in a SARIF message: nobody else's text becomes one
    return {"text": text.replace("](", "] (") or "–"}


def _rule(id_: str, rule: Rule | None, title: str) -> JSON:
    if rule is None:
        return {"id": clean(id_, 40), "shortDescription": _message(clean(title))}
    page = "\n".join(clean_lines(rule.explain)).strip()
    message = clean(sentences(rule.message), 1000)
    return {
        "id": clean(rule.id, 40),
        "name": "".join(part.capitalize() for part in clean(rule.name, 120).split("-")),
        "shortDescription": _message(clean(rule.heading())),
        "fullDescription": _message(message or clean(rule.heading())),
        "help": {**_message(page), "markdown": page.replace("<", "&lt;") or "–"},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"precision": PRECISIONS[rule.confidence.value], "tags": [clean(rule.id, 40)[:3]]},
    }


def _invocation(report: Report) -> JSON:
    gaps = [
        {"level": "note", "message": _message(f"not judged: {', '.join(things)}: {reason}")}
        for reason, things in words.gaps(report.not_judged).items()
    ]
    return {"executionSuccessful": anchors.could_be_judged(report), "toolExecutionNotifications": gaps}


def _result(report: Report, finding: Finding, index: int, mark: str, edited: Edited) -> JSON:
    result: JSON = {
        "ruleId": clean(finding.id, 40),
        "ruleIndex": index,
        "level": LEVELS[anchors.level(finding)],
        "message": _message("\n".join(anchors.told(report, finding))),
        "locations": [_location(anchors.anchor(report, finding), finding)],
        "partialFingerprints": {"sftdoctor/v1": mark},
        "properties": {
            "confidence": finding.confidence.value,
            "symptom": clean(finding.symptom),
            "evidence": [clean(source) for source in finding.evidence],
        },
    }
    sides = [_location(place) for place in anchors.related(report, finding.cause)]
    if sides:
        result["relatedLocations"] = [{"id": number, **side} for number, side in enumerate(sides)]
    fixes = [made for fix in finding.fixes if fix.edit and (made := _fix(fix, fix.edit, edited))]
    if fixes:
        result["fixes"] = fixes
    return result


def _suppression(item: Suppressed) -> JSON:
    """Why a finding does not count: a comment in the script, or what the project's configuration or baseline says."""
    kind = "inSource" if item.by == "comment" else "external"
    return {"kind": kind, "status": "accepted", "justification": clean(item.reason) or clean(item.by)}


def _location(place: Anchor, finding: Finding | None = None) -> JSON:
    physical: JSON = {"artifactLocation": _artifact(place.path)}
    if finding and place.line is None:
        physical["region"] = {"startLine": 1}  # code scanning shows no result without a line
    elif place.line is not None:
        region = {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        }
        physical["region"] = {name: number for name, number in region.items() if number is not None}
    location: JSON = {"physicalLocation": physical}
    callee = finding.cause.callee if finding and finding.cause else None
    name = clean(callee.symbol or callee.module or callee.distribution, 300) if callee else ""
    if name:
        location["logicalLocations"] = [{"fullyQualifiedName": name}]
    return location


def _artifact(path: str) -> Mapping[str, str]:
    if path.startswith("~"):
        path = os.path.expanduser(path)  # noqa: PTH111  (a name of a user that is not there stays as it is)
    if path.startswith("/"):
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": SOURCE_ROOT}


def _fix(fix: Fix, edit: Edit, edited: Edited) -> JSON | None:
    texts = edited(edit)
    if texts is None or texts[0] == texts[1]:
        return None
    return {
        "description": _message(f"{words.fix_words(fix)} ({fix.safety.value})"),
        "artifactChanges": [
            {
                "artifactLocation": _artifact(anchors.anchor_of(edit.location).path),
                "replacements": [replacement(*texts)],
            }
        ],
    }


def replacement(old: str, new: str) -> JSON:
    """The one replacement that makes a text of another.

    Args:
        old: The text that is there.
        new: The text that should be.

    Returns:
        A SARIF replacement object: the smallest region that differs, in lines and characters from 1, and what takes
        its place.
    """
    start = _alike(old, new)
    tail = _alike(old[start:][::-1], new[start:][::-1])
    end = len(old) - tail
    line, column = _position(old, start)
    end_line, end_column = _position(old, end)
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {"deletedRegion": region, "insertedContent": {"text": new[start : len(new) - tail]}}


def _alike(one: str, other: str) -> int:
    """Characters that two texts have in common at their beginning."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")
