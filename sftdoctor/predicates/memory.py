"""Whether the GPUs have the memory that a training needs: `memory`.

Two figures. The least: weights, and for full fine-tuning gradients and optimiser states, each in the fewest bytes that
they can have; nothing that is left out of it could make the run fit. The estimate adds the adapter, activations, logits
and CUDA's own share, for the arguments that the script gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.model import Accelerator
from sftdoctor.predicates.activations import activation_bytes, said, step_of
from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails, predicate, unknown
from sftdoctor.predicates.hardware import GIB, NO_HARDWARE
from sftdoctor.predicates.sizes import Sizes, sizes_of_config, sizes_of_name

_WEIGHT_BYTES: Mapping[str, tuple[float, float]] = {
    "nf4": (0.5, 0.53),
    "fp4": (0.5, 0.53),
    "gptq": (0.5, 0.55),
    "awq": (0.5, 0.55),
    "int8": (1.0, 1.01),
    "none": (2.0, 2.0),
}
"""Bytes of one weight of a replaced matrix: at least, and as a rule (with the scales of 64-weight blocks)."""
_SPREAD = ("auto", "balanced", "balanced_low_0", "sequential")
_FEW_STATES = ("8bit", "adafactor", "sgd", "lion", "galore", "lomo", "apollo", "adalomo", "4bit", "schedule_free")
_NOTHING = (None, "unset", "", False, ())
OFFLOADED = "offloaded"
_STATES_ALONE = ("zero0", "zero1", "zero2")
"""Ways of sharding that leave every process the whole of the weights."""
CUDA_CONTEXT = 700 * 2**20
"""Bytes that CUDA and cuBLAS take on a device (0.67 GiB of an H200 with CUDA 13)."""
DEFAULT_BATCH, DEFAULT_LENGTH, DEFAULT_RANK = 8, 1024, 8
"""Of TrainingArguments, SFTConfig and LoraConfig."""


@predicate(
    "memory",
    {"bound": Argument("text", "the least that it needs, or an estimate", True, ("least", "estimate"))},
    values=("gpu", "needed", "available", "parameters"),
)
def memory(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The GPUs have less memory than this training needs at least, or by estimate (and not less than the least)."""
    devices = context.environment.accelerators
    if devices is None:
        return unknown(NO_HARDWARE)
    gpus = [device for device in devices if device.memory]
    if not gpus or (context.script is None and context.workload.model is None):
        return HOLDS  # nobody said which model
    sizes = _sizes(context)
    if sizes is None:
        return unknown("the size of the model is not known; say --model FOLDER")
    available = _available(context, gpus)
    if available is None:
        return unknown("the model is sharded; among how many GPUs only the launch command says")
    least = least_bytes(context, sizes)
    if arguments["bound"] == "least":
        needed = least
    elif least > available or not sizes.layers or context.script is None:
        return HOLDS
    else:
        needed = least + extra_bytes(context, sizes)
    if needed <= available:
        return HOLDS
    if _sharding(context) == OFFLOADED or said(context, "deepspeed") not in _NOTHING:
        return unknown("what is sharded may lie on the CPU as well")
    figures = {"needed": _gib(needed), "available": _gib(available), "parameters": f"{sizes.total / 1e9:.1f} billion"}
    return fails(Match({"gpu": gpus[0].name, **figures}))


def least_bytes(context: Context, sizes: Sizes) -> float:
    """Bytes without which this training cannot be: weights, for full fine-tuning gradients and states too."""
    each = _WEIGHT_BYTES.get(_quantization(context), (0.5, 0.5))[0]
    weights = each * sizes.linear + 2.0 * sizes.embedding
    if not _trains_everything(context):
        return weights
    optimizer = str(said(context, "optim") or "")
    few = any(word in optimizer for word in _FEW_STATES) or said(context, "optim") == "unknown"
    sharers = _whole(context, "processes", 1) if _sharding(context) in _STATES_ALONE else 1
    return weights + (2 if few else 6) * sizes.total / sharers


def extra_bytes(context: Context, sizes: Sizes) -> float:
    """What comes to the least, by estimate: scales, adapter, activations, logits, CUDA's own share."""
    quantization = _quantization(context)
    low, usual = _WEIGHT_BYTES.get(quantization, (0.5, 0.53))
    batch = _whole(context, "per_device_train_batch_size", DEFAULT_BATCH)
    length = _whole(context, "max_length", 0) or _whole(context, "max_seq_length", DEFAULT_LENGTH)
    step = step_of(context, batch * length, quantization)
    adapter = 0.0
    if not _trains_everything(context):
        # rank × (in + out) of all linear layers, weight, gradient and two states of 4 bytes
        wide = sizes.layers * (8 * sizes.hidden + 3 * (sizes.hidden + sizes.intermediate))
        adapter = 16.0 * _whole(context, "lora_r", DEFAULT_RANK) * wide
    whole = 2.0 * sizes.embedding if step.float32 else 0.0  # 4 bytes instead of 2
    return (usual - low) * sizes.linear + adapter + whole + activation_bytes(sizes, step) + CUDA_CONTEXT


def _sizes(context: Context) -> Sizes | None:
    folder = context.workload.model
    if folder is not None:
        return sizes_of_config(folder.config)
    path = said(context, "model_path")
    return sizes_of_name(path) if isinstance(path, str) and path != "unknown" else None


def _available(context: Context, gpus: list[Accelerator]) -> int | None:
    """Bytes that the model can be put on: one device's, or all where it is spread or sharded; None where it is not
    known how many these are."""
    memories = [device.memory or 0 for device in gpus]
    spread = said(context, "model_device_map") in (*_SPREAD, "unknown")
    spread = spread or said(context, "model_loaded_by") in ("trainer", "unknown")
    if _sharding(context) in _STATES_ALONE or not (spread or _sharding(context)):
        return max(memories)
    count = _whole(context, "processes", 0)
    if _sharding(context) and not count and len(memories) == 1:
        return None
    return max(sum(memories), count * max(memories)) if _sharding(context) else sum(memories)


def _sharding(context: Context) -> str:
    """How the processes share the model: fsdp, zero1 to zero3, OFFLOADED; empty where each has the whole of it."""
    launched = said(context, "sharding")
    if launched not in (None, "none"):
        return str(launched)
    if said(context, "deepspeed") not in _NOTHING:
        return f"zero{said(context, 'zero_stage')}"
    return "fsdp" if said(context, "fsdp") not in _NOTHING else ""


def _quantization(context: Context) -> str:
    for name in ("quantization", "model_quantization"):
        value = said(context, name)
        if isinstance(value, str) and value not in ("none", "unset"):
            return value
    return "none"


def _trains_everything(context: Context) -> bool:
    return said(context, "peft_config_passed") is False and said(context, "wraps_model") == "none"


def _whole(context: Context, name: str, default: int) -> int:
    value = said(context, name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**7 else default


def _gib(number: float) -> str:
    return f"{number / GIB:.1f} GiB"
