"""What a proof can be given with `--set KEY=VALUE`, named as the libraries name it, and what makes sense.

Sources: the signatures of BitsAndBytesConfig (transformers), LoraConfig (peft) and SFTConfig (trl).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sftdoctor.errors import UsageError
from sftdoctor.model import run_name

FOUR_BIT = ("nf4", "fp4")
QUANTIZATIONS = (*FOUR_BIT, "int8", "none")
SWITCH = ("true", "false")
_WORD = re.compile(r"[A-Za-z0-9_.|/-]{1,100}")


@dataclass(frozen=True)
class Option:
    """One key of --set."""

    taken_by: str
    """The class that takes it."""
    values: tuple[str, ...]
    """What it may be; none where any name may stand."""
    tried: tuple[str, ...] = ()
    """Values that --matrix tries, each alone."""
    several: bool = False
    """Whether it is a list of names, with commas."""


OPTIONS: Mapping[str, Option] = {
    "bnb_4bit_use_double_quant": Option("BitsAndBytesConfig", SWITCH, ("false",)),
    "bnb_4bit_quant_storage": Option(
        "BitsAndBytesConfig", ("uint8", "float16", "bfloat16", "float32"), ("bfloat16", "float32")
    ),
    "attn_implementation": Option("from_pretrained", (), ("eager", "sdpa", "flex_attention", "flash_attention_2")),
    "target_modules": Option("LoraConfig", (), ("all-linear",), several=True),
    "modules_to_save": Option("LoraConfig", (), ("lm_head",), several=True),
    "use_dora": Option("LoraConfig", SWITCH, ("true",)),
    "use_rslora": Option("LoraConfig", SWITCH, ("true",)),
    "gradient_checkpointing": Option("SFTConfig", SWITCH, ("false",)),
    "use_reentrant": Option("gradient_checkpointing_kwargs", SWITCH, ("true", "false")),
    "bf16": Option("SFTConfig", SWITCH, ("true",)),
    "fp16": Option("SFTConfig", SWITCH, ("true",)),
    "optim": Option(
        "SFTConfig",
        (),
        ("adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adafactor"),
    ),
    "packing": Option("SFTConfig", SWITCH, ("true",)),
    "completion_only_loss": Option("SFTConfig", SWITCH, ("true",)),
    "assistant_only_loss": Option("SFTConfig", SWITCH, ("true",)),
    "sharding": Option("SFTConfig", ("fsdp2", "fsdp1", "zero2", "zero3")),
}
"""Key → what it takes."""
_CLASHES: tuple[tuple[Mapping[str, Any], str], ...] = (
    ({"bf16": True, "fp16": True}, "bf16 and fp16 exclude each other"),
    ({"completion_only_loss": True, "assistant_only_loss": True}, "these two need rows of different forms"),
    ({"gradient_checkpointing": False, "use_reentrant": True}, "use_reentrant is about gradient checkpointing"),
    ({"gradient_checkpointing": False, "use_reentrant": False}, "use_reentrant is about gradient checkpointing"),
)


@dataclass(frozen=True)
class RunSpec:
    """One run that a proof is to make."""

    quantization: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called: "nf4 use_dora=true"."""
        return run_name(self.quantization, self.settings)

    def request(self) -> dict[str, Any]:
        """The same for the worker."""
        return {"name": self.name, "quantization": self.quantization, "settings": dict(self.settings)}


def parse(words: Iterable[str], quantizations: Sequence[str] = ()) -> dict[str, Any]:
    """Read the settings of a command line.

    Args:
        words: "KEY=VALUE" each.
        quantizations: What is asked for beside them.

    Returns:
        Key → True, False, a word, or a list of words.

    Raises:
        UsageError: A key or a value is unknown, or they contradict each other.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, sign, text = word.partition("=")
        if not sign or key not in OPTIONS:
            raise _unknown(key if sign else word, bool(sign))
        if key in found:
            raise UsageError(f"--set {key} is given twice", "Give each key once.")
        found[key] = _value(key, text)
    for clash, why in _CLASHES:
        if all(found.get(key) is value for key, value in clash.items()):
            raise UsageError(f"--set {' and '.join(clash)}: {why}", "Leave one out.")
    others = [name for name in quantizations if name not in FOUR_BIT]
    for key in found:
        if key.startswith("bnb_4bit") and others:
            raise UsageError(
                f"--set {key} is about 4-bit layers, not about {others[0]}", "Use --quantization nf4 or fp4."
            )
    return found


def specs(quantizations: Sequence[str], settings: Mapping[str, Any]) -> tuple[RunSpec, ...] | None:
    """The runs that a user asks for.

    Args:
        quantizations: What to train in; none for what the device is good at.
        settings: For each of them.

    Returns:
        None where no quantization is named.

    Raises:
        UsageError: A quantization is unknown.
    """
    for name in quantizations:
        if name not in QUANTIZATIONS:
            raise UsageError(f"unknown quantization {name!r}", f"One of {', '.join(QUANTIZATIONS)}.")
    return tuple(RunSpec(name, settings) for name in dict.fromkeys(quantizations)) or None


def _value(key: str, text: str) -> Any:
    option = OPTIONS[key]
    if option.values == SWITCH and text.lower() in SWITCH:
        return text.lower() == "true"
    names = text.split(",") if option.several else [text]
    if (option.values and text not in option.values) or not all(_WORD.fullmatch(name) for name in names):
        may = f"One of {', '.join(option.values)}." if option.values else "A name, as the library spells it."
        raise UsageError(f"--set {key}={text} makes no sense", may)
    return names if option.several and text != "all-linear" else text


def _unknown(key: str, with_sign: bool) -> UsageError:
    if not with_sign:
        return UsageError(f"--set {key} has no value", "Write it as KEY=VALUE.")
    near = difflib.get_close_matches(key, OPTIONS, 3, 0.5) or sorted(OPTIONS)
    return UsageError(f"--set knows no {key}", f"Did you mean {', '.join(near)}?")


def matrix(quantizations: Sequence[str] = ()) -> tuple[RunSpec, ...]:
    """What --matrix runs.

    Args:
        quantizations: What to train in; none for all that there are.

    Returns:
        Each quantization, then, in the first of them, each setting alone.
    """
    runs = specs(quantizations or QUANTIZATIONS, {}) or ()
    base = runs[0].quantization
    for key, option in OPTIONS.items():
        if base in FOUR_BIT or not key.startswith("bnb_4bit"):
            runs += tuple(RunSpec(base, {key: _value(key, text)}) for text in option.tried)
    return runs
