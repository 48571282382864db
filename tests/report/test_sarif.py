"""SARIF: valid against the OASIS schema; help, fixes that really fix, marks that outlive a moved line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from sftdoctor import jobs
from sftdoctor.model import (
    Confidence,
    Distribution,
    Edit,
    Fix,
    Location,
    Report,
    Safety,
    Script,
    Suppressed,
    Target,
    TargetKind,
    Verdict,
    Workload,
)
from sftdoctor.report import sarif
from sftdoctor.report.json_report import dumps
from sftdoctor.ruleset import load_rules
from tests.report import samples
from tests.report.hostile import reports

PUBLISHED = Path(__file__).parents[2] / "fixtures" / "formats" / "sarif-schema-2.1.0.json"
VALIDATOR = Draft4Validator(json.loads(PUBLISHED.read_text("utf-8")), format_checker=Draft4Validator.FORMAT_CHECKER)
RULES = load_rules()
SOURCE = "from trl import SFTConfig\n\nconfig = SFTConfig(\n    max_seq_length=2048,  # é\n)\n"


def log(report: Report, **options: Any) -> dict[str, Any]:
    """The one run of a report, checked against the schema."""
    value = json.loads(dumps(sarif.to_dict(report, RULES, **options)))
    VALIDATOR.validate(value)
    run: dict[str, Any] = value["runs"][0]
    return run


@pytest.mark.parametrize("report", [samples.BROKEN, samples.HEALTHY, replace(samples.BROKEN, verdict=Verdict.UNKNOWN)])
def test_reports_are_valid(report: Report) -> None:
    run = log(report)
    assert run["invocations"][0]["executionSuccessful"] is (report.verdict is not Verdict.UNKNOWN)


@given(report=reports())
@settings(max_examples=60, deadline=None)
def test_hostile_reports_are_valid_and_link_nowhere(report: Report) -> None:
    run = log(report)
    assert "](" not in json.dumps([result["message"] for result in run["results"]])


def test_every_rule_has_help_of_its_own() -> None:
    findings = [replace(samples.WARNING, id=rule.id, rule=rule.name) for rule in RULES]
    rules = log(samples.report(*findings))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in RULES]
    for rule in rules:
        assert "## Why" in rule["help"]["text"]
        assert rule["fullDescription"]["text"] != "–"
        assert "helpUri" not in rule


def test_results_say_where_what_and_how_sure() -> None:
    link, script, warning = log(samples.BROKEN)["results"]
    assert [result["level"] for result in (link, script, warning)] == ["error", "error", "warning"]
    assert script["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "train.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 31, "startColumn": 5, "endLine": 31, "endColumn": 24},
    }
    assert "gradient_checkpointing_kwargs" in link["message"]["text"]
    named = link["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
    assert named == "peft.utils.other.prepare_model_for_kbit_training"
    assert script["properties"]["confidence"] == "likely"


def test_an_error_that_is_only_possible_is_a_warning() -> None:
    finding = replace(samples.LINK, confidence=Confidence.POSSIBLE)
    assert log(samples.report(finding))["results"][0]["level"] == "warning"


@pytest.mark.parametrize(
    ("changes", "uri"),
    [
        ({"target": Target(TargetKind.PINS, "requirements.txt", "3.11")}, "requirements.txt"),
        ({}, "file:///somewhere/.venv/bin/python"),
        (
            {"distributions": {"trl": Distribution("trl", "0.24.0", "/site packages")}},
            "file:///site%20packages/trl/models/utils.py",
        ),
    ],
)
def test_what_has_no_line_of_the_user_is_shown_at_the_best_file(changes: dict[str, Any], uri: str) -> None:
    report = samples.report(samples.LINK, environment=samples.environment(**changes))
    assert log(report)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_lines_of_a_notebook_are_no_lines_of_its_file() -> None:
    location = Location("a.ipynb", 5, 1, 5, 9)
    script = Script("a.ipynb", "a\nb\nc\nd\ne\n", cells=((0, 1), (3, 4)))
    report = samples.report(replace(samples.SCRIPT, location=location), workload=Workload(samples.SCENARIO, (script,)))
    result = log(report)["results"][0]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert "(cell 4, line 2)" in result["message"]["text"]


def apply(text: str, replacement: dict[str, Any]) -> str:
    """Carry out a replacement as a reader of SARIF would."""
    region = replacement["deletedRegion"]
    lines = text.split("\n")

    def offset(line: int, column: int) -> int:
        return sum(len(before) + 1 for before in lines[: line - 1]) + column - 1

    start, end = (offset(region[f"{side}Line"], region[f"{side}Column"]) for side in ("start", "end"))
    return text[:start] + str(replacement["insertedContent"]["text"]) + text[end:]


@given(old=st.text("ab\r\n\té", max_size=30), new=st.text("ab\r\n\té", max_size=30))
def test_a_replacement_makes_the_new_text(old: str, new: str) -> None:
    assert apply(old, sarif.replacement(old, new)) == new


def test_an_edit_is_a_fix_that_mends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(SOURCE, "utf-8")
    location = Location(str(path), 3, 10, 5, 2)
    edit = Edit("rename_keyword", location, {"old": "max_seq_length", "new": "max_length"})
    fix = Fix("edit", Safety.SAFE, "rename it", edit=edit)
    finding = replace(samples.SCRIPT, location=location, fixes=(fix, samples.LINK.fixes[0]))
    fixes = log(samples.report(finding), edited=jobs.edited)["results"][0]["fixes"]
    assert len(fixes) == 1
    [change] = fixes[0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == path.as_uri()
    [replacement] = change["replacements"]
    assert apply(SOURCE, replacement) == SOURCE.replace("max_seq_length", "max_length")
    assert path.read_text("utf-8") == SOURCE


def test_an_edit_that_cannot_be_made_is_no_fix(tmp_path: Path) -> None:
    edit = Edit("rename_keyword", Location(str(tmp_path / "gone.py"), 1, 1), {"old": "a", "new": "b"})
    finding = replace(samples.SCRIPT, fixes=(Fix("edit", Safety.SAFE, "rename it", edit=edit),))
    assert "fixes" not in log(samples.report(finding), edited=jobs.edited)["results"][0]


def test_marks_stay_when_lines_move_and_versions_change() -> None:
    before = log(samples.report(samples.SCRIPT, samples.LINK))["results"]
    cause = samples.LINK.cause
    assert cause and cause.caller
    newer = replace(cause, caller=replace(cause.caller, version="0.24.1", line=900))
    moved = replace(samples.SCRIPT, location=Location("train.py", 99, 9, 99, 30))
    after = log(samples.report(moved, replace(samples.LINK, cause=newer, message="other")))["results"]
    marks = [[result["partialFingerprints"] for result in results] for results in (before, after)]
    assert marks[0] == marks[1]
    assert marks[0][0] != marks[0][1]


def test_what_is_suppressed_is_a_result_that_says_so() -> None:
    first, *others = samples.BROKEN.findings
    kept = (Suppressed(first, "comment", "until we leave trl 0.24"), Suppressed(others[0], "baseline"))
    value = sarif.to_dict(replace(samples.BROKEN, findings=tuple(others[1:]), suppressed=kept))
    VALIDATOR.validate(json.loads(dumps(value)))
    results = value["runs"][0]["results"]
    assert [result["suppressions"] for result in results[: len(others) - 1]] == [[]] * (len(others) - 1)
    assert [result["suppressions"][0]["kind"] for result in results[-2:]] == ["inSource", "external"]
    assert results[-2]["suppressions"][0]["justification"] == "until we leave trl 0.24"
    assert len({result["partialFingerprints"]["sftdoctor/v1"] for result in results}) == len(results)
