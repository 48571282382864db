"""What is going on, while it goes on: one moving line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any

from sftdoctor.report.plain import clean, spell


class Progress:
    """Says what takes long on a stream, which is never the one that the report goes to.

    Use it as a context; nothing is written, and no more is imported, before the first message.

    Args:
        stream: Where to; None for nowhere.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self._status: Any = None
        self._last = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the moving line away, so that something else can be printed; the next message brings it back."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, message: str) -> None:
        """Say what is being done now.

        Args:
            message: One line; what a terminal would obey is taken out. One that ends in "…" is of the moment: only a
                terminal shows it, a log is spared.
        """
        line = clean(message, 200)
        if self._stream is None or not line or line == self._last:
            return
        self._last = line
        try:
            self._show(line)
        except (OSError, ValueError):
            self._stream = None  # the reader has gone: the work goes on without saying so

    def _show(self, line: str) -> None:
        stream = self._stream
        assert stream is not None
        line = spell(line, getattr(stream, "encoding", None) or "utf-8")
        if not stream.isatty():
            if line.endswith(("…", "...")):
                return
            stream.write(f"{line}\n")
            stream.flush()
            return
        from rich.console import Console
        from rich.text import Text

        if self._status is None:
            console = Console(file=stream, force_jupyter=False)
            self._status = console.status(Text(line), spinner="line")
            self._status.start()
        self._status.update(Text(line))


def reading(stream: IO[bytes], progress: Callable[[str], None], patience: float = 1.0) -> Callable[[int], None]:
    """A function to be told how many bytes of a stream were read, which draws a bar once that takes long.

    Args:
        stream: What is read; its size is asked for.
        progress: Where the bar goes.
        patience: Seconds without a bar.

    Returns:
        The function.
    """
    start = time.monotonic()
    try:
        size = os.fstat(stream.fileno()).st_size
    except (OSError, ValueError):
        size = 0

    def told(done: int) -> None:
        if time.monotonic() - start < patience:
            return
        share = min(done / size, 1.0) if size else 0.0
        bar = f"[{'#' * int(20 * share):<20}] {share:.0%} of {size / 1e6:,.0f} MB" if size else f"{done / 1e6:,.0f} MB"
        progress(f"reading the log {bar}…")

    return told
