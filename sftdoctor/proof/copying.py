"""A copy of the folder that a script runs in: code and settings whole, data cut short, weights left out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sftdoctor import folders

FILE_LIMIT = 5_000_000
"""Bytes; a larger file is cut where it has one row a line, else left out."""
TOTAL_LIMIT = 200_000_000
"""Bytes of all that is copied."""
MOST_ENTRIES = 20_000
ROWS = 200
"""Lines that stay of a large file of rows."""
ROW_FILES = (".jsonl", ".csv", ".tsv", ".txt", ".ndjson")
SKIPPED = frozenset({"__pycache__", "node_modules", "wandb", "site-packages", "lost+found"})


@dataclass(frozen=True)
class Copy:
    """A copied folder."""

    root: Path
    """The folder that was copied."""
    script: str
    """The script, below it."""
    working: str
    """Where it is started, below it."""
    left_out: tuple[str, ...]
    """What is not in the copy, or is cut."""


def copy_folder(script: Path, target: Path, working: Path | None = None) -> Copy:
    """Copy what a script may need to run.

    Args:
        script: The script.
        target: An empty folder.
        working: Where it is started; the present folder where None. It is copied whole where the script lies below it,
            else the script's own folder is, and the script is started there.

    Returns:
        What was copied.
    """
    script, working = script.resolve(), (working or Path.cwd()).resolve()
    root = working if script.is_relative_to(working) and not _is_home(working) else script.parent
    left_out: list[str] = []
    room = TOTAL_LIMIT
    for path in _files(root, left_out):
        name = path.relative_to(root).as_posix()
        try:
            size = path.stat().st_size
            if size > FILE_LIMIT and path.suffix not in ROW_FILES:
                left_out.append(f"{name} ({size / 1e6:.0f} MB)")
            elif room < min(size, FILE_LIMIT):
                left_out.append(f"{name} (the copy is large enough)")
            else:
                room -= _copied(path, target / name, size, left_out, name)
        except OSError as error:
            left_out.append(f"{name} ({error.strerror})")
    return Copy(root, script.relative_to(root).as_posix(), ".", tuple(left_out))


def _is_home(folder: Path) -> bool:
    return folder in (folders.home_folder(), Path(folder.anchor))


def _files(root: Path, left_out: list[str]) -> Iterator[Path]:
    """The regular files below a folder, near ones first; environments, caches and what is hidden are passed over."""
    waiting, seen = [root], 0
    for folder in waiting:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_ENTRIES:
                left_out.append(f"what comes after {MOST_ENTRIES} files")
                return
            if entry.is_dir(follow_symlinks=False):
                hidden = entry.name.startswith(".") or entry.name in SKIPPED
                if not hidden and not Path(entry.path, "pyvenv.cfg").exists():
                    waiting.append(Path(entry.path))
            elif entry.is_file():
                yield Path(entry.path)


def _copied(source: Path, target: Path, size: int, left_out: list[str], name: str) -> int:
    """Copy one file; says how many bytes it takes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if size <= FILE_LIMIT:
        shutil.copyfile(source, target)
        return size
    taken = 0
    with source.open("rb") as file, target.open("wb") as out:
        for _ in range(ROWS):
            line = file.readline(FILE_LIMIT)
            if not line.endswith(b"\n"):
                break
            out.write(line)
            taken += len(line)
    left_out.append(f"{name} after its first {ROWS} lines")
    return taken
