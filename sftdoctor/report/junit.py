"""A Report as JUnit XML: each rule a case (Jenkins' junit-10.xsd, which other readers of JUnit take too)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from sftdoctor.model import Finding, Report, Rule, Severity
from sftdoctor.report import anchor as anchors
from sftdoctor.report import words
from sftdoctor.report.plain import clean

_RULES = re.compile(r"rules? ([A-Z0-9, ]{1,4000})")
"""How a Report names the rules that could not be judged."""
_NO_XML = re.compile("[\ufffe\uffff]")
"""Characters that XML 1.0 lacks and that clean() leaves."""


def render(report: Report, rules: Sequence[Rule] = ()) -> str:
    """A Report as one test suite.

    A rule that found an error or a warning has failed; one that could not be judged, and all else that could not,
    is skipped with its reason; the others have passed. Where the run could not be judged at all, the suite has an
    error, so that it never passes.

    Args:
        report: What was found.
        rules: The rules that were asked.

    Returns:
        An XML document, ASCII only.
    """
    cases = _cases(report, rules)
    if not anchors.could_be_judged(report):
        verdict = _case("the run")
        SubElement(verdict, "error", type="unknown", message=_xml(words.headline(report)))
        cases.append(verdict)
    numbers = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")}
    totals = {
        "tests": str(len(cases)),
        "failures": str(numbers["failure"]),
        "errors": str(numbers["error"]),
        "time": f"{max(report.seconds, 0):.3f}",
    }
    name = _xml(f"sftdoctor {clean(report.workload.scenario.name, 80)}")
    root = Element("testsuites", {"name": "sftdoctor", **totals})
    suite = SubElement(root, "testsuite", {"name": name, "skipped": str(numbers["skipped"]), **totals})
    properties = SubElement(suite, "properties")
    for name, value in _facts(report).items():
        SubElement(properties, "property", name=_xml(name), value=_xml(value))
    suite.extend(cases)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + str(tostring(root, "us-ascii"), "ascii") + "\n"


def _facts(report: Report) -> dict[str, str]:
    head, *rest = words.target_parts(report.environment)
    return {"verdict": report.verdict.value, "target": head, "stack": ", ".join(rest)}


def _cases(report: Report, rules: Sequence[Rule]) -> list[Element]:
    found: dict[str, list[Finding]] = {}
    for finding in anchors.shown(report):
        found.setdefault(finding.id, []).append(finding)
    reasons, others = _gaps(report)
    titles = {rule.id: rule.heading() for rule in rules}
    titles |= {id_: findings[0].title for id_, findings in found.items() if id_ not in titles}
    titles |= {id_: "" for id_ in reasons if id_ not in titles}
    cases = []
    for id_ in sorted(titles):
        case = _case(f"{clean(id_, 40)} {clean(titles[id_])}".strip(), id_)
        _judge(case, report, found.get(id_, []), reasons.get(id_, []))
        cases.append(case)
    for what, reason in others:
        case = _case(f"not judged: {what}")
        SubElement(case, "skipped", message=_xml(reason))
        cases.append(case)
    return cases


def _case(name: str, id_: str = "") -> Element:
    family = clean(id_, 40)[:3]
    return Element("testcase", name=_xml(name), classname=_xml(f"sftdoctor.{family}" if family else "sftdoctor"))


def _judge(case: Element, report: Report, findings: Sequence[Finding], reasons: Sequence[str]) -> None:
    told = "\n\n".join("\n".join(_lines(report, finding)) for finding in findings)
    serious = [finding for finding in findings if finding.severity is not Severity.INFO]
    if serious:
        worst = min((anchors.level(finding) for finding in serious), key=list(Severity).index)
        failure = SubElement(case, "failure", type=worst.value, message=_xml(clean(serious[0].title)))
        failure.text = _xml(told)
    elif reasons:
        SubElement(case, "skipped", message=_xml("; ".join(reasons)))
    if findings and not serious:
        SubElement(case, "system-out").text = _xml(told)


def _lines(report: Report, finding: Finding) -> list[str]:
    place = anchors.anchor(report, finding)
    line = f":{place.line}" if place.line else ""
    return [f"{place.path}{line}", *anchors.told(report, finding)]


def _gaps(report: Report) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Reasons by rule, and what else could not be judged with its reason."""
    reasons: dict[str, list[str]] = {}
    others = []
    for gap in report.not_judged:
        named = _RULES.fullmatch(gap.what)
        for id_ in named[1].split(", ") if named else ():
            reasons.setdefault(id_, []).append(clean(gap.reason))
        if not named:
            others.append((clean(gap.what), clean(gap.reason)))
    return reasons, others


def _xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
