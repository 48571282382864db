"""The cases that rules carry: every rule of ours answers as its cases say, and a wrong case is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.fix_cases import run_fixes
from sftdoctor.model import Case, Rule
from sftdoctor.ruleset import load_rules
from sftdoctor.testing import build_environment, build_workload, run_cases
from tests.rule_files import write_rule

RULES = [pytest.param(rule, id=rule.id) for rule in load_rules()]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_answers_as_its_cases_say(rule: Rule) -> None:
    wrong = [
        (result.case, result.expected, result.got, result.reason) for result in run_cases(rule) if not result.passed
    ]
    assert wrong == []


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_rejects_what_its_own_fix_names(rule: Rule) -> None:
    assert [(result.case, result.reason) for result in run_fixes(rule) if not result.passed] == []


@pytest.mark.parametrize(
    ("require", "reason"),
    [
        ("peft>=0.8.0", ""),
        ("peft>=0.5.0", "changes nothing"),
        ("peft>=0.5.1", "the rule rejects the version"),
        ("peft==0.5.9", "the rule rejects the version"),
    ],
)
def test_a_fix_that_its_own_check_rejects(require: str, reason: str, tmp_path: Path) -> None:
    write_rule(tmp_path, "peft>=0.8.0", require)
    rule = next(rule for rule in load_rules(tmp_path) if rule.id == "API900")
    (result,) = run_fixes(rule)
    assert result.passed is not bool(reason)
    assert reason in result.reason


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    write_rule(tmp_path)
    return next(rule for rule in load_rules(tmp_path) if rule.id == "API900")


def got(rule: Rule, **case: Any) -> tuple[str, str]:
    fields = {name: case.pop(name) for name in ("distributions", "source", "facts") if name in case}
    result = run_cases(replace(rule, cases=(Case("a case", "pass", data=case, **fields),)))[0]
    return result.got, result.reason


def test_a_wrong_case_is_seen(rule: Rule) -> None:
    turned = replace(rule, cases=tuple(replace(case, expect="pass") for case in rule.cases))
    results = run_cases(turned)
    assert [result.passed for result in results] == [False, True]
    assert (results[0].got, results[0].reason) == ("fail", "peft 0.5.0 is old.")


def test_an_unknown_answer_has_its_reason(rule: Rule) -> None:
    asking = replace(rule, fails={"probe": "signature", "callable": "peft:gone", "lacks": "x"})
    assert got(asking, distributions={"peft": "0.5.0"}) == ("unknown", "the signature of peft.gone cannot be read")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"gpu": "a toaster"}, "UsageError"),
        ({"scenario": "nothing"}, "UsageError"),
        ({"files": {"../outside.py": ""}}, "leads out of the case's folder"),
        ({"source": {"../../x": ""}}, "ValueError"),
        ({"problems": [{"sort": "leftover"}]}, "TypeError"),
        ({"python": "two"}, "UsageError"),
    ],
)
def test_a_case_that_cannot_be_set_up_is_broken(rule: Rule, case: dict[str, Any], reason: str) -> None:
    outcome, why = got(rule, **case)
    assert outcome == "broken"
    assert reason in why


def test_the_environment_of_a_case_is_read_as_any_other(tmp_path: Path) -> None:
    case = Case(
        "a case",
        "pass",
        distributions={"trl": "0.24.0", "flash-attn": "2.6.0"},
        source={"trl.models.utils": "x = 1", "other": ""},
        data={
            "python": "3.12.1",
            "platform": {"system": "win32", "machine": "AMD64"},
            "requires": {"trl": ["peft>=0.8; extra == 'peft'"]},
            "extras": {"trl": ["peft"]},
            "requires_python": {"trl": ">=3.9"},
            "gpu": "8.6",
            "driver_cuda": "12.8",
            "torch": {"cuda": "12.4", "architectures": ["sm_86"]},
            "complete": False,
        },
    )
    environment = build_environment(case, tmp_path)
    trl = environment.distributions["trl"]
    assert (trl.version, trl.requires, trl.extras) == ("0.24.0", ("peft>=0.8; extra == 'peft'",), ("peft",))
    assert (trl.requires_python, trl.top_level) == (">=3.9", ("trl",))
    assert (tmp_path / "site-packages/trl/models/utils.py").read_text(encoding="utf-8") == "x = 1"
    assert environment.distributions["flash-attn"].top_level == ("flash_attn",)
    assert environment.markers["python_version"] == "3.12"
    assert (environment.markers["sys_platform"], environment.markers["platform_machine"]) == ("win32", "AMD64")
    assert environment.accelerators is not None and environment.accelerators[0].capability == (8, 6)
    assert environment.torch_build is not None and environment.torch_build.architectures == ("sm_86",)
    assert (environment.driver_cuda, environment.complete) == ("12.8", False)


def test_the_workload_of_a_case(tmp_path: Path) -> None:
    script = "from trl import SFTConfig\nargs = SFTConfig(bf16=True)\n"
    model = {"config": {"model_type": "qwen"}, "modeling_qwen.py": "x = 1\n"}
    case = Case("a case", "pass", facts={"packing": True}, data={"script": script, "model": model})
    workload = build_workload(case, tmp_path)
    assert workload.scripts[0].source == script
    assert workload.scripts[0].facts[-1].name == "packing"
    assert workload.model is not None and workload.model.config["model_type"] == "qwen"
    assert workload.scenario.entry_points == ()


def test_without_script_and_facts_the_scenario_speaks(tmp_path: Path) -> None:
    workload = build_workload(Case("a case", "pass", data={"scenario": "sft-lora-8bit"}), tmp_path)
    assert workload.scripts == ()
    assert workload.scenario.facts["quantization"] == "int8"
