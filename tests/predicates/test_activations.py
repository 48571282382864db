"""The memory of a step: the estimate against what an H200 really held, and what in the sources moves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sftdoctor.model import Case
from sftdoctor.predicates.activations import Step, activation_bytes, step_of
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.memory import CUDA_CONTEXT, extra_bytes, least_bytes
from sftdoctor.predicates.sizes import Sizes, sizes_of_config
from sftdoctor.testing import build_environment, build_workload
from tests.bench.memory import SHAPES
from tests.predicates.contexts import KnownLibrary

OLD = {"trl.trainer.sft_trainer": "model = prepare_peft_model(model, peft_config, args)"}
NEW = {"trl.trainer.sft_trainer": "        add_fused_lm_head(\n"}
"""What of trl 0.24's and 1.16's trainers matters."""
SIZES = Sizes(linear=6_500_000_000, embedding=260_000_000, hidden=4096, layers=32, intermediate=11008, vocabulary=32000)
MEASURED = (
    (NEW, "SFTTrainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8, 1.83),
    (NEW, "SFTTrainer", "Llama-3.2-1B", "nf4", 2, 1024, False, 8, 4.28),
    (NEW, "SFTTrainer", "Llama-3.2-1B", "int8", 4, 1024, True, 8, 4.28),
    (NEW, "SFTTrainer", "Llama-3.2-1B", "int8", 2, 1024, False, 8, 4.77),
    (NEW, "SFTTrainer", "Llama-3.2-1B", "none", 8, 1024, True, 64, 4.80),
    (NEW, "SFTTrainer", "Llama-3.2-1B", "none", 2, 1024, False, 64, 6.70),
    (NEW, "Trainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8, 8.47),
    (NEW, "Trainer", "Llama-3.2-1B", "nf4", 2, 1024, False, 8, 9.95),
    (NEW, "Trainer", "Llama-3.2-1B", "none", 2, 1024, False, 8, 8.94),
    (NEW, "SFTTrainer", "Qwen2.5-3B", "nf4", 8, 1024, True, 8, 4.50),
    (NEW, "SFTTrainer", "Qwen2.5-3B", "nf4", 1, 1024, False, 16, 6.50),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8, 7.47),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "nf4", 2, 1024, False, 8, 8.97),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "int8", 4, 1024, True, 8, 12.46),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "int8", 2, 1024, False, 8, 11.97),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "none", 8, 1024, True, 64, 15.17),
    (OLD, "SFTTrainer", "Llama-3.2-1B", "none", 2, 1024, False, 64, 9.48),
    (OLD, "Trainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8, 8.47),
)
"""trl's source, trainer, shape, quantisation, batch, length, checkpointing, LoRA's rank, GiB that torch held at
the peak: torch 2.11.0+cu130, transformers 5.17.0 and 4.57.6, bitsandbytes 0.50.2 on one H200, 2026-11-26."""


def context(folder: Path, texts: dict[str, str], **facts: Any) -> Context:
    case = Case("", "", facts={"trainer_class": "SFTTrainer", "peft_config_passed": True, **facts})
    workload, environment = build_workload(case, folder), build_environment(case, folder)
    library = KnownLibrary({}, {}, texts)
    return Context(environment, workload, library, None, workload.scripts[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "trainer", "shape", "quantization", "batch", "length", "checkpointing", "rank", "measured"), MEASURED
)
def test_the_estimate_is_near(
    texts: dict[str, str],
    trainer: str,
    shape: str,
    quantization: str,
    batch: int,
    length: int,
    checkpointing: bool,
    rank: int,
    measured: float,
    tmp_path: Path,
) -> None:
    run = context(
        tmp_path,
        texts,
        trainer_class=trainer,
        quantization=quantization,
        per_device_train_batch_size=batch,
        max_length=length,
        gradient_checkpointing=checkpointing,
        lora_r=rank,
        prepare_kbit="before wrap" if trainer == "Trainer" and quantization != "none" else "never",
    )
    sizes = sizes_of_config(SHAPES[shape])
    assert sizes is not None
    estimate = least_bytes(run, sizes) + extra_bytes(run, sizes) - CUDA_CONTEXT
    assert 0.8 < estimate / 2**30 / measured < 1.2


@pytest.mark.parametrize(
    ("texts", "facts", "in_parts"),
    [
        ({}, {}, False),
        (NEW, {}, True),
        (NEW, {"trainer_class": "Trainer"}, False),
        ({"trl.trainer.sft_config": 'self.loss_type = "nll" if self.use_liger_kernel else "chunked_nll"'}, {}, True),
        ({}, {"loss_type": "chunked_nll"}, True),
        ({"trl.trainer.sft_config": 'x if y else "chunked_nll"'}, {"loss_type": "nll"}, False),
        ({}, {"use_liger_kernel": True}, True),
    ],
)
def test_who_makes_all_logits(texts: dict[str, str], facts: dict[str, Any], in_parts: bool, tmp_path: Path) -> None:
    assert step_of(context(tmp_path, texts, **facts), 1024, "nf4").logits is not in_parts


@pytest.mark.parametrize(
    ("quantization", "facts", "kept"),
    [
        ("int8", {}, True),
        ("int8", {"use_reentrant": True}, False),
        ("int8", {"gradient_checkpointing": False}, False),
        ("nf4", {}, False),
    ],
)
def test_int8_layers_hold_their_inputs(quantization: str, facts: dict[str, Any], kept: bool, tmp_path: Path) -> None:
    assert step_of(context(tmp_path, {}, **facts), 1024, quantization).inputs is kept


def test_checkpointing_saves_most_where_there_are_many_layers() -> None:
    kept, saved = (activation_bytes(SIZES, Step(2048, checkpointing=on)) for on in (False, True))
    assert kept > 8 * saved
