"""TOML with the place of every value, so that a key can be told of, or renamed, and every other byte stays."""

from __future__ import annotations

import re
import sys
from datetime import date, time
from typing import Any

from sftdoctor.configs.tree import Key, Node

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'', re.DOTALL)
_ATOM = re.compile(r"[^,\]}#\r\n]+")

TomlError = tomllib.TOMLDecodeError


def parse_toml(text: str) -> Node:
    """Parse TOML.

    Args:
        text: The TOML.

    Returns:
        Its value; a table has the place of its header, dates and times are texts.

    Raises:
        TomlError: It is broken.
    """
    tomllib.loads(text)
    return _Reader(text).read()


class _Table:
    """A table while it is read: TOML may come back to it."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.members: dict[str, tuple[Key, _Table | list[_Table] | Node]] = {}

    def node(self, end: int) -> Node:
        pairs = []
        for key, value in self.members.values():
            if isinstance(value, list):
                value = Node(value[0].start, key.end, items=tuple(one.node(one.start) for one in value))
            pairs.append((key, value.node(key.end) if isinstance(value, _Table) else value))
        return Node(self.start, end, pairs=tuple(pairs))


class _Reader:
    """Reads what tomllib has accepted."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def read(self) -> Node:
        root = current = _Table(0)
        while self._skip() < len(self.text):
            if self.text[self.at] != "[":
                self._pair(current)
                continue
            many = self.text.startswith("[[", self.at)
            self.at += 2 if many else 1
            keys = self._keys()
            self.at += 2 if many else 1
            current = self._header(root, keys, many)
        return root.node(len(self.text))

    def _skip(self) -> int:
        found = _GAP.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _keys(self) -> list[Key]:
        """A dotted key; what stands behind it comes next."""
        found: list[Key] = []
        while True:
            self._blank()
            start = self.at
            match = _QUOTED.match(self.text, start) or _BARE.match(self.text, start)
            assert match is not None  # tomllib took it
            self.at = match.end()
            found.append(Key(str(_plain(match[0])) if match[0][0] in "\"'" else match[0], start, self.at))
            self._blank()
            if self.text[self.at] != ".":
                return found
            self.at += 1

    def _header(self, root: _Table, keys: list[Key], many: bool) -> _Table:
        table = _within(root, keys[:-1])
        last = keys[-1]
        if not many:
            return _within(table, [last])
        held = table.members.setdefault(last.name, (last, []))[1]
        assert isinstance(held, list)
        held.append(_Table(last.start))
        return held[-1]

    def _pair(self, table: _Table) -> None:
        keys = self._keys()
        self.at += 1  # the sign of equality
        self._blank()
        value = self._value()
        _within(table, keys[:-1]).members[keys[-1].name] = keys[-1], value

    def _value(self) -> Node:
        start = self.at
        if self.text[start] == "[":
            items = self._members("]", self._value)
            return Node(start, self.at, items=tuple(items))
        if self.text[start] == "{":
            table = _Table(start)
            self._members("}", lambda: self._pair(table))
            return table.node(self.at)
        match = _QUOTED.match(self.text, start) or _ATOM.match(self.text, start)
        assert match is not None  # tomllib took it
        written = match[0].rstrip()
        self.at = start + len(written)
        return Node(start, self.at, _plain(written))

    def _members(self, closing: str, read: Any) -> list[Any]:
        self.at += 1
        found: list[Any] = []
        while self.text[self._skip()] != closing:
            found.append(read())
            if self.text[self._skip()] == ",":
                self.at += 1
        self.at += 1
        return found


def _within(table: _Table, keys: list[Key]) -> _Table:
    """The table that keys lead to; of an array of tables its last."""
    for key in keys:
        held = table.members.setdefault(key.name, (key, _Table(key.start)))[1]
        held = held[-1] if isinstance(held, list) else held
        assert isinstance(held, _Table)
        table = held
    return table


def _plain(written: str) -> Any:
    value = tomllib.loads(f"value = {written}")["value"]
    return str(value) if isinstance(value, (date, time)) else value
