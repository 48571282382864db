"""Making a model small: what its config's numbers mean, which layers stay, and that what fits together still does."""

from __future__ import annotations

import copy
import importlib
import runpy
from typing import Any

import pytest

from sftdoctor.proof.process import WORKER


@pytest.fixture(scope="module")
def worker() -> Any:
    """The worker's package."""
    main = runpy.run_path(str(WORKER))
    main["load"]()
    return lambda name: importlib.import_module(f"{main['PACKAGE']}.{name}")


@pytest.fixture(scope="module")
def shrink(worker: Any) -> Any:
    return worker("shrink").shrink


LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
    "initializer_range": 0.02,
    "bos_token_id": 128000,
    "eos_token_id": [128001, 128008],
    "pad_token_id": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "quantization_config": {"quant_method": "fp8"},
}


def test_a_plain_model(shrink: Any) -> None:
    before = copy.deepcopy(LLAMA)
    small = shrink(LLAMA, 128)
    assert before == LLAMA
    assert (small["num_hidden_layers"], small["vocab_size"], small["torch_dtype"]) == (2, 128, "float32")
    assert small["num_attention_heads"] // small["num_key_value_heads"] == 4  # grouped as before
    assert small["hidden_size"] == small["num_attention_heads"] * small["head_dim"] <= 256
    assert small["hidden_size"] % 64 == small["intermediate_size"] % 64 == 0
    assert (small["bos_token_id"], small["eos_token_id"], small["pad_token_id"]) == (1, [2], None)
    assert small["max_position_embeddings"] == 131072  # costs nothing where they are turned, not learned
    assert "quantization_config" not in small
    assert small["tie_word_embeddings"] is False


def test_its_own_tokenizer_keeps_its_vocabulary_and_its_ids(shrink: Any) -> None:
    small = shrink(LLAMA, None)
    assert (small["vocab_size"], small["bos_token_id"]) == (128256, 128000)
    assert small["eos_token_id"] == [128001, 128008]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        # one key and value head for all; the ratio would leave too wide a model, or cannot be kept
        ({"num_key_value_heads": 1}, {"num_key_value_heads": 1}),
        ({"num_attention_heads": 71, "num_key_value_heads": 1, "hidden_size": 4544, "head_dim": 64}, {}),
        ({"num_attention_heads": 28, "num_key_value_heads": 4, "hidden_size": 3584}, {}),
        # experts
        (
            {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "n_group": 8, "topk_group": 4},
            {"num_experts": 4, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1},
        ),
        ({"n_routed_experts": 256, "n_shared_experts": 1}, {"n_routed_experts": 4, "n_shared_experts": 1}),
        # windows shorter than a row
        ({"sliding_window": 4096}, {"sliding_window": 16}),
        ({"sliding_window": None}, {"sliding_window": None}),
        # a list with an entry a layer: of every kind one stays
        (
            {"layer_types": ["sliding_attention"] * 5 + ["full_attention"] + ["sliding_attention"] * 26},
            {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]},
        ),
        ({"no_rope_layers": [1, 1, 1, 0] * 8}, {"no_rope_layers": [1, 0]}),
        # numbers of layers
        ({"moe_layers": [1, 3, 5, 7]}, {"num_hidden_layers": 2, "moe_layers": [1]}),
        ({"first_k_dense_replace": 3}, {"num_hidden_layers": 2, "first_k_dense_replace": 1}),
        ({"num_kv_shared_layers": 15}, {"num_hidden_layers": 2, "num_kv_shared_layers": 1}),
        # a period and nothing else
        ({"attn_layer_period": 8}, {"num_hidden_layers": 8, "attn_layer_period": 8}),
        ({"block_types": ["recurrent", "recurrent", "attention"]}, {"num_hidden_layers": 3}),
        # something about single layers, by their numbers
        ({"per_layer_config": {"05": {"head_dim": 256}}}, {"per_layer_config": {"1": {"head_dim": 32}}}),
        # [[kinds], times]
        ({"attention_types": [[["global", "local"], 16]]}, {"attention_types": [[["global", "local"], 1]]}),
        # frequencies of a head
        ({"rope_scaling": {"mrope_section": [16, 24, 24]}}, {"rope_scaling": {"mrope_section": [2, 3, 3]}}),
        ({"rope_scaling": {"long_factor": [1.5] * 64}}, {"rope_scaling": {"long_factor": [1.5] * 8}}),
        # heads of another kind, and a width that is their product
        (
            {"mamba_n_heads": 128, "mamba_d_head": 64, "mamba_expand": 2, "mamba_d_ssm": 8192},
            {"mamba_n_heads": 32, "mamba_d_head": 8, "mamba_expand": 2, "mamba_d_ssm": 256},
        ),
        # switches are no numbers, and what is small stays
        ({"use_cache": True, "num_mtp": 1, "hidden_act": "silu"}, {"use_cache": True, "num_mtp": 1}),
    ],
)
def test_quirks_stay(shrink: Any, change: dict[str, Any], wanted: dict[str, Any]) -> None:
    small = shrink({**LLAMA, **change}, 128)
    assert {name: small[name] for name in wanted} == wanted
    assert small["hidden_size"] == small["num_attention_heads"] * small["head_dim"] <= 1024


def test_two_of_every_kind(shrink: Any) -> None:
    kinds = ["a", "a", "a", "b", "a", "b"] + ["a"] * 26
    assert shrink({**LLAMA, "layer_types": kinds}, 128, of_a_kind=2)["layer_types"] == ["a", "a", "b", "b"]


def test_less_deep_and_no_narrower(shrink: Any) -> None:
    small = shrink(LLAMA, 128, narrow=False)
    assert (small["hidden_size"], small["intermediate_size"], small["num_hidden_layers"]) == (4096, 14336, 2)


def test_parts(shrink: Any) -> None:
    vision = {"model_type": "v", "hidden_size": 1152, "num_heads": 16, "depth": 27, "out_hidden_size": 4096}
    small = shrink({"model_type": "vl", "vision_config": vision, "text_config": LLAMA, "image_token_id": 9000}, 128)
    text, eye = small["text_config"], small["vision_config"]
    assert eye["out_hidden_size"] == text["hidden_size"]
    assert eye["depth"] == 2
    assert eye["hidden_size"] % eye["num_heads"] == 0
    assert small["image_token_id"] < 128


@pytest.mark.parametrize(
    ("config", "filled"),
    [
        ({"hidden_size": 64, "num_attention_heads": 4, "head_dim": None}, {"head_dim": 16}),
        ({"num_attention_heads": 4, "num_key_value_heads": None}, {"num_key_value_heads": 4}),
        ({"num_hidden_layers": 2, "layer_types": None}, {"layer_types": ["full_attention"] * 2}),
        ({"is_decoder": False}, {"is_decoder": True}),
        ({"is_decoder": False, "is_encoder_decoder": True}, {}),
        ({"head_dim": None}, {}),
    ],
)
def test_what_a_config_of_defaults_leaves_open(worker: Any, config: dict[str, Any], filled: dict[str, Any]) -> None:
    before = dict(config)
    assert worker("defaults").fill(config) == sorted(filled)
    assert config == {**before, **filled}


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({}, None),
        ({"chat_template.jinja": "a"}, "a"),
        ({"tokenizer_config.json": '{"chat_template": "b"}'}, "b"),
        ({"tokenizer_config.json": '{"chat_template": [{"name": "x"}, {"name": "default", "template": "c"}]}'}, "c"),
        ({"tokenizer_config.json": "["}, None),
        ({"tokenizer_config.json": "[1]"}, None),
    ],
)
def test_the_folders_chat_template(worker: Any, tmp_path: Any, files: dict[str, str], template: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert worker("tokenizer").chat_template(tmp_path) == template


def test_special_tokens_of_the_tokenizer_that_was_made(shrink: Any) -> None:
    config = {**LLAMA, "image_token_index": 32000, "video_token_id": 32001, "eos_token_id": 2}
    small = shrink(config, 300, ids={"image": 9})
    assert (small["image_token_index"], small["video_token_id"], small["eos_token_id"]) == (9, 299, 2)


def test_top_k_of_experts_is_not_that_of_text(shrink: Any) -> None:
    experts = {**LLAMA, "num_experts": 64, "top_k": 8}
    assert shrink(experts)["top_k"] == 2
    assert shrink({**experts, "top_k": 50, "top_p": 1.0})["top_k"] == 50  # as transformers 4 fills every config in


def test_a_tower_that_sees(shrink: Any) -> None:
    vision = {"model_type": "v", "depth": 32, "embed_dim": 1280, "num_heads": 16, "hidden_size": 4096}
    vision.update(patch_size=14, window_size=112)
    small = shrink({"model_type": "both", "text_config": LLAMA, "vision_config": vision}, 300)
    assert small["vision_config"]["hidden_size"] == small["text_config"]["hidden_size"]  # what it gives away
    assert small["vision_config"]["embed_dim"] % small["vision_config"]["num_heads"] == 0
    assert small["vision_config"]["embed_dim"] < 1280
    assert small["vision_config"]["window_size"] == 112  # pixels, not tokens
