"""Configs with the arguments of a training, as `trl sft --config FILE` reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.link import refusals
from sftdoctor.link.keys.reader import REFUSES, Reader, judge_keys
from sftdoctor.link.keys.tell import tell
from sftdoctor.link.locate import parse, read_source
from sftdoctor.link.near import nearest
from sftdoctor.link.signatures import dataclass_fields
from sftdoctor.link.state import CERTAIN, LIKELY, POSSIBLE, Parsed
from sftdoctor.link.values import UNKNOWN, Class, strip
from sftdoctor.model import NotJudged

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Config

PASSES_ON = re.compile(r"parse_args\(\s*launch_args|launch_args=launch_args")
"""How trl's command line hands to `accelerate launch` what its parser does not know."""
OPTION = re.compile(r"""["']--([\w-]+)["']""")
_FILES = {"reward": ("reward.py", "reward_modeling.py")}
MIXTURE, ITEM = "datasets", "DatasetConfig"
"""The field that mixes data sets, and the class that trl makes of each (trl/scripts/utils.py)."""
_DRIVER = "__main__"


def judge(machine: Machine, path: str, config: Config) -> None:
    """Judge the keys against the dataclasses that the installed trl's command makes of them."""
    parsed = parser_of(machine, config.command)
    if parsed is None:
        reader = Reader([cls]) if (cls := _training_arguments(machine)) else None
        command = ""
    else:
        reader = reader_of(machine, parsed)
        command = f"trl {config.command}"
    if reader is None:
        reason = f"the installed libraries show no class that reads it (trl's command {config.command} was not found)"
        machine.not_judged[path] = NotJudged(path, reason)
        return
    least = CERTAIN if command else POSSIBLE
    judge_keys(machine, path, config.settings, reader, doubt=CERTAIN if config.sure else None, least=least)
    _judge_mixture(machine, config, reader)
    if command:
        refusals.judge_config(machine, path, config.settings, reader.classes, CERTAIN if config.sure else LIKELY)
    env = config.at("env")
    if command and env is not None and env.value is not None and not isinstance(env.value, dict):
        message = "`env` field should be a dict in the YAML file."
        tell(
            machine,
            "wrong-value",
            env,
            exception="ValueError",
            message=message,
            callee=parsed.parser if parsed else None,
        )


def _judge_mixture(machine: Machine, config: Config, reader: Reader) -> None:
    """The members of each data set of `datasets:`, against the class that trl makes of it."""
    mixture = next((cls for cls in reader.classes for one in cls.fields or () if one.name == MIXTURE), None)
    made = strip(mixture.module.ns.get(ITEM, UNKNOWN)) if mixture is not None and mixture.module else UNKNOWN
    fields = dataclass_fields(made) if isinstance(made, Class) else None
    names = {one.name for one in fields or ()}
    for setting in config.settings if names else ():
        if setting.keys[0] == MIXTURE and len(setting.keys) == 3 and setting.keys[-1] not in names:
            message = f"{ITEM}.__init__() got an unexpected keyword argument '{setting.keys[-1]}'"
            near = nearest(setting.keys[-1], names)
            said = {"exception": "TypeError", "message": message, "detail": near}
            tell(machine, "unknown-key", setting, callee=made, doubt=CERTAIN if config.sure else LIKELY, **said)


def parser_of(machine: Machine, command: str) -> Parsed | None:
    """The parser that a command of the installed trl builds; None where there is none that can be followed."""
    script = _script(machine, command)
    return _parser(machine, script) if script else None


def reader_of(machine: Machine, parsed: Parsed) -> Reader:
    """What the command line of trl takes of a config file.

    Args:
        machine: The machine.
        parsed: The parser of the command's script.

    Returns:
        The reader; what the parser leaves goes to `accelerate launch` in some releases.
    """
    text = machine.class_text(parsed.parser)
    options = _launcher_options(machine) if _hands_on(machine) else frozenset()
    if options:
        message = "unrecognized arguments: --{key}"
        return Reader(parsed.classes, True, "Accelerate launch command: error", message, options | {"env"})
    return Reader(parsed.classes, REFUSES.search(text) is not None, others=frozenset({"env"}))


def _hands_on(machine: Machine) -> bool:
    for name in ("trl.cli", "trl.cli.commands.training"):
        found = machine.locator.find(name)
        if found is not None and found.path is not None and PASSES_ON.search(_text(found.path)):
            return True
    return False


def _launcher_options(machine: Machine) -> frozenset[str]:
    """The options of `accelerate launch`, and trl's own that becomes one of them."""
    found = machine.locator.find("accelerate.commands.launch")
    text = _text(found.path) if found is not None and found.path is not None else ""
    names = {name.replace("-", "_") for name in OPTION.findall(text)}
    return (
        frozenset({*names, *(name.replace("_", "-") for name in names), "accelerate_config"}) if names else frozenset()
    )


def _text(path: Path) -> str:
    try:
        return read_source(path)
    except (OSError, ValueError):
        return ""


def _script(machine: Machine, command: str) -> Path | None:
    """The file that the command runs."""
    found = machine.locator.find(f"trl.scripts.{command}")
    if found is not None and found.path is not None:
        return found.path
    trl = machine.locator.find("trl")
    if trl is None or trl.path is None:
        return None
    folder = trl.path.parent / "commands" / "scripts"
    return next((folder / name for name in _FILES.get(command, (f"{command}.py",)) if (folder / name).is_file()), None)


def _parser(machine: Machine, script: Path) -> Parsed | None:
    """The parser that a script of trl builds, as following it shows."""
    try:
        machine.stops_at_parser = True
        machine.script(_DRIVER, parse(read_source(script), str(script)), None)
    except Parsed as parsed:
        return parsed
    except (OSError, ValueError):
        return None
    finally:
        machine.stops_at_parser = False
        machine.frames.clear()
    return None


def _training_arguments(machine: Machine) -> Class | None:
    source = "from transformers import TrainingArguments\n"
    module = machine.script(_DRIVER, parse(source, _DRIVER), None)
    found = strip(module.ns["TrainingArguments"]) if "TrainingArguments" in module.ns else None
    return found if isinstance(found, Class) else None
