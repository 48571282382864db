"""Saying no before anything is touched, where an environment is another tool's or cannot be written, and what to do."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from sftdoctor.errors import RepairError
from sftdoctor.model import Environment
from sftdoctor.repair.installed import Installed, Place
from sftdoctor.repair.packages import exact, find_uv


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
    wanted = exact({name: version for name, version in pins.items() if version})
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
    wanted = exact({name: version for name, version in pins.items() if version})
    removed = sorted(name for name, version in pins.items() if version is None)
    commands = [["install", *tail, *wanted]] if wanted else []
    commands += [["uninstall", *tail, *removed]] if removed else []
    return " && ".join(shlex.join([*pip, *words]) for words in commands)


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
