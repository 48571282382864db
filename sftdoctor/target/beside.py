"""Files that lie beside a script and hide modules: Python looks in the script's folder before anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

_ENTRIES_LIMIT = 20_000


def modules_beside(script: str) -> tuple[tuple[str, str], ...]:
    """The modules that a script's folder offers: files, and folders with an `__init__.py`.

    Args:
        script: Path of the script. It counts itself: a datasets.py that says `import datasets` finds itself.

    Returns:
        Name and path of each module; nothing where the folder cannot be read.
    """
    folder = os.path.dirname(os.path.abspath(script))
    try:
        return _modules_in(folder, os.stat(folder).st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=16)
def _modules_in(folder: str, changed: int) -> tuple[tuple[str, str], ...]:
    """The same for a folder as it was at a moment (`changed`, ns): of a folder of scripts each of them asks."""
    return tuple(_read(folder))


def _read(folder: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in islice(entries, _ENTRIES_LIMIT):
            stem, suffix = os.path.splitext(entry.name)
            if suffix == ".py" and stem.isidentifier():
                yield stem, entry.path
            elif not suffix and entry.name.isidentifier() and os.path.isfile(f"{entry.path}/__init__.py"):
                yield entry.name, entry.path
