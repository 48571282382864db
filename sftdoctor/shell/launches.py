"""The commands of a shell script that start a training, each with what is the launcher's and what is the script's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from sftdoctor.model import OPEN_WORD
from sftdoctor.shell.words import Command, Word, commands_of, constants_of

PYTHON = re.compile(r"python(?:\d(?:\.\d+)?)?")
MODULES = {
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torchrun",
    "accelerate.commands.launch": "accelerate",
}
"""Launchers by the module that `python -m` starts."""
TRL_COMMANDS = ("sft", "dpo", "grpo", "kto", "reward", "rloo", "distillation")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Launch:
    """A command that starts a training."""

    launcher: str
    """accelerate, torchrun, deepspeed, trl or python."""
    own: Command
    """The launcher's own words, behind its name."""
    script: Word | None
    """The script's path; None for trl's commands."""
    words: Command
    """The command line that the script (or trl's command) gets."""
    command: str = ""
    """Of trl."""
    variables: tuple[tuple[str, str], ...] = ()
    """The environment variables set for it, as far as they are known."""
    wrapped: bool = False
    """Whether another command starts it, perhaps several times (srun, mpirun)."""


def launches_of(text: str) -> tuple[Launch, ...]:
    """The commands of a shell script that start a training.

    Args:
        text: The script.

    Returns:
        Them, in the order of the text.

    Raises:
        ShellError: It cannot be read.
    """
    exported = tuple(constants_of(text).items())
    return tuple(launch for command in commands_of(text) for launch in _launch(command, exported))


def _launch(command: Command, exported: tuple[tuple[str, str], ...]) -> Iterator[Launch]:
    variables = (*exported, *_variables(command))
    for index, word in enumerate(command):
        if word.text.startswith(OPEN_WORD) or _ASSIGNED.match(word.text):
            continue
        name, rest = PurePosixPath(word.text).name, command[index + 1 :]
        if name == "accelerate" and rest and rest[0].text == "launch":
            yield from _with_script("accelerate", rest[1:], variables)
            return
        if name in ("torchrun", "deepspeed"):
            yield from _with_script(name, rest, variables)
            return
        if name == "trl" and rest and rest[0].text in TRL_COMMANDS:
            yield Launch("trl", (), None, rest[1:], rest[0].text, variables)
            return
        if PYTHON.fullmatch(name):
            wrapped = any(not _ASSIGNED.match(before.text) for before in command[:index])
            yield from (replace(launch, wrapped=wrapped) for launch in _python(rest, variables))
            return


def _variables(command: Command) -> Iterator[tuple[str, str]]:
    for word in command:
        if not _ASSIGNED.match(word.text):
            return
        name, _, value = word.text.partition("=")
        yield name, value


def _python(rest: Command, variables: tuple[tuple[str, str], ...]) -> Iterator[Launch]:
    for index, word in enumerate(rest):
        if word.text == "-m" and index + 1 < len(rest):
            module = rest[index + 1].text
            if module in MODULES:
                yield from _with_script(MODULES[module], rest[index + 2 :], variables)
            return
        if word.text.endswith(".py") and not word.text.startswith(OPEN_WORD):
            yield Launch("python", (), word, rest[index + 1 :], "", variables)
            return
        if not word.text.startswith("-") and rest[index - 1].text not in ("-W", "-X"):
            return


def _with_script(launcher: str, rest: Command, variables: tuple[tuple[str, str], ...]) -> Iterator[Launch]:
    """Everything up to the script is the launcher's."""
    for index, word in enumerate(rest):
        if word.text.endswith(".py"):
            yield Launch(launcher, rest[:index], word, rest[index + 1 :], "", variables)
            return
