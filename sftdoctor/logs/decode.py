"""Bytes → lines: any encoding, any length, no terminal escapes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO

LINE_LIMIT = 8192
"""Characters of one line; a longer one comes in pieces of this size."""
BLOCK = 1 << 16
"""Characters that are looked at together."""
READ = 1 << 20
"""Bytes that are read at once."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"  # colours, cursor
    r"|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"  # titles, links
    r"|\x1b[ -/]{0,4}[0-~]"
)
_NO_MEANING = dict.fromkeys((*range(0x09), *range(0x0E, 0x20), 0x7F, 0x0B, 0x0C))
_TYPOGRAPHY = str.maketrans("‘’“”", "''\"\"")
"""What editors and translators make of the quotation marks of a message."""


def read_blocks(stream: IO[bytes], on_read: Callable[[int], None] | None = None) -> Iterator[str]:
    """The text of a log, whatever its encoding; read once, in bounded memory.

    Args:
        stream: Its bytes. UTF-16 and UTF-32 are known by their mark, or UTF-16 by its zeros; all else is read as UTF-8,
            and what that does not cover is replaced.
        on_read: Told the number of bytes read so far.

    Yields:
        Some thousand lines at a time, without the end of the last; a carriage return ends a line too (progress bars).
        A line longer than READ comes in pieces.
    """
    data = stream.read(READ)
    decoder = codecs.getincrementaldecoder(encoding_of(data))(errors="replace")
    done, rest = 0, ""
    while data:
        done += len(data)
        text = rest + decoder.decode(data)
        if on_read is not None:
            on_read(done)
        cut = max(text.rfind("\n"), text.rfind("\r", 0, len(text) - 1))
        if cut < 0 and len(text) > READ:  # one line without an end
            cut = len(text)
        if cut >= 0:
            yield _one_kind_of_end(text[:cut].removesuffix("\r"))
        rest = text[cut + 1 :]
        data = stream.read(READ)
    if rest := rest + decoder.decode(b"", True):
        yield _one_kind_of_end(rest)


def _one_kind_of_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def encoding_of(data: bytes) -> str:
    """The encoding that the first bytes of a log speak for."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name
    sample = data[:4096]
    zeros_even, zeros_odd = sample[::2].count(0), sample[1::2].count(0)
    if len(sample) >= 4 and max(zeros_even, zeros_odd) > len(sample) // 5 > min(zeros_even, zeros_odd) * 4:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    return "utf-8"


def blocks(parts: Iterable[str]) -> Iterator[str]:
    """The parts of a log, lines or blocks of them, joined to blocks that are worth a look."""
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part.rstrip("\r\n"))
        size += len(part) + 1
        if size > BLOCK:
            yield "\n".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield "\n".join(waiting)


def lines_of(block: str) -> Iterator[tuple[int, str]]:
    """The lines of a block with their numbers from 0; a line longer than LINE_LIMIT comes in pieces."""
    for number, line in enumerate(block.split("\n")):
        for start in range(0, max(len(line), 1), LINE_LIMIT):
            yield number, line[start : start + LINE_LIMIT]


def undecorated(line: str) -> str:
    """A line without its end, terminal escapes and control characters, and with the quotation marks of programs."""
    line = line.rstrip("\r\n")
    if not line.isascii():
        line = line.translate(_TYPOGRAPHY)
    if line.isprintable():  # most are
        return line
    if "\x1b" in line or "\x9b" in line:
        line = _ESCAPES.sub("", line)
    return line.translate(_NO_MEANING)
