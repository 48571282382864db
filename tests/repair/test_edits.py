"""Edits: tables of before and after, and of what must stay as it is."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.edits import OPERATIONS, edit_file, edit_source, render_diff

RENAME = {"old": "max_seq_length", "new": "max_length"}


def edit(operation: str, line: int, column: int | None = 1, **arguments: str) -> Edit:
    return Edit(operation, Location("train.py", line, column), arguments)


CASES = {
    "rename": ("f(max_seq_length=2048)\n", edit("rename_keyword", 1, **RENAME), "f(max_length=2048)\n"),
    "rename keeps spaces and comments": (
        "c = f(  # why\n\tmax_seq_length = 2048 ,  # two k\n\n)\n",
        edit("rename_keyword", 1, 5, **RENAME),
        "c = f(  # why\n\tmax_length = 2048 ,  # two k\n\n)\n",
    ),
    "rename keeps CRLF": (
        "x = 1\r\nf(max_seq_length=1)\r\n",
        edit("rename_keyword", 2, **RENAME),
        "x = 1\r\nf(max_length=1)\r\n",
    ),
    "rename without a column": (
        "a = f(max_seq_length=1)\n",
        edit("rename_keyword", 1, None, **RENAME),
        "a = f(max_length=1)\n",
    ),
    "rename in the call that has it": (
        "g(f(max_seq_length=1), h())\n",
        edit("rename_keyword", 1, 40, **RENAME),
        "g(f(max_length=1), h())\n",
    ),
    "rename by a column of bytes": (
        "é = g(1); é = f(max_seq_length=1)\n",
        edit("rename_keyword", 1, 17, **RENAME),
        "é = g(1); é = f(max_length=1)\n",
    ),
    "rename by a line inside the call": (
        "f(\n    a=1,\n    max_seq_length=1,\n)\n",
        edit("rename_keyword", 3, 5, **RENAME),
        "f(\n    a=1,\n    max_length=1,\n)\n",
    ),
    "rename the outer of a chain": (
        "a(max_seq_length=1).b(max_seq_length=2)\n",
        Edit("rename_keyword", Location("train.py", 1, 1, 1, 40), RENAME),
        "a(max_seq_length=1).b(max_length=2)\n",
    ),
    "remove the only one": ("f(a=1)\n", edit("remove_keyword", 1, name="a"), "f()\n"),
    "remove the first": ("f(a=1, b=2)\n", edit("remove_keyword", 1, name="a"), "f(b=2)\n"),
    "remove the last": ("f(a=1, b=2)\n", edit("remove_keyword", 1, name="b"), "f(a=1)\n"),
    "remove the last before a comma": ("f(a=1, b=2,)\n", edit("remove_keyword", 1, name="b"), "f(a=1, )\n"),
    "remove one line": (
        "f(\n    a=1,\n    b=2,\n    c=3,\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1,\n    c=3,\n)\n",
    ),
    "remove keeps the comment": (
        "f(\n    a=1,  # one\n    b=2,  # two\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1,  # one\n    # two\n)\n",
    ),
    "remove the last line without a comma": (
        "f(\n    a=1,  # one, two\n    b=2\n)\n",
        edit("remove_keyword", 1, name="b"),
        "f(\n    a=1  # one, two\n)\n",
    ),
    "remove over several lines": (
        "f(\n    a=g(\n        1,\n    ),\n    b=2,\n)\n",
        edit("remove_keyword", 1, name="a"),
        "f(\n    b=2,\n)\n",
    ),
    "set in an empty call": ("f()\n", edit("set_keyword", 1, name="a", value="1"), "f(a=1)\n"),
    "set a new value": ("f(a=( 1 ), b=2)\n", edit("set_keyword", 1, name="a", value="None"), "f(a=None, b=2)\n"),
    "append": ("f(1, b=2)\n", edit("set_keyword", 1, name="a", value="{'x': 1}"), "f(1, b=2, a={'x': 1})\n"),
    "append after a comma": ("f(b=2,)\n", edit("set_keyword", 1, name="a", value="1"), "f(b=2, a=1,)\n"),
    "append a line": (
        "f(\n    b=2,  # two\n)\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(\n    b=2,  # two\n    a=1,\n)\n",
    ),
    "append a line without a comma": (
        "f(\r\n\tb=2  # two, three\r\n)\r\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(\r\n\tb=2,  # two, three\r\n\ta=1\r\n)\r\n",
    ),
    "append a line before the bracket": (
        "f(x,\n  b=2)\n",
        edit("set_keyword", 1, name="a", value="1"),
        "f(x,\n  b=2,\n  a=1)\n",
    ),
    "move": (
        "c = A(x=1)\nt = B(c, y=2, z=3)\n",
        edit("move_keyword", 2, 5, name="y", to_line="1", to_column="5"),
        "c = A(x=1, y=2)\nt = B(c, z=3)\n",
    ),
    "move under another name": (
        "c = A()\nt = B(\n    c,\n    max_seq_length=(\n        2\n    ),\n)\n",
        edit("move_keyword", 2, 5, name="max_seq_length", to_line="1", new="max_length"),
        "c = A(max_length=(\n        2\n    ))\nt = B(\n    c,\n)\n",
    ),
    "insert above": (
        "if x:\n    # about f\n    f()  # go\n",
        edit("insert_before", 3, 5, code="a = 1\nb = 2"),
        "if x:\n    # about f\n    a = 1\n    b = 2\n    f()  # go\n",
    ),
    "insert below": (
        "if x:\n\tf(\n\t\t1,\n\t)  # go\n\n\ty()\n",
        edit("insert_after", 3, 3, code="a = 1"),
        "if x:\n\tf(\n\t\t1,\n\t)  # go\n\ta = 1\n\n\ty()\n",
    ),
    "insert below the last line": ("f()", edit("insert_after", 1, code="g()"), "f()\ng()"),
    "insert above a decorated function": (
        "x = 1\n@d\ndef f():\n    return 1\n",
        edit("insert_before", 3, code="y = 2"),
        "x = 1\ny = 2\n@d\ndef f():\n    return 1\n",
    ),
    "import in the same module": (
        "from a.b import c, d  # why\n",
        edit("replace_import", 1, module="a.b", old="c", new="e"),
        "from a.b import e as c, d  # why\n",
    ),
    "import keeps its alias": (
        "from a import c as k\n",
        edit("replace_import", 1, module="a", old="c", new="e"),
        "from a import e as k\n",
    ),
    "import from another module": (
        "from transformers import AdamW\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\n",
    ),
    "import one of several from another module": (
        "from transformers import (\n    AdamW,  # old\n    Trainer,\n)\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\nfrom transformers import (\n    # old\n    Trainer,\n)\n",
    ),
    "import the last of several from another module": (
        "from transformers import Trainer, AdamW\n",
        edit("replace_import", 1, module="transformers", old="AdamW", new="AdamW", new_module="torch.optim"),
        "from torch.optim import AdamW\nfrom transformers import Trainer\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_before_and_after(name: str) -> None:
    before, change, after = CASES[name]
    assert edit_source(before.encode(), change).decode() == after
    ast.parse(after)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("rename the outer")])
def test_edits_are_idempotent(name: str) -> None:
    _, change, after = CASES[name]
    moved = change.operation in {"insert_before"}
    location = change.location
    if moved:  # the statement itself is now lower
        lines = change.arguments["code"].count("\n") + 1
        location = Location(location.path, (location.line or 0) + lines, location.column)
    again = Edit(change.operation, location, change.arguments)
    assert edit_source(after.encode(), again).decode() == after


REFUSED = {
    "both names": (
        "f(max_seq_length=1, max_length=2)\n",
        edit("rename_keyword", 1, **RENAME),
        "has max_seq_length and",
    ),
    "no such argument": ("f(a=1)\n", edit("rename_keyword", 1, **RENAME), "no argument"),
    "which call": ("f(a=1); g(a=2)\n", edit("set_keyword", 1, 40, name="a", value="3"), "cannot be told"),
    "no call": ("x = 1\n", edit("remove_keyword", 1, name="a"), "cannot be told"),
    "stars": ("f(**k)\n", edit("set_keyword", 1, name="a", value="3"), "among the \\*\\*"),
    "a bare generator": ("f(x for x in y)\n", edit("set_keyword", 1, name="a", value="3"), "no Python"),
    "code for a value": ("f()\n", edit("set_keyword", 1, name="a", value="1); import os; (2"), "an expression"),
    "code for a name": ("f(a=1)\n", edit("rename_keyword", 1, old="a", new="b=1, c"), "needs a name"),
    "broken script": ("f(\n", edit("remove_keyword", 1, name="a"), "cannot be parsed"),
    "broken insertion": ("f()\n", edit("insert_before", 1, code="if x:"), "no Python"),
    "guarded on one line": ("if x: f()\n", edit("insert_before", 1, code="g()"), "shares its line"),
    "no import": ("import a\n", edit("replace_import", 1, module="a", old="b", new="c"), "no `from a import b`"),
    "notebook": ("{}", Edit("remove_keyword", Location("a.ipynb", 1), {"name": "a"}), "notebooks"),
    "unknown operation": ("f()\n", edit("explode", 1), "unknown edit operation"),
    "missing argument": ("f()\n", edit("set_keyword", 1, name="a"), "takes name, value"),
    "bytes": ("f()\0\n", edit("remove_keyword", 1, name="a"), "NUL"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    source, change, message = REFUSED[name]
    with pytest.raises(RepairError, match=message):
        edit_source(source.encode(), change)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbff(max_seq_length=1)\n", b"\xef\xbb\xbff(max_length=1)\n"),
        (
            "# coding: latin-1\n# é\nf(max_seq_length=1)\n".encode("latin-1"),
            "# coding: latin-1\n# é\nf(max_length=1)\n".encode("latin-1"),
        ),
        (b"x = 1\r\n\ny = 2\rf(max_seq_length=1)", b"x = 1\r\n\ny = 2\rf(max_length=1)"),
        (b"x = '''\x0c'''\nf(max_seq_length=1)\n", b"x = '''\x0c'''\nf(max_length=1)\n"),
    ],
)
def test_bytes_outside_the_edit_stay(before: bytes, after: bytes) -> None:
    line = next(
        n
        for n, text in enumerate(before.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"), 1)
        if b"f(max" in text
    )
    assert edit_source(before, edit("rename_keyword", line, **RENAME)) == after


def test_every_operation_has_a_case() -> None:
    assert {change.operation for _, change, _ in CASES.values()} == set(OPERATIONS)


def test_a_file_is_replaced_with_its_mode_and_through_its_link(tmp_path: Path) -> None:
    script = tmp_path / "real" / "train.py"
    script.parent.mkdir()
    script.write_bytes(b"f(max_seq_length=1)\n")
    script.chmod(0o751)
    link = tmp_path / "train.py"
    link.symlink_to(script)
    diff = edit_file(link, edit("rename_keyword", 1, **RENAME))
    assert "-f(max_seq_length=1)" in diff and "+f(max_length=1)" in diff
    assert link.is_symlink() and script.read_bytes() == b"f(max_length=1)\n"
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    assert [one.name for one in script.parent.iterdir()] == ["train.py"]
    assert edit_file(link, edit("rename_keyword", 1, **RENAME)) == ""


def test_a_read_only_file_stays(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_bytes(b"f(max_seq_length=1)\n")
    script.chmod(0o444)
    with pytest.raises(RepairError, match="read-only"):
        edit_file(script, edit("rename_keyword", 1, **RENAME))
    assert script.read_bytes() == b"f(max_seq_length=1)\n"


@pytest.mark.parametrize("answer", [False, ["a finding"]])
def test_what_does_not_link_is_not_written(tmp_path: Path, answer: object) -> None:
    script = tmp_path / "train.py"
    script.write_bytes(b"f(max_seq_length=1)\n")
    with pytest.raises(RepairError, match="would not link"):
        edit_file(script, edit("rename_keyword", 1, **RENAME), lambda path, source: answer)  # type: ignore[arg-type, return-value]
    assert script.read_bytes() == b"f(max_seq_length=1)\n"


def test_diff() -> None:
    assert render_diff("a\nb", "a\nc\n", "/x/t.py").splitlines() == [
        "--- a/x/t.py",
        "+++ b/x/t.py",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "\\ No newline at end of file",
        "+c",
    ]
    assert render_diff("a\n", "a\n", "t.py") == ""


@given(
    before=st.sampled_from(["", "x = 1\n", "# π\n", "'''a\nb'''\n"]),
    inner=st.lists(st.sampled_from(["a=1", "b = [1, 2]", "c=(3)", "d=g(e=4)"]), unique=True, max_size=4),
    join=st.sampled_from([", ", ",", ",\n    ", " ,  # note, here\n\t"]),
    tail=st.sampled_from(["", ",", ",\n", "\n", "  # end\n"]),
    name=st.sampled_from("abcd"),
)
def test_set_then_remove_leaves_the_other_arguments(
    before: str, inner: list[str], join: str, tail: str, name: str
) -> None:
    source = f"{before}f({join.join(inner)}{tail if inner else ''})\n"
    line = before.count("\n") + 1
    kept = [one for one in inner if not one.startswith(name)]
    removed = edit_source(source.encode(), edit("remove_keyword", line, name=name)).decode()
    assert _call(removed) == _call(f"f({', '.join(kept)})")
    appended = edit_source(removed.encode(), edit("set_keyword", line, name=name, value="9")).decode()
    assert _call(appended) == _call(f"f({', '.join([*kept, f'{name}=9'])})")
    assert appended.count("# note") == source.count("# note") and appended.count("# end") == source.count("# end")


def _call(source: str) -> str:
    return ast.dump(ast.parse(source).body[-1])
