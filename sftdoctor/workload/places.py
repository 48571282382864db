"""Where a node of a script's syntax tree stands."""

from __future__ import annotations

import ast

from sftdoctor.model import Location


class Places:
    """Locations in one script.

    Args:
        path: The script's path, as locations name it.
        text: Its source.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.split("\n")

    def of(self, node: ast.AST | None) -> Location | None:
        """Where a node stands, counted in characters from 1."""
        line = getattr(node, "lineno", None)
        if node is None or line is None:
            return None
        end_line, end_offset = getattr(node, "end_lineno", line), getattr(node, "end_col_offset", 0)
        return Location(
            self.path,
            line,
            self._column(line, getattr(node, "col_offset", 0)),
            end_line,
            self._column(end_line, end_offset),
        )

    def _column(self, line: int, offset: int) -> int:
        """The syntax tree counts UTF-8 bytes from 0."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return len(text.encode()[:offset].decode(errors="ignore")) + 1
