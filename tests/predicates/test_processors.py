"""The model type that a name tells; what is read of the processors is tested by ENV063's own cases."""

from __future__ import annotations

import pytest

from sftdoctor.predicates.processors import type_told

KINDS = ("gemma", "gemma3", "gemma4", "llama", "qwen2", "qwen2_5_vl", "qwen2_vl", "qwen3_vl", "qwen3_vl_moe", "smolvlm")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_5_vl"),
        ("Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl"),
        ("Qwen/Qwen2.5-7B", "qwen2"),
        ("Qwen/Qwen3-VL-30B-A3B-Instruct", "qwen3_vl"),
        ("google/gemma-4-E4B-it", "gemma4"),
        ("google/gemma-3-4b-it", "gemma3"),
        ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "smolvlm"),
        ("meta-llama/whatever", "llama"),
        ("acme/own-thing", ""),
        ("", ""),
    ],
)
def test_type_told(name: str, kind: str) -> None:
    assert type_told(name, KINDS) == kind
