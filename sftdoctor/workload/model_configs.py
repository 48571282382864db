"""What a script's configs say: quantisation, adapters, checkpointing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sftdoctor.flow import UNKNOWN, Arguments, Machine, Obj, Ref, Value, truth

EMBEDDINGS = re.compile(r"embed|wte|word_embeddings|tok_embeddings")
HEAD = re.compile(r"lm_head|output_embeddings|embed_out|score")
DEEPSPEED_LIMIT = 1 << 20
"""Bytes of a DeepSpeed config that are read."""
_QUANTIZERS = {
    "GPTQConfig": "gptq",
    "AwqConfig": "awq",
    "HqqConfig": "hqq",
    "AqlmConfig": "aqlm",
    "EetqConfig": "eetq",
    "QuantoConfig": "quanto",
}


def quantization_of_load(machine: Machine, given: Arguments) -> tuple[Value, Value]:
    """The quantisation that a call of from_pretrained asks for, and the config that it is given."""
    config = given.get(None, "quantization_config")
    if config is None:
        # transformers < 5 takes the two switches themselves.
        return _bits(given.get(None, "load_in_4bit", False), given.get(None, "load_in_8bit", False), "fp4"), None
    return quantization_of(machine, config), config


def quantization_of(machine: Machine, config: Value) -> Value:
    """What a quantisation config asks for: "nf4", "fp4", "int8", "gptq", …, "none", or UNKNOWN."""
    if config is None:
        return "none"
    if not isinstance(config, Obj):
        return UNKNOWN
    name = machine.heap.get(config, "^class", None)
    last = name.last if isinstance(name, Ref) else ""
    if last in _QUANTIZERS:
        return _QUANTIZERS[last]
    if last != "BitsAndBytesConfig":
        return UNKNOWN
    kind = machine.heap.get(config, "bnb_4bit_quant_type", "fp4")
    return _bits(machine.heap.get(config, "load_in_4bit", False), machine.heap.get(config, "load_in_8bit", False), kind)


def _bits(four: Value, eight: Value, kind: Value) -> Value:
    if four is True:
        return kind if isinstance(kind, str) else UNKNOWN
    if truth(four) is not False:
        return UNKNOWN
    return "int8" if eight is True else "none" if truth(eight) is False else UNKNOWN


def adapter(machine: Machine, config: Value) -> tuple[Value, Value, Value]:
    """The class of an adapter config, and whether it trains the output head and the embeddings."""
    if not isinstance(config, Obj):
        return ("saved" if config is None else "unknown"), ("unknown" if config is not None else False), False
    name = machine.heap.get(config, "^class", None)
    kind = name.last if isinstance(name, Ref) else "unknown"
    modules = [machine.heap.get(config, key, ()) for key in ("modules_to_save", "target_modules")]
    texts = [_texts(machine, value) for value in modules]
    if any(text is None for text in texts[:1]):
        return kind, "unknown", "unknown"
    listed = [item for text in texts for item in text or ()]
    tokens = machine.heap.get(config, "trainable_token_indices", None) is not None
    return kind, any(map(HEAD.search, listed)), tokens or any(map(EMBEDDINGS.search, listed))


def _texts(machine: Machine, value: Value) -> tuple[str, ...] | None:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    items = machine.items_of(value)
    return tuple(item for item in items if isinstance(item, str)) if items is not None else None


def reentrant(machine: Machine, kwargs: Value) -> Value:
    """use_reentrant of a dictionary of checkpointing arguments: True, False, "unset" or "unknown"."""
    if kwargs is None or kwargs == "unset":
        return "unset"
    if not isinstance(kwargs, Obj) or kwargs.kind != "dict":
        return "unknown"
    there = machine.heap.has(kwargs, "use_reentrant")
    if there is None:
        return "unknown"
    value = machine.heap.get(kwargs, "use_reentrant") if there else "unset"
    return value if isinstance(value, (bool, str)) else "unknown"


def fsdp_version(machine: Machine, config: Value) -> Value:
    """The version of FSDP that an fsdp_config asks for: 1, 2, "unset" or "unknown".

    Args:
        machine: The machine.
        config: The argument: a dictionary whose keys may have an fsdp_ before them, or the path of a JSON file, which
            is not read.
    """
    if config is None or config == "unset":
        return "unset"
    if not isinstance(config, Obj) or config.kind != "dict":
        return "unknown"
    there = {name: machine.heap.has(config, name) for name in ("version", "fsdp_version")}
    if None in there.values():
        return "unknown"
    value = next((machine.heap.get(config, name) for name, is_there in there.items() if is_there), "unset")
    return value if isinstance(value, int) or value == "unset" else "unknown"


def zero_stage(machine: Machine, config: Value, folder: Path) -> Value:
    """Stage of ZeRO of a deepspeed argument.

    Args:
        machine: The machine.
        config: The argument: a dictionary, or the path of a JSON file.
        folder: Where a relative path starts: the script's folder, which it is usually run from.

    Returns:
        0 to 3, "unset" where there is no such argument, "unknown" where it cannot be read.
    """
    if config is None:
        return "unset"
    if isinstance(config, str):
        return _stage_of_file(folder / config)
    if not isinstance(config, Obj) or config.kind != "dict":
        return "unknown"
    zero = machine.heap.get(config, "zero_optimization", None)
    if zero is None:
        return 0
    stage = machine.heap.get(zero, "stage", UNKNOWN) if isinstance(zero, Obj) and zero.kind == "dict" else UNKNOWN
    return stage if isinstance(stage, int) and not isinstance(stage, bool) else "unknown"


def _stage_of_file(path: Path) -> Value:
    try:
        with path.open("rb") as file:
            read = json.loads(file.read(DEEPSPEED_LIMIT))
        stage = read.get("zero_optimization", {}).get("stage", 0)
    except (OSError, ValueError, AttributeError, RecursionError):
        return "unknown"
    return stage if isinstance(stage, int) and not isinstance(stage, bool) else "unknown"
