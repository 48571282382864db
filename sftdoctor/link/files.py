"""Config files that the user's program opens itself: json.load, yaml.safe_load and what dataclass parsers read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.configs import Text, parse_config, read_config
from sftdoctor.errors import WorkloadError
from sftdoctor.link import paths
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Instance, Seq, Value, strip, text
from sftdoctor.model import Setting

if TYPE_CHECKING:
    from sftdoctor.configs.tree import Node
    from sftdoctor.link.machine import Machine


def open_file(machine: Machine, args: Arguments) -> Value:
    """open(…): remembers the path where a program of the user's opens a config file."""
    return paths.opened(machine, paths.path_text(args.get(0, "file")))


def load(machine: Machine, args: Arguments) -> Value:
    """json.load, yaml.safe_load and their like: what the file holds."""
    given = strip(args.get(0, "fp") or args.get(0, "stream") or UNKNOWN)
    name = text(given.attrs.get(paths.FILE)) if isinstance(given, Instance) else None
    config = config_text(machine, name) if name is not None else None
    return UNKNOWN if config is None else _value(config, config.root, ())


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


def _value(config: Text, node: Node, keys: tuple[str, ...]) -> Value:
    """What a part of a config file is, with the places of its keys."""
    if node.items is not None:
        return Seq("list", [_value(config, item, keys) for item in node.items])
    if node.pairs is None:
        return Const(node.value)
    found = Dict(settings={})
    for key, member in node.pairs:
        inside = (*keys, key.name)
        found.items[key.name] = _value(config, member, inside)
        if found.settings is not None:
            found.settings[key.name] = Setting(inside, member.plain(), config.location(key))
    return found
