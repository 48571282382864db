"""The scripts and notebooks that the paths of a command line name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.errors import WorkloadError
from sftdoctor.flow.source import Source, read_source
from sftdoctor.model import NotJudged

FOLDER_LIMIT = 2000
"""At most so many files of a folder are read."""
DEPTH_LIMIT = 12
SUFFIXES = (".py", ".ipynb")
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist", "venv", "env"})


@dataclass(frozen=True)
class SourceFiles:
    """What the paths of a command line came to."""

    sources: tuple[Source, ...]
    not_judged: tuple[NotJudged, ...]


def read_sources(paths: Sequence[Path]) -> SourceFiles:
    """Read scripts, notebooks and folders of them.

    Args:
        paths: Files and folders; folders are walked (hidden ones, environments and caches are left out).

    Returns:
        Every script that could be read. What could not be read inside a folder is listed as not judged.

    Raises:
        WorkloadError: A path is not there, or a file that was named itself cannot be read as Python.
    """
    sources: list[Source] = []
    not_judged: list[NotJudged] = []
    for path in paths:
        if path.is_dir():
            found, left_out = _walk(path)
            not_judged.extend(left_out)
            for file in found:
                try:
                    sources.append(read_source(file))
                except WorkloadError as error:
                    not_judged.append(NotJudged(str(file), error.message))
        else:
            sources.append(read_source(path))
    return SourceFiles(tuple(sources), tuple(not_judged))


def _walk(folder: Path) -> tuple[list[Path], list[NotJudged]]:
    found: list[Path] = []
    left_out: list[NotJudged] = []
    for root, folders, files in os.walk(folder, followlinks=False):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED and not Path(root, name, "pyvenv.cfg").exists()
        )
        if depth >= DEPTH_LIMIT:
            folders.clear()
        found.extend(Path(root, name) for name in sorted(files) if name.endswith(SUFFIXES))
        if len(found) > FOLDER_LIMIT:
            left_out.append(
                NotJudged(str(folder), f"more than {FOLDER_LIMIT} scripts; the first {FOLDER_LIMIT} are read")
            )
            break
    return found[:FOLDER_LIMIT], left_out
