"""Spans of a text and what comes in their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Splice:
    """A span of the text (offsets of its first character and of the one after its last) and what replaces it."""

    start: int
    end: int
    text: str


def apply_splices(text: str, splices: Iterable[Splice]) -> str:
    """Replace the spans, which must not overlap."""
    for splice in in_reverse(splices):
        text = text[: splice.start] + splice.text + text[splice.end :]
    return text


def in_reverse(splices: Iterable[Splice]) -> list[Splice]:
    """The splices from the last to the first; of two insertions at one place, the first given comes first."""
    given = list(splices)
    return sorted(given, key=lambda one: (one.start, one.end, given.index(one)), reverse=True)


def line_starts(text: str) -> list[int]:
    """Offsets at which the lines of a text begin, as Python counts lines."""
    starts = [0]
    index = 0
    while index < len(text):
        if text[index] == "\r":
            index += 2 if text[index : index + 2] == "\r\n" else 1
            starts.append(index)
        elif text[index] == "\n":
            index += 1
            starts.append(index)
        else:
            index += 1
    return starts
