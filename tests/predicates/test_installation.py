"""problem, core-missing, platform."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sftdoctor.model import Problem
from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import SCENARIO, context, distribution, script_of

TILDE = Problem("leftover", "ransformers", "/site/~ransformers")
TWICE = Problem("duplicate", "peft", "/site/peft-0.5.0.dist-info", "0.17.1 and 0.5.0")


def test_problem_matches_each() -> None:
    asked = context(problems=(TILDE, TWICE, replace(TWICE, path="/other")))
    found = evaluate(asked, {"probe": "problem", "kind": ["duplicate", "unreadable"]}).matches
    assert [match.values["path"] for match in found] == ["/site/peft-0.5.0.dist-info", "/other"]
    assert evaluate(asked, {"probe": "problem", "kind": "shadowed"}).outcome is Outcome.HOLDS
    assert evaluate(asked, {"probe": "problem", "kind": "leftover", "name": "peft"}).outcome is Outcome.HOLDS


def test_core_missing_names_all() -> None:
    match = evaluate(context(), {"probe": "core-missing"}).matches[0]
    assert match.values["name"] == ("trl", "peft")


@pytest.mark.parametrize(
    ("source", "quantization", "outcome"),
    [
        ("import trl", "none", Outcome.HOLDS),
        ("from peft import LoraConfig", "none", Outcome.FAILS),
        ("import trl\n\ndef f():\n    from peft import LoraConfig", "none", Outcome.FAILS),
        ("# import peft\nx = 'import peft'", "none", Outcome.HOLDS),
        ("import trl", "nf4", Outcome.FAILS),
        ("import trl", "unknown", Outcome.HOLDS),
    ],
)
def test_a_script_needs_what_it_imports_or_quantises_with(source: str, quantization: str, outcome: Outcome) -> None:
    scenario = replace(SCENARIO, core=("trl", "peft", "bitsandbytes"))
    asked = context(distribution("trl", "0.24.0"), scenario=scenario)
    script = script_of({"quantization": quantization}, source=source)
    assert evaluate(replace(asked, judged=script), {"probe": "core-missing"}).outcome is outcome


def test_core_missing_needs_a_complete_target() -> None:
    assert evaluate(context(complete=False), {"probe": "core-missing"}).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        ({"system": "linux"}, Outcome.FAILS),
        ({"system": ["darwin", "win32"]}, Outcome.HOLDS),
        ({"system": "linux", "machine": "x86_64"}, Outcome.FAILS),
        ({"system": "linux", "machine": ["arm64", "aarch64"]}, Outcome.HOLDS),
    ],
)
def test_platform(arguments: dict[str, Any], outcome: Outcome) -> None:
    assert evaluate(context(), {"probe": "platform", **arguments}).outcome is outcome


def test_platform_may_be_unknown() -> None:
    asked = context()
    bare = replace(asked, environment=replace(asked.environment, markers={}))
    assert evaluate(bare, {"probe": "platform", "system": "linux"}).outcome is Outcome.UNKNOWN
