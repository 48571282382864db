"""Command-line parsers of scripts: argparse and the dataclass parsers of transformers and trl."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftdoctor.configs import read_config
from sftdoctor.errors import WorkloadError
from sftdoctor.flow import UNKNOWN, Arguments, ClassValue, Machine, Obj, Ref, Value
from sftdoctor.model import OPEN_WORD

DATACLASS_PARSERS = ("HfArgumentParser", "TrlParser")
_WORDS = {"true": True, "false": False, "none": None, "yes": True, "no": False}
_TEXT_LIMIT = 2000


def command_line(arguments: Sequence[str]) -> dict[str, Value]:
    """Read a command line as --name value pairs.

    Args:
        arguments: What follows the script's name.

    Returns:
        Name (with underscores) → value; True for a switch without a value.
    """
    found: dict[str, Value] = {}
    position = 0
    while position < len(arguments):
        word = arguments[position]
        position += 1
        if not word.startswith("--"):
            continue
        name, equals, text = word[2:].partition("=")
        if equals:
            value: Value = plain(text)
        elif position < len(arguments) and not arguments[position].startswith("--"):
            value = plain(arguments[position])
            position += 1
        else:
            value = True
        found[name.replace("-", "_")] = value
    return found


def is_open(arguments: Sequence[str]) -> bool:
    """Whether a command line may have options that only the shell knows: a word of its own, or a list of words."""
    options = [not before.startswith("--") or "=" in before for before in ("", *arguments)]
    return any(
        word.startswith(OPEN_WORD) and (at_option or "@" in word or "*" in word)
        for word, at_option in zip(arguments, options, strict=False)
    )


def config_options(name: str, folder: Path) -> dict[str, Value] | None:
    """The keys of a config file that a parser reads.

    Args:
        name: The path, as the command line or the script names it.
        folder: The script's folder; a relative path starts where the command runs, else there.

    Returns:
        Name → plain value; None where the file is not there or cannot be read.
    """
    read = read_plain(name, folder)
    return {key: value for key, value in read.items() if key != "env"} if isinstance(read, dict) else None


def read_plain(name: str, folder: Path) -> Any:
    """What a config file holds, as plain values; name and folder as for config_options, None likewise."""
    for place in (Path(name), folder / name):
        try:
            return read_config(place).root.plain()
        except WorkloadError:
            continue
    return None


def plain(text: str) -> Value:
    """A command-line word as a plain value: bool, int, float, JSON object (as a dict), else the text."""
    if OPEN_WORD in text:
        return UNKNOWN
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text.startswith("{") and len(text) < _TEXT_LIMIT:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def to_value(machine: Machine, value: Value) -> Value:
    """A plain value as the machine's: dictionaries go to the heap."""
    if isinstance(value, dict):
        return machine.make_dict({key: to_value(machine, item) for key, item in value.items()})
    return tuple(to_value(machine, item) for item in value) if isinstance(value, list) else value


def add_argument(machine: Machine, parser: Obj, given: Arguments) -> Value:
    """parser.add_argument(…): remember the default."""
    flags = [flag for flag in given.positional if isinstance(flag, str)]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    name = given.get(None, "dest") or long.lstrip("-").replace("-", "_")
    action = given.get(None, "action")
    default = given.get(None, "default", {"store_true": False, "store_false": True}.get(action))
    if isinstance(name, str) and name:
        required = given.get(None, "required", False) is not False or not long.startswith("-")
        machine.heap.set(parser, name, UNKNOWN if required else default)
    return UNKNOWN


def parse_args(machine: Machine, parser: Obj, options: dict[str, Value]) -> Obj:
    """parser.parse_args(): the defaults, and over them what the command line says."""
    slots = _defaults(machine, parser)
    return machine.heap.add(Obj("instance", parser.node), {**slots, **_overrides(machine, options, slots)})


def _defaults(machine: Machine, parser: Obj) -> dict[str, Value]:
    """What add_argument and set_defaults said of a parser's options."""
    return {name: value for name, value in machine.heap.items(parser) if isinstance(name, str) and name[0] != "^"}


def _overrides(machine: Machine, options: dict[str, Value], fields: dict[str, Value]) -> dict[str, Value]:
    return {name: to_value(machine, value) for name, value in options.items() if name in fields}


def parse_dataclasses(
    machine: Machine, parser: Obj, options: dict[str, Value], node: ast.AST, *, open: bool = False
) -> Value:
    """parser.parse_args_into_dataclasses(): one instance for each class.

    Args:
        machine: The machine.
        parser: The parser, whose slot "^classes" is what its constructor was given.
        options: The command line.
        node: The call.
        open: Whether there may be other options.

    Returns:
        A tuple of instances.
    """
    classes = machine.heap.get(parser, "^classes", UNKNOWN)
    listed = (classes,) if isinstance(classes, (Ref, ClassValue)) else machine.items_of(classes)
    if listed is None:
        return UNKNOWN
    said = {**_defaults(machine, parser), **{name: to_value(machine, value) for name, value in options.items()}}
    return tuple(_instance(machine, class_, said, node, open) for class_ in listed)


def _instance(machine: Machine, class_: Value, said: dict[str, Value], node: ast.AST, open: bool) -> Value:
    if isinstance(class_, ClassValue):
        fields = dataclass_defaults(machine, class_)
        known = {name: value for name, value in said.items() if name in fields}
        slots = {**(dict.fromkeys(fields, UNKNOWN) if open else fields), **known}
        return machine.heap.add(Obj("instance", node), {**slots, "^class": class_})
    if isinstance(class_, Ref):
        # The library's class: its fields are not known here, so every option counts.
        return machine.heap.add(Obj("instance", node), {**said, "^class": class_}, open=open)
    return UNKNOWN


def dataclass_defaults(machine: Machine, class_: ClassValue) -> dict[str, Value]:
    """Fields of a dataclass of the script with their defaults (UNKNOWN where there is none)."""
    found: dict[str, Value] = {}
    for base in class_.bases:
        if isinstance(base, ClassValue):
            found.update(dataclass_defaults(machine, base))
    for statement in class_.node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = _default(machine, statement.value)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = machine.evaluate(statement.value)
    return found


def _default(machine: Machine, node: ast.expr | None) -> Value:
    if node is None:
        return UNKNOWN
    if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "field":
        for keyword in node.keywords:
            if keyword.arg == "default":
                return machine.evaluate(keyword.value)
            if keyword.arg == "default_factory" and isinstance(keyword.value, ast.Lambda):
                return machine.evaluate(keyword.value.body)
        return UNKNOWN
    return machine.evaluate(node)
