"""facts and model."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.model import Fact, Location, ModelFolder
from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context

SAID = {"bf16": True, "packing": "unset", "optim": "unknown", "max_length": 1024, "quantization": "nf4", "fsdp": None}


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ({"bf16": True}, Outcome.FAILS),
        ({"bf16": False}, Outcome.HOLDS),
        ({"bf16": 1}, Outcome.HOLDS),
        ({"bf16": "set"}, Outcome.FAILS),
        ({"packing": "set"}, Outcome.HOLDS),
        ({"packing": "unset"}, Outcome.FAILS),
        ({"packing": ["unset", True]}, Outcome.FAILS),
        ({"never_said": "unset"}, Outcome.FAILS),
        ({"never_said": "set"}, Outcome.HOLDS),
        ({"never_said": True}, Outcome.HOLDS),
        ({"never_said": ["unset", True]}, Outcome.FAILS),
        ({"never_said": {"not": True}}, Outcome.FAILS),
        ({"never_said": {"not": "unset"}}, Outcome.HOLDS),
        ({"never_said": {"at_least": 1}}, Outcome.HOLDS),
        ({"quantization": ["nf4", "fp4"]}, Outcome.FAILS),
        ({"quantization": {"not": ["nf4", "fp4"]}}, Outcome.HOLDS),
        ({"quantization": {"not": "int8"}}, Outcome.FAILS),
        ({"max_length": {"at_least": 1024}}, Outcome.FAILS),
        ({"max_length": {"at_least": 1025}}, Outcome.HOLDS),
        ({"max_length": {"at_most": 512}}, Outcome.HOLDS),
        ({"quantization": {"at_least": 1}}, Outcome.HOLDS),
        ({"quantization": {"is_number_as_text": True}}, Outcome.HOLDS),
        ({"quantization": {"is_number_as_text": False}}, Outcome.FAILS),
        ({"max_length": {"is_number_as_text": True}}, Outcome.HOLDS),
        ({"never_said": {"is_number_as_text": True}}, Outcome.HOLDS),
        ({"optim": {"is_number_as_text": True}}, Outcome.UNKNOWN),
        ({"fsdp": {"not": ["unset", ""]}}, Outcome.HOLDS),
        ({"fsdp": {"not": "full_shard"}}, Outcome.FAILS),
        ({"fsdp": "unset"}, Outcome.HOLDS),
        ({"optim": "adamw_hf"}, Outcome.UNKNOWN),
        ({"optim": {"not": "adamw_hf"}}, Outcome.UNKNOWN),
        ({"optim": "unknown"}, Outcome.FAILS),
        ({"optim": "set"}, Outcome.FAILS),
        ({"optim": "adamw_hf", "bf16": True}, Outcome.UNKNOWN),
        ({"optim": "adamw_hf", "bf16": False}, Outcome.HOLDS),
    ],
)
def test_facts(where: dict[str, Any], outcome: Outcome) -> None:
    assert evaluate(context(facts=SAID), {"probe": "facts", "where": where}).outcome is outcome


def test_facts_give_the_place_and_the_value() -> None:
    match = evaluate(context(facts=SAID), {"probe": "facts", "where": {"packing": "unset", "bf16": True}}).matches[0]
    assert match.location == Location("train.py", 2)
    assert match.values["fact.bf16"] == "True"


def test_the_scenario_speaks_where_no_script_was_given() -> None:
    probe = {"probe": "facts", "where": {"quantization": "nf4"}}
    assert evaluate(context(), probe).outcome is Outcome.FAILS
    assert evaluate(context(facts={}), probe).outcome is Outcome.HOLDS


def test_the_model_folder_speaks_with_the_script() -> None:
    folder = ModelFolder("/model", facts=(Fact("model_type", "qwen"),))
    probe = {"probe": "facts", "where": {"model_type": "qwen", "bf16": True}}
    assert evaluate(context(facts=SAID, model=folder), probe).outcome is Outcome.FAILS


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ({"model_type": "qwen"}, Outcome.FAILS),
        ({"model_type": ["llama", "mistral"]}, Outcome.HOLDS),
        ({"quantization_config.load_in_4bit": True}, Outcome.FAILS),
        ({"quantization_config.nothing": "unset"}, Outcome.FAILS),
        ({"model_type.deeper": "unset"}, Outcome.FAILS),
        ({"auto_map": "set"}, Outcome.HOLDS),
    ],
)
def test_model(where: dict[str, Any], outcome: Outcome) -> None:
    folder = ModelFolder("/model", {"model_type": "qwen", "quantization_config": {"load_in_4bit": True}})
    assert evaluate(context(model=folder), {"probe": "model", "where": where}).outcome is outcome


def test_model_does_not_apply_without_a_folder() -> None:
    assert evaluate(context(), {"probe": "model", "where": {"model_type": "unset"}}).outcome is Outcome.HOLDS
