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
        self._known: dict[tuple[int, int, int, int], Location] = {}

    def of(self, node: ast.AST | None) -> Location | None:
        """Where a node stands, counted in characters from 1."""
        line = getattr(node, "lineno", None)
        if node is None or line is None:
            return None
        span = (
            line,
            getattr(node, "col_offset", 0),
            getattr(node, "end_lineno", line),
            getattr(node, "end_col_offset", 0),
        )
        if span not in self._known:  # half a hundred facts of a trainer stand at the same call
            start, end = self._column(*span[:2]), self._column(*span[2:])
            self._known[span] = Location(self.path, line, start, span[2], end)
        return self._known[span]

    def _column(self, line: int, offset: int) -> int:
        """The syntax tree counts UTF-8 bytes from 0."""
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return len(text.encode()[:offset].decode(errors="ignore")) + 1
