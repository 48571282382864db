"""What bug reports ask about the machine: read without running anything, and without what is secret."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sftdoctor.model import Environment, Target, TargetKind
from sftdoctor.target import machine


def environment(kind: TargetKind) -> Environment:
    return Environment(Target(kind, sys.executable, "3.11.7"), "3.11.7")


@pytest.fixture
def facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("UNRELATED", "1")
    return machine.machine_of(environment(TargetKind.INTERPRETER))


def test_what_is_read(facts: dict[str, str]) -> None:
    assert facts["platform"] and facts["memory"].endswith(("GiB", "known"))
    assert facts["$CUDA_VISIBLE_DEVICES"] == "1" and facts["$TOKENIZERS_PARALLELISM"] == "false"
    assert "$HF_TOKEN" not in facts and "$UNRELATED" not in facts
    assert facts["accelerate config"] == "not found"


def test_a_target_that_is_elsewhere_has_no_machine() -> None:
    assert machine.machine_of(environment(TargetKind.SNAPSHOT)) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mixed_precision: bf16\nhub_token: abc\n", "mixed_precision: bf16, hub_token: …"),
        ('{"num_processes": 2}', "num_processes: 2"),
        ("fsdp_config: {fsdp_version: 2, wandb_api_key: x}", "fsdp_config: {fsdp_version: 2, wandb_api_key: …}"),
        ("- a list", "cannot be read"),
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_accelerate_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate" / "default_config.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert machine.machine_of(environment(TargetKind.INTERPRETER))["accelerate config"] == expected
