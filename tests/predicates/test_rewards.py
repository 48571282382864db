"""reward: a script's reward functions against what the installed trl passes them."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context

TRAINER = """
class GRPOTrainer:
    def _rewards(self, inputs, prompts, completions):
        reward_kwargs = {key: [one[key] for one in inputs] for key in inputs[0]}
        reward_kwargs["trainer_state"] = self.state
        if self.environments is not None:
            reward_kwargs["environments"] = self.environments
        for reward_func in self.reward_funcs:
            reward_func(prompts=prompts, completions=completions, **reward_kwargs)
"""


def judged(flaw: str, function: tuple[Any, ...], text: str = TRAINER, **facts: Any) -> tuple[Outcome, str]:
    said = {"trainer_class": "GRPOTrainer", "dataset_columns_complete": True, "dataset_column": "answer", **facts}
    given = context(facts={"reward_function": function, **said}, texts={"trl.trainer.grpo_trainer": text})
    found = evaluate(given, {"probe": "reward", "flaw": flaw})
    return found.outcome, str(found.matches[0].values["name"]) if found.matches else ""


@pytest.mark.parametrize(
    ("flaw", "function", "outcome", "name"),
    [
        ("refuses", ("f", False, "completions"), Outcome.FAILS, "prompts"),
        ("refuses", ("f", False, "prompts", "completions="), Outcome.FAILS, "trainer_state"),
        ("refuses", ("f", False, "prompts", "completions", "trainer_state"), Outcome.HOLDS, ""),
        ("refuses", ("f", True, "completions"), Outcome.HOLDS, ""),
        ("lacks", ("f", True, "completions", "gold"), Outcome.FAILS, "gold"),
        ("lacks", ("f", True, "completions", "gold="), Outcome.HOLDS, ""),
        ("lacks", ("f", True, "completions", "answer", "trainer_state", "environments"), Outcome.HOLDS, ""),
    ],
)
def test_reward(flaw: str, function: tuple[Any, ...], outcome: Outcome, name: str) -> None:
    assert judged(flaw, function) == (outcome, name)


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"dataset_columns_complete": False}, Outcome.HOLDS),
        ({"trainer_class": "SFTTrainer"}, Outcome.HOLDS),
        ({"text": "x = 1"}, Outcome.UNKNOWN),
    ],
)
def test_what_is_not_judged(facts: dict[str, Any], outcome: Outcome) -> None:
    assert judged("lacks", ("f", True, "gold"), **facts)[0] is outcome
