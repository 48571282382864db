"""Launch scripts: what they start, with which command line, and the configs that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sftdoctor import shell
from sftdoctor.configs import SUFFIXES
from sftdoctor.errors import WorkloadError
from sftdoctor.flow.source import read_source
from sftdoctor.model import OPEN_WORD, Fact, Launch, Location, NotJudged, Script
from sftdoctor.workload.config_files import read_config_file
from sftdoctor.workload.script import read_script

CONFIGS = {"accelerate": "--config_file", "trl": "--config"}
"""Launcher → the option that names its config file."""


@dataclass(frozen=True)
class Started:
    """What a launch script comes to."""

    scripts: tuple[Script, ...]
    """The launch script itself, what it starts, and the configs that it names."""
    not_judged: tuple[NotJudged, ...]


def read_launch_file(path: Path) -> Started:
    """Read a launch script that was named.

    Args:
        path: The shell script.

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
    return parse_launch_file(path, raw)


def parse_launch_file(path: Path, raw: bytes) -> Started:
    """The same for what a launch script holds, or would hold.

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
    return _Reader(path, text).read(launches)


class _Reader:
    def __init__(self, path: Path, text: str) -> None:
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
            self._start(launch)
            self._config(launch, own)
        if not launches:
            reason = "it starts no training: no accelerate launch, torchrun, deepspeed, trl or python SCRIPT.py"
            self.not_judged.append(NotJudged(str(self.path), reason))
        script = Script(str(self.path), self.text, tuple(facts), launches=tuple(told))
        return Started((script, *self.found) if launches else (), tuple(self.not_judged))

    def _start(self, launch: shell.Launch) -> None:
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
            script, left_open = read_script(read_source(path), words)
        except WorkloadError as error:
            self.not_judged.append(NotJudged(str(path), error.message))
            return
        self.not_judged.extend(left_open)
        places = tuple(map(self._place, launch.words))
        self.found.append(replace(script, places=places, started_by=str(self.path)))

    def _config(self, launch: shell.Launch, own: Sequence[shell.Word]) -> None:
        """The config file that the launcher gets."""
        named = _option(own, CONFIGS.get(launch.launcher, ""))
        path = self._find(named) if named and named.endswith(SUFFIXES) else None
        if path is None:
            return
        try:
            read = read_config_file(path, "trl" if launch.launcher == "trl" else "accelerate")
        except WorkloadError as error:
            self.not_judged.append(NotJudged(str(path), error.message))
            return
        if isinstance(read, NotJudged):
            self.not_judged.append(read)
        elif read.config is not None:
            config = replace(read.config, command=launch.command, sure=True)
            self.found.append(replace(read, config=config, started_by=str(self.path)))

    def _facts(self, launch: shell.Launch) -> Iterator[Fact]:
        """How many GPUs and processes a command says."""
        visible = dict(launch.variables).get("CUDA_VISIBLE_DEVICES", "").strip("\"'")
        wanted = _option(launch.own, "--num_processes") or _option(launch.own, "--nproc_per_node")
        if not visible or OPEN_WORD in visible or "$" in visible or not wanted or not wanted.isdigit():
            return
        count = len([one for one in visible.split(",") if one.strip()])
        place = self._place(launch.own[0])
        if int(wanted) > count and _option(launch.own, "--num_machines") in ("", "1"):
            yield Fact("launch_gpu_count", count, place)
            yield Fact("launch_processes_beyond_gpus", int(wanted), place)

    def _find(self, name: str) -> Path | None:
        """A file that a command names: from where the command runs, else from the launch script's folder."""
        if OPEN_WORD in name:
            return None
        return next((place for place in (Path(name), self.path.parent / name) if place.is_file()), None)

    def _place(self, word: shell.Word) -> Location:
        line = self.text.count("\n", 0, word.start) + 1
        column = word.start - self.text.rfind("\n", 0, word.start)
        return Location(str(self.path), line, column, line, column + word.end - word.start)


def _option(words: Sequence[shell.Word], name: str) -> str:
    """The value of an option, written with underscores or hyphens; empty where it is not given."""
    for index, word in enumerate(words):
        option, equals, value = word.text.partition("=")
        if name and option.replace("-", "_") == name.replace("-", "_"):
            return value if equals else words[index + 1].text if index + 1 < len(words) else ""
    return ""
