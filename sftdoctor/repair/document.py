"""What is edited: a plain script, or the code cells of a notebook, as one text that is spliced."""

from __future__ import annotations

import io
import json
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sftdoctor.configs.jsonspans import parse_spans
from sftdoctor.configs.tree import Node
from sftdoctor.errors import RepairError, WorkloadError
from sftdoctor.repair.splices import Splice, apply_splices, line_starts


class Document(Protocol):
    """A file that holds Python."""

    @property
    def text(self) -> str:
        """Its Python as one text."""

    def write(self, splices: Sequence[Splice]) -> bytes:
        """The whole file after spans of the text were replaced."""


def open_document(source: bytes, path: str) -> Document:
    """The Python of a script or notebook.

    Raises:
        RepairError: It cannot be decoded, or the notebook's JSON is broken.
    """
    return _Notebook(source, path) if path.endswith(".ipynb") else _Plain(source, path)


def decode(source: bytes, path: str) -> tuple[str, str, bytes]:
    """Decode a script as Python does.

    Returns:
        Its text, its encoding without a byte-order mark, and the mark (b"" where there is none).

    Raises:
        RepairError: The encoding is unknown or the bytes do not fit it.
    """
    mark = b"\xef\xbb\xbf" if source.startswith(b"\xef\xbb\xbf") else b""
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
        encoding = "utf-8" if encoding == "utf-8-sig" else encoding
        return source[len(mark) :].decode(encoding), encoding, mark
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise RepairError(f"{path} cannot be decoded: {error}") from error


class _Plain:
    def __init__(self, source: bytes, path: str) -> None:
        self.path = path
        self.text, self.encoding, self.mark = decode(source, path)

    def write(self, splices: Sequence[Splice]) -> bytes:
        text = apply_splices(self.text, splices)
        try:
            return self.mark + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            raise RepairError(f"{self.path}: the new text does not fit its encoding {self.encoding}") from error


@dataclass
class _Cell:
    """A code cell: where it stands in the JSON and in the text of all cells."""

    node: Node
    """The value of its `source`."""
    first: int
    """Its first line in the text, from 0."""
    raw: str
    """Its own text, with the magics that the text of all cells has as comments."""
    splices: list[Splice]


class _Notebook:
    """A notebook: only the `source` of the cells that change is written anew; every other byte stays."""

    def __init__(self, source: bytes, path: str) -> None:
        from sftdoctor.flow.source import notebook_text

        self.path = path
        self.json, self.encoding, self.mark = decode(source, path)
        try:
            self.text, cells = notebook_text(Path(path), source)
        except WorkloadError as error:
            raise RepairError(error.message, error.hint) from error
        nodes = _sources(parse_spans(self.json))
        self.starts = line_starts(self.text)
        self.cells = [_Cell(nodes[index], first - 1, _joined(nodes[index]), []) for index, first in cells]

    def write(self, splices: Sequence[Splice]) -> bytes:
        for splice in splices:
            self._give(splice)
        text = self.json
        for cell in reversed(self.cells):
            if cell.splices:
                new = apply_splices(cell.raw, cell.splices)
                cell.splices = []
                text = text[: cell.node.start] + self._rendered(cell, new) + text[cell.node.end :]
        return self.mark + text.encode(self.encoding)

    def _give(self, splice: Splice) -> None:
        """Hand a splice to its cell, as offsets in the cell's own text."""
        line, column = self._place(splice.start)
        cell = next((one for one in reversed(self.cells) if one.first <= line), None)
        if cell is None:
            raise RepairError(f"{self.path}: the edit is in no cell")
        lines = cell.raw.replace("\r\n", "\n").replace("\r", "\n")
        if lines != cell.raw:
            raise RepairError(f"{self.path}: the cell has line ends of another system", "edit it by hand")
        starts = line_starts(cell.raw)
        row = line - cell.first
        if row >= len(starts):
            # behind the last line of the last cell
            text = splice.text if cell.raw.endswith("\n") or not cell.raw else "\n" + splice.text.removesuffix("\n")
            cell.splices.append(Splice(len(cell.raw), len(cell.raw), text))
            return
        start = starts[row] + column
        end = min(start + splice.end - splice.start, len(cell.raw))
        here = self.text[splice.start : splice.start + end - start]
        rest = self.text[splice.start + end - start : splice.end]
        if cell.raw[start:end] != here or rest.strip("\n"):
            raise RepairError(f"{self.path}: the edit would change a magic or two cells", "edit it by hand")
        cell.splices.append(Splice(start, end, splice.text))

    def _place(self, offset: int) -> tuple[int, int]:
        line = max(index for index, start in enumerate(self.starts) if start <= offset)
        return line, offset - self.starts[line]

    def _rendered(self, cell: _Cell, new: str) -> str:
        """The JSON of a cell's source: as a list of lines, or as one text, as it was; unchanged lines byte for byte."""
        plain = not self.json.isascii() or "\\u" not in self.json
        if cell.node.items is None:
            return json.dumps(new, ensure_ascii=not plain)
        known = {item.value: self.json[item.start : item.end] for item in cell.node.items}
        lines = [known.get(line) or json.dumps(line, ensure_ascii=not plain) for line in new.splitlines(keepends=True)]
        items = cell.node.items
        opening = self.json[cell.node.start : items[0].start] if items else "["
        closing = self.json[items[-1].end : cell.node.end] if items else "]"
        between = self.json[items[0].end : items[1].start] if len(items) > 1 else "," + (opening[1:] or " ")
        return opening + between.join(lines) + closing


def _sources(root: Node) -> list[Node]:
    """The `source` (of old formats: `input`) of every cell, code or not."""
    sheets = [root] if root.member("cells") else [*(root.member("worksheets") or Node(0, 0)).nodes]
    cells = [cell for sheet in sheets for cell in (sheet.member("cells") or Node(0, 0)).nodes]
    return [cell.member("source") or cell.member("input") or Node(0, 0) for cell in cells]


def _joined(node: Node) -> str:
    if node.items is None:
        return node.value if isinstance(node.value, str) else ""
    return "".join(item.value for item in node.items if isinstance(item.value, str))
