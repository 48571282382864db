"""The words of launch commands, judged against the parsers of the installed launchers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link.keys import training
from sftdoctor.link.keys.tell import tell
from sftdoctor.link.locate import parse, read_source
from sftdoctor.link.near import nearest
from sftdoctor.link.options import read_options, spellings_of
from sftdoctor.link.values import Class, Module
from sftdoctor.model import OPEN_WORD, NotJudged, Setting

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Launch

PARSERS: Mapping[str, tuple[str, str]] = {
    "accelerate": ("accelerate.commands.launch", "launch_command_parser"),
    "torchrun": ("torch.distributed.run", "get_args_parser"),
    "deepspeed": ("deepspeed.launcher.runner", "parse_args"),
}
"""Launcher → the function of its source that builds its parser."""
SWITCHES = ("store_true", "store_false", "help", "version", "count", "check_env")
"""Actions of an option that takes no value (check_env is torch's)."""


@dataclass(frozen=True)
class _Option:
    switch: bool
    choices: tuple[str, ...] = ()
    kind: str = ""


def judge_launches(machine: Machine, launches: Sequence[Launch]) -> None:
    """Say which words of launch commands their launchers do not know.

    Args:
        machine: Keeps what is found.
        launches: The commands of one launch script.
    """
    for launch in launches:
        if launch.launcher == "trl":
            _judge_trl(machine, launch)
        elif launch.launcher in PARSERS and launch.words:
            _judge_launcher(machine, launch)


def _judge_launcher(machine: Machine, launch: Launch) -> None:
    module, function = PARSERS[launch.launcher]
    options = dict(_options(machine, module, function))
    if not options:
        what = launch.places[0].path
        reason = f"the options of {launch.launcher} cannot be read: {module.partition('.')[0]} is not installed"
        machine.not_judged[f"{what} {launch.launcher}"] = NotJudged(f"{what}: {launch.launcher}", reason)
        return
    callee = machine.opaque(module)
    position = 0
    while position < len(launch.words):
        word, place = launch.words[position], launch.places[position]
        position += 1
        if word.startswith(OPEN_WORD) or not word.startswith("-") or word == "--":
            continue
        name, equals, value = word.partition("=")
        option = _meant(name, options, launch.launcher)
        if option is None:
            setting = Setting((name.lstrip("-"),), None, place)
            message = f"unrecognized arguments: {name}"
            near = nearest(setting.name, [each.lstrip("-") for each in options], "--")
            tell(machine, "unknown-option", setting, exception="error", message=message, callee=callee, detail=near)
            continue
        if not equals and not option.switch and position < len(launch.words):
            value, place = launch.words[position], launch.places[position]
            position += 1
        if not option.switch and not value.startswith(OPEN_WORD):
            _judge_value(machine, Setting((name.lstrip("-"),), value, place), option, callee)


def _judge_value(machine: Machine, setting: Setting, option: _Option, callee: Module | None) -> None:
    value = str(setting.value)
    if option.choices and value not in option.choices:
        says, detail = f"invalid choice: {value!r}", f"It takes {', '.join(option.choices)}."
    elif option.kind == "int" and not value.lstrip("+-").isdigit():
        says, detail = f"invalid int value: {value!r}", f"`{value}` is no whole number."
    else:
        return
    message = f"argument --{setting.name}: {says}"
    tell(machine, "wrong-value", setting, exception="error", message=message, callee=callee, detail=detail)


def _meant(name: str, options: Mapping[str, _Option], launcher: str) -> _Option | None:
    """The option that a word means; torchrun and deepspeed take the beginning of one."""
    for spelling in (name, f"--{name[2:].replace('-', '_')}", f"--{name[2:].replace('_', '-')}"):
        if spelling in options:
            return options[spelling]
    if launcher == "accelerate" or not name.startswith("--"):
        return None
    begun = [option for spelling, option in options.items() if spelling.startswith(name)]
    return begun[0] if begun else None


def _options(machine: Machine, module: str, function: str) -> Iterator[tuple[str, _Option]]:
    """The options that a function adds to its parser, as its source shows."""
    found = machine.locator.find(module)
    if found is None or found.path is None:
        return
    try:
        tree = parse(read_source(found.path), module)
    except (OSError, ValueError):
        return
    body = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function), None)
    for node in nodes.walk(body) if body is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            action = said.get("action")
            name = getattr(action, "value", None) or getattr(action, "id", None) or getattr(action, "attr", "")
            option = _Option(name in SWITCHES, _texts(said.get("choices")), getattr(said.get("type"), "id", ""))
            for flag in node.args:
                if isinstance(flag, ast.Constant) and isinstance(flag.value, str) and flag.value.startswith("-"):
                    yield flag.value, option
    yield "--help", _Option(True)
    yield "-h", _Option(True)


def _texts(node: ast.expr | None) -> tuple[str, ...]:
    if not isinstance(node, (ast.List, ast.Tuple)):
        return ()
    items = [item.value for item in node.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return tuple(items) if len(items) == len(node.elts) else ()


def _judge_trl(machine: Machine, launch: Launch) -> None:
    """Options of `trl sft` and its like: fields of the command's dataclasses, else the launcher's."""
    parsed = training.parser_of(machine, launch.command)
    if parsed is None:
        what = launch.places[0].path if launch.places else "trl"
        reason = "the installed libraries show no such command"
        machine.not_judged[f"trl {launch.command}"] = NotJudged(f"{what}: trl {launch.command}", reason)
        return
    reader = training.reader_of(machine, parsed)
    if reader.open:
        return
    options, _ = read_options(launch.words, spellings_of(reader.fields, hyphens=True), config=True)
    for name in options.unknown:
        if name.replace("-", "_") in reader.others or name in ("help", "h"):
            continue
        place = launch.places[options.places[name]]
        owner: Class = reader.owner(name)
        message = f"unrecognized arguments: --{name}"
        near = nearest(name, reader.fields, "--")
        setting = Setting((name,), None, place)
        tell(machine, "unknown-option", setting, exception="error", message=message, callee=owner, detail=near)
