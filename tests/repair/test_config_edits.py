"""Edits of YAML, JSON and TOML: what changes, and that nothing else does."""

from __future__ import annotations

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.edits import carry_out, edit_source

RENAME = {"old": "a", "new": "b"}
SWITCH = {"old": "a", "new": "b", "true": '"yes"', "false": '"no"'}
EDITS = {
    "rename": ("rename_keyword", RENAME, "x: 1\na: 2  # why\nc: 3\n", "x: 1\nb: 2  # why\nc: 3\n"),
    "rename, quoted": ("rename_keyword", RENAME, "'a': 2\n", "'b': 2\n"),
    "rename, JSON": ("rename_keyword", RENAME, '{"x": 1, "a": [1,  2]}', '{"x": 1, "b": [1,  2]}'),
    "rename, once": ("rename_keyword", RENAME, "b: 2\n", "b: 2\n"),
    "rename, of two the one that counts": ("rename_keyword", RENAME, "a: 1\na: 2\n", "b: 2\n"),
    "rename, other line ends": ("rename_keyword", RENAME, "x: 1\r\na: 2\r\n", "x: 1\r\nb: 2\r\n"),
    "rename, unless": ("rename_keyword", {**RENAME, "unless": "None"}, "a: 1\n", "b: 1\n"),
    "remove": ("remove_keyword", {"name": "a"}, "x: 1\na: 2\nc: 3\n", "x: 1\nc: 3\n"),
    "remove, the last": ("remove_keyword", {"name": "a"}, "x: 1\na: 2", "x: 1\n"),
    "remove, the comment stays": ("remove_keyword", {"name": "a"}, "x: 1\na: 2  # why\n", "x: 1\n# why\n"),
    "remove, a list": ("remove_keyword", {"name": "a"}, "a:\n  - 1\n  - 2\n# of c\nc: 3\n", "# of c\nc: 3\n"),
    "remove, JSON": ("remove_keyword", {"name": "a"}, '{"a": 1,\n "c": 2}', '{"c": 2}'),
    "remove, the last of JSON": ("remove_keyword", {"name": "a"}, '{"c": 2,\n "a": 1\n}', '{"c": 2\n}'),
    "remove, only that value": ("remove_keyword", {"name": "a", "value": '"auto"'}, "a: auto\nc: 1\n", "c: 1\n"),
    "set": ("set_keyword", {"name": "a", "value": '"no"'}, "a: no # x\n", 'a: "no" # x\n'),
    "set, a plain word": ("set_keyword", {"name": "a", "value": '"bf16"'}, "a: bfloat16\n", "a: bf16\n"),
    "set, a number": ("set_keyword", {"name": "a", "value": '"0"'}, "a: 0\n", 'a: "0"\n'),
    "set, new": ("set_keyword", {"name": "a", "value": "True"}, "x: 1 # y\n# end\n", "x: 1 # y\na: true\n# end\n"),
    "set, new in JSON": ("set_keyword", {"name": "a", "value": "1"}, '{\n  "x": 1\n}', '{\n  "x": 1,\n  "a": 1\n}'),
    "set, in braces": ("set_keyword", {"name": "a", "value": "1"}, "{x: 1}\n", "{x: 1, a: 1}\n"),
    "set, a small number": ("set_keyword", {"name": "a", "value": "1e-8"}, "a: 1e-8\n", "a: 1.0e-08\n"),
    "rename, TOML": ("rename_keyword", RENAME, "x = 1\na = 2 # why\n", "x = 1\nb = 2 # why\n"),
    "remove, TOML": ("remove_keyword", {"name": "a"}, "x = 1\na = [\n 2\n]\n[t]\n", "x = 1\n[t]\n"),
    "set, TOML": ("set_keyword", {"name": "a", "value": '"no"'}, "x = 1\na = 'yes'\n", 'x = 1\na = "no"\n'),
    "set, new in TOML": ("set_keyword", {"name": "a", "value": "True"}, "x = 1\n", "x = 1\na = true\n"),
    "translate": ("translate_keyword", SWITCH, "a: true\n", 'b: "yes"\n'),
    "translate, false": ("translate_keyword", SWITCH, "a: false\nc: 1\n", 'b: "no"\nc: 1\n'),
    "translate, to nothing": ("translate_keyword", {"old": "a", "new": "b", "true": "1"}, "a: false\nc: 1\n", "c: 1\n"),
}


def edit(operation: str, arguments: dict[str, str], text: str, line: int = 1, column: int = 1) -> Edit:
    json = text.startswith(('{"', "{\n"))
    name = "c.json" if json else "c.toml" if " = " in text else "c.yaml"
    return Edit(operation, Location(name, line, column), arguments)


@pytest.mark.parametrize(("operation", "arguments", "before", "after"), EDITS.values(), ids=EDITS)
def test_edits(operation: str, arguments: dict[str, str], before: str, after: str) -> None:
    wanted = edit(operation, arguments, before)
    assert edit_source(before.encode(), wanted).decode() == after
    assert edit_source(after.encode(), wanted).decode() == after


def test_the_key_at_its_place_is_meant() -> None:
    text = "a: 1\nsection:\n  a: 2\n  c: 3\n"
    assert edit_source(text.encode(), edit("rename_keyword", RENAME, text, 3, 3)).decode() == text.replace(
        "  a:", "  b:"
    )


def test_a_byte_order_mark_stays_and_places_move() -> None:
    done = carry_out(b"\xef\xbb\xbfa: 1\nc: 2\n", edit("remove_keyword", {"name": "a"}, "a"))
    assert done.source == b"\xef\xbb\xbfc: 2\n"
    assert done.moved(Location("c.yaml", 2, 1)).line == 1


REFUSED = {
    "both are there": ("rename_keyword", RENAME, "a: 1\nb: 2\n"),
    "neither is": ("rename_keyword", RENAME, "c: 1\n"),
    "it means something else": ("rename_keyword", {**RENAME, "unless": "None"}, "a: null\n"),
    "another value": ("remove_keyword", {"name": "a", "value": "1"}, "a: 2\nc: 1\n"),
    "the only key": ("remove_keyword", {"name": "a"}, "a: 2\n"),
    "no switch": ("translate_keyword", SWITCH, "a: maybe\n"),
    "no edit of a config": ("insert_before", {"code": "x = 1"}, "a: 1\n"),
    "no mapping": ("set_keyword", {"name": "a", "value": "1"}, "- 1\n"),
    "no YAML": ("set_keyword", {"name": "a", "value": "1"}, "a: [\n"),
    "no plain value": ("set_keyword", {"name": "a", "value": "f()"}, "a: 1\n"),
}


@pytest.mark.parametrize(("operation", "arguments", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(operation: str, arguments: dict[str, str], text: str) -> None:
    with pytest.raises(RepairError):
        edit_source(text.encode(), edit(operation, arguments, text))
