"""Hydra: `@hydra.main` calls the function with the config that it composes; `instantiate` calls what one names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sftdoctor.configs.hydra import DEFAULTS, ComposeError, compose, overrides
from sftdoctor.link import attributes, calls, files, importing
from sftdoctor.link.native import mappings
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Native, Value, constant, strip, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

TARGET = "_target_"
OWN = frozenset({TARGET, "_recursive_", "_convert_", "_partial_", "_args_"})
"""Keys that instantiate keeps for itself."""


def main(_machine: Machine, args: Arguments) -> Value:
    """hydra.main(config_path=…, config_name=…): a decorator."""
    folder, name = args.get(0, "config_path"), args.get(1, "config_name")

    def decorate(_m: Machine, given: Arguments) -> Value:
        function = given.positional[0] if given.positional else UNKNOWN
        return Native("main", lambda m, a: _run(m, function, _composed(m, folder, name), a))

    return Native("hydra.main", decorate)


def _run(machine: Machine, function: Value, config: Value, args: Arguments) -> Value:
    given = args if args.positional or args.keywords else Arguments([config])
    return calls.invoke(machine, machine.frame, function, given, machine.frame.call)


def _composed(machine: Machine, folder: Value | None, name: Value | None) -> Value:
    """The config that the files come to; a command line that is not known changes what it likes."""
    path, primary = text(folder) if folder is not None else ".", text(name)
    choices = overrides(machine.arguments)
    if path is None or primary is None or choices is None:
        return UNKNOWN

    try:
        parts = compose(lambda file: files.config_text(machine, file), path, primary, choices)
    except ComposeError:
        return UNKNOWN
    found = Dict(dotted=True)
    for package, config in parts:
        value = mappings.dotted(files.value_of_config(config, yaml12=True))
        if isinstance(value, Dict):
            if not package:
                value.items.pop(DEFAULTS, None)
            mappings.merge(found, _below(package, value))
    for key in choices:
        _override(found, key.lstrip("+"))
    return found


def _below(package: tuple[str, ...], value: Dict) -> Dict:
    for key in reversed(package):
        value = Dict({key: value}, dotted=True)
    return value


def _override(config: Dict, key: str) -> None:
    """`a.b=c`: another value stands there, which only Hydra's own grammar tells."""
    holder = config
    *above, last = key.split(".")
    for name in above:
        inner = strip(holder.items.get(name, UNKNOWN))
        if not isinstance(inner, Dict):
            return
        holder = inner
    if not isinstance(strip(holder.items.get(last, UNKNOWN)), Dict):
        holder.items[last] = UNKNOWN


def instantiate(machine: Machine, args: Arguments) -> Value:
    """hydra.utils.instantiate(config, **more): calls what its `_target_` names with its other keys."""
    config = strip(args.get(0, "config") or UNKNOWN)
    target = text(config.items.get(TARGET)) if isinstance(config, Dict) else None
    if not isinstance(config, Dict) or target is None or constant(config.items.get("_partial_")) is True:
        return UNKNOWN
    module, _, name = target.rpartition(".")
    owner = importing.load(machine, machine.frame, module, None) if module else UNKNOWN
    callee = attributes.resolve(machine, machine.frame, owner, name, Const(None))
    keywords = {key: value for key, value in config.items.items() if isinstance(key, str) and key not in OWN}
    places = {
        key: place for key, place in (config.settings or {}).items() if key in keywords.keys() - args.keywords.keys()
    }
    opened = config.open or args.double_star
    given = Arguments(args.positional[1:], {**keywords, **args.keywords}, args.star, opened, places)
    if strip(callee) is UNKNOWN or constant(callee) is not None:
        return UNKNOWN
    return calls.invoke(machine, machine.frame, callee, given, machine.frame.call)


NATIVE: dict[str, dict[str, Callable[[Machine, Arguments], Value]]] = {
    "hydra": {"main": main},
    "hydra.utils": {"instantiate": instantiate},
}
