"""Edits of notebooks: the cell's source changes, every other byte of the file stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.configs.jsonspans import parse_spans
from sftdoctor.errors import RepairError
from sftdoctor.flow.source import notebook_text
from sftdoctor.model import Edit, Location
from sftdoctor.repair.edits import edit_source

RENAME = {"old": "max_seq_length", "new": "max_length"}


def edit(operation: str, line: int, column: int | None = None, **arguments: str) -> Edit:
    return Edit(operation, Location("train.ipynb", line, column), arguments)


def notebook(*cells: list[str] | str, indent: int | None = 1, **more: object) -> str:
    """A notebook of format 4 with a markdown cell before each code cell, and outputs."""
    found: list[dict[str, object]] = []
    for source in cells:
        found.append({"cell_type": "markdown", "metadata": {}, "source": ["# max_seq_length=1\n", "text"]})
        output = {"output_type": "stream", "name": "stdout", "text": ["f(max_seq_length=1)\n"]}
        found.append({"cell_type": "code", "execution_count": 3, "metadata": {}, "outputs": [output], "source": source})
    whole = {"cells": found, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps({**whole, **more}, indent=indent, ensure_ascii=False) + "\n"


def test_one_line_of_one_cell_changes() -> None:
    before = notebook(["!pip install trl\n", "import os"], ["x = 'é'\n", "\n", "f(max_seq_length=1)  # why"])
    after = edit_source(before.encode(), edit("rename_keyword", 5, **RENAME)).decode()
    assert after == before.replace('"f(max_seq_length=1)  # why"', '"f(max_length=1)  # why"')


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_layout_of_the_file_stays(indent: int | None) -> None:
    before = notebook(["a = 1\n", "f(max_seq_length=1)\n", "b = 2"], "g()", indent=indent)
    after = edit_source(before.encode(), edit("rename_keyword", 2, **RENAME)).decode()
    assert after == before.replace('"f(max_seq_length=1)\\n",', '"f(max_length=1)\\n",', 1)


def test_a_source_that_is_one_text_stays_one() -> None:
    before = notebook("a = 1\nf(max_seq_length=1)")
    after = edit_source(before.encode(), edit("rename_keyword", 2, **RENAME)).decode()
    assert after == before.replace('"a = 1\\nf(max_seq_length=1)"', '"a = 1\\nf(max_length=1)"')


def test_lines_come_and_go() -> None:
    before = notebook(["from trl import B\n", "t = B(\n", "    y=2,\n", ")"], ["t.train()"])
    move = {"name": "y", "argument": "args", "class": "Config", "module": "trl"}
    after = edit_source(before.encode(), edit("move_keyword", 2, 5, **move)).decode()
    cells = [cell["source"] for cell in json.loads(after)["cells"] if cell["cell_type"] == "code"]
    assert cells == [["from trl import B, Config\n", "t = B(\n", "    args=Config(y=2),\n", ")"], ["t.train()"]]
    inserted = edit_source(before.encode(), edit("insert_after", 5, code="print(1)")).decode()
    cells = [cell["source"] for cell in json.loads(inserted)["cells"] if cell["cell_type"] == "code"]
    assert cells[1] == ["t.train()\n", "print(1)"]


def test_an_edit_over_two_cells_changes_both() -> None:
    before = notebook(["from trl import Config\n", "%matplotlib inline\n", "c = Config(x=1)"], ["B(args=c, y=2)"])
    move = {"name": "y", "argument": "args", "class": "Config", "module": "trl"}
    after = edit_source(before.encode(), edit("move_keyword", 4, 1, **move)).decode()
    cells = [cell["source"] for cell in json.loads(after)["cells"] if cell["cell_type"] == "code"]
    assert cells == [["from trl import Config\n", "%matplotlib inline\n", "c = Config(x=1, y=2)"], ["B(args=c)"]]


def test_a_notebook_of_format_3() -> None:
    before = json.dumps(
        {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["f(max_seq_length=1)"]}]}]}
    )
    after = edit_source(before.encode(), edit("rename_keyword", 1, **RENAME)).decode()
    assert after == before.replace("max_seq", "max")


@pytest.mark.parametrize(
    ("source", "change", "message"),
    [
        (["x = !ls f(max_seq_length=1)\n"], edit("rename_keyword", 1, **RENAME), "cannot be told"),
        (["a = 1\r\n", "f(max_seq_length=1)"], edit("rename_keyword", 2, **RENAME), "line ends of another system"),
    ],
)
def test_refusals(source: list[str], change: Edit, message: str) -> None:
    with pytest.raises(RepairError, match=message):
        edit_source(notebook(source).encode(), change)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(value=values, indent=st.sampled_from([None, 1, 4]), plain=st.booleans())
def test_every_value_is_found_where_it_stands(value: object, indent: int | None, plain: bool) -> None:
    text = "\n " + json.dumps(value, indent=indent, ensure_ascii=plain) + " "
    todo = [(parse_spans(text), value)]
    while todo:
        node, expected = todo.pop()
        assert json.loads(text[node.start : node.end]) == expected
        if isinstance(expected, list):
            todo += zip(node.nodes, expected, strict=True)
        elif isinstance(expected, dict):
            todo += [(node.member(name), one) for name, one in expected.items()]  # type: ignore[misc]
        else:
            assert node.value == expected


def test_lines_are_those_that_check_reports() -> None:
    raw = notebook(["%pip install x\n", "a = 1"], "b = 2\n").encode()
    text, cells = notebook_text(Path("n.ipynb"), raw)
    assert text.splitlines() == ["#~%pip install x", "a = 1", "b = 2", ""] and cells == ((1, 1), (3, 3))
