"""The same work for many, each in a process of its own that starts from what this one has in memory."""

from __future__ import annotations

import os
import selectors
import signal
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")

MOST = 4
"""Processes at a time."""


def available() -> bool:
    """Whether this system can fork."""
    return hasattr(os, "fork")


def each(work: Callable[[Item], bytes], items: Sequence[Item]) -> list[bytes]:
    """Do work for each item in a forked process: what it changes in memory is gone afterwards.

    Args:
        work: What is done; gives its result as bytes, never none at all.
        items: For whom.

    Returns:
        The results in the order of the items; empty where a process died or its work raised.
    """
    results = [b""] * len(items)
    limit = min(MOST, os.cpu_count() or 1)
    held: dict[int, tuple[int, int, bytearray]] = {}
    todo = list(enumerate(items))[::-1]
    with selectors.DefaultSelector() as waiting:
        try:
            while todo or held:
                while todo and len(held) < limit:
                    index, item = todo.pop()
                    pid, reader = _start(work, item)
                    held[reader] = (index, pid, bytearray())
                    waiting.register(reader, selectors.EVENT_READ)
                for ready, _ in waiting.select():
                    index, pid, data = held[ready.fd]
                    piece = os.read(ready.fd, 1 << 16)
                    data += piece
                    if not piece:
                        waiting.unregister(ready.fd)
                        del held[ready.fd]
                        os.close(ready.fd)
                        os.waitpid(pid, 0)
                        results[index] = bytes(data)
        finally:
            for reader, (_, pid, _) in held.items():  # interrupted: none is left behind
                os.close(reader)
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
    return results


def _start(work: Callable[[Item], bytes], item: Item) -> tuple[int, int]:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # the other thread, if any, moves a progress line; the child shares nothing with it and writes to the pipe alone
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        result = work(item)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(result)
    finally:
        os._exit(0)  # nothing of the parent's is flushed or removed twice
