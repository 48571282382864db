"""The keys of config files, judged against the classes and parsers of the target that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sftdoctor.link.keys import accelerate, deepspeed, training
from sftdoctor.link.keys.launchers import judge_launches
from sftdoctor.link.keys.tell import tell_repeated

__all__ = ["judge_config", "judge_launches"]

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Config

_READERS: Mapping[str, Callable[[Machine, str, Config], None]] = {
    "trl": training.judge,
    "accelerate": accelerate.judge,
    "deepspeed": deepspeed.judge,
}


def judge_config(machine: Machine, path: str, config: Config) -> None:
    """Judge a config file by itself; what is wrong with it is noted in the machine's events.

    Args:
        machine: A machine that has followed nothing but what every program imports.
        path: The file.
        config: What it says.
    """
    _READERS[config.kind](machine, path, config)
    tell_repeated(machine, path, config.settings)
