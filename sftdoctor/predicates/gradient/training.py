"""Replay of a training: the script's steps, then the trainer's, then what becomes of the gradients."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sftdoctor.flow import (
    UNKNOWN,
    Arguments,
    BudgetError,
    Function,
    Machine,
    Obj,
    RaisedError,
    Ref,
    Value,
)
from sftdoctor.model import Environment, Fact, Location
from sftdoctor.predicates.gradient import model as models
from sftdoctor.predicates.gradient.arguments import make_arguments
from sftdoctor.predicates.gradient.library_calls import wrap
from sftdoctor.predicates.gradient.outcome import Training, outcome
from sftdoctor.predicates.gradient.remote import RemoteModel
from sftdoctor.predicates.gradient.sources import Sources, sources_of
from sftdoctor.predicates.gradient.trainers import arguments_class, enabling, required, trainer_class
from sftdoctor.predicates.gradient.world import LibraryWorld

_NODE = ast.Constant(None)
PREPARES = ("peft.prepare_model_for_kbit_training", "peft.prepare_model_for_int8_training")
"""peft's function by its name, and by the one that it had until 0.3 (peft wheels, peft/utils/other.py)."""
_UNKNOWN_ARGUMENTS = (
    "train_dataset",
    "eval_dataset",
    "processing_class",
    "tokenizer",
    "data_collator",
    "formatting_func",
    "dataset_text_field",
    "packing",
    "max_seq_length",
    "compute_loss_func",
    "compute_metrics",
    "reward_funcs",
)
"""Arguments of trainers that the facts say nothing about. The others have their defaults."""


READ = frozenset(
    {"step", "model_loaded_by", "quantization", "model_quantization", "model_passed"}
    | {"trainer_class", "trainer_args_class", "gradient_checkpointing", "use_reentrant", "bf16", "fp16"}
    | {"peft_config_passed", "peft_config_kind", "peft_config_trains_head", "peft_config_trains_embeddings"}
)
"""The facts that a replay hangs on; no other is looked at."""


def replay(environment: Environment, facts: Sequence[Fact], remote: RemoteModel | None = None) -> Training:
    """Replay the training that facts describe.

    Args:
        environment: The target; the source of transformers, trl and peft must be at hand.
        facts: Of one script, or of a scenario.
        remote: The model's own code.

    Returns:
        What becomes of it.
    """
    found = _Replay(environment, facts, remote).run()
    if found.outcome != "unknown":
        return found
    # What one cannot say, all ways together may: with and without an adapter, quantised and not, it may train.
    ways = [_Replay(environment, way, remote).run() for way in _ways(facts)]
    outcomes = {way.outcome for way in ways}
    return ways[0] if len(outcomes) == 1 and len(ways) > 1 else found


_ALTERNATIVES: Mapping[str, tuple[Any, ...]] = {
    "peft_config_passed": (True, False),
    "quantization": ("none", "nf4"),
    "gradient_checkpointing": (True, False),
}
"""Facts that may be unknown, with the values that make a difference."""


def _ways(facts: Sequence[Fact]) -> list[list[Fact]]:
    """The facts with every value that the unknown ones may have; a model of which all is unknown stays so."""
    ways = [list(facts)]
    for name, values in _ALTERNATIVES.items():
        if any(fact.name == name and fact.value == "unknown" for fact in facts):
            ways = [
                [replace(fact, value=value) if fact.name == name else fact for fact in way]
                for way in ways
                for value in values
            ]
    return ways


class _Replay:
    def __init__(self, environment: Environment, facts: Sequence[Fact], remote: RemoteModel | None) -> None:
        self.environment = environment
        self.sources: Sources = sources_of(environment)
        self.world = LibraryWorld(environment, self.sources, remote)
        self.machine = Machine(self.world)
        self.facts = {fact.name: fact.value for fact in facts if fact.name in READ}
        self.steps = [fact.value for fact in facts if fact.name == "step"]
        self.model: Value = UNKNOWN
        self.trainer: Value = None
        self.location: Location | None = None

    def run(self) -> Training:
        if self.sources.module("transformers.modeling_utils") is None:
            return Training("unknown", detail="the source of transformers is not at hand")
        try:
            for step in self._with_trainer():
                self._possibly(step)
            self._train()
        except RaisedError as error:
            return Training("raises", detail=f"{error.kind}: {error.message}")
        except BudgetError:
            return Training("unknown", detail="the libraries' functions are too large to be followed")
        return self._outcome()

    def _with_trainer(self) -> list[tuple[Any, ...]]:
        """The steps; a model that the trainer loads itself, or of which nothing is known, has none of its own."""
        if self.steps:
            return self.steps
        return [("load", self.facts.get("model_loaded_by", "trainer")), ("trainer",)]

    def _possibly(self, step: tuple[Any, ...]) -> None:
        if step[0] == "maybe":
            self.machine.either(lambda: self._step(step[1:]), lambda: None)
        else:
            self._step(step)

    def _step(self, step: tuple[Any, ...]) -> None:
        getattr(self, f"_do_{step[0]}")(*(UNKNOWN if part == "unknown" else part for part in step[1:]))

    def _core(self) -> Obj:
        core = models.core_of(self.machine, self.model)
        return core if core is not None else Obj("core")

    def _do_load(self, how: Value) -> None:
        quantization = self.facts.get("quantization", "none")
        if quantization == "none":
            quantization = self.facts.get("model_quantization", "none")
        self.model = models.new_model(self.machine, UNKNOWN if quantization == "unknown" else quantization)

    def _do_set(self, attribute: str, value: Value) -> None:
        self.world.set_attribute(self.machine, self.model, attribute, value, _NODE)

    def _do_wrap(self, how: str, kind: Value, trainable: Value, head: Value, embeddings: Value) -> None:
        self.model = wrap(self.world, self.machine, self.model, kind, trainable, head, embeddings, how, _NODE)

    def _do_unwrap(self, how: str) -> None:
        self.model = models.call_method(self.machine, self.model, how, Arguments(), _NODE)

    def _do_prepare_kbit(self, use: Value, reentrant: Value, passed: Value) -> None:
        given = Arguments([self.model])
        if use != "unset":
            given.keywords["use_gradient_checkpointing"] = use
        if passed is not False:
            given.keywords["gradient_checkpointing_kwargs"] = self._kwargs(reentrant)
        prepare = next((name for name in PREPARES if self._is_there(name)), None)
        if prepare is None:
            self._do_foreign(UNKNOWN)
            return
        self.machine.heap.set(self._core(), "actor", "prepare_model_for_kbit_training")
        result = self.machine.call(Ref(prepare), given, _NODE)
        self.machine.heap.set(self._core(), "actor", "the script")
        self.model = result if isinstance(result, Obj) else self.model

    def _is_there(self, name: str) -> bool:
        located = self.world.sources.locate(name)
        return located is not None and located[0].function(located[1]) is not None

    def _kwargs(self, reentrant: Value) -> Value:
        if reentrant is UNKNOWN:
            return self.machine.make_dict({}, open=True)
        return self.machine.make_dict({} if reentrant == "unset" else {"use_reentrant": reentrant})

    def _do_input_grads(self) -> None:
        models.call_method(self.machine, self.model, "enable_input_require_grads", Arguments(), _NODE)

    def _do_hook(self) -> None:
        self._do_input_grads()

    def _do_gc_enable(self, reentrant: Value, passed: Value = False) -> None:
        function = self.machine.attribute(self.model, "gradient_checkpointing_enable", _NODE)
        keywords = {} if passed is False else {"gradient_checkpointing_kwargs": self._kwargs(reentrant)}
        self.machine.call(function, Arguments([], keywords), _NODE)

    def _do_gc_disable(self) -> None:
        function = self.machine.attribute(self.model, "gradient_checkpointing_disable", _NODE)
        self.machine.call(function, Arguments(), _NODE)

    def _do_freeze(self, which: str) -> None:
        models.set_grad(self.machine, self._core(), which, False)

    def _do_unfreeze(self, which: str) -> None:
        models.set_grad(self.machine, self._core(), which, True)

    def _do_foreign(self, name: Value) -> None:
        for slot in ("adapter", "base", "inputs", "checkpointing", "reentrant"):
            self.machine.heap.set(self._core(), slot, UNKNOWN)

    # The trainer

    def _do_trainer(self) -> None:
        class_ = self.facts.get("trainer_class", "none")
        if class_ == "none":
            return
        if not isinstance(class_, str) or class_ == "unknown":
            self._do_foreign(UNKNOWN)
            return
        args = self._arguments()
        # `args` may be replaced by the trainer; what it hands to transformers' Trainer counts.
        self.trainer = (self.model, args)
        defined = trainer_class(self.sources, class_)
        if defined is None or defined.startswith("transformers."):
            self._plain_trainer(class_, defined)
        else:
            self._library_trainer(defined, args)

    def _plain_trainer(self, class_: str, defined: str | None) -> None:
        if defined is None and class_ not in ("Trainer", "Seq2SeqTrainer"):
            self._do_foreign(UNKNOWN)

    def _arguments(self) -> Value:
        class_ = self.facts.get("trainer_args_class", self._scenario_arguments())
        if class_ == "none":
            return None
        if not isinstance(class_, str) or class_ == "unknown":
            return self.machine.heap.add(Obj("instance"), {}, open=True)
        keywords: dict[str, Value] = {}
        for name in ("gradient_checkpointing", "bf16", "fp16"):
            value = self.facts.get(name, "unset")
            if value != "unset":
                keywords[name] = UNKNOWN if value == "unknown" else value
        reentrant = self.facts.get("use_reentrant", "unset")
        if reentrant != "unset":
            keywords["gradient_checkpointing_kwargs"] = self._kwargs(UNKNOWN if reentrant == "unknown" else reentrant)
        return make_arguments(
            self.world, self.machine, arguments_class(self.sources, class_), Arguments([], keywords), _NODE
        )

    def _scenario_arguments(self) -> str:
        """The arguments class of a scenario, which names the trainer alone."""
        if "gradient_checkpointing" not in self.facts:
            return "none"
        trainer = str(self.facts.get("trainer_class", "Trainer"))
        return "TrainingArguments" if trainer == "Trainer" else f"{trainer.removesuffix('Trainer')}Config"

    def _library_trainer(self, defined: str, args: Value) -> None:
        found = self.sources.method(defined, "__init__")
        if found is None:
            self._do_foreign(UNKNOWN)
            return
        module, definition = found
        instance = self.machine.heap.add(Obj("instance"), {"^class": Ref(defined)})
        accepted = {item.arg for item in (*definition.args.args, *definition.args.kwonlyargs)}
        keywords: dict[str, Value] = {name: UNKNOWN for name in _UNKNOWN_ARGUMENTS if name in accepted}
        keywords.update(dict.fromkeys(required(definition), UNKNOWN))
        keywords.update(model=self._passed_model(), args=args, peft_config=self._peft_config())
        given = Arguments([], {name: value for name, value in keywords.items() if name in accepted})
        self.machine.heap.set(self._core(), "actor", "trl")
        self.machine.call(Function(definition, module.name, None, instance, True), given, _NODE)
        self.machine.heap.set(self._core(), "actor", "the script")
        if self.world.trained is not None:
            self.trainer = self.world.trained
            self.model = self.trainer[0]

    def _passed_model(self) -> Value:
        """The model as the trainer gets it: the script may keep the base model's name for a wrapped one."""
        passed = self.facts.get("model_passed")
        core = models.core_of(self.machine, self.model)
        if core is None or passed not in ("wrapped", "plain"):
            return self.model
        return models.view(self.machine, core, passed == "wrapped")

    def _peft_config(self) -> Value:
        passed = self.facts.get("peft_config_passed", False)
        if passed is False:
            return None
        if passed is not True:
            return UNKNOWN
        said = {
            "kind": self.facts.get("peft_config_kind", "LoraConfig"),
            "head": self.facts.get("peft_config_trains_head", False),
            "embeddings": self.facts.get("peft_config_trains_embeddings", False),
        }
        slots = {name: UNKNOWN if value == "unknown" else value for name, value in said.items()}
        return self.machine.heap.add(Obj("adapter config"), slots, open=True)

    def _train(self) -> None:
        """What transformers' Trainer does about checkpointing when training starts."""
        if self.trainer is None:
            return
        model, args = self.trainer
        if not isinstance(model, Obj) or models.core_of(self.machine, model) is None:
            self.model = UNKNOWN
            return
        module = self.sources.module("transformers.trainer")
        found = enabling(module) if module is not None else None
        if module is None or found is None:
            self._do_foreign(UNKNOWN)
            return
        instance = self.machine.heap.add(Obj("instance"), {"model": model, "args": args})
        names = {"self": instance, "args": args, "model": model}
        self.machine.run([found], module.name, self.machine.heap.add(Obj("frame"), names))

    # The outcome

    def _outcome(self) -> Training:
        core = models.core_of(self.machine, self.model)
        if core is None:
            return Training("unknown", detail="what the trainer gets as its model cannot be followed")
        names = (
            "adapter",
            "base",
            "head",
            "embeddings",
            "inputs",
            "checkpointing",
            "reentrant",
            "frozen_by",
            "quantization",
        )
        state = {name: self.machine.heap.get(core, name) for name in names}
        found = outcome(state)
        if found.outcome == "trains" and self._asked() and state["checkpointing"] is False:
            found = replace(found, cause="no-recompute")
        return found

    def _asked(self) -> bool:
        """Whether checkpointing was asked for, by the script or by the trainer's arguments."""
        calls = [step[0] for step in self.steps if step[0] in ("gc_enable", "gc_disable")]
        args = self.trainer[1] if self.trainer is not None else None
        by_trainer = isinstance(args, Obj) and self.machine.heap.get(args, "gradient_checkpointing") is True
        return by_trainer or calls[-1:] == ["gc_enable"]
