"""From the objects of a script to Facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.flow import UNKNOWN, ClassValue, Machine, Obj, Ref, Value
from sftdoctor.model import Fact, Location
from sftdoctor.workload import model_configs, models
from sftdoctor.workload.steps import Step, Steps
from sftdoctor.workload.vocabulary import ARGUMENT_FACTS
from sftdoctor.workload.world import library_base

_PLAIN = (bool, int, float, str)


class FactReader:
    """Reads the facts of one script off the machine.

    Args:
        path: The script's path, as locations name it.
        text: Its source.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.split("\n")

    def location(self, node: ast.AST | None) -> Location | None:
        """Where a node stands, counted in characters from 1."""
        line = getattr(node, "lineno", None)
        if node is None or line is None:
            return None
        end_line, end_offset = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", 0)
        return Location(
            self.path,
            line,
            self._column(line, getattr(node, "col_offset", 0)),
            end_line,
            self._column(end_line, end_offset),
        )

    def _column(self, line: int, offset: int) -> int:
        """The syntax tree counts UTF-8 bytes from 0."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return len(text.encode()[:offset].decode(errors="ignore")) + 1

    def trainer_facts(self, machine: Machine, trainer: Obj) -> tuple[Fact, ...]:
        """What a script says about the training that a trainer will do.

        Args:
            machine: The machine, at the moment when training starts.
            trainer: The trainer.

        Returns:
            Facts in the order of VOCABULARY; the steps of the model in the order in which they happen.
        """
        heap = machine.heap
        class_ = heap.get(trainer, "^class", None)
        own = library_base(class_) if isinstance(class_, ClassValue) else class_
        facts = [
            Fact("trainer_class", own.last if isinstance(own, Ref) else "unknown", self.location(trainer.node)),
            Fact(
                "trainer_call",
                "own subclass" if isinstance(class_, ClassValue) else "plain",
                self.location(trainer.node),
            ),
        ]
        args = heap.get(trainer, "args", UNKNOWN if heap.record(trainer).open else None)
        facts.extend(self._arguments(machine, args, trainer))
        facts.extend(self._peft_config(machine, trainer))
        model = heap.get(trainer, "model", UNKNOWN if heap.record(trainer).open else None)
        facts.extend(self.model_facts(machine, model, trainer))
        return tuple(facts)

    def _arguments(self, machine: Machine, args: Value, trainer: Obj) -> Iterator[Fact]:
        heap = machine.heap
        if args is None:
            yield Fact("trainer_args_class", "none", self.location(trainer.node))
            return
        if not isinstance(args, Obj):
            yield Fact("trainer_args_class", "unknown", self.location(trainer.node))
            for name in ("gradient_checkpointing", "use_reentrant"):
                yield Fact(name, "unknown", self.location(trainer.node))
            return
        class_ = heap.get(args, "^class", None)
        own = library_base(class_) if isinstance(class_, ClassValue) else class_
        yield Fact("trainer_args_class", own.last if isinstance(own, Ref) else "unknown", self.location(args.node))
        yield Fact("trainer_args_call", "made", self.location(args.node))
        for alias in ("activation_checkpointing", "activation_checkpointing_kwargs"):
            if heap.has(args, alias) and heap.has(args, alias.replace("activation", "gradient")) is False:
                heap.set(args, alias.replace("activation", "gradient"), heap.get(args, alias))
        for name in ARGUMENT_FACTS:
            yield Fact(name, self._plain(machine, args, name), self._keyword(args.node, name))
        stage = model_configs.zero_stage(machine, heap.get(args, "deepspeed", None), Path(self.path).parent)
        yield Fact("zero_stage", stage, self._keyword(args.node, "deepspeed"))
        kwargs = heap.get(args, "gradient_checkpointing_kwargs", UNKNOWN if heap.record(args).open else "unset")
        node = kwargs.node if isinstance(kwargs, Obj) and kwargs.node is not None else args.node
        yield Fact("use_reentrant", model_configs.reentrant(machine, kwargs), self.location(node))

    def _plain(self, machine: Machine, obj: Obj, name: str) -> Any:
        there = machine.heap.has(obj, name)
        if there is False:
            return "unset"
        value = machine.heap.get(obj, name)
        return value if value is None or isinstance(value, _PLAIN) else "unknown"

    def _keyword(self, node: ast.AST | None, name: str) -> Location | None:
        """Where a keyword's value stands in a call; the call itself where it is not given there."""
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == name:
                    return self.location(keyword.value)
        return self.location(node)

    def _peft_config(self, machine: Machine, trainer: Obj) -> Iterator[Fact]:
        config = machine.heap.get(trainer, "peft_config", UNKNOWN if machine.heap.record(trainer).open else None)
        where = self._keyword(trainer.node, "peft_config")
        passed: Any = False if config is None else (True if isinstance(config, Obj) else "unknown")
        yield Fact("peft_config_passed", passed, where)
        if passed is True:
            kind, head, embeddings = model_configs.adapter(machine, config)
            yield Fact("peft_config_kind", kind if isinstance(kind, str) else "unknown", where)
            yield Fact("lora_r", self._plain(machine, config, "r"), where)
            yield Fact("peft_config_trains_head", _said(head), where)
            yield Fact("peft_config_trains_embeddings", _said(embeddings), where)

    def model_facts(self, machine: Machine, model: Value, trainer: Obj | None) -> Iterator[Fact]:
        """What a script does to its model.

        Args:
            machine: The machine.
            model: The model that is trained.
            trainer: The trainer that gets it; None for a loop of the script's own.

        Returns:
            The summary, then every step.
        """
        where = self.location(trainer.node if trainer is not None else None)
        if isinstance(model, str):
            yield Fact("model_loaded_by", "trainer", where)
            yield Fact("model_path", model, where)
            yield from self._init_kwargs(machine, trainer, where)
            return
        if not models.is_model(model):
            yield Fact("model_loaded_by", "unknown", where)
            yield Fact("quantization", "unknown", where)
            return
        heap = machine.heap
        core = heap.get(model, "core")
        loaded = self.location(core.node)
        yield Fact("model_loaded_by", _said(heap.get(core, "loaded_by")), loaded)
        yield Fact("model_load_call", _said(heap.get(core, "class")), loaded)
        yield Fact("model_path", _said(heap.get(core, "path")), loaded)
        config = heap.get(core, "quantization_config")
        yield Fact(
            "quantization", _said(heap.get(core, "quantization")), self.location(getattr(config, "node", core.node))
        )
        yield Fact("quant_storage", model_configs.quant_storage(machine, config), loaded)
        for name in models.LOAD_ARGUMENTS:
            yield Fact(f"model_{name}", _said(heap.get(core, name)), self._keyword(core.node, name))
        wrapped = heap.get(model, "wrapped")
        yield Fact("model_passed", {True: "wrapped", False: "plain"}.get(wrapped, "unknown"), where)
        yield from self._steps(heap.get(core, "steps"), trainer)

    def _init_kwargs(self, machine: Machine, trainer: Obj | None, where: Location | None) -> Iterator[Fact]:
        """Quantisation of a model that the trainer loads itself, from model_init_kwargs."""
        args = machine.heap.get(trainer, "args", None) if trainer is not None else None
        kwargs = machine.heap.get(args, "model_init_kwargs", None) if isinstance(args, Obj) else None
        quantization: Value = "none" if kwargs is None else UNKNOWN
        if isinstance(kwargs, Obj) and kwargs.kind == "dict":
            quantization = model_configs.quantization_of(machine, machine.heap.get(kwargs, "quantization_config", None))
        yield Fact("quantization", _said(quantization), where)

    def _steps(self, steps: Value, trainer: Obj | None) -> Iterator[Fact]:
        if not isinstance(steps, Steps):
            yield Fact("step", ("foreign", "unknown"))
            return
        yield from self._summary(steps.items)
        for step in steps.items:
            operation = ("maybe", *step.operation) if step.possible else step.operation
            yield Fact("step", operation, self.location(step.node))
        anchor = next((step for step in steps.items if step.operation[0] == "wrap"), None)
        node = anchor.node if anchor is not None else (trainer.node if trainer is not None else None)
        variable = _first_name(node)
        if variable:
            yield Fact("input_grads_anchor", variable, self.location(node))

    def _summary(self, steps: tuple[Step, ...]) -> Iterator[Fact]:
        """One fact for each kind of step: what it was, and whether it came before or after the wrap."""
        wraps = [index for index, step in enumerate(steps) if step.operation[0] == "wrap"]
        first = wraps[0] if wraps else len(steps)
        wrap = steps[first] if wraps else None
        how = "none" if wrap is None else ("unknown" if wrap.possible else wrap.operation[1])
        yield Fact("wraps_model", how, self.location(wrap.node) if wrap else None)
        if wrap is not None:
            yield Fact("wrap_call", how, self.location(wrap.node))
            for name, value in zip(_WRAP_FACTS, wrap.operation[2:], strict=True):
                yield Fact(name, value, self.location(wrap.node))
        for operation, name in _WHEN_FACTS.items():
            found = [(index, step) for index, step in enumerate(steps) if step.operation[0] == operation]
            when, node = "never", None
            if found:
                index, step = found[0]
                when = "unknown" if step.possible else ("before wrap" if index < first else "after wrap")
                node = step.node
            yield Fact(name, when if wraps or when in ("never", "unknown") else "without wrap", self.location(node))


_WRAP_FACTS = ("adapter_kind", "is_trainable", "lm_head_trained", "embeddings_trained")
_WHEN_FACTS: Mapping[str, str] = {
    "prepare_kbit": "prepare_kbit",
    "input_grads": "enable_input_require_grads",
    "gc_enable": "gc_enable",
    "freeze": "freezes",
}


def _said(value: Value) -> Any:
    """A plain value as it is, else "unknown"."""
    return value if value is None or isinstance(value, _PLAIN) else "unknown"


def _first_name(node: ast.AST | None) -> str:
    """The variable that a call gets as its model: `model` of get_peft_model(model, …); empty where it is none."""
    if not isinstance(node, ast.Call):
        return ""
    value = next((keyword.value for keyword in node.keywords if keyword.arg == "model"), None)
    value = value or (node.args[0] if node.args else None)
    return value.id if isinstance(value, ast.Name) else ""
