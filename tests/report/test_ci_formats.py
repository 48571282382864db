"""What CI systems read: GitHub's annotations, GitLab's Code Quality, JUnit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema
from hypothesis import given, settings

from sftdoctor.model import Confidence, Location, NotJudged, Report, Severity, Verdict
from sftdoctor.report import github, gitlab, junit
from sftdoctor.report.json_report import dumps
from sftdoctor.ruleset import load_rules
from tests.report import samples
from tests.report.hostile import reports
from tests.report.test_json_report import validate

JUNIT = xmlschema.XMLSchema(str(Path(__file__).parents[2] / "fixtures" / "formats" / "junit-10.xsd"))
RULES = load_rules(pages=False)


def test_an_annotation_names_file_line_and_title() -> None:
    lines = github.render(samples.BROKEN).splitlines()
    assert lines[1] == (
        "::error title=API004 SFTConfig(max_seq_length=2048)%3A renamed to max_length in trl 0.20,file=train.py,"
        "line=31,endLine=31,col=5,endColumn=24::fix: max_seq_length → max_length (safe)"
    )
    assert lines[0].startswith("::error title=API021 trl passes an argument")
    assert "file=" not in lines[0]
    assert "%0Apeft 0.5.0: peft/utils/other.py:81" in lines[0]
    assert lines[3] == "::notice title=sftdoctor%3A 1 not judged::GPU001: no GPU here; say --gpu NAME to judge for one"
    assert lines[4].startswith("sftdoctor: This run will break: 2 errors, 1 warning, 1 not judged; ")


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_paths_are_those_of_the_repository(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert gitlab.to_list(samples.BROKEN)[1]["location"]["path"] == "train.py"
    monkeypatch.setenv(variable, f"{tmp_path}/")
    assert gitlab.to_list(samples.BROKEN)[1]["location"]["path"] == "sub/train.py"
    assert ",file=sub/train.py,line=31," in github.render(samples.BROKEN)


def test_a_place_over_several_lines_has_no_columns() -> None:
    finding = replace(samples.SCRIPT, location=Location("train.py", 3, 5, 7, 2))
    line = github.render(samples.report(finding)).splitlines()[0]
    assert "line=3,endLine=7::" in line


@pytest.mark.parametrize("number", [10, 11, 35])
@pytest.mark.parametrize("severity", list(Severity))
def test_no_level_says_more_than_a_step_can_show(severity: Severity, number: int) -> None:
    findings = [replace(samples.SCRIPT, id=f"API{n:03}", severity=severity) for n in range(number)]
    report = samples.report(*findings, not_judged=samples.GAPS)
    lines = [line for line in github.render(report).splitlines() if line.startswith(f"::{github.COMMANDS[severity]}")]
    assert len(lines) <= github.MOST
    shown = [line for line in lines if "title=API" in line]
    left = number - len(shown)
    assert bool(left) == any(f"{left} {'note' if severity is Severity.INFO else severity.value}" in x for x in lines)
    if left:
        assert f"API{number - 1:03}" in " ".join(lines)


def test_code_quality_is_valid_and_each_issue_its_own() -> None:
    issues = gitlab.to_list(replace(samples.BROKEN, findings=(*samples.BROKEN.findings, samples.SCRIPT)))
    validate("gitlab", issues)
    assert len({issue["fingerprint"] for issue in issues}) == len(issues) == 4
    assert [issue["severity"] for issue in issues] == ["critical", "critical", "minor", "critical"]
    assert issues[1]["location"] == {"path": "train.py", "lines": {"begin": 31, "end": 31}}
    assert json.loads(dumps(gitlab.to_list(samples.HEALTHY))) == []


@given(report=reports())
@settings(max_examples=40, deadline=None)
def test_hostile_code_quality_is_valid(report: Report) -> None:
    validate("gitlab", gitlab.to_list(report))


def cases(report: Report) -> dict[str, ElementTree.Element]:
    """The cases of a report by name, checked against the schema and the counts of the suite."""
    said = junit.render(report, RULES)
    JUNIT.validate(said)
    suite = ElementTree.fromstring(said).find("testsuite")
    assert suite is not None
    found = suite.findall("testcase")
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.attrib[attribute]) == sum(case.find(tag) is not None for case in found)
    assert int(suite.attrib["tests"]) == len(found)
    return {case.attrib["name"]: case for case in found}


def test_each_rule_is_a_case() -> None:
    found = cases(samples.HEALTHY)
    assert [name[:6] for name in found] == [rule.id for rule in RULES]
    assert not [case for case in found.values() if len(case)]


def test_what_was_found_has_failed_and_what_was_not_judged_is_skipped() -> None:
    gaps = (NotJudged("rules MDL001, GPU001", "no source"), NotJudged("the links", "a bug"))
    found = cases(replace(samples.BROKEN, not_judged=gaps))
    by_id = {name[:6]: case for name, case in found.items()}
    failure = by_id["API021"].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.attrib == {"type": "error", "message": samples.LINK.title}
    assert "trl/models/utils.py:538" in failure.text
    assert by_id["API004"].find("failure") is not None  # a rule of the user's own, that is not in the list
    for id_ in ("MDL001", "GPU001"):
        skipped = by_id[id_].find("skipped")
        assert skipped is not None and skipped.attrib["message"] == "no source"
    assert found["not judged: the links"].find("skipped") is not None
    assert not len(by_id["API001"])


def test_a_note_is_no_failure_and_a_possible_error_fails_as_a_warning() -> None:
    note = replace(samples.WARNING, id="GPU007", severity=Severity.INFO)
    possible = replace(samples.LINK, confidence=Confidence.POSSIBLE)
    by_id = {name[:6]: case for name, case in cases(samples.report(note, possible)).items()}
    assert [child.tag for child in by_id["GPU007"]] == ["system-out"]
    assert [child.attrib["type"] for child in by_id["API021"]] == ["warning"]


def test_a_run_that_could_not_be_judged_never_passes() -> None:
    assert cases(samples.report(verdict=Verdict.UNKNOWN))["the run"].find("error") is not None


@given(report=reports())
@settings(max_examples=40, deadline=None)
def test_hostile_junit_is_valid(report: Report) -> None:
    JUNIT.validate(junit.render(report, RULES))
