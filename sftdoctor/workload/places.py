"""Where a node of the syntax tree of a script, or of a module that it imports, stands."""

from __future__ import annotations

import ast

from sftdoctor import nodes
from sftdoctor.model import Location


class Places:
    """Locations in one script and in the modules of its project.

    Args:
        path: The script's path, as locations name it.
        text: Its source.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self._lines = text.split("\n")
        self._known: dict[tuple[int, int, int, int], Location] = {}
        self._elsewhere: dict[ast.AST, Places] = {}

    def add(self, path: str, text: str, tree: ast.Module) -> None:
        """Know the nodes of another file.

        Args:
            path: Its path, as locations name it.
            text: Its source.
            tree: Its syntax tree, which is to be kept.
        """
        self._elsewhere.update(dict.fromkeys(nodes.walk(tree), Places(path, text)))

    def of(self, node: ast.AST | None) -> Location | None:
        """Where a node stands, counted in characters from 1."""
        line = getattr(node, "lineno", None)
        if node is None or line is None:
            return None
        if self._elsewhere and node in self._elsewhere:
            return self._elsewhere[node].of(node)
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
