"""Numbers of parameters against those of the real models (transformers 5.23.0, counted on the meta device)."""

from __future__ import annotations

import pytest

from sftdoctor.predicates.sizes import sizes_of_config, sizes_of_name

LAYER = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size")
# model_type, the five of LAYER, vocab_size, whatever else, parameters of the real model
REAL = [
    ("llama", (4096, 32, 32, 32, 11008), 32000, {}, 6_738_415_616),
    ("llama", (8192, 80, 64, 8, 28672), 128256, {}, 70_553_706_496),
    ("llama", (2048, 16, 32, 8, 8192), 128256, {"head_dim": 64, "tie_word_embeddings": True}, 1_235_814_400),
    ("mistral", (4096, 32, 32, 8, 14336), 32000, {}, 7_241_732_096),
    ("mixtral", (4096, 32, 32, 8, 14336), 32000, {"num_local_experts": 8}, 46_702_792_704),
    ("qwen2", (896, 24, 14, 2, 4864), 151936, {"tie_word_embeddings": True}, 494_032_768),
    ("qwen2", (3584, 28, 28, 4, 18944), 152064, {}, 7_615_616_512),
    ("qwen3", (4096, 36, 32, 8, 12288), 151936, {"head_dim": 128}, 8_190_735_360),
    (
        *("qwen3_moe", (2048, 48, 32, 4, 6144), 151936),
        {"head_dim": 128, "moe_intermediate_size": 768, "num_experts": 128},
        30_532_122_624,
    ),
    ("gemma", (2048, 18, 8, 1, 16384), 256000, {"head_dim": 256}, 2_506_172_416),
    ("gemma2", (3584, 42, 16, 8, 14336), 256000, {"head_dim": 256}, 9_241_705_984),
    ("gemma3_text", (1152, 26, 4, 1, 6912), 262144, {"head_dim": 256}, 999_885_952),
    ("phi3", (3072, 32, 32, 32, 8192), 32064, {}, 3_821_079_552),
    ("olmo2", (4096, 32, 32, 32, 11008), 100352, {}, 7_298_617_344),
    ("granite", (4096, 40, 32, 8, 12800), 49155, {"tie_word_embeddings": True}, 8_170_848_256),
    ("starcoder2", (4608, 32, 36, 4, 18432), 49152, {"tie_word_embeddings": False}, 7_400_416_256),
    ("smollm3", (2048, 36, 16, 4, 11008), 128256, {"tie_word_embeddings": True}, 3_075_098_624),
    ("cohere", (8192, 40, 64, 64, 22528), 256000, {}, 34_980_831_232),
    ("phi", (2560, 32, 32, 32, 10240), 51200, {}, 2_779_683_840),
]


@pytest.mark.parametrize(("kind", "layer", "vocabulary", "more", "real"), REAL)
def test_of_a_config(kind: str, layer: tuple[int, ...], vocabulary: int, more: dict[str, object], real: int) -> None:
    config = {"model_type": kind, "vocab_size": vocabulary, **dict(zip(LAYER, layer, strict=True)), **more}
    sizes = sizes_of_config(config)
    assert sizes is not None
    assert sizes.total == pytest.approx(real, rel=0.0004)
    assert sizes_of_config({"model_type": "a-vlm", "text_config": config}) == sizes


@pytest.mark.parametrize(
    ("config", "real"),
    [
        ({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257}, 124_439_808),
        (
            {
                **{"model_type": "opt", "hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32},
                **{"ffn_dim": 8192, "vocab_size": 50272},
            },
            1_315_758_080,
        ),
    ],
)
def test_of_older_ones_nearly(config: dict[str, object], real: int) -> None:
    sizes = sizes_of_config(config)
    assert sizes is not None and sizes.total == pytest.approx(real, rel=0.008)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {
            "model_type": "deepseek_v3",
            "hidden_size": 1,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "vocab_size": 1,
        },
        {"model_type": "llama"},
        {"model_type": "llama", "hidden_size": "4096", "num_hidden_layers": True, "num_attention_heads": -1},
        {"model_type": ["llama"], "text_config": "x"},
    ],
)
def test_what_is_not_known_is_not_guessed(config: dict[str, object]) -> None:
    assert sizes_of_config(config) is None


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", 70),
        ("Qwen/Qwen2.5-0.5B", 0.5),
        ("mistralai/Mixtral-8x7B-v0.1", 44.8),
        ("Qwen/Qwen3-30B-A3B", 30),
        ("HuggingFaceTB/SmolLM2-135M", 0.135),
        ("/models/70b-experiments/tiny", None),
        ("gpt2", None),
        ("user/model-4bit", None),
    ],
)
def test_of_a_name(name: str, billions: float | None) -> None:
    sizes = sizes_of_name(name)
    assert (sizes.total / 1e9 if sizes else None) == pytest.approx(billions)
