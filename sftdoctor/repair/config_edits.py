"""Edits of config files: the same operations as on a call's keywords, on the keys of YAML, JSON or TOML.

Only the spans that change are written; comments, order, quotes, line ends and byte-order mark stay by construction.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sftdoctor.configs import Key, Node, Text, parse_config
from sftdoctor.errors import RepairError, WorkloadError
from sftdoctor.model import Edit
from sftdoctor.repair.splices import Splice, apply_splices

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none"})
"""Words that YAML takes for something else than a text (none is one to be sure)."""


def edit_config(source: bytes, edit: Edit) -> tuple[bytes, str, str, tuple[Splice, ...]]:
    """Carry out one edit on the bytes of a config file.

    Args:
        source: The whole file.
        edit: What to change; its location is that of a key.

    Returns:
        The new bytes, the text before and after, and what was replaced.

    Raises:
        RepairError: The edit is none for a config, its place cannot be found, or the result would not parse.
    """
    path = edit.location.path
    if edit.operation not in _OPERATIONS:
        raise RepairError(
            f"{path}:{edit.location.line}: {edit.operation} is no edit of a config file", "edit it by hand"
        )
    if edit.compatible:
        raise RepairError(f"{path}: no form of a config works on both stacks", "leave --compat out")
    text = _parsed(path, source)
    splices = _OPERATIONS[edit.operation](_Place(text, _mapping(text, edit), edit), edit.arguments)
    after = apply_splices(text.text, splices)
    mark = b"\xef\xbb\xbf" if source.startswith(b"\xef\xbb\xbf") else b""
    new = mark + after.encode()
    _parsed(path, new)
    return new, text.text, after, splices


def _parsed(path: str, source: bytes) -> Text:
    try:
        return parse_config(path, source)
    except WorkloadError as error:
        raise RepairError(error.message, error.hint) from error


@dataclass(frozen=True)
class _Place:
    """The mapping that an edit changes."""

    text: Text
    mapping: Node
    edit: Edit

    @property
    def is_json(self) -> bool:
        return self.text.path.endswith(".json")

    @property
    def is_toml(self) -> bool:
        return self.text.path.endswith(".toml")

    def pair(self, name: str) -> tuple[Key, Node] | None:
        """The key of that name that counts."""
        return self.mapping.pair(name)

    def error(self, message: str) -> RepairError:
        return RepairError(f"{self.text.path}:{self.edit.location.line}: {message}", "edit it by hand")

    def written(self, value: Any) -> str:
        """A value as it is written in this file."""
        if (
            not self.is_json
            and not self.is_toml
            and isinstance(value, str)
            and _PLAIN.fullmatch(value)
            and value.lower() not in _WORDS
        ):
            return value
        written = json.dumps(value, ensure_ascii=False)
        mantissa, e, exponent = written.partition("e") if isinstance(value, float) else (written, "", "")
        # without a point YAML 1.1 takes it for a text
        return f"{mantissa}.0e{exponent}" if e and "." not in mantissa and not self.is_json else written


def _mapping(text: Text, edit: Edit) -> Node:
    """The mapping that holds the key at the edit's place; the file's own where there is none."""
    todo = [text.root]
    while todo:
        node = todo.pop()
        for key, value in node.pairs or ():
            at = text.location(key)
            if (at.line, at.column) == (edit.location.line, edit.location.column):
                return node
            todo.append(value)
    if text.root.pairs is None:
        raise RepairError(f"{text.path} holds no keys", "edit it by hand")
    return text.root


def _literal(place: _Place, code: str) -> Any:
    try:
        return ast.literal_eval(code)
    except (ValueError, SyntaxError) as error:
        raise place.error(f"{code} is no plain value") from error


# --- the operations -----------------------------------------------------------------------------------------------


def _rename(place: _Place, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    found = _renamed(place, arguments)
    if found is None:
        return ()
    key, node = found
    if "unless" in arguments and node.plain() == _literal(place, arguments["unless"]):
        raise place.error(f"{arguments['old']}: {arguments['unless']} means something else there")
    unseen = [pair for pair in place.mapping.pairs or () if pair[0].name == key.name and pair[0] is not key]
    gone = [splice for other in unseen for splice in _removal(place, *other)]  # the last one counts
    return (*gone, _key(place, key, arguments["new"]))


def _translate(place: _Place, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    found = _renamed(place, arguments) if place.pair(arguments["old"]) else None
    if found is None:
        return ()
    key, node = found
    value = node.plain()
    if value not in (True, False, None):
        raise place.error(f"{arguments['old']} is neither true nor false")
    word = arguments["true"] if value else arguments.get("false", "")
    if not word:
        return _removal(place, key, node)
    return _key(place, key, arguments["new"]), Splice(node.start, node.end, place.written(_literal(place, word)))


def _renamed(place: _Place, arguments: Mapping[str, str]) -> tuple[Key, Node] | None:
    old, new = arguments["old"], arguments["new"]
    found = place.pair(old)
    if found is None and place.mapping.member(new) is not None:
        return None
    if found is None:
        raise place.error(f"there is no {old}")
    if place.mapping.member(new) is not None:
        raise place.error(f"there are {old} and {new}")
    return found


def _key(place: _Place, key: Key, new: str) -> Splice:
    quote = place.text.text[key.start]
    return Splice(key.start, key.end, f"{quote}{new}{quote}" if quote in "\"'" else new)


def _remove(place: _Place, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    found = place.pair(arguments["name"])
    if found is None:
        return ()
    if "value" in arguments and found[1].plain() != _literal(place, arguments["value"]):
        raise place.error(f"{arguments['name']} is not {arguments['value']} there")
    return _removal(place, *found)


def _set(place: _Place, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    name, value = arguments["name"], _literal(place, arguments["value"])
    found = place.pair(name)
    if found is not None:
        same = found[1].plain() == value and type(found[1].plain()) is type(value)
        return () if same else (Splice(found[1].start, found[1].end, place.written(value)),)
    return _added(place, name, place.written(value))


_OPERATIONS: Mapping[str, Callable[[_Place, Mapping[str, str]], tuple[Splice, ...]]] = {
    "rename_keyword": _rename,
    "translate_keyword": _translate,
    "remove_keyword": _remove,
    "set_keyword": _set,
}


# --- what they are made of ----------------------------------------------------------------------------------------


def _last(place: _Place, node: Node) -> int:
    """Where a value really ends: what YAML's parser calls the end of a block is where the next thing starts."""
    if place.is_toml:
        return node.end
    inner = [*(value for _, value in node.pairs or ()), *node.nodes]
    return max(_last(place, one) for one in inner) if inner else node.end


def _removal(place: _Place, key: Key, node: Node) -> tuple[Splice, ...]:
    text = place.text.text
    if place.is_json or _is_flow(place):
        return (_cut(place, key, node),)
    begin = text.rfind("\n", 0, key.start) + 1
    end = _last(place, node)
    while end > key.start and text[end - 1] in "\r\n \t":
        end -= 1
    stop = text.find("\n", end)
    stop = len(text) if stop < 0 else stop + 1
    if len(place.mapping.pairs or ()) == 1:
        raise place.error(f"{key.name} is the only key there")
    rest = text[end:stop].strip()
    if not rest:
        return (Splice(begin, stop, ""),)
    if not rest.startswith("#"):
        raise place.error(f"{key.name} shares its line")
    return (Splice(key.start, end + len(text[end:stop]) - len(text[end:stop].lstrip()), ""),)


def _is_flow(place: _Place) -> bool:
    return place.text.text[place.mapping.start : place.mapping.start + 1] == "{"


def _cut(place: _Place, key: Key, node: Node) -> Splice:
    """A member of a mapping in braces, with the comma that parts it from its neighbour."""
    pairs = list(place.mapping.pairs or ())
    index = next(number for number, (other, _) in enumerate(pairs) if other is key)
    if index + 1 < len(pairs):
        return Splice(key.start, pairs[index + 1][0].start, "")
    start = pairs[index - 1][1].end if index else key.start
    return Splice(start, node.end, "")


def _added(place: _Place, name: str, value: str) -> tuple[Splice, ...]:
    pairs = place.mapping.pairs or ()
    text = place.text.text
    if not pairs:
        raise place.error("there is nothing beside which it could stand")
    key, node = pairs[-1]
    newline = "\r\n" if "\r\n" in text else "\n"
    begin = text.rfind("\n", 0, key.start) + 1
    indent = text[begin : key.start]
    if place.is_json or _is_flow(place):
        between = f",{newline}{indent}" if not indent.strip() else ", "
        written = json.dumps(name) if place.is_json else name
        return (Splice(node.end, node.end, f"{between}{written}: {value}"),)
    end = _last(place, node)
    while end > key.start and text[end - 1] in "\r\n \t":
        end -= 1
    stop = text.find("\n", end)
    line = f"{indent if not indent.strip() else ''}{name}{' = ' if place.is_toml else ': '}{value}"
    if stop < 0:
        return (Splice(len(text), len(text), f"{newline}{line}"),)
    return (Splice(stop + 1, stop + 1, f"{line}{newline}"),)
