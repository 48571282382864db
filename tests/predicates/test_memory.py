"""What a training needs: how the figures move with what the script says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sftdoctor.model import Case
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.memory import extra_bytes, least_bytes
from sftdoctor.predicates.sizes import Sizes
from sftdoctor.testing import build_environment, build_workload
from tests.predicates.contexts import KnownLibrary

SIZES = Sizes(linear=6_500_000_000, embedding=260_000_000, hidden=4096, layers=32, intermediate=11008, vocabulary=32000)


def context(folder: Path, **facts: Any) -> Context:
    case = Case("", "", facts={"trainer_class": "SFTTrainer", **facts})
    workload = build_workload(case, folder)
    environment = build_environment(case, folder)
    return Context(environment, workload, KnownLibrary({}, {}), None, workload.scripts[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "gigabytes"),
    [
        ({"quantization": "nf4", "peft_config_passed": True}, 3.25 + 0.52),
        ({"quantization": "int8", "peft_config_passed": True}, 6.5 + 0.52),
        ({"quantization": "none", "peft_config_passed": True}, 13.52),
        ({"model_quantization": "gptq", "peft_config_passed": True}, 3.25 + 0.52),
        ({"quantization": "unknown", "peft_config_passed": True}, 3.25 + 0.52),
        ({"quantization": "none", "peft_config_passed": False, "wraps_model": "none"}, 13.52 + 6 * 6.76),
        ({"quantization": "none", "peft_config_passed": False, "wraps_model": "none", "optim": "adamw_8bit"}, 27.04),
        ({"quantization": "none", "peft_config_passed": False, "wraps_model": "get_peft_model"}, 13.52),
    ],
)
def test_the_least(facts: dict[str, Any], gigabytes: float, tmp_path: Path) -> None:
    assert least_bytes(context(tmp_path, **facts), SIZES) / 1e9 == pytest.approx(gigabytes)


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"per_device_train_batch_size": 8}, {"per_device_train_batch_size": 1}),
        ({"max_length": 4096}, {"max_length": 512}),
        ({"max_length": "unset", "max_seq_length": 4096}, {"max_length": "unset", "max_seq_length": 512}),
        ({"gradient_checkpointing": False}, {"gradient_checkpointing": True}),
        ({"lora_r": 256}, {"lora_r": 8}),
    ],
)
def test_the_estimate_moves_with_the_arguments(more: dict[str, Any], less: dict[str, Any], tmp_path: Path) -> None:
    base = {"quantization": "nf4", "peft_config_passed": True}
    high, low = (
        extra_bytes(context(tmp_path / name, **base, **facts), SIZES) for name, facts in (("a", more), ("b", less))
    )
    assert high > 1.2 * low
