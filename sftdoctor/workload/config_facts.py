"""What config files say, as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.model import Config, Fact, Location, Setting
from sftdoctor.workload.mismatches import deepspeed_file, mismatches
from sftdoctor.workload.parsers import plain
from sftdoctor.workload.vocabulary import ARGUMENT_FACTS, FSDP_FACTS, LAUNCH_FACTS

TRAINERS: Mapping[str, tuple[str, str]] = {
    "sft": ("SFTTrainer", "SFTConfig"),
    "dpo": ("DPOTrainer", "DPOConfig"),
    "kto": ("KTOTrainer", "KTOConfig"),
    "grpo": ("GRPOTrainer", "GRPOConfig"),
    "reward": ("RewardTrainer", "RewardConfig"),
}
"""Command of trl → its trainer, and the class of that one's arguments."""
_OF_SFT = frozenset(
    {"packing", "packing_strategy", "padding_free", "eval_packing", "max_length", "max_seq_length", "truncation_mode"}
    | {"dataset_text_field", "completion_only_loss", "assistant_only_loss", "loss_type"}
)
"""Arguments that rules know as those of SFTConfig."""
_LOADING = ("attn_implementation", "torch_dtype", "dtype", "trust_remote_code")
_ADAPTER: Mapping[str, str] = {
    "lora_r": "lora_r",
    "lora_dropout": "lora_dropout",
    "lora_target_modules": "lora_target_modules",
    "lora_modules_to_save": "lora_modules_to_save",
    "use_dora": "lora_use_dora",
    "use_rslora": "lora_use_rslora",
}
"""Field of trl's ModelConfig → fact."""
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "fsdp_config": ("FSDP",),
    "deepspeed_config": ("DEEPSPEED",),
    "megatron_lm_config": ("MEGATRON_LM",),
}
"""Section of an accelerate config → the distributed_types that read it."""
SEVERAL = ("MULTI_GPU", "FSDP", "DEEPSPEED", "MEGATRON_LM")
"""The distributed_types that give every process a GPU of its own."""
OVERRIDDEN = (
    "gradient_accumulation_steps",
    "gradient_clipping",
    "zero_stage",
    "offload_optimizer_device",
    "offload_param_device",
    "offload_param_nvme_path",
    "offload_optimizer_nvme_path",
    "zero3_save_16bit_model",
)
"""Keys of deepspeed_config that accelerate refuses beside deepspeed_config_file (accelerate/utils/dataclasses.py,
DeepSpeedPlugin._deepspeed_config_checks; mixed_precision too)."""


def config_facts(path: str, config: Config) -> tuple[Fact, ...]:
    """What a config file says.

    Args:
        path: The file.
        config: Its settings.

    Returns:
        Facts in the words of VOCABULARY.
    """
    readers = {"trl": _training, "accelerate": _launch, "deepspeed": _deepspeed}
    return tuple(readers[config.kind](path, config))


# ---------------------------------------------------------------- arguments of a training


def _training(path: str, config: Config) -> Iterator[Fact]:
    whole = Location(path, 1, 1)
    trainer, arguments = TRAINERS[config.command]
    yield Fact("trainer_class", trainer, whole)
    yield Fact("trainer_args_class", arguments, whole)
    yield Fact("trainer_args_call", "made", whole)
    yield Fact("data_collator", "none", whole)  # trl's commands give their trainers none
    for name in dict.fromkeys(ARGUMENT_FACTS):
        if name in _OF_SFT and config.command != "sft":
            continue  # other trainers have arguments of the same name that mean something else
        yield _fact(name, config.at(name) or (config.at("evaluation_strategy") if name == "eval_strategy" else None))
    yield _fact("use_reentrant", config.at("gradient_checkpointing_kwargs", "use_reentrant"))
    yield _fact("skip_prepare_dataset", config.at("dataset_kwargs", "skip_prepare_dataset"))
    for key in config.below("dataset_kwargs"):
        yield Fact("dataset_kwarg", key.keys[-1], key.location)
    yield from _zero(path, config, arguments)
    yield _fact("fsdp_version", config.at("fsdp_config", "version") or config.at("fsdp_config", "fsdp_version"))
    yield from _model(config)


def _model(config: Config) -> Iterator[Fact]:
    """What the fields of trl's ModelConfig say."""
    if (named := config.at("model_name_or_path")) is not None:
        yield _fact("model_path", named)
    four, eight = config.at("load_in_4bit"), config.at("load_in_8bit")
    if four is not None and _said(four.value) is True:
        yield Fact("quantization", _said(config.get("bnb_4bit_quant_type") or "nf4"), four.location)
    elif eight is not None and _said(eight.value) is True:
        yield Fact("quantization", "int8", eight.location)
    else:
        yield Fact("quantization", "none")
    for name in _LOADING:
        yield _fact(f"model_{name}", config.at(name))
    peft = config.at("use_peft")
    wanted = peft is not None and _said(peft.value) is True
    yield Fact("peft_config_passed", wanted, peft.location if peft else None)
    for name, fact in _ADAPTER.items() if wanted else ():
        setting = config.at(name)
        yield _fact(fact, setting)
        if setting is not None and fact in ("lora_target_modules", "lora_modules_to_save"):
            for item in setting.value if isinstance(setting.value, list) else ():
                yield Fact(f"{fact}_member", item, setting.location)


def _zero(path: str, config: Config, arguments: str) -> Iterator[Fact]:
    """What `deepspeed: FILE` asks for."""
    setting = config.at("deepspeed")
    if setting is None or setting.value is None:
        yield Fact("zero_stage", "unset")
        return
    value = deepspeed_file(setting.value, Path(path).parent) if isinstance(setting.value, str) else setting.value
    zero = value.get("zero_optimization", {}) if isinstance(value, dict) else None
    stage = zero.get("stage", 0) if isinstance(zero, dict) else "unknown"
    yield Fact("zero_stage", stage if isinstance(stage, int) else "unknown", setting.location)
    said = {one.name: _said(one.value) for one in config.below()}
    for name, how in mismatches(value, said, arguments):
        at = config.at(name) or setting
        yield Fact("deepspeed_mismatch", how, at.location)


def _fact(name: str, setting: Setting | None) -> Fact:
    return Fact(name, "unset") if setting is None else Fact(name, _said(setting.value), setting.location)


def _said(value: Any) -> Any:
    """A value as the parser will make it: a text that spells a number becomes one ("1e-5" is a text in YAML)."""
    if isinstance(value, list):
        return tuple(_said(item) for item in value)
    if isinstance(value, dict):
        return "unknown"
    read = plain(value) if isinstance(value, str) else value
    return "unknown" if isinstance(read, dict) else read


# ---------------------------------------------------------------- accelerate


def _launch(path: str, config: Config) -> Iterator[Fact]:
    whole = Location(path, 1, 1)
    for name in LAUNCH_FACTS:
        setting = config.at(name)
        value = "unset" if setting is None else setting.value
        yield Fact(f"launch_{name}", value, setting.location if setting else whole)
    for setting in config.below("fsdp_config"):
        name = setting.keys[-1].removeprefix("fsdp_")
        if name not in FSDP_FACTS:
            continue
        value = setting.value if isinstance(setting.value, (str, int, bool, float)) else "unknown"
        if name == "auto_wrap_policy" and isinstance(value, str):
            value = value.upper()  # as accelerate compares it
        yield Fact(f"launch_fsdp_{name}", value, setting.location)
    kind = config.get("distributed_type")
    for section, readers in SECTIONS.items():
        there = config.at(section)
        if there is not None and there.value and isinstance(kind, str) and kind.upper() not in readers:
            yield Fact("launch_idle_section", section, there.location)
    yield from _processes(config, kind)
    yield from _deepspeed_section(config)


def _processes(config: Config, kind: Any) -> Iterator[Fact]:
    """How many GPUs the processes of one machine get."""
    ids, wanted = config.at("gpu_ids"), config.at("num_processes")
    if ids is None or not isinstance(ids.value, str) or ids.value.strip() in ("all", ""):
        return
    count = len(ids.value.split(","))
    yield Fact("launch_gpu_count", count, ids.location)
    machines = config.get("num_machines") or 1
    if wanted is None or not isinstance(wanted.value, int) or machines != 1 or kind not in SEVERAL:
        return
    if wanted.value > count:
        yield Fact("launch_processes_beyond_gpus", wanted.value, wanted.location)


def _deepspeed_section(config: Config) -> Iterator[Fact]:
    if config.at("deepspeed_config", "deepspeed_config_file") is None:
        return
    for setting in config.below("deepspeed_config"):
        if setting.keys[-1] in OVERRIDDEN:
            yield Fact("launch_deepspeed_overridden", setting.keys[-1], setting.location)
    precision = config.at("mixed_precision")
    if precision is not None and precision.value is not None:
        yield Fact("launch_deepspeed_overridden", "mixed_precision", precision.location)


# ---------------------------------------------------------------- DeepSpeed


def _deepspeed(path: str, config: Config) -> Iterator[Fact]:
    bf16 = config.at("bf16", "enabled") or config.at("bfloat16", "enabled")
    for name, setting in (("ds_bf16", bf16), ("ds_fp16", config.at("fp16", "enabled"))):
        yield _fact(name, setting)
    yield _fact("ds_zero_stage", config.at("zero_optimization", "stage"))
