"""Edits of launch scripts."""

from __future__ import annotations

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.edits import edit_source

RENAME = {"old": "max_seq_length", "new": "max_length"}
EDITS = {
    "a word": ("x \\\n  --max_seq_length 1 # y\n", (2, 3), "x \\\n  --max_length 1 # y\n"),
    "with a value": ("x --max_seq_length=1", (1, 3), "x --max_length=1"),
    "with hyphens": ("x --max-seq-length 1", (1, 3), "x --max-length 1"),
    "at the end": ("x --max_seq_length", (1, 3), "x --max_length"),
    "once": ("x --max_length 1", (1, 3), "x --max_length 1"),
    "other line ends": ("x\r\n--max_seq_length 1\r\n", (2, 1), "x\r\n--max_length 1\r\n"),
}


def edit(place: tuple[int, int], operation: str = "rename_option") -> Edit:
    return Edit(operation, Location("run.sh", *place), RENAME)


@pytest.mark.parametrize(("before", "place", "after"), EDITS.values(), ids=EDITS)
def test_edits(before: str, place: tuple[int, int], after: str) -> None:
    assert edit_source(before.encode(), edit(place)).decode() == after
    assert edit_source(after.encode(), edit(place)).decode() == after


def test_refused() -> None:
    for text, operation in (
        ("x $ARGS", "rename_option"),
        ("x --max_seq_lengths 1", "rename_option"),
        ("x", "rename_keyword"),
    ):
        with pytest.raises(RepairError):
            edit_source(text.encode(), edit((1, 3), operation))
    with pytest.raises(RepairError, match="not UTF-8"):
        edit_source(b"\xff", edit((1, 1)))
