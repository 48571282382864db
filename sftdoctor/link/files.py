"""Config files that the user's program opens itself: json.load, yaml.safe_load and what dataclass parsers read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor.configs import SUFFIXES, Text, parse_config, read_config
from sftdoctor.errors import WorkloadError
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Instance, Seq, Value, strip, text
from sftdoctor.model import Setting

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

FILE = "^file"
"""Attribute of an open file that no program can set: its path."""


def open_file(machine: Machine, args: Arguments) -> Value:
    """open(…): remembers the path where a program of the user's opens a config file."""
    name = text(args.get(0, "file"))
    if name is None or not name.endswith(SUFFIXES) or not machine.is_script(machine.frame.module):
        return UNKNOWN
    return Instance(machine.anything("TextIOWrapper"), {FILE: Const(name)}, True)


def load(machine: Machine, args: Arguments) -> Value:
    """json.load, yaml.safe_load and their like: what the file holds."""
    opened = strip(args.get(0, "fp") or args.get(0, "stream") or UNKNOWN)
    name = text(opened.attrs.get(FILE)) if isinstance(opened, Instance) else None
    config = config_text(machine, name) if name is not None else None
    return UNKNOWN if config is None else _value(config.root.plain())


def config_text(machine: Machine, name: str) -> Text | None:
    """A config file that the program names, looked for where the command runs, then beside the program.

    Args:
        machine: The machine; what it finds rests on the file.
        name: The path.

    Returns:
        Its values; None where it is not there or cannot be read.
    """
    main = machine.main_path
    for place in (Path(name), *([Path(main).parent / name] if main else [])):
        if not place.is_file():
            continue
        machine.read.add(str(place))
        thought = machine.would_hold.get(os.path.realpath(place))
        try:
            return read_config(place) if thought is None else parse_config(str(place), thought)
        except WorkloadError:
            return None
    return None


def settings_of(config: Text) -> list[Setting]:
    """The keys at the top of a config file, those that stand there twice marked."""
    pairs = config.root.pairs or ()
    last = {key.name: key for key, _ in pairs}
    return [Setting((key.name,), node.plain(), config.location(key), last[key.name] is not key) for key, node in pairs]


def _value(plain: Any) -> Value:
    if isinstance(plain, dict):
        return Dict({key: _value(item) for key, item in plain.items()})
    return Seq("list", [_value(item) for item in plain]) if isinstance(plain, list) else Const(plain)
