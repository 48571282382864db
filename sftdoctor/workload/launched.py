"""How many processes a launch command starts, and what it shares among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sftdoctor import shell
from sftdoctor.model import OPEN_WORD, Config, Fact, Location

WHOLE_BATCH = "generation_batch_size"
"""The argument of GRPO and RLOO that counts the completions of all processes together."""
DEFAULT_BATCH = 8
"""per_device_train_batch_size of transformers' arguments."""
OFFLOADED = "offloaded"
_OFFLOADING = ("offload_param", "offload_optimizer")
_NO = (None, False, "none", "false", "no", "")
Read = Callable[[str], Any]
"""Gives the plain values of a config file; None where it cannot be read."""


def launched_facts(
    launch: shell.Launch, config: Config | None, said: Mapping[str, Any], place: Location, read: Read
) -> Iterator[Fact]:
    """What a launch command says about the script that it starts.

    Args:
        launch: The command.
        config: The accelerate config that it names, as read; None where it names none, or one that is not there.
        said: The script's own facts, by name.
        place: Where the command stands.
        read: Reads a DeepSpeed config.

    Returns:
        "processes" where their number is known, what comes of it for batches, and "sharding" where it is known.
    """
    sharding = _sharding(launch, config, read)
    if sharding:
        yield Fact("sharding", sharding, place)
    count = processes(launch, config)
    if count is None:
        return
    yield Fact("processes", count, place)
    batch = said.get("per_device_train_batch_size", "unset")
    batch = DEFAULT_BATCH if batch in ("unset", None) else batch
    if type(batch) is int:
        yield Fact("batch_of_processes", batch * count, place)
    completions = said.get("generated_batch")
    if type(completions) is int:
        whole = said.get(WHOLE_BATCH, "unset") not in ("unset", None)
        yield Fact("round_of_processes", completions if whole else completions * count, place)


def processes(launch: shell.Launch, config: Config | None) -> int | None:
    """The number of processes of the whole job; None where only the run knows it."""
    if launch.launcher == "accelerate":
        return _of_accelerate(launch, config)
    if launch.launcher == "torchrun":
        each, nodes = option(launch.own, "--nproc_per_node"), option(launch.own, "--nnodes")
        return _times(_visible(launch) if each in ("gpu", "auto") else _number(each or "1"), _number(nodes or "1"))
    if launch.launcher == "deepspeed":
        hosts = option(launch.own, "--hostfile") or option(launch.own, "--include")
        each = option(launch.own, "--num_gpus")
        count = _number(each) if each else _visible(launch)
        return None if hosts else _times(count, _number(option(launch.own, "--num_nodes") or "1"))
    return 1 if launch.launcher == "python" and not launch.wrapped else None


def _of_accelerate(launch: shell.Launch, config: Config | None) -> int | None:
    said = option(launch.own, "--num_processes")
    if said:
        return _number(said)
    held = config.get("num_processes") if config is not None else None
    if type(held) is int:
        return held if held > 0 else None
    return None


def _times(one: int | None, other: int | None) -> int | None:
    return one * other if one is not None and other is not None else None


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and 0 < int(text) < 100_000 else None


def _visible(launch: shell.Launch) -> int | None:
    """The GPUs that CUDA_VISIBLE_DEVICES names."""
    names = dict(launch.variables).get("CUDA_VISIBLE_DEVICES", "").strip("\"'")
    if not names or OPEN_WORD in names or "$" in names:
        return None
    return len([one for one in names.split(",") if one.strip()]) or None


def _sharding(launch: shell.Launch, config: Config | None, read: Read) -> str:
    """fsdp, zero1 to zero3, offloaded or none; empty where it is not known."""
    if launch.launcher != "accelerate":
        return ""  # the arguments of the training say it
    if _offloads(launch, config):
        return OFFLOADED
    if option(launch.own, "--use_fsdp", switch=True):
        return "fsdp"
    kind = str(config.get("distributed_type") or "").upper() if config is not None else ""
    if option(launch.own, "--use_deepspeed", switch=True) or kind == "DEEPSPEED":
        return _zero(launch, config, read)
    if kind == "FSDP":
        return "fsdp"
    return "none" if config is not None or option(launch.own, "--multi_gpu", switch=True) else ""


def _offloads(launch: shell.Launch, config: Config | None) -> bool:
    """Whether a part of what is shared lies on the CPU, or a disk."""
    words = [word.text.lstrip("-").replace("-", "_") for word in launch.own]
    if any(word.startswith(("offload_", "fsdp_offload_params", "fsdp_cpu_offload")) for word in words):
        return True
    said = [] if config is None else [*config.below("deepspeed_config"), *config.below("fsdp_config")]
    return any("offload" in one.keys[-1] and one.value not in _NO for one in said)


def _zero(launch: shell.Launch, config: Config | None, read: Read) -> str:
    file: Any = option(launch.own, "--deepspeed_config_file")
    stage: Any = option(launch.own, "--zero_stage")
    if config is not None:
        file = file or config.get("deepspeed_config", "deepspeed_config_file")
        stage = stage or config.get("deepspeed_config", "zero_stage")
    if isinstance(file, str) and file:
        held = read(file)
        zero = held.get("zero_optimization") if isinstance(held, dict) else None
        if isinstance(zero, dict) and any(isinstance(zero.get(name), dict) for name in _OFFLOADING):
            return OFFLOADED
        stage = zero.get("stage", 0) if isinstance(zero, dict) else None
    elif stage in ("", None):
        stage = 2  # accelerate's default (utils/dataclasses.py, DeepSpeedPlugin)
    return f"zero{stage}" if str(stage) in ("1", "2", "3") else "none" if str(stage) == "0" else ""


def option(words: shell.Command, name: str, *, switch: bool = False) -> str:
    """The value of an option, written with underscores or hyphens; its name for a switch; empty where it is not given.

    Args:
        words: A launcher's own words.
        name: The option.
        switch: Whether it takes no value.
    """
    for index, word in enumerate(words):
        said, equals, value = word.text.partition("=")
        if name and said.replace("-", "_") == name.replace("-", "_"):
            if switch:
                return "" if value.lower() == "false" else name
            return value if equals else words[index + 1].text if index + 1 < len(words) else ""
    return ""
