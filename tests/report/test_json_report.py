"""The JSON report: valid against its schema, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from sftdoctor.explanation import explain
from sftdoctor.model import CaseResult, FixResult, Plan, Proof, Report, Verdict
from sftdoctor.report import json_report
from sftdoctor.report.environment import differences_to_dict
from sftdoctor.ruleset import load_rules
from tests.report import samples

FOLDER = Path(json_report.__file__).with_name("schema")
SCHEMAS = {path.stem: json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")}
REGISTRY: Any = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
)


def validate(name: str, value: Any) -> None:
    """Raise where the JSON text of a value breaks the schema."""
    Draft202012Validator(SCHEMAS[name], registry=REGISTRY).validate(json.loads(json_report.dumps(value)))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize(
    "report",
    [
        samples.BROKEN,
        samples.HEALTHY,
        samples.report(environment=samples.environment(accelerators=None, torch_build=None), verdict=Verdict.UNKNOWN),
        samples.report(environment=samples.environment(accelerators=(samples.GPU,)), verdict=Verdict.CLEAN),
    ],
)
def test_reports_are_valid(report: Report) -> None:
    validate("check", json_report.to_dict(report))


@pytest.mark.parametrize("proof", [samples.PASSED, samples.FAILED, samples.PROOF, samples.IMPOSSIBLE])
def test_proofs_are_valid(proof: Proof) -> None:
    validate("prove", json_report.proof_to_dict(proof))


@pytest.mark.parametrize(
    "result",
    [samples.PLANNED, samples.APPLIED, samples.UNDONE, FixResult("nothing-to-do", Plan(), samples.HEALTHY)],
)
def test_fixes_are_valid(result: FixResult) -> None:
    validate("fix", json_report.fix_to_dict(result))


def test_rules_explanations_and_cases_are_valid() -> None:
    rules = load_rules()
    validate("rules", json_report.rules_to_dict(rules))
    result = CaseResult("API021", "old peft", "fail", "broken", "no such module")
    validate("cases", json_report.results_to_dict([result]))
    log = ["Traceback (most recent call last):", samples.LINK.symptom]
    for lines in (log, ["nothing known"]):
        validate("explain", json_report.explanation_to_dict(explain(lines, rules)))


def test_environments_and_differences_are_valid() -> None:
    here, there = samples.environment(), samples.environment(accelerators=(samples.GPU,))
    validate("env", json_report.env_to_dict(here))
    validate("env", json_report.env_to_dict(there, "25.0", {"trl": "0.1"}))
    validate("diff", differences_to_dict(("a", here), ("b", there)))


def test_the_keys_of_the_contract() -> None:
    value = json_report.to_dict(samples.BROKEN)
    assert list(value)[:5] == ["schema", "tool", "target", "verdict", "environment"]
    counted = {"error": 2, "warning": 1, "info": 0, "not_judged": 1, "suppressed": 0, "outlived": 0}
    assert value["summary"] == {**counted, "seconds": 0.41}
    finding = value["findings"][0]
    assert finding["cause"]["caller"]["distribution"] == "trl"
    assert finding["cause"]["callee"]["symbol"] == "peft.utils.other.prepare_model_for_kbit_training"
    assert value["findings"][1]["cause"] is None
    assert value["findings"][1]["location"]["end_column"] == 24


def test_what_is_not_there_has_no_version() -> None:
    cause = json_report.to_dict(samples.BROKEN)["findings"][2]["cause"]
    assert cause["caller"] is None
    assert cause["callee"]["version"] is None
    assert cause["callee"]["distribution"] == "scipy"


def test_numbers_that_json_lacks_are_words() -> None:
    checks = json_report.proof_to_dict(samples.FAILED)["checks"]
    assert checks == [{"name": "loss_finite", "passed": False, "value": "nan"}]


@given(st.text(alphabet=st.characters()))
def test_any_words_make_valid_ascii_json(words: str) -> None:
    finding = replace(samples.LINK, title=words, message=words)
    printed = json_report.dumps(json_report.to_dict(samples.report(finding)))
    assert printed.isascii()
    assert json.loads(printed)["findings"][0]["title"] == words
