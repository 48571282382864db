"""What lies outside a training script: calls of the libraries make objects whose history is kept."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sftdoctor.flow import (
    MISSING,
    UNKNOWN,
    Arguments,
    ClassValue,
    Function,
    Machine,
    Method,
    Obj,
    Partial,
    Ref,
    Value,
    call_builtin,
)
from sftdoctor.flow.builtins import builtin
from sftdoctor.workload import datasets, models, parsers, tokenizers
from sftdoctor.workload.mappings import Mappings
from sftdoctor.workload.own_modules import OwnModules
from sftdoctor.workload.samples import DataFiles
from sftdoctor.workload.script_files import ScriptFiles

TRAINER = re.compile(r"\w*Trainer")
HARMLESS = frozenset(
    [
        "transformers",
        "trl",
        "peft",
        "torch",
        "datasets",
        "accelerate",
        "bitsandbytes",
        "builtins",
        "numpy",
        "os",
        "sys",
        "logging",
        "random",
        "json",
        "math",
        "time",
        "wandb",
        "evaluate",
        "huggingface_hub",
        "tqdm",
        "pandas",
        "gc",
        "warnings",
        "pathlib",
        "functools",
        "collections",
        "itertools",
        "copy",
    ]
)
_POSITIONAL = {
    **dict.fromkeys(("DPOTrainer", "KTOTrainer", "BCOTrainer"), ("model", "ref_model", "args")),
    **dict.fromkeys(("GRPOTrainer", "RLOOTrainer"), ("model", "reward_funcs", "args")),
    **dict.fromkeys(("OnlineDPOTrainer", "NashMDTrainer", "XPOTrainer"), ("model", "ref_model", "reward_model")),
    "GKDTrainer": ("model", "teacher_model", "args"),
}
"""The first parameters of trainers, where they are not model and args (trl 0.7 to 1.16)."""
_TESTS_OF_TEXT: Mapping[str, Callable[[str, str], bool]] = {"endswith": str.endswith, "startswith": str.startswith}
_RUNNERS = frozenset({"Fire", "run", "cli", "main", "app"})
INLINE_LIMIT = 4000
"""Functions with more lines are not followed."""


class ScriptWorld:
    """The World of one script.

    Args:
        arguments: The command line that the script will get.
        folder: The script's folder, where configs and data may lie that it reads.
        modules: The modules of its project.
        on_train: Called with the machine and the trainer when a trainer is told to train.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        modules: OwnModules | None,
        on_train: Callable[[Machine, Obj], None],
    ) -> None:
        self.arguments = tuple(arguments)
        self.options = parsers.command_line(arguments)
        self.on_train = on_train
        self.modules = modules
        self.folder = folder
        self.files = DataFiles(folder)
        self.mappings = Mappings(folder, self.arguments)
        self.configs = ScriptFiles(folder, self.mappings)
        self.trainers: list[Obj] = []
        self.models: list[Obj] = []
        self.backward = False
        """Whether the script runs a loop of its own (`loss.backward()`)."""

    def name(self, machine: Machine, name: str, module: str) -> Value:
        return Path(module).stem if name == "__name__" else builtin(name)

    def attribute(self, machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
        if isinstance(value, Ref):
            return (
                ("script.py", *self.arguments)
                if value.name == "sys" and name == "argv"
                else Ref(f"{value.name}.{name}")
            )
        if isinstance(value, ClassValue):
            return self._member(value, name, None)
        if isinstance(value, Method):
            return Method(value.receiver, f"{value.name}.{name}")
        if isinstance(value, str):
            return Method(value, name)
        if isinstance(value, Obj):
            held = self.mappings.attribute(machine, value, name)
            if held is not None:
                return held
            class_ = machine.heap.get(value, "^class", None)
            if isinstance(class_, ClassValue):
                found = self._member(class_, name, value)
                return Method(value, name) if found is UNKNOWN else found
            return Method(value, name)
        return UNKNOWN

    def _member(self, class_: ClassValue, name: str, receiver: Value) -> Value:
        """A method of a class of the script, bound where there is a receiver."""
        for statement in class_.node.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == name:
                static = any(
                    isinstance(item, ast.Name) and item.id == "staticmethod" for item in statement.decorator_list
                )
                bound = receiver is not None and not static
                return Function(statement, class_.module, class_.scope, receiver, bound)
        for base in class_.bases:
            found = self._member(base, name, receiver) if isinstance(base, ClassValue) else UNKNOWN
            if found is not UNKNOWN:
                return found
        return UNKNOWN

    def set_attribute(self, machine: Machine, value: Value, name: str, new: Value, node: ast.AST) -> None:
        if models.is_model(value):
            models.set_grad(machine, value, name, new, node)
        elif isinstance(value, Method) and models.is_model(value.receiver):
            models.set_grad(machine, value.receiver, f"{value.name}.{name}", new, node)
        elif isinstance(value, Obj):
            machine.heap.set(value, name, new)

    def has_attribute(self, machine: Machine, value: Value, name: str) -> bool | None:
        return True if models.is_model(value) else (machine.heap.has(value, name) if isinstance(value, Obj) else None)

    def decorated(self, machine: Machine, function: Function) -> Value:
        node = function.node
        config = self.mappings.main(machine, node) if isinstance(node, ast.FunctionDef) else None
        return function if config is None else Partial(function, (config,), (), False)

    def inline(self, machine: Machine, function: Function, given: Arguments) -> bool:
        node = function.node
        return (node.end_lineno or 0) - node.lineno < INLINE_LIMIT

    def elements(self, machine: Machine, value: Value) -> tuple[Value, ...] | None:
        """The one parameter that stands for all, for loops over parameters."""
        if isinstance(value, Method) and models.is_model(value.receiver):
            owner, _, last = value.name.rpartition(".")
            if last in ("parameters", "named_parameters"):
                parameter = Method(value.receiver, f"{owner}.parameters" if owner else "parameters")
                return ((UNKNOWN, parameter),) if last == "named_parameters" else (parameter,)
        return None

    def item(self, machine: Machine, value: Value, key: Value) -> Value:
        return datasets.item(machine, value, key) if datasets.is_dataset(value) else UNKNOWN

    def resolve(self, module: str, imported: str, level: int) -> str:
        return "." * level + imported

    def imported(self, machine: Machine, module: str, name: str, level: int) -> Obj | None:
        return None if self.modules is None else self.modules.frame(machine, module, name, level)

    def call(self, machine: Machine, function: Value, given: Arguments, node: ast.AST) -> Value:
        found = call_builtin(machine, function, given, node)
        if found is not MISSING:
            return found
        if isinstance(function, Ref):
            return self._call_ref(machine, function, given, node)
        if isinstance(function, ClassValue):
            return self._construct(machine, function, given, node)
        if isinstance(function, Method):
            return self._call_method(machine, function, given, node)
        if tokenizers.is_tokenizer(function):
            return tokenizers.encode(machine, function, given)
        self._lose(machine, "a call that cannot be followed", given, node)
        return UNKNOWN

    def _call_ref(self, machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value:
        made = models.call_loader(machine, function, given, node)
        if made is not None:
            self.models.extend(
                part for part in (made, *(made if isinstance(made, tuple) else ())) if models.is_model(part)
            )
            return made
        for made in (
            tokenizers.call_loader(machine, function, given, node),
            datasets.call_loader(machine, function, given, node, self.files),
            self.configs.call(machine, function, given, node),
        ):
            if made is not None:
                return made
        if function.last == "replace" and given.positional and isinstance(given.positional[0], Obj):
            return self._copy(machine, given, node)
        if function.last == "compile" and given.positional:
            return given.positional[0]
        if function.last[:1].isupper():
            made = self._instance(machine, function, given, node)
            if TRAINER.fullmatch(function.last):
                self._trainer(machine, made, node)
            return made
        if function.last in _RUNNERS and given.positional and isinstance(given.positional[0], Function):
            return machine.call(given.positional[0], Arguments(open=True), node)
        if function.name.partition(".")[0] not in HARMLESS:
            self._lose(machine, function.name, given, node)
        return UNKNOWN

    def _copy(self, machine: Machine, given: Arguments, node: ast.AST) -> Obj:
        """dataclasses.replace(obj, …)."""
        record = machine.heap.record(given.positional[0])
        return machine.heap.add(
            Obj(given.positional[0].kind, node), {**record.slots, **given.keywords}, open=record.open
        )

    def _lose(self, machine: Machine, name: str, given: Arguments, node: ast.AST) -> None:
        """Something unknown gets hold of a model or tokenizer: from here on nothing is certain about it."""
        for value in given.all():
            if models.is_model(value):
                models.record(machine, value, "foreign", name, node=node)
            elif tokenizers.is_tokenizer(value):
                tokenizers.give_away(machine, value)
            else:
                self.configs.give_away(machine, value)

    def _instance(self, machine: Machine, class_: Value, given: Arguments, node: ast.AST) -> Obj:
        slots: dict[Any, Value] = {"^class": class_, "^positional": tuple(given.positional)}
        slots.update(given.keywords)
        if isinstance(class_, Ref) and class_.last in (*parsers.DATACLASS_PARSERS, "ArgumentParser"):
            first = given.get(0, "dataclass_types")
            return machine.heap.add(Obj("parser", node), {"^class": class_, "^classes": first})
        return machine.heap.add(Obj("instance", node), slots, open=given.open)

    def _construct(self, machine: Machine, class_: ClassValue, given: Arguments, node: ast.AST) -> Value:
        """An instance of a class of the script."""
        base = library_base(class_)
        if base is not None and TRAINER.fullmatch(base.last):
            made = self._instance(machine, class_, given, node)
            self._trainer(machine, made, node)
            return made
        fields = parsers.dataclass_defaults(machine, class_)
        made = machine.heap.add(Obj("instance", node), {**fields, "^class": class_})
        init = self._member(class_, "__init__", made)
        if isinstance(init, Function):
            machine.call(init, given, node)
        else:
            machine.heap.record(made).slots.update(zip(fields, given.positional, strict=False))
            machine.heap.record(made).slots.update(given.keywords)
            machine.heap.record(made).open |= given.open
        return made

    def _trainer(self, machine: Machine, trainer: Obj, node: ast.AST) -> None:
        class_ = machine.heap.get(trainer, "^class", None)
        base = library_base(class_) if isinstance(class_, ClassValue) else class_
        names = _POSITIONAL.get(base.last if isinstance(base, Ref) else "", ("model", "args"))
        for name, value in zip(names, machine.heap.get(trainer, "^positional", ()), strict=False):
            if machine.heap.has(trainer, name) is False:
                machine.heap.set(trainer, name, value)
        model = machine.heap.get(trainer, "model", None)
        if models.is_model(model):
            models.record(machine, model, "trainer", node=node)
        self.trainers.append(trainer)

    def _call_method(self, machine: Machine, method: Method, given: Arguments, node: ast.AST) -> Value:
        receiver, name = method.receiver, method.name
        if models.is_model(receiver):
            return models.call_method(machine, receiver, name, given, node)
        if isinstance(receiver, str) and name in _TESTS_OF_TEXT and isinstance(given.get(0, ""), str):
            return _TESTS_OF_TEXT[name](receiver, given.get(0, ""))
        if not isinstance(receiver, Obj):
            return UNKNOWN
        if tokenizers.is_tokenizer(receiver):
            return tokenizers.call_method(machine, receiver, name, given)
        if datasets.is_dataset(receiver):
            return datasets.call_method(machine, receiver, name, given, node)
        read = self.configs.call_method(machine, receiver, name, node)
        if read is not None:
            return read
        if receiver.kind == "parser":
            return self._call_parser(machine, receiver, name, given, node)
        if name == "train" and receiver in self.trainers:
            self.on_train(machine, receiver)
            return UNKNOWN
        class_ = machine.heap.get(receiver, "^class", None)
        if name in ("prepare", "prepare_model") and isinstance(class_, Ref) and class_.last == "Accelerator":
            return tuple(given.positional) if len(given.positional) > 1 else given.get(0, "model")
        self.backward |= name == "backward"
        if not isinstance(class_, Ref) or class_.name.partition(".")[0] not in HARMLESS:
            self._lose(machine, name, given, node)
        return UNKNOWN

    def _call_parser(self, machine: Machine, parser: Obj, name: str, given: Arguments, node: ast.AST) -> Value:
        if name == "add_argument":
            return parsers.add_argument(machine, parser, given)
        if name in ("add_argument_group", "add_mutually_exclusive_group"):
            return parser
        if name == "set_defaults":
            for keyword, value in given.keywords.items():
                machine.heap.set(parser, keyword, value)
            return None
        if name in ("parse_args_into_dataclasses", "parse_args_and_config"):
            words = self._words(machine, given.get(0, "args"))
            options = None if words is None else self._options(name, words)
            made = (
                UNKNOWN
                if options is None
                else parsers.parse_dataclasses(machine, parser, options, node, open=parsers.is_open(words or ()))
            )
            rest = given.get(None, "return_remaining_strings", False)
            return (*made, UNKNOWN) if rest is True and isinstance(made, tuple) else made
        if name in ("parse_yaml_file", "parse_json_file"):
            file = given.get(0, "yaml_file" if "yaml" in name else "json_file")
            options = parsers.config_options(file, self.folder) if isinstance(file, str) else None
            return UNKNOWN if options is None else parsers.parse_dataclasses(machine, parser, options, node)
        if name.startswith("parse_"):
            first = machine.heap.get(parser, "^classes", None)
            if first is None:
                made = parsers.parse_args(machine, parser, self.options)
                return (made, UNKNOWN) if name == "parse_known_args" else made
        return UNKNOWN

    def _words(self, machine: Machine, given: Value) -> tuple[str, ...] | None:
        """The words that a parser reads: those it is given, else the command line's; None where they are not known."""
        if given is None:
            return self.arguments
        words = machine.items_of(given)
        return words if words is not None and all(isinstance(word, str) for word in words) else None

    def _options(self, method: str, words: tuple[str, ...]) -> dict[str, Value] | None:
        """What a command line says, before what the file says that its --config names; None where that is lost."""
        options = parsers.command_line(words)
        named = options.get("config") if method == "parse_args_and_config" else None
        if not isinstance(named, str):
            return options
        said = parsers.config_options(named, self.folder)
        if said is None:
            return None
        told = {key: parsers.plain(value) if isinstance(value, str) else value for key, value in said.items()}
        return {**told, **options}


def library_base(class_: ClassValue) -> Ref | None:
    """The first base of a class of the script (or of its bases) that a library defines."""
    for base in class_.bases:
        if isinstance(base, Ref):
            return base
        found = library_base(base) if isinstance(base, ClassValue) else None
        if found is not None:
            return found
    return None
