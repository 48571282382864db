"""Writing to streams that may have gone, and to files that must not be left half written."""

from __future__ import annotations

import os

from sftdoctor.errors import UsageError

TYPE_CHECKING = False  # a kept check writes what it said, and little else
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import IO


def write(text: str, stream: IO[str] | None) -> None:
    """Write a report to a stream; a reader that has gone (`| head`) is no error.

    Args:
        text: What its encoding can carry.
        stream: Standard output; None where it is closed.

    Raises:
        UsageError: It is closed.
        OSError: It takes no more (a full disk).
    """
    if stream is None:
        if text:
            raise UsageError("standard output is closed", "Name a file with --output.")
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # let nothing more be written there, not even what is still held back when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def write_file(text: str, path: Path) -> None:
    """Write a whole file, or leave the old one as it was.

    Args:
        text: Its content.
        path: Where to.

    Raises:
        UsageError: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def say(lines: Iterable[str], stream: IO[str] | None) -> None:
    """Say something in harmless lines on a stream that may be gone.

    Args:
        lines: Empty ones are left out.
        stream: Standard error; None where it is closed.
    """
    if stream is None:
        return
    from sftdoctor.report.plain import clean, spell

    text = "".join(f"{clean(line)}\n" for line in lines if line)
    try:
        stream.write(spell(text, getattr(stream, "encoding", None) or "utf-8"))
        stream.flush()
    except (OSError, ValueError):
        return
