"""How many parameters a model has, from its config.json or its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_GATED = frozenset(
    [
        *("llama", "mistral", "mixtral", "ministral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2"),
        *("gemma3_text", "phi3", "olmo", "olmo2", "olmo3", "granite", "cohere", "cohere2", "stablelm", "smollm3"),
        *("internlm2", "yi", "baichuan", "seed_oss"),
    ]
)
"""model_types whose layers are attention with q, k, v, o and a gated MLP (three matrices), for each expert of a MoE."""
_PLAIN = frozenset(["gpt2", "gpt_neox", "opt", "phi", "starcoder2", "gptj"])
"""model_types with an MLP of two matrices."""
_BILLIONS = re.compile(r"(?:(\d{1,3})x)?(\d{1,4}(?:\.\d{1,3})?)\s?(b|m)(?![a-z])", re.IGNORECASE)
_BLOCKS_OF_A_MOE = 0.8
""""8x7B" is less than 56: attention and embeddings are shared (Mixtral 8x7B has 46.7 billion, 8x22B has 141)."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters, and what activations depend on."""

    linear: int
    """In the matrices that a quantiser replaces."""
    embedding: int
    """In embeddings and output head, which stay in 16 bit."""
    hidden: int = 0
    layers: int = 0
    intermediate: int = 0
    vocabulary: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.linear + self.embedding


def sizes_of_config(config: Mapping[str, Any]) -> Sizes | None:
    """The sizes that a config.json says.

    Args:
        config: As read; of a model of several parts its text model counts alone.

    Returns:
        None where its architecture is none of the known ones, or a figure is missing.
    """
    text = config.get("text_config")
    if isinstance(text, Mapping):
        config = text
    kind = str(config.get("model_type"))
    hidden, layers = _number(config, "hidden_size", "n_embd"), _number(config, "num_hidden_layers", "n_layer")
    heads, vocabulary = _number(config, "num_attention_heads", "n_head"), _number(config, "vocab_size")
    inner = _number(config, "intermediate_size", "n_inner", "ffn_dim") or 4 * hidden
    if (kind not in _GATED and kind not in _PLAIN) or not (hidden and layers and heads and vocabulary):
        return None
    width = _number(config, "head_dim") or hidden // heads
    attention = 2 * hidden * heads * width + 2 * hidden * (_number(config, "num_key_value_heads") or heads) * width
    experts = _number(config, "num_local_experts", "num_experts") or 1
    if experts > 1:
        inner = _number(config, "moe_intermediate_size") or inner
    matrices = 3 if kind in _GATED else 2
    linear = layers * (attention + experts * matrices * hidden * inner)
    if experts > 1:
        shared = _number(config, "shared_expert_intermediate_size")
        linear += layers * (hidden * experts + 3 * hidden * shared)
    tied = config.get("tie_word_embeddings", kind in _TIED)
    return Sizes(linear, vocabulary * hidden * (1 if tied else 2), hidden, layers, inner, vocabulary)


_TIED = frozenset(["gpt2", "gemma", "gemma2", "gemma3_text", "opt", "cohere", "cohere2", "starcoder2"])
"""model_types whose configs leave tie_word_embeddings out and mean true."""


def sizes_of_name(name: str) -> Sizes | None:
    """The size that a model's name says: "meta-llama/Llama-3.1-70B-Instruct", "Mixtral-8x7B-v0.1", "Qwen3-30B-A3B".

    Returns:
        None where it says none.
    """
    found = _BILLIONS.search(name.rstrip("/").rpartition("/")[2])
    if found is None:
        return None
    size = float(found[2]) * (1e9 if found[3].lower() == "b" else 1e6)
    if found[1]:
        size *= int(found[1]) * _BLOCKS_OF_A_MOE
    return Sizes(int(size), 0) if 1e7 <= size <= 2e12 else None


def _number(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
            return value
    return 0
