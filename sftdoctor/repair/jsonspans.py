"""JSON with the place of every value, so that one of them can be replaced and every other byte stays."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

_SPACE = re.compile(r"[ \t\n\r]*")
_STRINGS = json.JSONDecoder(strict=False)
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|NaN|-?Infinity")


@dataclass(frozen=True)
class Node:
    """A JSON value and its span in the text."""

    start: int
    end: int
    value: str | None = None
    """Of a string."""
    items: tuple[Node, ...] | None = None
    """Of an array."""
    members: Mapping[str, Node] | None = None
    """Of an object."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The items; of what is no array none."""
        return self.items or ()

    def member(self, name: str) -> Node | None:
        """A member of an object; None of what is none."""
        return (self.members or {}).get(name)


def parse_spans(text: str) -> Node:
    """Parse JSON that json.loads has accepted.

    Args:
        text: The JSON.

    Returns:
        Its value; of a member that is there twice the last counts, as for json.loads.
    """
    return _value(text, _skip(text, 0))


def _skip(text: str, index: int) -> int:
    found = _SPACE.match(text, index)
    return found.end() if found else index


def _value(text: str, start: int) -> Node:
    if text[start] == '"':
        value, end = _STRINGS.raw_decode(text, start)
        return Node(start, end, value=value)
    if text[start] == "[":
        return _array(text, start)
    if text[start] == "{":
        return _object(text, start)
    found = _ATOM.match(text, start)
    if found is None:
        raise json.JSONDecodeError("no value", text, start)
    return Node(start, found.end())


def _array(text: str, start: int) -> Node:
    items: list[Node] = []
    index = _skip(text, start + 1)
    while text[index] != "]":
        items.append(_value(text, index))
        index = _skip(text, items[-1].end)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return Node(start, index + 1, items=tuple(items))


def _object(text: str, start: int) -> Node:
    members: dict[str, Node] = {}
    index = _skip(text, start + 1)
    while text[index] != "}":
        name, index = _STRINGS.raw_decode(text, index)
        index = _skip(text, _skip(text, index) + 1)
        members[name] = _value(text, index)
        index = _skip(text, members[name].end)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return Node(start, index + 1, members=members)
