"""modules: the names of an adapter config against the modules of a model folder."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.model import ModelFolder
from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context

LLAMA = ("model.embed_tokens", "model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj", "lm_head")


@pytest.mark.parametrize(
    ("names", "unmatched", "outcome"),
    [
        (("c_attn",), "all", Outcome.FAILS),
        (("c_attn", "Wqkv"), "all", Outcome.FAILS),
        (("q_proj",), "all", Outcome.HOLDS),
        (("q_proj", "c_attn"), "all", Outcome.HOLDS),
        (("q_proj", "c_attn"), "some", Outcome.FAILS),
        (("c_attn",), "some", Outcome.HOLDS),
        (("self_attn.q_proj",), "all", Outcome.HOLDS),
        (("self_attn",), "all", Outcome.HOLDS),
        (("proj",), "all", Outcome.FAILS),
        (("lm_head",), "all", Outcome.HOLDS),
        ("all-linear", "all", Outcome.HOLDS),
        ("unset", "all", Outcome.HOLDS),
        ("unknown", "all", Outcome.UNKNOWN),
    ],
)
def test_modules(names: Any, unmatched: str, outcome: Outcome) -> None:
    probe = {"probe": "modules", "fact": "lora_target_modules", "unmatched": unmatched}
    model = ModelFolder("m", modules=LLAMA)
    assert evaluate(context(facts={"lora_target_modules": names}, model=model), probe).outcome is outcome


@pytest.mark.parametrize(
    ("model", "outcome"),
    [
        (None, Outcome.HOLDS),
        (ModelFolder("m"), Outcome.UNKNOWN),
        (ModelFolder("m", modules=("model.layers.0.mlp.experts.0.w1",)), Outcome.HOLDS),
    ],
)
def test_without_names_nothing_is_said(model: ModelFolder | None, outcome: Outcome) -> None:
    probe = {"probe": "modules", "fact": "lora_target_modules", "unmatched": "all"}
    assert evaluate(context(facts={"lora_target_modules": ("x",)}, model=model), probe).outcome is outcome


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"model_load_call": "transformers.AutoModelForSequenceClassification.from_pretrained"}, Outcome.HOLDS),
        ({"model_load_call": "trl.AutoModelForCausalLMWithValueHead.from_pretrained"}, Outcome.HOLDS),
        ({"model_loaded_by": "trainer", "trainer_class": "RewardTrainer"}, Outcome.HOLDS),
        ({"model_loaded_by": "trainer", "trainer_class": "SFTTrainer"}, Outcome.FAILS),
        ({"model_load_call": "transformers.AutoModelForCausalLM.from_pretrained"}, Outcome.FAILS),
        ({}, Outcome.FAILS),
    ],
)
def test_a_head_that_no_file_has_is_there_where_the_class_makes_it(said: dict[str, Any], outcome: Outcome) -> None:
    probe = {"probe": "modules", "fact": "lora_modules_to_save", "unmatched": "all"}
    facts = {"lora_modules_to_save": ("score",), **said}
    assert evaluate(context(facts=facts, model=ModelFolder("m", modules=LLAMA)), probe).outcome is outcome


@pytest.mark.parametrize(
    ("modules", "outcome"),
    [(LLAMA[:-1], Outcome.HOLDS), (("gpt_neox.layers.0.attention.dense", "embed_out"), Outcome.FAILS)],
)
def test_a_tied_head_stands_in_no_file(modules: tuple[str, ...], outcome: Outcome) -> None:
    probe = {"probe": "modules", "fact": "lora_modules_to_save", "unmatched": "all"}
    facts = {"lora_modules_to_save": ("lm_head",)}
    assert evaluate(context(facts=facts, model=ModelFolder("m", modules=modules)), probe).outcome is outcome
