"""The scripts, notebooks, config files and launch scripts that the paths of a command line name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sftdoctor import configs, shell
from sftdoctor.errors import WorkloadError
from sftdoctor.flow.source import Source, may_hang
from sftdoctor.model import SHELL, NotJudged, Script
from sftdoctor.workload.config_files import find_config, read_config_file
from sftdoctor.workload.launch_files import Started, read_launch_file
from sftdoctor.workload.reader import Reader

FOLDER_LIMIT = 10_000
"""At most so many files of a folder are read."""
DEPTH_LIMIT = 12
SUFFIXES = (".py", ".ipynb")
DATA = (".jsonl", ".csv", ".tsv", ".parquet", ".arrow", ".txt", ".md")
"""Of files that are named by mistake: none of them is a program."""
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", "build", "dist", "venv", "env"})


@dataclass(frozen=True)
class SourceFiles:
    """What the paths of a command line came to."""

    sources: tuple[Source, ...]
    others: tuple[Script, ...]
    """Config files, launch scripts and what those start."""
    not_judged: tuple[NotJudged, ...]


def read_sources(paths: Sequence[Path], reader: Reader) -> SourceFiles:
    """Read scripts, notebooks, config files, launch scripts and folders of them.

    Args:
        paths: Files and folders; folders are walked (hidden ones, environments and caches are left out).
        reader: Reads the scripts.

    Returns:
        Everything that could be read. What could not be read inside a folder is listed as not judged, and so is a
        config of another trainer.

    Raises:
        WorkloadError: A path is not there, or a file that was named itself cannot be read.
    """
    sources: list[Source] = []
    found: list[Script] = []
    not_judged: list[NotJudged] = []
    for path in paths:
        before = len(sources) + len(found) + len(not_judged)
        if (path / "pyvenv.cfg").exists():
            raise WorkloadError(f"{path} is an environment, and no program", f"To judge it: --python {path}.")
        if path.is_dir():
            scripts, files = _walk(path, not_judged)
            for file in scripts:
                try:
                    sources.append(reader.source(file))
                except WorkloadError as error:
                    not_judged.append(NotJudged(str(file), error.message))
            for file in files:
                if may_hang(file):
                    continue
                if file.suffix in SHELL:
                    _start(_launched(file, reader), found, not_judged)
                else:
                    _sort(_found(file), found, not_judged)
        elif path.suffix in DATA:
            not_judged.append(NotJudged(str(path), "a file of data; name the script or the config that reads it"))
        elif path.suffix in configs.SUFFIXES and not may_hang(path):
            _sort(read_config_file(path), found, not_judged)
        elif path.suffix in SHELL and not may_hang(path):
            _start(read_launch_file(path, reader), found, not_judged)
        else:
            sources.append(reader.source(path))
        if path.is_dir() and before == len(sources) + len(found) + len(not_judged):
            not_judged.append(NotJudged(str(path), "it holds no script, notebook, config or launch script"))
    empty = [source for source in sources if source.path in paths and reader.is_empty(source)]
    not_judged.extend(NotJudged(str(source.path), "nothing in it runs") for source in empty)
    sources = [source for source in sources if source not in empty]
    return SourceFiles(tuple(sources), tuple(found), tuple(not_judged))


def _sort(read: Script | NotJudged | None, found: list[Script], not_judged: list[NotJudged]) -> None:
    if isinstance(read, Script):
        found.append(read)
    elif read is not None:
        not_judged.append(read)


def _start(started: Started | None, found: list[Script], not_judged: list[NotJudged]) -> None:
    if started is not None:
        found.extend(started.scripts)
        not_judged.extend(started.not_judged)


def _launched(file: Path, reader: Reader) -> Started | None:
    """A launch script of a folder; None for a shell script that starts no training which is there."""
    try:
        started = read_launch_file(file, reader) if file.stat().st_size <= shell.LIMIT else None
    except (OSError, WorkloadError):
        return None
    return started if started is not None and len(started.scripts) > 1 else None


def _found(file: Path) -> Script | NotJudged | None:
    """A config file of a folder; None for a file that is none, or that is far too large for one."""
    try:
        raw = file.read_bytes() if file.stat().st_size <= configs.LIMIT else None
    except OSError:
        return None
    return None if raw is None else find_config(file, raw)


def _walk(folder: Path, not_judged: list[NotJudged]) -> tuple[list[Path], list[Path]]:
    """The scripts of a folder, and what may be config files."""
    scripts: list[Path] = []
    files: list[Path] = []
    for root, folders, names in os.walk(folder, followlinks=False):
        depth = len(Path(root).relative_to(folder).parts)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED and not Path(root, name, "pyvenv.cfg").exists()
        )
        if depth >= DEPTH_LIMIT:
            folders.clear()
        scripts.extend(Path(root, name) for name in sorted(names) if name.endswith(SUFFIXES))
        beside = (*configs.SUFFIXES, *SHELL)
        files.extend(Path(root, name) for name in sorted(names) if name.endswith(beside) and name[0] != ".")
        if len(scripts) > FOLDER_LIMIT:
            reason = f"more than {FOLDER_LIMIT} scripts; the first {FOLDER_LIMIT} are read"
            not_judged.append(NotJudged(str(folder), reason))
            break
    return scripts[:FOLDER_LIMIT], files[:FOLDER_LIMIT]
