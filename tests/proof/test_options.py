"""--set and --matrix: what is understood, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.errors import UsageError
from sftdoctor.proof.options import FOUR_BIT, OPTIONS, QUANTIZATIONS, RunSpec, matrix, parse, specs


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["use_dora=true", "optim=adamw_8bit"], {"use_dora": True, "optim": "adamw_8bit"}),
        (["target_modules=all-linear"], {"target_modules": "all-linear"}),
        (["target_modules=q_proj,v_proj"], {"target_modules": ["q_proj", "v_proj"]}),
        (["modules_to_save=lm_head"], {"modules_to_save": ["lm_head"]}),
        (["packing=False"], {"packing": False}),
        (["bnb_4bit_quant_storage=bfloat16"], {"bnb_4bit_quant_storage": "bfloat16"}),
    ],
)
def test_what_is_understood(words: list[str], found: dict[str, Any]) -> None:
    assert parse(words) == found


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["use_dorra=true"], "knows no use_dorra", "Did you mean use_dora"),
        (["use_dora"], "has no value", "KEY=VALUE"),
        (["use_dora=maybe"], "makes no sense", "true, false"),
        (["optim="], "makes no sense", "as the library spells it"),
        (["optim=a b"], "makes no sense", ""),
        (["target_modules=q_proj,,v_proj"], "makes no sense", ""),
        (["bnb_4bit_quant_storage=int4"], "makes no sense", "uint8"),
        (["optim=a", "optim=b"], "given twice", "once"),
        (["bf16=true", "fp16=true"], "exclude each other", "Leave one out"),
        (["gradient_checkpointing=false", "use_reentrant=true"], "about gradient checkpointing", ""),
        (["completion_only_loss=true", "assistant_only_loss=true"], "rows of different forms", ""),
    ],
)
def test_what_is_refused(words: list[str], said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse(words)
    assert hint in caught.value.hint


def test_four_bit_settings_belong_to_four_bits() -> None:
    assert parse(["bnb_4bit_use_double_quant=false"], ["nf4", "fp4"])
    with pytest.raises(UsageError, match="about 4-bit layers, not about int8"):
        parse(["bnb_4bit_use_double_quant=false"], ["nf4", "int8"])


def test_unknown_quantization() -> None:
    with pytest.raises(UsageError, match="unknown quantization 'q4'"):
        specs(["q4"], {})
    assert specs([], {"use_dora": True}) is None


def test_names_say_what_runs() -> None:
    assert (
        RunSpec("nf4", {"use_dora": True, "target_modules": ["a", "b"]}).name == "nf4 use_dora=true target_modules=a,b"
    )


def test_the_matrix_tries_every_quantization_and_every_key_alone() -> None:
    runs = matrix()
    assert tuple(run.quantization for run in runs[: len(QUANTIZATIONS)]) == QUANTIZATIONS
    alone = runs[len(QUANTIZATIONS) :]
    assert {run.quantization for run in alone} == {FOUR_BIT[0]}
    assert all(len(run.settings) == 1 for run in alone)
    assert {key for run in alone for key in run.settings} == {key for key, option in OPTIONS.items() if option.tried}
    assert {key for key, option in OPTIONS.items() if not option.tried} == {"sharding"}  # it needs several processes
    assert len({run.name for run in runs}) == len(runs)


def test_the_matrix_of_one_quantization() -> None:
    runs = matrix(["int8"])
    assert {run.quantization for run in runs} == {"int8"}
    assert not any(key.startswith("bnb_4bit") for run in runs for key in run.settings)
    assert RunSpec("int8", {"use_dora": True}) in runs
