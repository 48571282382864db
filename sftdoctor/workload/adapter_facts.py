"""What a script's adapter and quantisation configs say."""

from __future__ import annotations

from collections.abc import Iterator

from sftdoctor.flow import UNKNOWN, Machine, Obj, Ref, Value
from sftdoctor.model import Fact
from sftdoctor.workload import model_configs
from sftdoctor.workload.places import Places
from sftdoctor.workload.plain import is_given, keyword_node, said, said_list

_LORA = (
    "task_type",
    "r",
    "lora_dropout",
    "inference_mode",
    "use_dora",
    "use_rslora",
    "trainable_token_indices",
    "target_parameters",
    "ensure_weight_tying",
    "total_step",
    "layers_to_transform",
)
_BNB = ("load_in_4bit", "load_in_8bit", "bnb_4bit_compute_dtype", "bnb_4bit_quant_storage", "bnb_4bit_quant_type")


def adapter_facts(places: Places, machine: Machine, config: Value) -> Iterator[Fact]:
    """The fields of the adapter config that a run starts with.

    Args:
        places: Where nodes stand.
        machine: The machine.
        config: A peft config of the script; anything else says nothing.

    Returns:
        One fact a field; of lists one a member.
    """
    if not isinstance(config, Obj) or config.kind != "instance":
        return
    yield Fact("adapter_config_call", "made", places.of(config.node))
    class_ = machine.heap.get(config, "^class", None)
    yield Fact("adapter_config_class", class_.last if isinstance(class_, Ref) else "unknown", places.of(config.node))
    for name in _LORA:
        fact = name if name.startswith("lora_") else f"lora_{name}"
        unset: Value = UNKNOWN if machine.heap.record(config).open else "unset"
        value = machine.heap.get(config, name, unset)
        plain = said(value)
        if isinstance(value, Ref):
            plain = value.last  # TaskType.CAUSAL_LM
        elif isinstance(value, Obj):
            plain = "given"
        yield Fact(fact, plain, places.of(keyword_node(config.node, name)))
    for name in ("target_modules", "modules_to_save", "feedforward_modules"):
        yield from _modules(places, machine, config, name)


def _modules(places: Places, machine: Machine, config: Obj, name: str) -> Iterator[Fact]:
    where = places.of(keyword_node(config.node, name))
    value = machine.heap.get(config, name, UNKNOWN if machine.heap.record(config).open else None)
    listed = said_list(machine, value)
    if value is None:
        yield Fact(f"lora_{name}", "unset", where)
    elif isinstance(listed, str):
        yield Fact(f"lora_{name}", listed, where)
    elif "unknown" in listed:
        yield Fact(f"lora_{name}", "unknown", where)
    else:
        yield Fact(f"lora_{name}", listed, where)
        for module in listed:
            yield Fact(f"lora_{name}_member", module, where)


def trainer_adapter(places: Places, machine: Machine, trainer: Obj) -> Iterator[Fact]:
    """The peft_config that a trainer gets.

    Args:
        places: Where nodes stand.
        machine: The machine.
        trainer: The trainer.

    Returns:
        Whether there is one, its class, and which parts of the model it trains besides.
    """
    config = machine.heap.get(trainer, "peft_config", UNKNOWN if machine.heap.record(trainer).open else None)
    where = places.of(keyword_node(trainer.node, "peft_config"))
    passed = False if config is None else (True if isinstance(config, Obj) else "unknown")
    yield Fact("peft_config_passed", passed, where)
    if passed is not True:
        return
    kind, head, embeddings = model_configs.adapter(machine, config)
    yield Fact("peft_config_kind", kind if isinstance(kind, str) else "unknown", where)
    yield Fact("peft_config_trains_head", said(head), where)
    yield Fact("peft_config_trains_embeddings", said(embeddings), where)


def quantization_facts(places: Places, machine: Machine, config: Value) -> Iterator[Fact]:
    """The fields of a BitsAndBytesConfig, and the names of all that it is given."""
    if not isinstance(config, Obj) or config.kind != "instance":
        return
    class_ = machine.heap.get(config, "^class", None)
    if not isinstance(class_, Ref) or class_.last != "BitsAndBytesConfig":
        return
    for name in _BNB:
        unset: Value = UNKNOWN if machine.heap.record(config).open else "unset"
        value = said(machine.heap.get(config, name, unset))
        yield Fact(name if name.startswith("bnb") else f"bnb_{name}", value, places.of(keyword_node(config.node, name)))
    for key, _ in machine.heap.items(config):
        if isinstance(key, str) and not key.startswith("^"):
            yield Fact("bnb_keyword", key, places.of(keyword_node(config.node, key)))


def passed_quantization(places: Places, machine: Machine, trainer: Obj) -> Iterator[Fact]:
    """Whether the trainer itself gets a quantization_config."""
    open_ = machine.heap.record(trainer).open
    config = machine.heap.get(trainer, "quantization_config", UNKNOWN if open_ else None)
    where = places.of(keyword_node(trainer.node, "quantization_config"))
    yield Fact("trainer_quantization_passed", is_given(config), where)
