"""A notebook as a script that can be run: its code cells in order, without magics and shell lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from sftdoctor.flow.source import read_source
from sftdoctor.model import Failure

_LEFT = re.compile(r"^\s*(?:#~|pass  # )\s*(.*)", re.MULTILINE)
"""How the reader of notebooks marks a magic or a shell line."""
_SHOWN = 3


@dataclass(frozen=True)
class Cells:
    """The code of a notebook."""

    text: str
    firsts: tuple[tuple[int, int], ...]
    """(index of a cell, its first line in the text)."""

    @property
    def replaced(self) -> tuple[str, ...]:
        """What is left out of it, for people."""
        left = [line.strip()[:60] for line in _LEFT.findall(self.text)]
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        return (f"magics and shell lines by nothing: {', '.join(left[:_SHOWN])}{more}",) if left else ()

    def placed(self, failure: Failure, notebook: Path) -> Failure:
        """A failure that says which cell it came to.

        Args:
            failure: Its traceback names the notebook and lines of the text.
            notebook: Its path.
        """
        lines = re.findall(rf'File "[^"]*{re.escape(notebook.name)}", line (\d+)', failure.traceback)
        before = [(index, first) for index, first in self.firsts if lines and first <= int(lines[-1])]
        if not before:
            return failure
        index, first = before[-1]
        return replace(failure, message=f"{failure.message} (cell {index + 1}, line {int(lines[-1]) - first + 1})")


def read_cells(notebook: Path) -> Cells:
    """Read a notebook.

    Args:
        notebook: An .ipynb file.

    Returns:
        Its code.

    Raises:
        WorkloadError: It cannot be read, or its code is no Python.
    """
    source = read_source(notebook)
    return Cells(source.text, source.cells)
