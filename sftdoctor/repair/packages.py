"""Installing exact versions into the target through its own installer, and saying so where that is forbidden."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Environment
from sftdoctor.target.index_settings import uv_variables

TIMEOUT = 3600.0
"""Seconds that one run of an installer may take: a torch wheel over a slow line is 3 GB."""

_NETWORK = re.compile(
    r"dns error|failed to fetch|failed to download|network is unreachable|temporary failure in name resolution"
    r"|newconnectionerror|connection (refused|reset|error|aborted)|could not connect|error sending request"
    r"|network connectivity is disabled|tunnel|max retries exceeded|timed? ?out",
    re.IGNORECASE,
)
_SPACE = re.compile(r"no space left|disk quota|errno 28|os error 28|file too large|os error 27|errno 27", re.IGNORECASE)


@dataclass(frozen=True)
class Installer:
    """uv or pip, aimed at one interpreter."""

    kind: str
    """uv or pip."""
    command: tuple[str, ...]
    python: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables on top of ours."""

    def fetch(self, pins: Mapping[str, str], folder: Path, lock: int | None, log: Path) -> Path:
        """Download, build and unpack wheels without touching the target.

        Args:
            pins: Name → exact version.
            folder: Of the journal; gets what the install needs.
            lock: Descriptor that the child inherits, so that it holds the lock as long as it lives.
            log: Everything that the installer says is added to it.

        Returns:
            The folder that is laid out as a prefix with those versions unpacked.

        Raises:
            OfflineError: The index cannot be reached.
            RepairError: A version cannot be had or built, or there is no space.
        """
        staging, wanted = folder / "staging", exact(pins)
        if self.kind == "uv":
            self._run(["install", "--no-deps", "--python", self.python, "--prefix", str(staging), *wanted], lock, log)
            return staging
        wheels = folder / "wheels"
        self._run(["wheel", "--no-deps", "--wheel-dir", str(wheels), *wanted], lock, log)
        offline = ["--no-deps", "--no-index", "--find-links", str(wheels), "--no-compile"]
        self._run(["install", "--prefix", str(staging), "--ignore-installed", *offline, *wanted], lock, log)
        return staging

    def install(self, pins: Mapping[str, str], folder: Path, lock: int | None, log: Path) -> None:
        """Install what `fetch` brought, without the network.

        Raises:
            RepairError: The installer failed; the target is then to be put back.
        """
        wanted = exact(pins)
        if self.kind == "uv":
            self._run(["install", "--no-deps", "--offline", "--python", self.python, *wanted], lock, log)
        else:
            wheels = str(folder / "wheels")
            self._run(["install", "--no-deps", "--no-index", "--find-links", wheels, *wanted], lock, log)

    def remove(self, names: Sequence[str], lock: int | None, log: Path) -> None:
        """Uninstall distributions.

        Raises:
            RepairError: The installer failed.
        """
        tail = ["--python", self.python] if self.kind == "uv" else ["--yes"]
        self._run(["uninstall", *tail, *names], lock, log)

    def _run(self, arguments: Sequence[str], lock: int | None, log: Path) -> None:
        # pip runs as a module and would import what lies in the present folder; uv reads its project file there.
        here = log.parent if self.kind == "pip" else None
        output = run_logged([*self.command, *arguments], self.environment, lock, log, here)
        if output is not None:
            raise _failure(self.kind, arguments[0], output, log)


def choose_installer(environment: Environment, folder: Path | None = None) -> Installer:
    """uv where there is one, else the target's pip, else ours aimed at the target.

    Args:
        environment: The target.
        folder: Of the journal, for what must not depend on the user's cache.

    Raises:
        RepairError: There is neither uv nor pip.
    """
    python = environment.target.path
    uv = find_uv()
    if uv:
        variables = {**uv_variables(), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        if (os.environ.get("UV_NO_CACHE") or variables.get("UV_NO_CACHE")) and folder is not None:
            # Without a cache there would be nothing to install from once the download is done.
            variables |= {"UV_NO_CACHE": "0", "UV_CACHE_DIR": str(folder / "uv-cache")}
        return Installer("uv", (*uv, "pip"), python, variables)
    quiet = {"PIP_NO_INPUT": "1", "PIP_NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_PROGRESS_BAR": "off"}
    if _runs([python, "-m", "pip", "--version"]):
        return Installer("pip", (python, "-m", "pip"), python, quiet)
    if _runs([sys.executable, "-m", "pip", "--python", python, "--version"]):
        return Installer("pip", (sys.executable, "-m", "pip", "--python", python), python, quiet)
    raise RepairError(
        f"{python} has no pip, and there is no uv",
        f"install uv (https://docs.astral.sh/uv), or: {shlex.join([python, '-m', 'ensurepip'])}",
    )


def find_uv() -> tuple[str, ...] | None:
    """The command of a uv that really runs (a version manager's shim may not), or None."""
    beside = Path(sysconfig.get_path("scripts"), "uv")
    for found in (shutil.which("uv"), str(beside)):
        if found and _runs([found, "--version"]):
            return (found,)
    return None


def run_logged(
    command: Sequence[str], variables: Mapping[str, str], lock: int | None, log: Path, folder: Path | None = None
) -> str | None:
    """Run an installer in a session of its own, so that Ctrl-C does not cut it in two; we end it, and wait.

    Args:
        command: The whole command.
        variables: On top of ours.
        lock: Descriptor for it to inherit.
        log: Its output is added to it.
        folder: To run it in; None for the present one.

    Returns:
        None where it succeeded, else what it said.

    Raises:
        RepairError: It cannot be started or ran too long.
    """
    with log.open("ab") as stream:
        stream.write(f"$ {shlex.join(command)}\n".encode(errors="replace"))
        stream.flush()
        start = stream.tell()
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**own_variables(), **variables},
                start_new_session=True,
                pass_fds=(lock,) if lock is not None else (),
            )
        except OSError as error:
            raise RepairError(f"{command[0]} cannot be started: {error}") from error
        try:
            status = child.wait(TIMEOUT)
        except subprocess.TimeoutExpired as error:
            _end(child)
            raise RepairError(f"{command[0]} did not end within {TIMEOUT:.0f} s") from error
        except BaseException:
            _end(child)
            raise
    if status == 0:
        return None
    with log.open("rb") as reading:
        reading.seek(start)
        return reading.read().decode("utf-8", "replace")


def is_network(output: str) -> bool:
    """Whether an installer's words are about the network."""
    return _NETWORK.search(output) is not None


def own_variables() -> dict[str, str]:
    """Our variables without those that would lead the target's Python to our modules."""
    return {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}


def _end(child: subprocess.Popen[bytes]) -> None:
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal_)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(5)
            break
    child.wait()


def _failure(kind: str, verb: str, output: str, log: Path) -> RepairError | OfflineError:
    tail = "\n".join(output.strip().splitlines()[-25:])
    if _SPACE.search(output):
        return RepairError(f"{kind} {verb}: no space left\n{tail}", "free some space and try again")
    if is_network(output) and verb != "uninstall":
        return OfflineError(f"{kind} {verb}: the index cannot be reached\n{tail}", "check the network or the index")
    return RepairError(f"{kind} {verb} failed:\n{tail}", f"its whole output is in {log}")


def _runs(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            list(command), capture_output=True, timeout=20, check=False, env=own_variables(), cwd=tempfile.gettempdir()
        )
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def exact(pins: Mapping[str, str]) -> list[str]:
    """Pins as requirements."""
    return [f"{name}=={version}" for name, version in sorted(pins.items())]
