"""What a model folder's files say: weights, tokenizer, chat template, adapter; also broken and hostile ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftdoctor.errors import WorkloadError
from sftdoctor.model import ModelFolder
from sftdoctor.workload import VOCABULARY, read_model_folder
from sftdoctor.workload.weights import modules

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n"
BOS = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}


def folder(tmp_path: Path, **files: Any) -> ModelFolder:
    """A model folder; names have "__" for "."."""
    files.setdefault("config__json", {"model_type": "llama"})
    for name, content in files.items():
        path = tmp_path / name.replace("__", ".")
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_model_folder(tmp_path)


def facts(tmp_path: Path, **files: Any) -> dict[str, Any]:
    said = folder(tmp_path, **files).facts
    assert {fact.name for fact in said} <= set(VOCABULARY)
    return {fact.name: fact.value for fact in reversed(said)}


def safetensors(*names: str) -> bytes:
    header = json.dumps({"__metadata__": {}, **{name: {"dtype": "F32", "shape": [1]} for name in names}}).encode()
    return struct.pack("<Q", len(header)) + header


def test_modules_of_a_single_file_and_of_an_index(tmp_path: Path) -> None:
    one = folder(tmp_path, model__safetensors=safetensors("model.a.weight", "model.a.bias", "lm_head.weight"))
    assert one.modules == ("model.a", "lm_head")
    index = {"weight_map": {"model.b.weight": "x.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert modules(tmp_path) == ("model.b",)


@pytest.mark.parametrize("raw", [b"", b"\xff" * 8, struct.pack("<Q", 2**40) + b"{}", struct.pack("<Q", 2) + b"[]"])
def test_broken_weights_have_no_modules(tmp_path: Path, raw: bytes) -> None:
    assert folder(tmp_path, model__safetensors=raw).modules == ()


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_weights_are_read_without_a_crash(raw: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        Path(name, "model.safetensors").write_bytes(raw)
        assert isinstance(modules(Path(name)), tuple)


@pytest.mark.parametrize(
    ("shard", "missing"),
    [("a.safetensors", None), ("b.safetensors", "b.safetensors"), ("../a.safetensors", "../a.safetensors")],
)
def test_shards_that_are_missing_or_lead_away(tmp_path: Path, shard: str, missing: str | None) -> None:
    index = {"weight_map": {"x.weight": shard}}
    files = {"a__safetensors": "x", "model__safetensors__index__json": index}
    assert facts(tmp_path, **files).get("missing_shard") == missing


def test_an_index_of_any_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    with path.open("wb") as file:
        file.truncate(10**11)
    with pytest.raises(WorkloadError, match="larger than"):
        folder(tmp_path)


@pytest.mark.parametrize("name", ["model__safetensors", "tokenizer__json", "pytorch_model__bin"])
def test_pointers_of_git_lfs(tmp_path: Path, name: str) -> None:
    assert facts(tmp_path, **{name: POINTER})["pointer_file"] == name.replace("__", ".")


@pytest.mark.parametrize(
    ("config", "tokenizer", "wanted"),
    [
        ({"eos_token": "</s>"}, {}, {"model_eos_token": "</s>", "model_pad_token": "none", "adds_bos": False}),
        ({"eos_token": {"content": "</s>"}}, {}, {"model_eos_token": "</s>"}),
        ({"bos_token": "<s>", "add_bos_token": True}, {}, {"adds_bos": True}),
        ({"bos_token": "<s>"}, {"post_processor": BOS}, {"adds_bos": True}),
        ({"bos_token": "<s>"}, {"post_processor": {"type": "Sequence", "processors": [BOS]}}, {"adds_bos": True}),
        ({"bos_token": "<b>"}, {"post_processor": BOS}, {"adds_bos": False}),
        ({"bos_token": "<s>"}, {"post_processor": None}, {"adds_bos": "unknown"}),
        ({}, {"added_tokens": [{"id": 9, "content": "<x>"}]}, {"highest_token": 9, "added_token": "<x>"}),
        ({"extra_special_tokens": ["<x>"]}, {}, {"extra_special_tokens": "list"}),
        ({"extra_special_tokens": {"a": "<x>"}}, {}, {"extra_special_tokens": "table"}),
        ({"tokenizer_class": "TokenizersBackend"}, {}, {"tokenizer_class": "TokenizersBackend"}),
    ],
)
def test_tokenizers(tmp_path: Path, config: Any, tokenizer: Any, wanted: dict[str, Any]) -> None:
    got = facts(tmp_path, tokenizer_config__json=config, tokenizer__json={**tokenizer, "model": {}})
    assert {name: got[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("template", "wanted"),
    [
        ("{% generation %}a{% endgeneration %}", {"template_has_generation": True}),
        ("{%- generation -%}a", {"template_has_generation": True}),
        ("generation", {"template_has_generation": False}),
        ("{{ bos_token }}a", {"template_writes_bos": True, "template_writes_eos": False}),
        ("a</s>", {"template_writes_eos": True}),
        ("a<|im_end|>", {"template_turn_end": "<|im_end|>"}),
        ("a", {"template_turn_end": "unknown", "template_place": "config"}),
    ],
)
def test_chat_templates(tmp_path: Path, template: str, wanted: dict[str, Any]) -> None:
    config = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": template}
    got = facts(tmp_path, tokenizer_config__json=config)
    assert {name: got[name] for name in wanted} == wanted


def test_a_template_in_a_file_of_its_own_and_one_of_several(tmp_path: Path) -> None:
    assert facts(tmp_path, tokenizer_config__json={}, chat_template__jinja="x<|eot_id|>")["template_place"] == "file"
    several = [{"name": "tools", "template": "t"}, {"name": "default", "template": "d<|end|>"}]
    got = facts(tmp_path, tokenizer_config__json={"chat_template": several})
    assert (got["template_place"], got["template_turn_end"]) == ("config", "<|end|>")


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"added_tokens": [', "\x00" * 100])
def test_broken_tokenizers_say_nothing_wrong(tmp_path: Path, broken: str) -> None:
    got = facts(tmp_path, tokenizer_config__json=broken, tokenizer__json=broken)
    assert "highest_token" not in got
    assert got["has_chat_template"] is False


@pytest.mark.parametrize(
    ("files", "form"),
    [
        ({"tokenizer__model": b"\n\x0e\n\x05<unk>"}, "sentencepiece"),
        ({"tokenizer__model": b"IQ== 0\n"}, "tiktoken"),
        ({"tokenizer__model": b"\n\x0e", "tokenizer__json": {}}, "tokenizers"),
        ({}, None),
    ],
)
def test_what_a_tokenizer_is_stored_as(tmp_path: Path, files: dict[str, Any], form: str | None) -> None:
    assert facts(tmp_path, tokenizer_config__json={}, **files).get("tokenizer_form") == form


def test_configs_and_adapters(tmp_path: Path) -> None:
    config = {
        "model_type": "x",
        "architectures": ["XForCausalLM"],
        "text_config": {"vocab_size": 10, "rope_parameters": {"rope_theta": 5e5}},
        "torch_dtype": "torch.bfloat16",
        "tie_word_embeddings": True,
    }
    got = facts(tmp_path, config__json=config, adapter_config__json={"peft_type": "LORA", "r": 8})
    wanted = {
        "architecture": "XForCausalLM",
        "model_vocab_size": 10,
        "new_rope_theta": 5e5,
        "checkpoint_dtype": "bfloat16",
        "model_tied": True,
        "adapter_type": "LORA",
        "is_adapter": True,
    }
    assert {name: got[name] for name in wanted} == wanted


def test_rows_to_spare(tmp_path: Path) -> None:
    tokenizer = {"added_tokens": [{"id": 9, "content": "<x>"}], "model": {}}
    files = {"tokenizer_config__json": {}, "tokenizer__json": tokenizer}
    assert facts(tmp_path, config__json={"model_type": "x", "vocab_size": 10}, **files)["spare_rows"] == 0
