"""Waiting until a file changes. By looking again and again: it works on network file systems, where events get lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

INTERVAL = 0.3
"""Seconds between two looks."""
MOST_FILES = 5_000
SUFFIXES = (".py", ".ipynb", ".yaml", ".yml", ".json", ".toml", ".txt", ".lock")
"""Files below a folder that are looked at."""

Look = dict[str, tuple[int, int]]


def rounds(paths: Iterable[str], interval: float = INTERVAL) -> Iterator[int]:
    """Count a round at once, and another each time that one of the files has changed and rests again.

    Args:
        paths: Files and folders.
        interval: Seconds between two looks.

    Yields:
        The number of the round, from 1 on; never ends by itself.
    """
    watched = list(paths)
    number, seen = 1, look(watched)
    while True:
        yield number
        while (now := look(watched)) == seen:
            time.sleep(interval)
        while (again := _later(watched, interval)) != now:  # it is still being written
            now = again
        number, seen = number + 1, now


def _later(paths: list[str], interval: float) -> Look:
    time.sleep(interval)
    return look(paths)


def look(paths: Iterable[str]) -> Look:
    """Each file's time of change and size; a file that is not there is left out.

    Args:
        paths: Files and folders.
    """
    found: Look = {}
    for path in paths:
        for file in _files(Path(path)):
            try:
                status = file.stat()
            except OSError:
                continue
            found[str(file)] = (status.st_mtime_ns, status.st_size)
            if len(found) >= MOST_FILES:
                return found
    return found


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in ("__pycache__", "node_modules")]
        yield from (Path(folder, name) for name in names if name.endswith(SUFFIXES))
