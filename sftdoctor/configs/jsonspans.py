"""JSON with the place of every value, so that one of them can be replaced and every other byte stays."""

from __future__ import annotations

import json
import re

from sftdoctor.configs.tree import Key, Node

_SPACE = re.compile(r"[ \t\n\r]*")
_STRINGS = json.JSONDecoder(strict=False)
_ATOM = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null|NaN|-?Infinity")


def parse_spans(text: str) -> Node:
    """Parse JSON that json.loads has accepted.

    Args:
        text: The JSON.

    Returns:
        Its value; a member that is there twice stands there twice.
    """
    return _value(text, _skip(text, 0))


def _skip(text: str, index: int) -> int:
    found = _SPACE.match(text, index)
    return found.end() if found else index


def _value(text: str, start: int) -> Node:
    if text[start] == '"':
        value, end = _STRINGS.raw_decode(text, start)
        return Node(start, end, value)
    if text[start] == "[":
        return _array(text, start)
    if text[start] == "{":
        return _object(text, start)
    found = _ATOM.match(text, start)
    if found is None:
        raise json.JSONDecodeError("no value", text, start)
    return Node(start, found.end(), json.loads(found[0]))


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
    pairs: list[tuple[Key, Node]] = []
    index = _skip(text, start + 1)
    while text[index] != "}":
        name, end = _STRINGS.raw_decode(text, index)
        key = Key(name, index, end)
        index = _skip(text, _skip(text, end) + 1)
        pairs.append((key, _value(text, index)))
        index = _skip(text, pairs[-1][1].end)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return Node(start, index + 1, pairs=tuple(pairs))
