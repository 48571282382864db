"""Configs as objects of OmegaConf, Munch and their like: dictionaries whose keys are attributes too; and Hydra's."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.configs import Text, read_config
from sftdoctor.configs.hydra import DEFAULTS, ComposeError, compose, overrides
from sftdoctor.configs.tree import Node
from sftdoctor.errors import WorkloadError
from sftdoctor.flow import UNKNOWN, Arguments, Machine, Obj, Ref, Value

_LOADERS = ("omegaconf.OmegaConf.load", "box.Box.from_yaml", "box.Box.from_json", "toml.load")
_SAME = ("omegaconf.OmegaConf.create", "omegaconf.OmegaConf.to_container", "omegaconf.OmegaConf.to_object")
_DOTTED = ("munch.munchify", "munch.Munch", "easydict.EasyDict", "addict.Dict", "box.Box", "ml_collections.ConfigDict")
_MERGE = ("omegaconf.OmegaConf.merge", "omegaconf.OmegaConf.unsafe_merge")
_QUIET = tuple(f"omegaconf.OmegaConf.{name}" for name in ("resolve", "set_struct", "set_readonly", "to_yaml", "save"))
_HYDRA = "hydra.main"


class Mappings:
    """The configs that a script has as such objects.

    Args:
        folder: The script's; a relative name is looked for where the command runs, then there.
        words: The command line.
    """

    def __init__(self, folder: Path, words: tuple[str, ...]) -> None:
        self.folder = folder
        self.words = words
        self.held: list[Obj] = []
        """The dictionaries that came of files."""

    def call(self, machine: Machine, function: Ref, given: Arguments, path: Callable[[Value], str]) -> Value | None:
        """What a call that makes or changes such an object gives back.

        Args:
            machine: The machine.
            function: What is called.
            given: What the call passes.
            path: Gives the path that a value is; empty where it is none.

        Returns:
            None where it is no such call.
        """
        name, first = function.name, given.get(0, "obj")
        if name in _LOADERS:
            first = given.keywords.get("filename", first)
            text = self._read(path(first))
            return UNKNOWN if text is None else self.value(machine, text, text.root)
        if name in _SAME or name in _DOTTED:
            if name in _DOTTED and given.keywords:
                first = machine.make_dict(dict(given.keywords), open=given.open)
            return first if isinstance(first, Obj) else UNKNOWN
        if name in _MERGE:
            return self._merged(machine, given)
        return None if name not in _QUIET else UNKNOWN

    def attribute(self, machine: Machine, value: Obj, name: str) -> Value | None:
        """`config.name`; None where nothing is known of such a key."""
        there = value.kind == "dict" and machine.heap.has(value, name) is True
        return machine.heap.get(value, name) if there else None

    def value(self, machine: Machine, text: Text, node: Node) -> Value:
        """What a part of a file is, read as YAML 1.2."""
        if node.items is not None:
            return tuple(self.value(machine, text, item) for item in node.items)
        if node.pairs is None:
            return UNKNOWN if isinstance(node.value, str) and "${" in node.value else text.yaml12(node)
        made = machine.make_dict({key.name: self.value(machine, text, member) for key, member in node.pairs})
        self.held.append(made)
        return made

    def _read(self, name: str) -> Text | None:
        for place in (Path(name), self.folder / name) if name else ():
            try:
                return read_config(place)
            except WorkloadError:
                continue
        return None

    def _merged(self, machine: Machine, given: Arguments) -> Value:
        made = machine.make_dict({}, open=given.open)
        for source in given.positional:
            if isinstance(source, Obj) and source.kind == "dict":
                _merge(machine, made, source)
            else:  # the command line, say
                _unsettle(machine, made)
        self.held.append(made)
        return made

    def main(self, machine: Machine, node: ast.FunctionDef) -> Value | None:
        """The config that `@hydra.main(…)` calls a function with; None where it is decorated otherwise."""
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and machine.evaluate(decorator.func) == Ref(_HYDRA):
                return self._composed(machine, dict(_named(machine, decorator)))
        return None

    def _composed(self, machine: Machine, said: Mapping[str, Value]) -> Value:
        path, name = said.get("config_path"), said.get("config_name")
        choices = overrides(self.words)
        if not isinstance(path, str) or not isinstance(name, str) or choices is None:
            return UNKNOWN
        try:
            parts = compose(self._read, path, name, choices)
        except ComposeError:
            return UNKNOWN
        made = machine.make_dict({})
        for package, text in parts:
            value = self.value(machine, text, text.root)
            for key in reversed(package):
                value = machine.make_dict({key: value})
            if isinstance(value, Obj):
                if not package:
                    machine.heap.drop(value, DEFAULTS)
                _merge(machine, made, value)
        self.held.append(made)
        for key in choices:
            _override(machine, made, key.lstrip("+").split("."))
        return made


def _named(machine: Machine, call: ast.Call) -> Iterator[tuple[str, Value]]:
    yield "config_path", "."
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, machine.evaluate(keyword.value)


def _merge(machine: Machine, target: Obj, source: Obj) -> None:
    heap = machine.heap
    for key, value in heap.items(source):
        held = heap.get(target, key, None)
        if isinstance(held, Obj) and isinstance(value, Obj) and held.kind == value.kind == "dict":
            _merge(machine, held, value)
        else:
            heap.set(target, key, value)
    heap.record(target).open |= heap.record(source).open


def _unsettle(machine: Machine, config: Obj) -> None:
    """A command line may set what is there, or add to it."""
    record = machine.heap.record(config)
    record.open = True
    for key, value in record.slots.items():
        if isinstance(value, Obj) and value.kind == "dict":
            _unsettle(machine, value)
        else:
            record.slots[key] = UNKNOWN


def _override(machine: Machine, config: Any, keys: list[str]) -> None:
    """`a.b=c`: another value stands there, which only Hydra's own grammar tells."""
    for key in keys[:-1]:
        config = machine.heap.get(config, key, None)
        if not isinstance(config, Obj) or config.kind != "dict":
            return
    if not isinstance(machine.heap.get(config, keys[-1], None), Obj):
        machine.heap.set(config, keys[-1], UNKNOWN)
