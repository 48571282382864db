"""From the objects of a script to Facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from sftdoctor.flow import UNKNOWN, ClassValue, Machine, Obj, Value
from sftdoctor.model import Fact, Location
from sftdoctor.workload import model_configs, models
from sftdoctor.workload.adapter_facts import adapter_facts, passed_quantization, quantization_facts, trainer_adapter
from sftdoctor.workload.argument_facts import argument_facts, class_name
from sftdoctor.workload.data_facts import data_facts
from sftdoctor.workload.places import Places
from sftdoctor.workload.plain import keyword_node, said
from sftdoctor.workload.reward_facts import reward_facts
from sftdoctor.workload.steps import Step, Steps


class FactReader:
    """Reads the facts of one script off the machine.

    Args:
        path: The script's path, as locations name it.
        text: Its source.
    """

    def __init__(self, path: str, text: str) -> None:
        self.places = Places(path, text)

    def location(self, node: ast.AST | None) -> Location | None:
        """Where a node stands, counted in characters from 1."""
        return self.places.of(node)

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
        facts = [
            Fact("trainer_class", class_name(machine, trainer), self.location(trainer.node)),
            Fact(
                "trainer_call",
                "own subclass" if isinstance(class_, ClassValue) else "plain",
                self.location(trainer.node),
            ),
        ]
        args = heap.get(trainer, "args", UNKNOWN if heap.record(trainer).open else None)
        facts.extend(argument_facts(self.places, machine, args, trainer))
        facts.extend(trainer_adapter(self.places, machine, trainer))
        facts.extend(passed_quantization(self.places, machine, trainer))
        text_field = next((fact.value for fact in facts if fact.name == "dataset_text_field"), "unset")
        facts.extend(data_facts(self.places, machine, trainer, text_field))
        facts.extend(reward_facts(self.places, machine, trainer))
        model = heap.get(trainer, "model", UNKNOWN if heap.record(trainer).open else None)
        facts.extend(self.model_facts(machine, model, trainer))
        adapter = heap.get(trainer, "peft_config", None)
        if adapter is None and models.is_model(model):
            adapter = heap.get(heap.get(model, "core"), "adapter_config", None)
        facts.extend(adapter_facts(self.places, machine, adapter))
        return tuple(facts)

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
        if not models.is_model(model) or not isinstance(machine.heap.get(model, "core"), Obj):
            yield Fact("model_loaded_by", "unknown", where)
            yield Fact("quantization", "unknown", where)
            return
        yield from self._loading(machine, model)
        heap = machine.heap
        wrapped = heap.get(model, "wrapped")
        yield Fact("model_passed", {True: "wrapped", False: "plain"}.get(wrapped, "unknown"), where)
        yield from self._steps(heap.get(heap.get(model, "core"), "steps"), trainer)

    def untrained_facts(self, machine: Machine, made: Sequence[Obj]) -> Iterator[Fact]:
        """What a script says that trains nothing: how it loads a model, and the config of its adapter.

        Args:
            machine: The machine, at the end of the script.
            made: The models that it loads; of several the first that is quantised counts.
        """
        heap = machine.heap
        made = [model for model in made if isinstance(heap.get(model, "core"), Obj)]
        if not made:
            return
        asked = [said(heap.get(heap.get(model, "core"), "quantization")) for model in made]
        first = next((value for value in asked if value not in ("none", "unknown")), None)
        model = made[asked.index(first or ("unknown" if "unknown" in asked else asked[-1]))]
        yield from self._loading(machine, model)
        yield from adapter_facts(self.places, machine, heap.get(heap.get(model, "core"), "adapter_config", None))

    def _loading(self, machine: Machine, model: Value) -> Iterator[Fact]:
        """How a model is loaded."""
        heap = machine.heap
        core = heap.get(model, "core")
        loaded = self.location(core.node)
        yield Fact("model_loaded_by", said(heap.get(core, "loaded_by")), loaded)
        yield Fact("model_load_call", said(heap.get(core, "class")), loaded)
        yield Fact("model_path", said(heap.get(core, "path")), loaded)
        config = heap.get(core, "quantization_config")
        yield Fact(
            "quantization", said(heap.get(core, "quantization")), self.location(getattr(config, "node", core.node))
        )
        yield from quantization_facts(self.places, machine, config)
        for name in models.LOAD_ARGUMENTS:
            yield Fact(f"model_{name}", said(heap.get(core, name)), self.location(keyword_node(core.node, name)))
        yield Fact("embeddings_resized", said(heap.get(core, "resized")), loaded)

    def _init_kwargs(self, machine: Machine, trainer: Obj | None, where: Location | None) -> Iterator[Fact]:
        """What a model that the trainer loads itself is loaded with: model_init_kwargs, and its own argument."""
        heap = machine.heap
        args = heap.get(trainer, "args", None) if trainer is not None else None
        kwargs = heap.get(args, "model_init_kwargs", None) if isinstance(args, Obj) else None
        config = heap.get(trainer, "quantization_config", None) if trainer is not None else None
        given = kwargs if isinstance(kwargs, Obj) and kwargs.kind == "dict" else None
        if config is None and given is not None:
            config = heap.get(given, "quantization_config", UNKNOWN if heap.record(given).open else None)
        elif config is None and kwargs is not None:
            config = UNKNOWN
        yield Fact("quantization", said(model_configs.quantization_of(machine, config)), where)
        yield from quantization_facts(self.places, machine, config)
        for name in models.LOAD_ARGUMENTS:
            value: Value = "unset" if kwargs is None else UNKNOWN
            if given is not None:
                value = heap.get(given, name, UNKNOWN if heap.record(given).open else "unset")
            yield Fact(f"model_{name}", said(value), self.location(given.node) if given is not None else where)

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


def _first_name(node: ast.AST | None) -> str:
    """The variable that a call gets as its model: `model` of get_peft_model(model, …); empty where it is none."""
    if not isinstance(node, ast.Call):
        return ""
    value = next((keyword.value for keyword in node.keywords if keyword.arg == "model"), None)
    value = value or (node.args[0] if node.args else None)
    return value.id if isinstance(value, ast.Name) else ""
