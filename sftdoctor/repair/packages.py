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

from packaging.utils import canonicalize_name

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Environment
from sftdoctor.repair.installed import Installed, Place
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
        staging, wanted = folder / "staging", _exact(pins)
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
        wanted = _exact(pins)
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


def refuse_forbidden(
    environment: Environment, place: Place, pins: Mapping[str, str | None], there: Sequence[Installed]
) -> None:
    """Say no before anything is touched where the environment belongs to another tool or cannot be written.

    Args:
        environment: The target.
        place: Where it keeps its packages.
        pins: Name → wanted version (None: to be removed).
        there: Those of them that are installed.

    Raises:
        RepairError: With the command that is right for this environment.
    """
    wanted = _exact({name: version for name, version in pins.items() if version})
    owned = _conda_names(place.prefix)
    taken = sorted(one.name for one in there if one.installer == "conda" or one.name in owned)
    if taken:
        raise RepairError(
            f"conda installed {', '.join(taken)}; another installer would break its records",
            _by_conda(place.prefix, pins),
        )
    marker = _externally_managed(environment, place)
    if marker:
        venv = f"python{'.'.join(environment.python.split('.')[:2])} -m venv .venv && .venv/bin/python -m pip install"
        raise RepairError(
            f"{place.prefix} is managed by the system's package manager ({marker})",
            f"work in a virtual environment: {venv} {shlex.join(wanted)}",
        )
    command = by_hand(environment.target.path, place.roots, pins)
    for one in there:
        if one.editable:
            raise RepairError(
                f"{one.name} {one.version} is an editable install and is never replaced",
                f"check out the wanted version in its folder, or: {command}",
            )
    for folder in (*place.roots, place.scripts):
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise RepairError(
                f"{folder} cannot be written",
                f"as its owner: {command}",
            )


def by_hand(python: str, roots: Sequence[Path], pins: Mapping[str, str | None]) -> str:
    """The commands that a user would type: with the pip of an environment, or with uv where it has none.

    Args:
        python: The environment's.
        roots: Where it keeps its packages.
        pins: Name → wanted version (None: to be removed).
    """
    has_pip = any(True for root in roots for _ in root.glob("pip-*.dist-info"))
    pip = [python, "-m", "pip"] if has_pip or not find_uv() else ["uv", "pip"]
    tail = ["--python", python] if pip[0] == "uv" else []
    wanted = _exact({name: version for name, version in pins.items() if version})
    removed = sorted(name for name, version in pins.items() if version is None)
    commands = [["install", *tail, *wanted]] if wanted else []
    commands += [["uninstall", *tail, *removed]] if removed else []
    return " && ".join(shlex.join([*pip, *words]) for words in commands)


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


def _exact(pins: Mapping[str, str]) -> list[str]:
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def _conda_names(prefix: Path) -> set[str]:
    # "peft-0.5.0-pyhd8ed1ab_0.json": the name may hold dashes, the last two parts do not.
    return {canonicalize_name(path.stem.rsplit("-", 2)[0]) for path in (prefix / "conda-meta").glob("*-*-*.json")}


def _by_conda(prefix: Path, pins: Mapping[str, str | None]) -> str:
    """The commands of the conda that is at hand: pixi's environments are pixi's alone, the others any conda's."""
    wanted = [f"{name}={version}" for name, version in sorted(pins.items()) if version]
    removed = sorted(name for name, version in pins.items() if version is None)
    if (prefix / "conda-meta" / "pixi").exists() and prefix.parent.name == "envs":
        tool, add, where = "pixi", "add", ["--manifest-path", str(prefix.parents[2])]
    else:
        here = [name for name in ("conda", "mamba", "micromamba") if shutil.which(name)]
        # micromamba is often a shell function, and then known by its variable alone
        by_variable = [Path(os.environ[name]).name for name in ("CONDA_EXE", "MAMBA_EXE") if os.environ.get(name)]
        tool, add, where = [*here, *by_variable, "conda"][0], "install", ["-p", str(prefix)]
    commands = [[tool, add, *where, *wanted]] if wanted else []
    commands += [[tool, "remove", *where, *removed]] if removed else []
    return " && ".join(map(shlex.join, commands))


def _externally_managed(environment: Environment, place: Place) -> str | None:
    if (place.prefix / "pyvenv.cfg").exists() or environment.stdlib is None:
        return None
    marker = Path(environment.stdlib, "EXTERNALLY-MANAGED")
    return str(marker) if marker.exists() else None
