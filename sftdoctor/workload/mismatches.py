"""Where a DeepSpeed config and the arguments of the training disagree, as transformers compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.configs import SUFFIXES, read_config
from sftdoctor.errors import WorkloadError

UNSET = "unset"
PAIRS: Mapping[tuple[str, ...], str] = {
    ("train_micro_batch_size_per_gpu",): "per_device_train_batch_size",
    ("gradient_accumulation_steps",): "gradient_accumulation_steps",
    ("gradient_clipping",): "max_grad_norm",
    ("optimizer", "params", "lr"): "learning_rate",
    ("optimizer", "params", "eps"): "adam_epsilon",
    ("optimizer", "params", "weight_decay"): "weight_decay",
    ("scheduler", "params", "warmup_max_lr"): "learning_rate",
    ("fp16", "enabled"): "fp16",
    ("bf16", "enabled"): "bf16",
}
"""Key of the DeepSpeed config → the argument that it must equal unless it is "auto" (transformers/integrations/
deepspeed.py, HfTrainerDeepSpeedConfig.trainer_config_process)."""
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "TrainingArguments": {
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 1,
        "fp16": False,
        "bf16": False,
    },
    "SFTConfig": {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
}
"""Defaults that have been the same in every release, by class."""


def mismatches(config: Any, said: Mapping[str, Any], class_: str) -> Iterator[tuple[str, str]]:
    """What transformers would refuse.

    Args:
        config: The DeepSpeed config as plain values.
        said: The arguments: plain values, "unset" or "unknown".
        class_: Name of their class.

    Returns:
        The argument, and how the two disagree: ("bf16", "bf16.enabled=True, bf16=False").
    """
    for keys, name in PAIRS.items():
        wanted = _at(config, keys)
        given = said.get(name, UNSET)
        if given == UNSET:
            given = DEFAULTS.get(class_, {}).get(name)
        if wanted is None or wanted == "auto" or isinstance(given, (str, tuple)) or given is None:
            continue
        if name == "per_device_train_batch_size" and said.get("auto_find_batch_size", UNSET) not in (UNSET, False):
            continue
        if name in ("bf16", "fp16") and said.get(f"{name}_full_eval", UNSET) not in (UNSET, False):
            continue
        if wanted != given:
            yield name, f"{'.'.join(keys)}={wanted}, {name}={given}"


def deepspeed_file(name: str, folder: Path) -> Any:
    """What a DeepSpeed config holds that is named by its path, from where the command runs or from a folder.

    Args:
        name: The path.
        folder: Where else a relative one may start.

    Returns:
        Plain values; None where it is not there or cannot be read.
    """
    if not name.endswith(SUFFIXES):
        return None
    for place in (Path(name), folder / name):
        try:
            return read_config(place).root.plain()
        except WorkloadError:
            continue
    return None


def _at(config: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        config = config.get(key) if isinstance(config, dict) else None
    return config if isinstance(config, (bool, int, float, str)) else None
