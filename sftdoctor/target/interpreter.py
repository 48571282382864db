"""An interpreter, seen from outside → Environment. Nothing of the target is imported, no .pth line of it is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.errors import TargetError
from sftdoctor.model import Environment, Target, TargetKind
from sftdoctor.target import ask
from sftdoctor.target.facts import Facts, ask_interpreter, checked, from_pyvenv
from sftdoctor.target.files import read_text
from sftdoctor.target.scan import scan
from sftdoctor.target.search import Search, find_roots
from sftdoctor.target.surroundings import (
    deciding,
    library_path_problems,
    python_path_problems,
    user_site_problems,
)

_PYTHONS = ("bin/python", "bin/python3", "python.exe", "Scripts/python.exe")
_USUAL = (".venv", "venv", "env")
_CFG_LIMIT = 1 << 16
_HINT = "Give --python an interpreter, or the folder of a venv or conda environment."


@dataclass(frozen=True)
class _Place:
    """Where an interpreter lies: its executable, and the venv that it belongs to."""

    executable: str
    venv: str | None
    settings: dict[str, str]
    """pyvenv.cfg; empty outside a venv."""


def read_interpreter(python: str | None = None) -> Environment:
    """Read an interpreter's environment from outside.

    Args:
        python: An executable or its name, or the folder of a venv or conda environment. None: the active venv
            ($VIRTUAL_ENV), else the active conda environment ($CONDA_PREFIX), else the running interpreter.

    Returns:
        Python, markers, import roots and distributions, with the flaws of the installation. No hardware yet.

    Raises:
        TargetError: There is no such path, it is no Python 3, or it cannot be started.
    """
    place = _place(_executable(python))
    facts = from_pyvenv(place.settings, place.executable, place.venv) if place.venv else None
    if facts is None:
        facts = _facts(place.executable)
        if os.path.isabs(facts.executable) and os.path.exists(facts.executable):
            place = _place(facts.executable)  # what a wrapper such as a pyenv shim leads to
    extra = list(_python_path())
    search = find_roots(extra, _sites(place, facts))
    beside = () if python is not None else _beside(place.venv)
    return _environment(place, facts, search, tuple(extra), beside)


def _beside(venv: str | None) -> tuple[str, ...]:
    """Words on an environment in the working folder that is another one than the target, and is likely meant."""
    for name in (".venv", "venv", "env"):
        if os.path.isfile(os.path.join(name, "pyvenv.cfg")):
            same = venv is not None and os.path.realpath(name) == os.path.realpath(venv)
            return () if same else (f"{name}{os.sep} here is another environment: --python {name} judges it",)
    return ()


def _environment(
    place: _Place, facts: Facts, search: Search, extra: tuple[str, ...], notes: tuple[str, ...]
) -> Environment:
    found = scan(search)
    prefix = place.venv or facts.base_prefix
    target = Target(TargetKind.INTERPRETER, place.executable, facts.version, prefix=prefix)
    around = (
        *python_path_problems(extra, facts.version, found.distributions),
        *user_site_problems(None if place.venv else facts.user_site, prefix, found.distributions),
        *library_path_problems(os.environ, found.distributions),
    )
    return Environment(
        target=target,
        python=facts.version,
        markers=facts.markers,
        distributions=found.distributions,
        paths=tuple(search.roots),
        modules=search.modules,
        stdlib=facts.stdlib if os.path.isdir(facts.stdlib) else None,
        problems=(*found.problems, *around),
        not_judged=(*search.not_judged, *found.not_judged),
        notes=(*(f"PYTHONPATH puts {folder} before the environment" for folder in extra), *notes),
        variables=deciding(os.environ),
    )


def _sites(place: _Place, facts: Facts) -> Iterator[str]:
    """Site folders in the order of Python's `site` module: the venv's, the user's, the base installation's."""
    version_folder = os.path.basename(facts.stdlib)  # python3.11, python3.13t, pypy3.10
    if place.venv:
        for folder in facts.libdirs:
            yield os.path.join(place.venv, folder, version_folder, "site-packages")
        if place.settings.get("include-system-site-packages", "false").lower() != "true":
            return
    if facts.user_site:
        yield facts.user_site
    yield from facts.sites


def _python_path() -> Iterator[str]:
    """Existing entries of PYTHONPATH, which every Python that is started from here searches first."""
    for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if entry and os.path.exists(entry):
            yield os.path.abspath(entry)


def _facts(executable: str) -> Facts:
    if (
        os.path.exists(sys.executable)
        and os.path.samefile(executable, sys.executable)
        and sys.prefix == sys.base_prefix
    ):
        return checked(ask.facts(), executable)
    return ask_interpreter(executable)


def _executable(python: str | None) -> str:
    """The executable that the user means, not resolved: a venv is known by the path of its link to Python."""
    if python is None:
        return _active()
    if not python:
        raise TargetError("--python names nothing.", _HINT)
    if os.path.isdir(python):
        return _inside(python)
    if not os.path.lexists(python):
        import shutil  # as dear as the rest of the reading

        found = shutil.which(python) if os.sep not in python else None
        if found is None:
            raise TargetError(f"There is no {python}.", _HINT)
        return os.path.abspath(found)
    return os.path.abspath(_usable(python))


def _active() -> str:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        folder = os.environ.get(variable)
        if not folder:
            continue
        if not os.path.isdir(folder):
            hint = f"Unset {variable}, activate another environment, or name one with --python."
            raise TargetError(f"${variable} names {folder}, which is not there.", hint)
        return _inside(folder)
    return sys.executable


def _inside(folder: str) -> str:
    for name in _PYTHONS:
        path = os.path.join(os.path.abspath(folder), name)
        if os.path.lexists(path):
            return _usable(path)
    nearby = next((name for name in _USUAL if os.path.isfile(os.path.join(folder, name, "pyvenv.cfg"))), None)
    hint = f"Did you mean --python {os.path.join(folder, nearby)}?" if nearby else _HINT
    raise TargetError(f"{folder} is no environment: it has no bin/python.", hint)


def _usable(path: str) -> str:
    """The path itself, if it is something that can be started and is meant to be."""
    if not os.path.exists(path):
        gone = f"{path} leads to {os.path.realpath(path)}, which is not there."
        raise TargetError(
            gone, "The Python that this environment was made with was removed. Make the environment anew."
        )
    if path.endswith((".py", ".ipynb")):
        raise TargetError(f"{path} is a script, not a Python.", f"To judge it: sftdoctor check {path}")
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise TargetError(f"{path} is no Python: it cannot be executed.", _HINT)
    return path


def _place(executable: str) -> _Place:
    """Find the venv of an executable as Python does: pyvenv.cfg beside it or one folder up, links not followed."""
    folder = Path(executable).parent
    for candidate in (folder, folder.parent):
        text = read_text(str(candidate / "pyvenv.cfg"), _CFG_LIMIT)
        if text is not None:
            return _Place(executable, str(candidate), _settings(text))
    return _Place(executable, None, {})


def _settings(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}
