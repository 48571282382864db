"""Reading a file of which nothing is known: bounded, and never stuck on a pipe or device."""

from __future__ import annotations

import os
import stat

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_bytes(path: str, limit: int) -> bytes | None:
    """The first bytes of a regular file.

    Args:
        path: The file.
        limit: Bytes to read at most.

    Returns:
        None where there is no such file, it cannot be read, or it is no regular file (a pipe would wait for ever).
    """
    try:
        handle = os.open(path, _FLAGS)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        return _read(handle, min(limit, found.st_size or limit))
    except OSError:
        return None
    finally:
        os.close(handle)


def read_text(path: str, limit: int) -> str | None:
    """As read_bytes, decoded as UTF-8 with a replacement for what is none, without a byte order mark."""
    data = read_bytes(path, limit)
    return None if data is None else data.decode("utf-8", "replace").removeprefix("\ufeff")


def _read(handle: int, wanted: int) -> bytes:
    parts = []
    while wanted > 0:
        part = os.read(handle, wanted)
        if not part:
            break
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)
