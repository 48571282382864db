"""A process and all that it started, as Linux tells of them in /proc; elsewhere nothing is known of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
SHARE = 0.9
"""Part of the memory that is free which a proof may take by itself."""


def descendants(pid: int) -> tuple[int, ...]:
    """A process and all below it, the process first; a launcher's ranks have sessions of their own, and stay below."""
    children: dict[int, list[int]] = {}
    for entry in _entries():
        parent = _parent(entry)
        if parent is not None:
            children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found += [child for child in children.get(one, ()) if child not in found]
    return tuple(found)


def _entries() -> list[str]:
    try:
        return [entry.name for entry in PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _parent(entry: str) -> int | None:
    # "pid (name) state ppid …", and the name may hold anything
    said = _text(PROC / entry / "stat").rpartition(")")[2].split()
    return int(said[1]) if len(said) > 1 else None  # else it has ended


def memory(pids: Iterable[int]) -> int:
    """Resident memory of processes together, in bytes; 0 where the system does not say.

    What a process shares (files of libraries that are mapped, above all) is counted once, as of the one that has most.
    """
    own, shared = 0, 0
    for pid in pids:
        try:
            _, resident, of_files, *_ = map(int, _text(PROC / str(pid) / "statm").split())
        except ValueError:  # it has ended
            continue
        own += resident - of_files
        shared = max(shared, of_files)
    return (own + shared) * os.sysconf("SC_PAGE_SIZE")


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal, and would not be ended by it; where nobody says, it has."""
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)", _text(PROC / str(pid) / "status"), re.M)
    return found is None or bool(int(found[1], 16) >> (number - 1) & 1)


def memory_limit() -> int | None:
    """Bytes that a proof may take, so that this machine, or the container, has some left; None where nobody says."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(PROC / "meminfo"), re.M)
    if found is None:
        return None
    free = int(found[1]) * 1024
    group = Path("/sys/fs/cgroup")  # of a container; without one there are no such files at the top
    limit, used = _text(group / "memory.max").strip(), _text(group / "memory.current").strip()
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return int(max(free, 0) * SHARE)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
