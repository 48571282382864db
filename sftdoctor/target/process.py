"""Asking another program a question: no shell, bounded output, bounded time, no waiting for what cannot be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO, NamedTuple

_OUTPUT_LIMIT = 1 << 20
_GRACE = 0.2
"""Seconds for reading the last words, or for dying."""


class Answer(NamedTuple):
    """What a program said before it ended or its time was up."""

    output: str
    errors: str
    status: int | None
    """Exit status; None where it did not end in time."""


def ask_program(
    command: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    folder: str | None = None,
) -> Answer:
    """Run a program, read at most 1 MiB of each of its streams, and leave it behind when its time is up.

    Args:
        command: Program and arguments.
        timeout: Seconds, all in all.
        environment: Its environment variables; None for our own.
        folder: Where it runs; None for the present folder.

    Raises:
        OSError: It cannot be started.

    Two audit events tell of it, sftdoctor.ask and sftdoctor.asked, so that a watch can put the question again:
    it must hang on nothing but the command, so one with variables or a folder of its own is not told of.
    """
    if environment is not None or folder is not None:
        return _answer(command, timeout, environment, folder)
    sys.audit("sftdoctor.ask")
    try:
        answer = _answer(command, timeout)
    except OSError as error:
        sys.audit("sftdoctor.asked", command, timeout, error)
        raise
    sys.audit("sftdoctor.asked", command, timeout, answer)
    return answer


def _answer(
    command: Sequence[str], timeout: float, environment: Mapping[str, str] | None = None, folder: str | None = None
) -> Answer:
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=None if environment is None else dict(environment),
        cwd=folder,
    )
    assert process.stdout and process.stderr
    output, errors = _Reader(process.stdout), _Reader(process.stderr)
    try:
        process.wait(max(timeout - _GRACE, _GRACE / 4))
        output.join(_GRACE)
        errors.join(_GRACE)
        status = process.returncode
    except subprocess.TimeoutExpired:
        status = None
    finally:
        _end(process)
    return Answer(output.text(), errors.text(), status)


class _Reader(threading.Thread):
    """Drains a pipe in the background; what is over the limit is thrown away."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._parts: list[bytes] = []
        self.start()

    def run(self) -> None:
        size = 0
        with self._stream as stream:
            while part := os.read(stream.fileno(), 1 << 16):
                if size < _OUTPUT_LIMIT:
                    self._parts.append(part)
                size += len(part)

    def text(self) -> str:
        return b"".join(self._parts)[:_OUTPUT_LIMIT].decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started; one that hangs inside a driver cannot be ended and is left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.returncode = -signal.SIGKILL  # nothing waits for it at our exit either
