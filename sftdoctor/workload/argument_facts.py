"""What a script passes to its trainer's arguments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftdoctor.flow import UNKNOWN, ClassValue, Machine, Obj, Ref, Value
from sftdoctor.model import Fact
from sftdoctor.workload import model_configs
from sftdoctor.workload.mismatches import PAIRS, deepspeed_file, mismatches
from sftdoctor.workload.places import Places
from sftdoctor.workload.plain import is_given, keyword_node, said_list
from sftdoctor.workload.vocabulary import ARGUMENT_FACTS
from sftdoctor.workload.world import library_base

_OLD_NAMES = {"eval_strategy": "evaluation_strategy"}
"""The same field under its older name."""
_GENERATING = ("GRPOConfig", "RLOOConfig")
_WHOLE = "generation_batch_size"
_PARTS = {"per_device_train_batch_size": 8, "steps_per_generation": None, "gradient_accumulation_steps": 1}
"""What else a round's size hangs on, with the defaults."""
_NOTHING = ("unset", None)
_LOOSEN = ("auto_find_batch_size", "fp16_full_eval", "bf16_full_eval")
"""Arguments beside which a DeepSpeed config may say something else."""


def argument_facts(places: Places, machine: Machine, args: Value, trainer: Obj) -> Iterator[Fact]:
    """The trainer's arguments.

    Args:
        places: Where nodes stand.
        machine: The machine.
        args: The trainer's `args`.
        trainer: The trainer; before trl 0.13 it took some of these itself.

    Returns:
        Their class, every field of ARGUMENT_FACTS, and what their dictionaries say.
    """
    if args is None:
        yield Fact("trainer_args_class", "none", places.of(trainer.node))
        yield from _own_keywords(places, machine, trainer)
        return
    if not isinstance(args, Obj):
        yield Fact("trainer_args_class", "unknown", places.of(trainer.node))
        for name in (*ARGUMENT_FACTS, "use_reentrant", "skip_prepare_dataset", "fsdp_version"):
            yield Fact(name, "unknown", places.of(trainer.node))
        return
    yield Fact("trainer_args_class", class_name(machine, args), places.of(args.node))
    yield Fact("trainer_args_call", "made", places.of(args.node))
    for alias in ("activation_checkpointing", "activation_checkpointing_kwargs"):
        _take_over(machine, args, alias, alias.replace("activation", "gradient"))
    for new, old in _OLD_NAMES.items():
        _take_over(machine, args, old, new)
    for name in ARGUMENT_FACTS:
        owner = trainer if machine.heap.has(args, name) is False and machine.heap.has(trainer, name) else args
        yield Fact(name, _plain(machine, owner, name), places.of(keyword_node(owner.node, name)))
    yield from _reports(places, machine, args)
    yield from _generated(places, machine, args)
    stage = model_configs.zero_stage(machine, machine.heap.get(args, "deepspeed", None), Path(places.path).parent)
    yield Fact("zero_stage", stage, places.of(keyword_node(args.node, "deepspeed")))
    fsdp = machine.heap.get(args, "fsdp_config", UNKNOWN if machine.heap.record(args).open else None)
    version = model_configs.fsdp_version(machine, fsdp)
    yield Fact("fsdp_version", version, places.of(keyword_node(args.node, "fsdp_config")))
    yield from _mismatches(places, machine, args)
    yield from _reentrant(places, machine, args)
    yield from _dataset_kwargs(places, machine, args, trainer)
    init = machine.heap.get(args, "model_init_kwargs", UNKNOWN if machine.heap.record(args).open else None)
    yield Fact("model_init_kwargs_passed", is_given(init), places.of(keyword_node(args.node, "model_init_kwargs")))


def _reports(places: Places, machine: Machine, args: Obj) -> Iterator[Fact]:
    """The places that report_to names, by itself or in a list."""
    said = _plain(machine, args, "report_to")
    for name in said if isinstance(said, tuple) else (said,):
        if isinstance(name, str) and name not in ("unset", "unknown", "none", "all"):
            yield Fact("reports_to", name, places.of(keyword_node(args.node, "report_to")))


def _generated(places: Places, machine: Machine, args: Obj) -> Iterator[Fact]:
    """What trl's GRPOConfig and RLOOConfig make of the batch size (their __post_init__, trl 0.17 to 1.16)."""
    if class_name(machine, args) not in _GENERATING:
        return
    said = {name: _plain(machine, args, name) for name in (_WHOLE, *_PARTS)}
    steps = "gradient_accumulation_steps" if said["steps_per_generation"] in _NOTHING else "steps_per_generation"
    used = [_WHOLE] if said[_WHOLE] not in _NOTHING else ["per_device_train_batch_size", steps]
    values = [_PARTS.get(name) if said[name] in _NOTHING else said[name] for name in used]
    whole = all(type(value) is int for value in values)
    node = keyword_node(args.node, used[0])
    yield Fact("generated_batch", math.prod(values) if whole else "unknown", places.of(node))


def _mismatches(places: Places, machine: Machine, args: Obj) -> Iterator[Fact]:
    """Where the file that the deepspeed argument names disagrees with the other arguments."""
    named = machine.heap.get(args, "deepspeed", None)
    config = deepspeed_file(named, Path(places.path).parent) if isinstance(named, str) else None
    said = {name: _plain(machine, args, name) for name in (*PAIRS.values(), *_LOOSEN)} if config is not None else {}
    for name, how in mismatches(config, said, class_name(machine, args)):
        yield Fact("deepspeed_mismatch", how, places.of(keyword_node(args.node, name)))


def class_name(machine: Machine, obj: Obj) -> str:
    """The library's class of an instance (the base that a library defines, of a class of the script's own)."""
    class_ = machine.heap.get(obj, "^class", None)
    own = library_base(class_) if isinstance(class_, ClassValue) else class_
    return own.last if isinstance(own, Ref) else "unknown"


def _take_over(machine: Machine, args: Obj, old: str, new: str) -> None:
    if machine.heap.has(args, old) and machine.heap.has(args, new) is False:
        machine.heap.set(args, new, machine.heap.get(args, old))


def _own_keywords(places: Places, machine: Machine, trainer: Obj) -> Iterator[Fact]:
    for name in ARGUMENT_FACTS:
        if machine.heap.has(trainer, name) is True:
            yield Fact(name, _plain(machine, trainer, name), places.of(keyword_node(trainer.node, name)))


def _plain(machine: Machine, obj: Obj, name: str) -> Any:
    there = machine.heap.has(obj, name)
    if there is False:
        return "unset"
    return "unknown" if there is None else said_list(machine, machine.heap.get(obj, name))


def _reentrant(places: Places, machine: Machine, args: Obj) -> Iterator[Fact]:
    unset: Value = UNKNOWN if machine.heap.record(args).open else "unset"
    kwargs = machine.heap.get(args, "gradient_checkpointing_kwargs", unset)
    node = kwargs.node if isinstance(kwargs, Obj) and kwargs.node is not None else args.node
    yield Fact("use_reentrant", model_configs.reentrant(machine, kwargs), places.of(node))


def _dataset_kwargs(places: Places, machine: Machine, args: Obj, trainer: Obj) -> Iterator[Fact]:
    owner = args if machine.heap.has(args, "dataset_kwargs") is not False else trainer
    kwargs = machine.heap.get(owner, "dataset_kwargs", UNKNOWN if machine.heap.record(args).open else None)
    where = places.of(keyword_node(owner.node, "dataset_kwargs"))
    if not isinstance(kwargs, Obj) or kwargs.kind != "dict":
        yield Fact("skip_prepare_dataset", "unset" if kwargs is None else "unknown", where)
        return
    skip = machine.heap.get(kwargs, "skip_prepare_dataset", UNKNOWN if machine.heap.record(kwargs).open else "unset")
    yield Fact("skip_prepare_dataset", said_list(machine, skip), where)
    for name, _ in machine.heap.items(kwargs):
        if isinstance(name, str):
            yield Fact("dataset_kwarg", name, where)
