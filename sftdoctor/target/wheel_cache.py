"""The unpacked distributions in the cache: one folder each, with a marker that says that it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sftdoctor.model import Distribution
from sftdoctor.target.index_page import IndexFile
from sftdoctor.target.store import move_into_place, read_json, write_json
from sftdoctor.target.unpack import Unpacked

_SCHEMA = 1
_MARKER = ".sftdoctor.json"
"""Written last: a folder that has it is complete."""
_TOUCH = 24 * 3600.0


def folder_of(cache: Path, file: IndexFile) -> Path:
    """Where a file of an index is unpacked.

    Args:
        cache: The cache folder.
        file: The wheel or source archive.
    """
    stem = file.filename.removesuffix(".whl")
    # two indexes may have different files of one name
    return cache / "wheels" / (f"{stem}.{file.sha256[:12]}" if file.sha256 else stem)


def kept(root: Path) -> Distribution | None:
    """The distribution that was unpacked into a folder of the cache; None where it is not there or not complete."""
    marker = read_json(root / _MARKER, _SCHEMA)
    if not marker:
        return None
    try:
        _touch(root)
        return _at(distribution_from(marker["distribution"]), root, marker["folder"])
    except (KeyError, TypeError):
        return None


def keep(temporary: Path, root: Path, file: IndexFile, unpacked: Unpacked, found: Distribution) -> Distribution:
    """Mark a folder as complete and give it its name.

    Args:
        temporary: The folder, unpacked.
        root: Its name in the cache.
        file: Where it came from.
        unpacked: What came out.
        found: The distribution, without its folders.

    Raises:
        OSError: The cache cannot be written.
    """
    content = {
        "file": asdict(file),
        "folder": unpacked.folder,
        "size": unpacked.size,
        "skipped": unpacked.skipped,
        "distribution": asdict(found),
    }
    write_json(temporary / _MARKER, _SCHEMA, content)
    if root.exists() and not kept(root):
        _remove(root)  # damaged
    move_into_place(temporary, root)
    return _at(found, root, unpacked.folder)


def _at(found: Distribution, root: Path, folder: str) -> Distribution:
    return replace(found, root=str(root), metadata=str(root / folder))


def distribution_from(content: Mapping[str, Any]) -> Distribution:
    """A Distribution back from what asdict() and JSON made of it."""
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Distribution(**fields)


def _touch(root: Path) -> None:
    """Say that a folder was used, at most once a day."""
    with contextlib.suppress(OSError):
        marker = root / _MARKER
        if time.time() - marker.stat().st_mtime > _TOUCH:
            marker.touch()


def _remove(root: Path) -> None:
    doomed = root.with_name(f".old-{os.getpid()}-{root.name}")
    root.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def prune_daily(cache: Path) -> None:
    """Prune the cache, unless that was done within the last day."""
    stamp = cache / "wheels" / ".pruned"
    with contextlib.suppress(OSError):
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _TOUCH:
            return
        stamp.touch()
        prune(cache)


def prune(cache: Path, limit: int = 8 << 30) -> int:
    """Remove what was not used for longest until the unpacked files are within a limit.

    Args:
        cache: The cache folder.
        limit: Bytes.

    Returns:
        The bytes that were removed.
    """
    there = []
    for abandoned in (cache / "wheels").glob(".[to][ml][pd]-*"):  # .tmp- of a run that was killed, .old- of a prune
        with contextlib.suppress(OSError):
            if time.time() - abandoned.stat().st_mtime > _TOUCH:
                shutil.rmtree(abandoned, ignore_errors=True)
    for marker in (cache / "wheels").glob(f"*/{_MARKER}"):
        content = read_json(marker, _SCHEMA)
        with contextlib.suppress(OSError):
            there.append((marker.stat().st_mtime, content["size"] if content else 0, marker.parent))
    total, removed = sum(size for _, size, _ in there), 0
    for _, size, folder in sorted(there):
        if total - removed <= limit:
            break
        with contextlib.suppress(OSError):
            _remove(folder)
            removed += size
    return removed
