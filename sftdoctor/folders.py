"""Where sftdoctor keeps what outlives a run: the cache (may vanish) and the state (must not)."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path


def cache_folder() -> Path:
    """Folder for what can be made again: summaries, wheels, index pages.

    Returns:
        $SFTDOCTOR_CACHE, else the platform's user cache folder with "sftdoctor" below it; not created here.
    """
    chosen = os.environ.get("SFTDOCTOR_CACHE")
    return Path(chosen) if chosen else _user_folder("XDG_CACHE_HOME", ".cache", "Library/Caches")


def state_folder() -> Path:
    """Folder for what cannot be made again: journals and backups.

    Returns:
        $SFTDOCTOR_STATE, else the platform's user state folder with "sftdoctor" below it; not created here.
    """
    chosen = os.environ.get("SFTDOCTOR_STATE")
    return Path(chosen) if chosen else _user_folder("XDG_STATE_HOME", ".local/state", "Library/Application Support")


def home_folder() -> Path:
    """The user's home.

    Returns:
        /nonexistent, as accounts without one have it, where neither $HOME nor the system names one: the numbered user
        of a container, say.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


ANCESTORS = 4
"""Folders above a script's own that are looked through for a package of the same project."""
PROJECT = (".git", "pyproject.toml", "setup.py")
"""What marks a project's own folder: nothing above it belongs to it."""


def is_project(folder: Path) -> bool:
    """Whether a folder is a project's own."""
    return any((folder / mark).exists() for mark in PROJECT)


def folders_above(folder: Path) -> list[Path]:
    """The folders above one, nearest first, up to the project's own: never the user's home or what lies above it."""
    found = [folder.absolute()]
    for _ in range(ANCESTORS):
        if is_project(found[-1]) or found[-1].parent in (found[-1], home_folder()):
            break
        found.append(found[-1].parent)
    return found[1:]


@lru_cache(maxsize=1)
def scratch_folder() -> Path:
    """A folder of this process alone, which is gone when it ends: for what the cache cannot take."""
    import atexit
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="sftdoctor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def write_whole(path: Path, text: str) -> None:
    """Write a file of the cache whole or not at all; a full disk or a forbidden folder only costs time."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, "utf-8")
        temporary.replace(path)
    except (OSError, ValueError):
        return


def prune(folder: Path, most: int) -> None:
    """Let go of the oldest of what a folder of the cache keeps.

    Args:
        folder: The folder.
        most: How many files it may keep.
    """
    try:
        kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return
    for path in kept[:-most]:
        path.unlink(missing_ok=True)


@lru_cache(maxsize=4)
def code_stamp(*parts: str) -> str:
    """What identifies our own code: another one may find something else.

    Args:
        parts: Modules and folders of the package, "link" or "nodes.py".

    Returns:
        Names, sizes and times of their files.
    """
    package = Path(__file__).parent
    found = [package / part for part in parts]
    files = [file for one in found for file in (sorted(one.rglob("*.py")) if one.is_dir() else [one])]
    stats = [(file.name, file.stat()) for file in files]
    return "|".join(f"{name}{state.st_size}.{state.st_mtime_ns}" for name, state in stats)


def is_writable(folder: Path) -> bool:
    """Whether a folder can be written, or made; by its permissions, so that nothing has to be tried."""
    for one in (folder, *folder.parents):
        if os.path.exists(one):  # noqa: PTH110  (no error where a folder above may not be looked into)
            return os.path.isdir(one) and os.access(one, os.W_OK | os.X_OK)  # noqa: PTH112
    return False


def data_folder() -> Path:
    """Folder of the tables that are no rules (rules/data): the GPUs people train on, and the like.

    Returns:
        sftdoctor/_rules/data in an installed wheel, rules/data beside the package in the source tree.
    """
    package = Path(__file__).parent
    installed = package / "_rules" / "data"
    return installed if installed.is_dir() else package.parent / "rules" / "data"


def _user_folder(variable: str, linux: str, mac: str) -> Path:
    base = os.environ.get(variable)
    if base and Path(base).is_absolute():
        return Path(base, "sftdoctor")
    return home_folder() / (mac if sys.platform == "darwin" else linux) / "sftdoctor"
