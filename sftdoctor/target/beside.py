"""Files that lie beside a script and hide modules: Python looks in the script's folder before anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator

_ENTRIES_LIMIT = 20_000


def modules_beside(script: str) -> Iterator[tuple[str, str]]:
    """The modules that a script's folder offers: files, and folders with an `__init__.py`.

    Args:
        script: Path of the script. It counts itself: a datasets.py that says `import datasets` finds itself.

    Yields:
        Name of the module and its path; nothing where the folder cannot be read.
    """
    folder = os.path.dirname(os.path.abspath(script))
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= _ENTRIES_LIMIT:
                    return
                stem, suffix = os.path.splitext(entry.name)
                if suffix == ".py" and stem.isidentifier():
                    yield stem, entry.path
                elif not suffix and entry.name.isidentifier() and os.path.isfile(f"{entry.path}/__init__.py"):
                    yield entry.name, entry.path
    except OSError:
        return
