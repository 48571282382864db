"""The first rows of a local data file: bounded, decoded, never executed, whatever lies in it."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST_BYTES = 4 * 2**20
"""Bytes that are read of a file."""
MOST_ROWS = 2000
"""Rows that are looked at."""
LARGEST_HEADER = 2**16
"""Characters of a CSV file's first line."""
BUILDERS: Mapping[str, tuple[str, ...]] = {
    "json": (".json", ".jsonl", ".ndjson"),
    "csv": (".csv",),
    "text": (".txt",),
}
"""Formats of the datasets library that can be read here, with the ends of their files' names."""

_DECODER = json.JSONDecoder(strict=False)  # the libraries take control characters in texts
_PACKED = (b"\x1f\x8b", b"PK", b"BZh", b"\xfd7z", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"7z", b"Rar!")
"""How files begin that the datasets library unpacks, whatever they are called."""
_GAP = re.compile(r"[\s,]*")


@dataclass(frozen=True, eq=False)
class Sample:
    """What a data file begins with."""

    path: str
    """As the script names it."""
    columns: tuple[str, ...] = ()
    """Columns of the rows that were looked at, in the order in which they come."""
    rows: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """JSON alone: a CSV file's cells get their types elsewhere."""
    whole: bool = False
    """Whether these are all rows."""
    error: str = ""
    """Why datasets cannot read the file; empty where nothing is known to stop it."""


def read_sample(path: Path, builder: str, name: str) -> Sample | None:
    """Read what a data file begins with.

    Args:
        path: The file.
        builder: "json", "csv" or "text".
        name: The file as the script names it.

    Returns:
        None where it is not there, is no plain file, or does not show what datasets would make of it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            data = file.read(FIRST_BYTES + 1)
    except (OSError, ValueError):
        return None
    if data.startswith(_PACKED):
        return None
    whole = len(data) <= FIRST_BYTES
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(data[:FIRST_BYTES], final=whole)
    except UnicodeDecodeError as error:
        return Sample(name, error=f"is no UTF-8: byte {error.start + 1} is {data[error.start]:#04x}")
    if not text.strip():
        return Sample(name, error="is empty") if builder == "json" and not data else None
    if builder == "text":
        return Sample(name, ("text",), whole=whole)
    if builder == "csv":
        return _csv(text, name)
    return _array(text, name, whole) if text.lstrip()[0] == "[" else _lines(text, name, whole)


def _csv(text: str, name: str) -> Sample | None:
    try:
        header = next(csv.reader(io.StringIO(text[:LARGEST_HEADER], newline="")), [])
    except csv.Error:
        return None
    complete = len(text) <= LARGEST_HEADER or len(",".join(header)) < LARGEST_HEADER // 2
    # the same name twice, or none, is renamed by pandas
    sound = complete and all(header) and len(set(header)) == len(header)
    return Sample(name, tuple(header)) if sound else None


def _lines(text: str, name: str, whole: bool) -> Sample | None:
    """JSON lines: an object a line."""
    rows: list[Mapping[str, Any]] = []
    lines = text.split("\n") if whole else text.split("\n")[:-1]
    for number, line in enumerate(lines, 1):
        if len(rows) == MOST_ROWS:
            return _sample(name, rows, False)
        if not line.strip():
            continue
        try:
            row, end = _DECODER.raw_decode(line.strip())
        except ValueError:
            return Sample(name, error=f"has no JSON in line {number}") if _broken(lines[number - 1 :], whole) else None
        except RecursionError:
            return None
        if not isinstance(row, dict) or end < len(line.strip()):
            return None
        rows.append(row)
    return _sample(name, rows, whole)


def _broken(lines: Sequence[str], whole: bool) -> bool:
    """Whether no value begins in the first line, not even one that ends in a later one."""
    with contextlib.suppress(RecursionError):
        try:
            _DECODER.raw_decode("\n".join(lines).strip())
        except ValueError:
            # of a file that goes on it may be the end that is missing; not where whole rows follow
            return whole or (len(lines) > 1 and _is_object(lines[1]))
    return False


def _is_object(line: str) -> bool:
    try:
        return isinstance(_DECODER.decode(line.strip()), dict)
    except (ValueError, RecursionError):
        return False


def _array(text: str, name: str, whole: bool) -> Sample | None:
    """One JSON array of objects."""
    rows: list[Mapping[str, Any]] = []
    place = text.index("[") + 1
    while len(rows) < MOST_ROWS:
        gap = _GAP.match(text, place)
        place = gap.end() if gap else place
        if text[place : place + 1] == "]":
            return _sample(name, rows, True)
        try:
            row, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            return None if whole else _sample(name, rows, False)
        if not isinstance(row, dict):
            return None
        rows.append(row)
    return _sample(name, rows, False)


def _sample(name: str, rows: list[Mapping[str, Any]], whole: bool) -> Sample | None:
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Sample(name, columns, tuple(rows), whole) if rows else None
