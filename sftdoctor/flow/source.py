"""Scripts and notebooks as text: bounded, decoded, and parsed (never executed)."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sftdoctor.errors import WorkloadError

FILE_LIMIT = 8 * 1024 * 1024
"""Bytes; a training script or notebook that is larger is none."""
_MAGIC = re.compile(r"\s*(?:[%!?]|\w[\w.]*\?\??\s*$)")
_ASSIGNED_MAGIC = re.compile(r"(\s*[\w, ]+=\s*)[!%].*")
_CELL_MAGICS_WITH_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun")


_HANDED_OVER = (("/", "dev"), ("/", "proc"))
"""Where `<(…)` and /dev/stdin are."""


@dataclass(frozen=True)
class Source:
    """One script as text, with its syntax tree."""

    path: Path
    text: str
    cells: tuple[tuple[int, int], ...] = ()
    """Of a notebook: (index of the cell, its first line in the text)."""

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree.

        Raises:
            WorkloadError: It is no Python; the message names the file and line.
        """
        return parse(self.text, self.path)


def read_source(path: Path) -> Source:
    """Read one script or notebook.

    Args:
        path: A .py or .ipynb file; other files are read as Python.

    Returns:
        Its text and syntax tree.

    Raises:
        WorkloadError: It cannot be read, is too large, or is no Python; the message names the file and line.
    """
    return as_source(path, _bytes(path))


def read_text(path: Path) -> Source:
    """As read_source, and not parsed yet: whether it is Python shows where its tree is asked for."""
    return _unparsed(path, _bytes(path))


def as_source(path: Path, raw: bytes) -> Source:
    """As read_source, of what a file holds or would hold.

    Args:
        path: The file.
        raw: Its contents.

    Returns:
        Its text and syntax tree.

    Raises:
        WorkloadError: It is no Python; the message names the file and line.
    """
    source = _unparsed(path, raw)
    source.tree  # noqa: B018  (parsed, or refused)
    return source


def _unparsed(path: Path, raw: bytes) -> Source:
    if path.suffix == ".ipynb":
        return Source(path, *notebook_text(path, raw))
    return Source(path, _decode(path, raw))


def may_hang(path: Path) -> bool:
    """Whether opening a path may wait for ever: a named pipe, say. What a shell itself hands over is read."""
    return not path.is_file() and path.exists() and not path.is_dir() and path.parts[:2] not in _HANDED_OVER


def _bytes(path: Path) -> bytes:
    if may_hang(path):
        raise WorkloadError(f"{path} is a pipe or a device", "Name a script or a folder.")
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise WorkloadError(
            f"{path} cannot be read: {error.strerror or error}", "Name a script or a folder."
        ) from error
    if len(raw) > FILE_LIMIT:
        raise WorkloadError(f"{path} is larger than {FILE_LIMIT // 1024 // 1024} MB", "This is no training script.")
    return raw


def _decode(path: Path, raw: bytes) -> str:
    """Decode as Python does: BOM, PEP 263 comment, else UTF-8; line ends become \\n as the parser counts them."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        text = raw.decode(encoding)
    except (SyntaxError, LookupError, UnicodeDecodeError) as error:
        reason = "it is not in the encoding that it declares" if b"coding" in raw[:400] else "it is not UTF-8"
        raise WorkloadError(f"{path} cannot be decoded: {reason}", "Save it as UTF-8.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(text: str, path: Path) -> ast.Module:
    """Parse Python source.

    Args:
        text: The source.
        path: Where it is from, for the message.

    Returns:
        Its syntax tree.

    Raises:
        WorkloadError: It does not parse, or is nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as error:
        old = re.search(r"(?m)^\s*print\s+[\"'\w]", text) is not None
        hint = "This is Python 2; only Python 3 is read." if old else "Correct it, or leave the file out."
        raise WorkloadError(f"{path}:{error.lineno or 1}: syntax error: {error.msg}", hint) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise WorkloadError(f"{path} cannot be parsed: {error}", "Correct it, or leave the file out.") from error


def notebook_text(path: Path, raw: bytes) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The code of a notebook as one text; magics and shell lines become comments, so that lines keep their numbers.

    Args:
        path: Where it is from, for the message.
        raw: The whole file.

    Returns:
        The text, and of each code cell its index and its first line in the text.

    Raises:
        WorkloadError: Its JSON is broken.
    """
    try:
        notebook = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WorkloadError(f"{path} is no notebook: its JSON is broken", "Open and save it with Jupyter.") from error
    lines: list[str] = []
    cells: list[tuple[int, int]] = []
    for index, cell in enumerate(_cells(notebook)):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        text = "".join(part for part in source if isinstance(part, str)) if isinstance(source, list) else source
        if isinstance(text, str) and text.strip():
            cells.append((index, len(lines) + 1))
            lines.extend(_plain(text))
    return "\n".join(lines) + "\n", tuple(cells)


def _cells(notebook: object) -> list[object]:
    """The cells of a notebook of format 4, or of 3 and older (where worksheets hold them)."""
    if not isinstance(notebook, dict):
        return []
    cells = notebook.get("cells")
    if isinstance(cells, list):
        return cells
    sheets = notebook.get("worksheets")
    sheets = sheets if isinstance(sheets, list) else []
    return [cell for sheet in sheets if isinstance(sheet, dict) for cell in (sheet.get("cells") or [])]


def _plain(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((line for line in lines if line.strip()), "").strip()
    if first.startswith("%%") and not first.startswith(_CELL_MAGICS_WITH_PYTHON):
        return ["# " + line for line in lines]
    plain: list[str] = []
    for line in lines:
        continues = bool(plain) and plain[-1].startswith("#~") and plain[-1].rstrip().endswith("\\")
        assigned = _ASSIGNED_MAGIC.fullmatch(line)
        if continues or _MAGIC.match(line):
            indent = line[: len(line) - len(line.lstrip())]
            # `pass` keeps a block whole that has nothing but shell lines.
            plain.append(f"{indent}pass  # {line.strip()}" if indent and not continues else f"#~{line}")
        elif assigned:
            plain.append(f"{assigned[1]}None")
        else:
            plain.append(line)
    return plain
