"""The machine that this process runs on, beyond the target: what bug reports ask for. Nothing of the target is run."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.model import Environment, TargetKind

PREFIXES = (
    *("ACCELERATE_", "BNB_", "CUDA_", "FSDP_", "HF_", "NCCL_", "PYTORCH_", "TORCH_", "TRANSFORMERS_"),
    *("DEEPSPEED_", "HIP_", "HSA_", "ROCR_", "VLLM_", "UNSLOTH_", "TRL_"),
)
NAMES = (
    *("LD_LIBRARY_PATH", "LOCAL_RANK", "OMP_NUM_THREADS", "PYTHONPATH", "RANK", "TOKENIZERS_PARALLELISM"),
    *("WORLD_SIZE", "PYTHONHASHSEED", "LD_PRELOAD"),
)
"""Environment variables that change how the stack runs."""
SECRETS = ("AUTH", "COOKIE", "CREDENTIAL", "KEY", "PASS", "SECRET", "TOKEN")
"""A variable or a setting whose name holds one of these is never shown."""
KEPT = ("TOKENIZERS_PARALLELISM",)
MOST = 40
LARGEST = 64_000
"""Bytes of an accelerate configuration that are read."""


def machine_of(environment: Environment) -> dict[str, str]:
    """What the machine is and how its surroundings are set.

    Args:
        environment: The target.

    Returns:
        Name → value, raw: the platform, its memory, accelerate's configuration, the variables that matter, with a "$".
        Nothing whose name says that it is a secret; values may still hold names and addresses, which a report takes
        out. Empty for a target that is not installed here.
    """
    if environment.target.kind is not TargetKind.INTERPRETER:
        return {}
    facts = {"platform": platform.platform(), "memory": _memory(), "accelerate config": _accelerate()}
    facts |= {f"${name}": value for name, value in sorted(_variables(os.environ))}
    return facts


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows
        return "not known"
    return f"{size / 2**30:.0f} GiB"


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    chosen = [name for name in environ if name in NAMES or name.startswith(PREFIXES)]
    for name in chosen[:MOST]:
        if name in KEPT or not is_secret(name):
            yield name, environ[name][:400]


def is_secret(name: str) -> bool:
    """Whether the name of a variable or a setting says that its value is nobody's business."""
    return any(word in name.upper() for word in SECRETS)


def _accelerate() -> str:
    """accelerate's default configuration on one line (accelerate, commands/config/config_args.py)."""
    home = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    folder = Path(os.path.expanduser(os.environ.get("HF_HOME", home)), "accelerate")  # noqa: PTH111  (no home: no error)
    for name in ("default_config.yaml", "default_config.json"):
        try:
            with (folder / name).open("rb") as file:
                text = file.read(LARGEST).decode("utf-8", "replace")
        except OSError:
            continue
        return _in_one_line(text)
    return "not found"


def _in_one_line(text: str) -> str:
    import yaml  # JSON is YAML

    try:
        said: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return "cannot be read"
    if not isinstance(said, dict):
        return "cannot be read"
    return ", ".join(
        f"{key}: {'…' if is_secret(str(key)) else _short(value)}" for key, value in list(said.items())[:MOST]
    )


def _short(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)[:100]
    inner = ", ".join(
        f"{key}: {'…' if is_secret(str(key)) else str(part)[:60]}" for key, part in list(value.items())[:MOST]
    )
    return f"{{{inner}}}"
