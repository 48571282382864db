"""`%load_ext sftdoctor`: sftdoctor in a notebook, which also knows what the running kernel has loaded."""

from __future__ import annotations

import html
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from sftdoctor import __version__, cli, jobs, showing, streams
from sftdoctor.arguments import parse
from sftdoctor.errors import SftDoctorError, UsageError
from sftdoctor.model import Environment, Explanation
from sftdoctor.reading import read_target
from sftdoctor.report.environment import ASKED_FOR
from sftdoctor.report.plain import clean
from sftdoctor.settings import Settings, make_settings

showing.register()
HELP = "--help"
USAGE = """\
in a notebook:
  %sftdoctor check train.py   judge the kernel's environment, and what is named
  %sftdoctor why              what the last traceback means
  %sftdoctor COMMAND ...      any other command, as in a shell, about the kernel's environment
"""
KERNELS_OWN = ("check", "fix", "prove", "env", "snapshot")
"""Commands whose target, unless one is named, is the environment of the kernel."""
KERNELS_FRAMES = ("IPython.", "ipykernel.")
"""Modules that run a cell; their frames above it say nothing."""
TARGETS = ("--python", "--pins", "--snapshot")


@dataclass(frozen=True)
class Stale:
    """A library that the kernel has loaded in another version than is installed."""

    name: str
    loaded: str
    installed: str | None
    """None where it is not installed any more."""

    def __str__(self) -> str:
        now = f"{self.installed} is installed" if self.installed else "it is not installed any more"
        return f"{self.name} {clean(self.loaded, 40)} is loaded, and {clean(now, 60)}"


@dataclass(frozen=True)
class Restart:
    """What to say where the kernel runs what is not installed any more."""

    stale: tuple[Stale, ...]

    def __repr__(self) -> str:
        return "! Restart the kernel: " + "; ".join(map(str, self.stale))

    def _repr_html_(self) -> str:
        said = "; ".join(html.escape(str(one)) for one in self.stale)
        style = "border-left: 4px solid #bf8700; padding: .4em .8em; margin: .4em 0"
        return f'<div class="sftdoctor-restart" style="{style}"><b>Restart the kernel:</b> {said}.</div>'


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext sftdoctor` calls.

    Args:
        shell: IPython's InteractiveShell.
    """

    def run(line: str) -> None:
        magic(line, _display)

    run.__doc__ = USAGE
    shell.register_magic_function(run, "line", "sftdoctor")


def magic(line: str, display: Any) -> None:
    """Run one `%sftdoctor` line.

    Args:
        line: What stands after `%sftdoctor`.
        display: Shows an object, as IPython.display.display does.
    """
    try:
        words = shlex.split(line) or [HELP]
    except ValueError as error:
        _complain(UsageError(f"{line}: {error}"))
        return
    try:
        if words[0] == HELP:
            streams.write(f"{USAGE}\n", sys.stdout)
        if words[0] == "why":
            display(why())
        elif words[0] == "check":
            _check(words, display)
            return  # it has looked for stale modules itself
        else:
            cli.main(aimed(words))
    except SftDoctorError as error:
        _complain(error)
        return
    if words[0] in ("why", "fix", "undo"):
        _say_restart(read_target(Settings(python=sys.executable)), display)


def _check(words: Sequence[str], display: Any) -> None:
    try:
        options, rest = parse(aimed(words), __version__)
    except SystemExit:  # help or bad usage, said already
        return
    given = vars(options)
    given.pop("command")
    report = jobs.check(make_settings(given, rest, Path.cwd()))
    _say_restart(report.environment, display)
    display(report)


def aimed(words: Sequence[str]) -> list[str]:
    """A command line that looks at the kernel's environment, unless it names another target.

    Args:
        words: The words of the command line.

    Returns:
        The same, with --python where the command takes one.
    """
    end = words.index("--") if "--" in words else len(words)
    named = any(word.partition("=")[0] in TARGETS for word in words[:end])
    if words[0] not in KERNELS_OWN or named:
        return list(words)
    return [*words[:end], "--python", sys.executable, *words[end:]]


def why(rules: str | None = None) -> Explanation:
    """Explain the last traceback of this process, in the environment of its interpreter.

    Args:
        rules: Folder with more rules.

    Returns:
        What it means.

    Raises:
        UsageError: Nothing was raised yet.
    """
    error = getattr(sys, "last_value", None)
    if error is None:
        raise UsageError("nothing was raised in this kernel yet", "Run the cell that fails, then ask why.")
    start = error.__traceback__
    while start is not None and str(start.tb_frame.f_globals.get("__name__")).startswith(KERNELS_FRAMES):
        start = start.tb_next
    lines = "".join(traceback.format_exception(type(error), error, start)).splitlines()
    return jobs.explain(lines, Settings(rules=(rules,) if rules else (), python=sys.executable))


def stale_modules(environment: Environment) -> tuple[Stale, ...]:
    """Libraries that this process has loaded in another version than its environment has.

    Args:
        environment: What is installed.

    Returns:
        Those of the stack; none where the environment is not that of this process.
    """
    if environment.target.prefix is None or not _same(environment.target.prefix, sys.prefix):
        return ()
    found = []
    for name in ASKED_FOR:
        loaded = getattr(sys.modules.get(name.replace("-", "_")), "__version__", None)
        installed = environment.version(name)
        if isinstance(loaded, str) and _differ(loaded, installed):
            found.append(Stale(name, loaded, installed))
    return tuple(found)


def _same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _differ(loaded: str, installed: str | None) -> bool:
    """Whether two versions surely differ."""
    try:
        return installed is None or Version(loaded) != Version(installed)
    except InvalidVersion:
        return False


def _say_restart(environment: Environment, display: Any) -> None:
    stale = stale_modules(environment)
    if stale:
        display(Restart(stale))


def _complain(error: SftDoctorError) -> None:
    """Say on stderr what could not be done, as the command line does."""
    streams.say([f"sftdoctor: error: {error.message}", error.hint], sys.stderr)


def _display(shown: Any) -> None:
    from IPython.display import display

    display(shown)
