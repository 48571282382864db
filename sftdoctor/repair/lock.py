"""One fix at a time: a lock on the environment's folder, held by the kernel, so that no crash leaves it behind."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.folders import state_folder

WAIT = 20.0
"""Seconds to wait for another fix, or for the installer that a killed one left running: it inherits the lock."""


@contextlib.contextmanager
def locked(folder: Path, wait: float = WAIT) -> Iterator[int]:
    """Hold the lock of an environment (or of a folder of scripts).

    The folder itself is locked: no file is left in it, and every user of it meets the same lock.

    Args:
        folder: The prefix.
        wait: Seconds until it is given up.

    Yields:
        The descriptor that holds the lock; a child that inherits it holds the lock too.

    Raises:
        RepairError: Another fix is at work on it.
    """
    descriptor = _open(folder)
    try:
        _acquire(descriptor, folder, wait)
        yield descriptor
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return descriptor
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return descriptor
        os.close(descriptor)  # a file system that cannot lock folders
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    path = state_folder() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _acquire(descriptor: int, folder: Path, wait: float) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise RepairError(f"{folder} cannot be locked: {error.strerror}") from error
        if time.monotonic() >= end:
            raise RepairError(f"another fix is at work on {folder}", "wait until it has ended and try again")
        time.sleep(0.1)
