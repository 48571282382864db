"""Config files that the user's program opens itself: json.load, yaml.safe_load and what dataclass parsers read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor.configs import READABLE, Text, parse_config, read_config
from sftdoctor.errors import WorkloadError
from sftdoctor.link import calls, paths
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Instance, Likely, Seq, Value, strip, text
from sftdoctor.model import Setting

if TYPE_CHECKING:
    from sftdoctor.configs.tree import Node
    from sftdoctor.link.machine import Machine


def is_name(value: Value) -> bool:
    """Whether a value is the name of a config file."""
    name = text(value)
    return name is not None and name.endswith(READABLE)


def open_file(machine: Machine, args: Arguments) -> Value:
    """open(…): remembers the path where a program of the user's opens a config file."""
    given = args.get(0, "file")
    _hedge(machine, given)
    return paths.opened(machine, paths.path_text(given))


def _hedge(machine: Machine, given: Value | None) -> None:
    """Note that a file is only likely the one that is read: it is the default of an option, say."""
    name = paths.path_text(given)
    if isinstance(given, Likely) and name is not None and (found := _place(machine, name)) is not None:
        machine.likely_files.add(str(found))


def load(machine: Machine, args: Arguments) -> Value:
    """json.load, yaml.safe_load and their like: what the file holds."""
    found = _loaded(machine, args.get(0, "fp") or args.get(0, "stream"))
    hook = args.keywords.get("object_hook")
    return found if hook is None else _hooked(machine, found, hook)


def _hooked(machine: Machine, value: Value, hook: Value) -> Value:
    """What json's object_hook makes of every dictionary, the inner ones first."""
    if isinstance(value, Seq):
        return Seq(value.kind, [_hooked(machine, item, hook) for item in value.items])
    if not isinstance(value, Dict):
        return value
    items = {key: _hooked(machine, item, hook) for key, item in value.items.items()}
    given = Arguments([Dict(items, False, value.settings)])
    return calls.invoke(machine, machine.frame, hook, given, machine.frame.call)


def load_12(machine: Machine, args: Arguments) -> Value:
    """The same for readers of YAML 1.2, which take a path as well."""
    given = args.get(0, "stream")
    _hedge(machine, given)
    return _loaded(machine, given, paths.path_text(given), yaml12=True)


def _loaded(machine: Machine, given: Value | None, name: str | None = None, *, yaml12: bool = False) -> Value:
    file = strip(given) if given is not None else UNKNOWN
    if name is None and isinstance(file, Instance):
        name = text(file.attrs.get(paths.FILE))
    if name is None or not name.endswith(READABLE) or not machine.is_script(machine.frame.module):
        return UNKNOWN
    config = config_text(machine, name)
    return UNKNOWN if config is None else value_of_config(config, yaml12=yaml12)


def config_text(machine: Machine, name: str) -> Text | None:
    """A config file that the program names, looked for where the command runs, then beside the program.

    Args:
        machine: The machine; what it finds rests on the file.
        name: The path.

    Returns:
        Its values; None where it is not there or cannot be read.
    """
    place = _place(machine, name)
    if place is None:
        machine.read.update(map(str, _places(machine, name)))  # a file that comes there changes what was found
        return None
    machine.read.add(str(place))
    thought = machine.would_hold.get(os.path.realpath(place))
    try:
        return read_config(place) if thought is None else parse_config(str(place), thought)
    except WorkloadError:
        return None


def _place(machine: Machine, name: str) -> Path | None:
    return next((place for place in _places(machine, name) if place.is_file()), None)


def _places(machine: Machine, name: str) -> tuple[Path, ...]:
    main, path = machine.main_path, Path(name)
    here = Path.cwd()
    relative = path.relative_to(here) if path.is_relative_to(here) else path  # made absolute, it starts there too
    return (path, *([Path(main).parent / relative] if main else []))


def settings_of(config: Text) -> list[Setting]:
    """The keys at the top of a config file, those that stand there twice marked."""
    pairs = config.root.pairs or ()
    last = {key.name: key for key, _ in pairs}
    return [Setting((key.name,), node.plain(), config.location(key), last[key.name] is not key) for key, node in pairs]


def value_of_config(config: Text, *, yaml12: bool = False) -> Value:
    """What a config file is, with the places of its keys.

    Args:
        config: The file.
        yaml12: Whether it is read as YAML 1.2, and by OmegaConf: keys are attributes too, `${…}` stands for others.
    """
    return _value(config, config.root, (), _scalar_12 if yaml12 else _scalar)


def _scalar(_config: Text, node: Node) -> Value:
    return Const(node.value)


def _scalar_12(config: Text, node: Node) -> Value:
    return UNKNOWN if isinstance(node.value, str) and "${" in node.value else Const(config.yaml12(node))


def _value(config: Text, node: Node, keys: tuple[str, ...], scalar: Callable[[Text, Node], Value]) -> Value:
    if node.items is not None:
        return Seq("list", [_value(config, item, keys, scalar) for item in node.items])
    if node.pairs is None:
        return scalar(config, node)
    found = Dict()
    settings: dict[Any, Setting] = {}
    for key, member in node.pairs:
        inside = (*keys, key.name)
        found.items[key.name] = _value(config, member, inside, scalar)
        settings[key.name] = Setting(inside, member.plain(), config.location(key))
    found.settings = settings
    return found
