"""Whose a config file is, by what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sftdoctor.configs.tree import Node

TRAINING = frozenset(
    [
        "model_name_or_path",
        "dataset_name",
        "use_cpu",
        "output_dir",
        "num_train_epochs",
        "max_steps",
        "per_device_train_batch_size",
        "per_device_eval_batch_size",
        "gradient_accumulation_steps",
        "gradient_checkpointing",
        "learning_rate",
        "weight_decay",
        "lr_scheduler_type",
        "warmup_ratio",
        "warmup_steps",
        "logging_steps",
        "logging_strategy",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "eval_strategy",
        "evaluation_strategy",
        "eval_steps",
        "bf16",
        "fp16",
        "optim",
        "report_to",
        "run_name",
        "push_to_hub",
        "hub_model_id",
        "do_eval",
        "do_train",
        "seed",
        "max_grad_norm",
        "overwrite_output_dir",
        "log_level",
        "remove_unused_columns",
        "packing",
        "max_seq_length",
        "max_length",
    ]
)
"""Arguments of a training of transformers or trl; a file with three of them is about one."""
SURE = frozenset(
    {"output_dir", "per_device_train_batch_size", "num_train_epochs", "gradient_accumulation_steps", "use_peft"}
)
"""At least one of these stands among them."""
COMMANDS: Mapping[str, frozenset[str]] = {
    "grpo": frozenset({"num_generations", "max_completion_length", "reward_funcs", "reward_model_name_or_path"}),
    "dpo": frozenset({"beta", "rpo_alpha", "precompute_ref_log_probs", "label_smoothing", "max_prompt_length"}),
    "kto": frozenset({"desirable_weight", "undesirable_weight"}),
    "reward": frozenset({"center_rewards_coefficient"}),
}
"""What only configs of this command of trl say."""
STRANGERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("an axolotl config", {"base_model": str, "datasets": list}),
    ("an axolotl config", {"base_model": str, "micro_batch_size": int}),
    ("a LLaMA-Factory config", {"stage": str, "finetuning_type": str}),
    ("a LLaMA-Factory config", {"stage": str, "template": str, "cutoff_len": int}),
    ("a LLaMA-Factory config", {"model": str, "train_dataset": object}),
    ("a LLaMA-Factory table of data sets", {"file_name": str, "formatting": str}),
    ("an ms-swift config", {"train_type": str, "model": str}),
    ("a LitGPT config", {"checkpoint_dir": str, "precision": str}),
    ("a Ludwig config", {"model_type": str, "base_model": str, "input_features": list}),
    ("a Kubernetes manifest", {"apiVersion": str, "kind": str}),
    ("a workflow of GitHub Actions", {"jobs": dict, "on": object}),
    ("a compose file", {"services": dict}),
    ("a model's config", {"architectures": list, "model_type": str}),
    ("an adapter's config", {"peft_type": str, "base_model_name_or_path": object}),
    ("a tokenizer's config", {"tokenizer_class": str}),
    ("a trainer's state", {"log_history": list}),
    ("a pre-commit config", {"repos": list}),
    ("a conda environment (give it with --pins)", {"dependencies": list}),
)
"""Configs that other tools read, by what they hold."""
_PROBABLE = re.compile(
    r"""(?:^[ ]{0,4}|[{,]\s{0,40})["']?(?:compute_environment|distributed_type|zero_optimization|"""
    r"""train_micro_batch_size_per_gpu|train_batch_size|output_dir|per_device_train_batch_size|num_train_epochs|"""
    r"""gradient_accumulation_steps|base_model|finetuning_type|train_dataset)["']?\s{0,8}:""",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Kind:
    """Whose a config file is."""

    name: str
    """trl (arguments of a training, as `trl sft --config` and HfArgumentParser read them), accelerate, deepspeed, or
    "" for all others."""
    told: str
    """The same in words: "an axolotl config"."""
    command: str = ""
    """Of a trl config: the command that it is for (sft, dpo, …)."""


def might_be_config(text: str) -> bool:
    """Whether a file of a folder is worth parsing."""
    return _PROBABLE.search(text) is not None


def kind_of(root: Node, given_to: str = "") -> Kind:
    """Whose a config file is.

    Args:
        root: Its values.
        given_to: Who gets it, where that is known: trl or accelerate.

    Returns:
        The kind; one without a name where sftdoctor does not know who reads it.
    """
    if root.pairs is None:
        return Kind("", "no mapping of keys")
    names = {key.name for key, _ in root.pairs}
    if given_to:
        return Kind(given_to, f"given to {given_to}", _command(names) if given_to == "trl" else "")
    if "compute_environment" in names or {"distributed_type", "num_processes"} <= names:
        return Kind("accelerate", "an accelerate config")
    if _is_deepspeed(root, names):
        return Kind("deepspeed", "a DeepSpeed config")
    for told, shape in STRANGERS:
        if all(_is(root.member(name), kind) for name, kind in shape.items()):
            return Kind("", told)
    if any(key.name == "_component_" for _, key, _ in root.walk()):
        return Kind("", "a torchtune config")
    if len(names & TRAINING) >= 3 and names & SURE:
        return Kind("trl", "arguments of a training", _command(names))
    return Kind("", "a config that sftdoctor does not know")


def _is_deepspeed(root: Node, names: set[str]) -> bool:
    if "zero_optimization" in names or "train_micro_batch_size_per_gpu" in names:
        return True
    precision = any(_is(root.member(name), dict) for name in ("fp16", "bf16", "optimizer", "scheduler"))
    return precision and "train_batch_size" in names


def _is(node: Node | None, kind: Any) -> bool:
    if node is None:
        return False
    if kind in (dict, list):
        return (node.pairs if kind is dict else node.items) is not None
    return kind is object or isinstance(node.value, kind)


def _command(names: set[str]) -> str:
    return next((command for command, own in COMMANDS.items() if names & own), "sft")
