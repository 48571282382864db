"""Configs of `accelerate launch --config_file`, judged against the classes and options of the installed accelerate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sftdoctor.link.keys.reader import Reader, judge_keys
from sftdoctor.link.keys.tell import tell
from sftdoctor.link.locate import parse, read_source
from sftdoctor.link.state import CERTAIN
from sftdoctor.link.values import Class, Const, Module, strip
from sftdoctor.model import Location, NotJudged, Setting

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Config

CONFIG = "accelerate.commands.config.config_args"
LAUNCH = "accelerate.commands.launch"
READERS = (LAUNCH, "accelerate.utils.launch")
"""The modules that read what the sections of a config become."""
SECTIONS = (
    "fsdp_config",
    "deepspeed_config",
    "megatron_lm_config",
    "fp8_config",
    "dynamo_config",
    "parallelism_config",
)
ENUMS: Mapping[str, str] = {"compute_environment": "ComputeEnvironment", "distributed_type": "DistributedType"}
"""Key → the enum that its value becomes."""
_HANDLED = re.compile(r"""["'](\w+)["']\s+(?:not\s+)?in\s+config_dict|config_dict\.pop\(\s*["'](\w+)""")
"""Keys that process_config translates before the dataclass is made."""
_OPTION = re.compile(r"""["']--([\w-]+)["']""")
_READ = re.compile(r"""args\.(\w+)|getattr\(\s*args,\s*["'](\w+)""")
_DRIVER = "__main__"


def judge(machine: Machine, path: str, config: Config) -> None:
    """Judge the keys, those of the sections too, and the values that must be one of a few."""
    cluster = str(config.get("compute_environment") or "LOCAL_MACHINE") == "LOCAL_MACHINE"
    cls = _class(machine, "ClusterConfig" if cluster else "SageMakerConfig")
    if cls is None:
        machine.not_judged[path] = NotJudged(path, "the installed libraries show no accelerate that reads it")
        return
    handled = {
        name for base in cls.mro for found in _HANDLED.findall(machine.class_text(base)) for name in found if name
    }
    message = "The config file had unknown keys (['{key}']), please try upgrading your `accelerate` version"
    reader = Reader([cls], True, "ValueError", message, frozenset(handled) - _names(cls), converts=False)
    judge_keys(machine, path, config.settings, reader, doubt=CERTAIN)
    if config.at("distributed_type") is None:
        _tell_missing_type(machine, path, config, cls)
    for key, enum in ENUMS.items():
        _judge_value(machine, config.at(key), _values(cls, enum), cls)
    known = frozenset(_known(machine))
    for section in SECTIONS if known else ():
        for setting in config.below(section):
            if not {setting.keys[-1], f"{section.removesuffix('config')}{setting.keys[-1]}"} & known:
                tell(machine, "ignored-key", setting, callee=_module(machine))


def _names(cls: Class) -> frozenset[str]:
    return frozenset(one.name for base in cls.mro for one in base.fields or ())


def _tell_missing_type(machine: Machine, path: str, config: Config, cls: Class) -> None:
    if "must be specified in the config file" not in "".join(map(machine.class_text, cls.mro)) or not config.settings:
        return
    message = "A `distributed_type` must be specified in the config file."
    detail = "The key is not there."
    setting = Setting(("distributed_type",), None, Location(path, 1, 1, 1, 1))
    tell(machine, "wrong-value", setting, exception="ValueError", message=message, callee=cls, detail=detail)


def _judge_value(machine: Machine, setting: Setting | None, values: tuple[str, ...], cls: Class) -> None:
    if setting is None or not values or not isinstance(setting.value, str) or setting.value in values:
        return
    message = f"{setting.value!r} is not a valid {ENUMS[setting.name]}"
    detail = f"It takes {', '.join(values)}."
    tell(machine, "wrong-value", setting, exception="ValueError", message=message, callee=cls, detail=detail)


def _class(machine: Machine, name: str) -> Class | None:
    source = f"from {CONFIG} import {name}\n"
    module = machine.script(_DRIVER, parse(source, _DRIVER), None)
    found = strip(module.ns[name]) if name in module.ns else None
    return found if isinstance(found, Class) else None


def _values(cls: Class, enum: str) -> tuple[str, ...]:
    """The values of an enum that the module of the config classes imports."""
    found = strip(cls.module.ns[enum]) if cls.module is not None and enum in cls.module.ns else None
    if not isinstance(found, Class):
        return ()
    constants = [strip(value) for name, value in found.ns.items() if not name.startswith("_")]
    return tuple(one.value for one in constants if isinstance(one, Const) and isinstance(one.value, str))


def _known(machine: Machine) -> Iterator[str]:
    """The names that the launcher's options and its code know."""
    for name in READERS:
        found = machine.locator.find(name)
        try:
            text = read_source(found.path) if found is not None and found.path is not None else ""
        except (OSError, ValueError):
            continue
        yield from (option.replace("-", "_") for option in _OPTION.findall(text))
        yield from (one for pair in _READ.findall(text) for one in pair if one)


def _module(machine: Machine) -> Module | None:
    return machine.opaque(LAUNCH)
