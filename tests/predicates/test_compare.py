"""compare: two facts against each other."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.model import Fact, Script, Workload
from sftdoctor.predicates import Context, Outcome, evaluate
from tests.predicates.contexts import SCENARIO, context


@pytest.mark.parametrize(
    ("left", "how", "right", "outcome"),
    [
        (500, "no-multiple", 200, Outcome.FAILS),
        (400, "no-multiple", 200, Outcome.HOLDS),
        (400, "no-multiple", 0, Outcome.HOLDS),
        (100, "at-least", 100, Outcome.FAILS),
        (99, "at-least", 100, Outcome.HOLDS),
        (2048, "more", 1024, Outcome.FAILS),
        (1024, "more", 1024, Outcome.HOLDS),
        (1, "less", 2, Outcome.FAILS),
        ("a", "equal", "a", Outcome.FAILS),
        ("a", "different", "b", Outcome.FAILS),
        ("a", "different", "a", Outcome.HOLDS),
        ("a", "more", 1, Outcome.HOLDS),
        (True, "more", 0, Outcome.HOLDS),
        ("unset", "more", 1, Outcome.HOLDS),
        ("unknown", "more", 1, Outcome.UNKNOWN),
        (1, "equal", "unknown", Outcome.UNKNOWN),
    ],
)
def test_compare(left: Any, how: str, right: Any, outcome: Outcome) -> None:
    probe = {"probe": "compare", "left": "max_length", "is": how, "right": "model_positions"}
    assert evaluate(context(facts={"max_length": left, "model_positions": right}), probe).outcome is outcome


def test_a_default_stands_for_what_is_not_said() -> None:
    probe = {"probe": "compare", "left": "save_steps", "is": "no-multiple", "right": "eval_steps", "left_default": 500}
    match = evaluate(context(facts={"eval_steps": 300}), probe).matches[0]
    assert (match.values["left"], match.values["right"]) == ("500", "300")


@pytest.mark.parametrize(("value", "outcome"), [("a", Outcome.HOLDS), ("c", Outcome.FAILS)])
def test_not_among_several(value: str, outcome: Outcome) -> None:
    facts = (Fact("dataset_text_field", value), Fact("dataset_column", "a"), Fact("dataset_column", "b"))
    script = Script("train.py", "", facts)
    plain = context()
    asked = Context(plain.environment, Workload(SCENARIO, (script,)), plain.library, plain.links, script)
    probe = {"probe": "compare", "left": "dataset_text_field", "is": "not-among", "right": "dataset_column"}
    assert evaluate(asked, probe).outcome is outcome
