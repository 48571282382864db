"""Launch scripts: what they start, with which command line, and the configs that they name."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sftdoctor import shell
from sftdoctor.configs import SUFFIXES
from sftdoctor.errors import WorkloadError
from sftdoctor.model import COMMAND_LINE, OPEN_WORD, SHELL, Config, Fact, Launch, Location, NotJudged, Script
from sftdoctor.workload.config_files import read_config_file
from sftdoctor.workload.launched import launched_facts, option
from sftdoctor.workload.mismatches import deepspeed_file
from sftdoctor.workload.reader import Reader

MOST_FILES = 20
"""Shell scripts of a folder that are read to find the one which starts a script."""
MOST_ENTRIES = 5000
"""Entries of a folder that are looked at for that."""
KEPT_IN = "scripts"
"""The folder that many projects keep their launch scripts in; these run from the folder that holds it."""
CONFIGS = {"accelerate": "--config_file", "trl": "--config"}
"""Launcher → the option that names its config file."""


@dataclass(frozen=True)
class Started:
    """What a launch script comes to."""

    scripts: tuple[Script, ...]
    """The launch script itself, what it starts, and the configs that it names."""
    not_judged: tuple[NotJudged, ...]


def read_launch_file(path: Path, reader: Reader) -> Started:
    """Read a launch script that was named.

    Args:
        path: The shell script.
        reader: Reads the scripts that it starts.

    Returns:
        It, and what it starts.

    Raises:
        WorkloadError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(shell.LIMIT + 1)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}", "Name a shell script.") from error
    if len(raw) > shell.LIMIT:
        raise WorkloadError(f"{path} is larger than {shell.LIMIT // 1000} kB", "This is no launch script.")
    return parse_launch_file(path, raw, reader)


def parse_launch_file(path: Path, raw: bytes, reader: Reader | None = None) -> Started:
    """The same for what a launch script holds, or would hold.

    Args:
        path: The shell script.
        raw: Its contents.
        reader: Reads the scripts that it starts; one without memory where none is given.

    Returns:
        It, and what it starts.

    Raises:
        WorkloadError: It cannot be read as a shell script.
    """
    try:
        text = raw.decode("utf-8-sig")
        launches = shell.launches_of(text)
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path} cannot be decoded: it is not UTF-8", "Save it as UTF-8.") from error
    except shell.ShellError as error:
        raise WorkloadError(f"{path}:{error.line}: {error.message}", "Correct it.") from error
    return _Launches(path, text, reader or Reader()).read(launches)


def read_launch_line(words: Sequence[str], script: Path, reader: Reader) -> Started | None:
    """Read a whole launch command that was said for a script.

    Args:
        words: The command.
        script: The script that it is said for.
        reader: Reads it.

    Returns:
        What it starts; None where the words are no launch command.

    Raises:
        WorkloadError: It starts another script.
    """
    launch = launch_of(words, script)
    return None if launch is None else _Line(script, shlex.join(words), reader).read([launch])


def launch_of(words: Sequence[str], script: Path) -> shell.Launch | None:
    """The launch command that was said for a script: `accelerate launch … train.py …`.

    Args:
        words: What was said.
        script: The script that it is said for.

    Returns:
        It; None where the words are no launch command, and so the script's own command line.

    Raises:
        WorkloadError: It starts another script.
    """
    try:
        launches = [one for one in shell.launches_of(shlex.join(words)) if one.script is not None]
    except shell.ShellError:
        return None
    if len(launches) != 1 or launches[0].script is None:
        return None
    name = launches[0].script.text
    if Path(name).name != script.name:
        raise WorkloadError(f"the command starts {name}, not {script}", f"Name {name} instead, or correct it.")
    return launches[0]


def launches_beside(script: Path, reader: Reader) -> Iterator[Started]:
    """The launch scripts in a script's folder, in the one above and in the `scripts` of both, that start it.

    Args:
        script: The script.
        reader: Reads it.

    Yields:
        Each with what it starts, without other scripts that it starts too.
    """
    real = os.path.realpath(script)
    around = (Path(real).parent, Path(real).parent.parent)
    for folder in dict.fromkeys((*around, *(one / KEPT_IN for one in around))):
        near = folder if script.is_absolute() else Path(os.path.relpath(folder))
        for file in _shell_files(near):
            try:
                started = read_launch_file(file, reader)
            except WorkloadError:
                continue
            others = [one for one in started.scripts if one.path.endswith(".py") and os.path.realpath(one.path) != real]
            kept = tuple(one for one in started.scripts if one not in others)
            if any(one.path.endswith(".py") for one in kept):
                yield Started(kept, ())


def _shell_files(folder: Path) -> list[Path]:
    """At most MOST_FILES shell scripts of a folder that are no larger than one is read."""
    found: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, MOST_ENTRIES):
                if entry.name.endswith(SHELL) and entry.is_file() and Path(entry.path).stat().st_size <= shell.LIMIT:
                    found.append(Path(folder, entry.name))
    except OSError:
        return []
    return sorted(found)[:MOST_FILES]


class _Launches:
    def __init__(self, path: Path, text: str, reader: Reader) -> None:
        self.reader = reader
        self.path = path
        self.text = text
        self.found: list[Script] = []
        self.not_judged: list[NotJudged] = []

    def read(self, launches: Sequence[shell.Launch]) -> Started:
        told: list[Launch] = []
        facts: list[Fact] = []
        for launch in launches:
            own = launch.words if launch.launcher == "trl" else launch.own
            places = tuple(map(self._place, own))
            told.append(Launch(launch.launcher, tuple(word.text for word in own), places, launch.command))
            facts += self._facts(launch)
            config = self._config(launch, own)
            self._start(launch, config.config if config is not None else None)
            self.found += [config] if config is not None else []
        if not launches:
            reason = "it starts no training: no accelerate launch, torchrun, deepspeed, trl or python SCRIPT.py"
            self.not_judged.append(NotJudged(str(self.path), reason))
        script = Script(str(self.path), self.text, tuple(facts), launches=tuple(told))
        return Started((script, *self.found) if launches else (), tuple(self.not_judged))

    def _start(self, launch: shell.Launch, config: Config | None) -> None:
        """The script that a command starts."""
        if launch.script is None:
            return
        path = self._find(launch.script.text)
        if path is None:
            place = self._place(launch.script)
            name = launch.script.text.lstrip(OPEN_WORD)
            self.not_judged.append(NotJudged(f"{self.path}:{place.line}", f"{name} is not there"))
            return
        try:
            words = tuple(word.text for word in launch.words)
            script, left_open = self.reader.script(self.reader.source(path, words), words)
        except WorkloadError as error:
            self.not_judged.append(NotJudged(str(path), error.message))
            return
        self.not_judged.extend(left_open)
        places = tuple(map(self._place, launch.words))
        said = {fact.name: fact.value for fact in reversed(script.facts)}
        place = self._place(launch.own[0] if launch.own else launch.script)
        more = launched_facts(launch, config, said, place, self._plain)
        script = replace(script, facts=(*script.facts, *more))
        self.found.append(replace(script, places=places, started_by=str(self.path)))

    def _plain(self, name: str) -> Any:
        """The plain values of a config file that a command names."""
        path = self._find(name)
        return None if path is None else deepspeed_file(str(path), path.parent)

    def _config(self, launch: shell.Launch, own: shell.Command) -> Script | None:
        """The config file that the launcher gets."""
        named = option(own, CONFIGS.get(launch.launcher, ""))
        path = self._find(named) if named and named.endswith(SUFFIXES) else None
        if path is None:
            return None
        try:
            read = read_config_file(path, "trl" if launch.launcher == "trl" else "accelerate")
        except WorkloadError as error:
            self.not_judged.append(NotJudged(str(path), error.message))
            return None
        if isinstance(read, NotJudged):
            self.not_judged.append(read)
        elif read.config is not None:
            config = replace(read.config, command=launch.command, sure=True)
            return replace(read, config=config, started_by=str(self.path))
        return None

    def _facts(self, launch: shell.Launch) -> Iterator[Fact]:
        """How many GPUs and processes a command says."""
        visible = dict(launch.variables).get("CUDA_VISIBLE_DEVICES", "").strip("\"'")
        wanted = option(launch.own, "--num_processes") or option(launch.own, "--nproc_per_node")
        if not visible or OPEN_WORD in visible or "$" in visible or not wanted or not wanted.isdigit():
            return
        count = len([one for one in visible.split(",") if one.strip()])
        place = self._place(launch.own[0])
        if int(wanted) > count and option(launch.own, "--num_machines") in ("", "1"):
            yield Fact("launch_gpu_count", count, place)
            yield Fact("launch_processes_beyond_gpus", int(wanted), place)

    def _find(self, name: str) -> Path | None:
        """A file that a command names: where the command runs, beside the launch script, above a folder of such."""
        if OPEN_WORD in name:
            return None
        places = [Path(name), self.path.parent / name]
        if self.path.absolute().parent.name == KEPT_IN:
            places.append(self.path.parent.parent / name)
        return next((place for place in places if place.is_file()), None)

    def _place(self, word: shell.Word) -> Location:
        line = self.text.count("\n", 0, word.start) + 1
        column = word.start - self.text.rfind("\n", 0, word.start)
        return Location(str(self.path), line, column, line, column + word.end - word.start)


class _Line(_Launches):
    """A launch command without a file: its words have no places but that of the script."""

    def _place(self, word: shell.Word) -> Location:
        return Location(str(self.path))

    def read(self, launches: Sequence[shell.Launch]) -> Started:
        started = super().read(launches)
        line, *others = (replace(one, places=(), started_by="") for one in started.scripts)
        return Started((*others, replace(line, path=COMMAND_LINE)), started.not_judged)

    def _find(self, name: str) -> Path | None:
        return self.path if Path(name).name == self.path.name else super()._find(name)
