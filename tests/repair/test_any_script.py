"""Any edit on any script: the result parses, only what was asked for changes, and a second time nothing does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sftdoctor.errors import RepairError
from sftdoctor.model import Edit, Location
from sftdoctor.repair.edits import carry_out

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("fixtures/scripts/*.py"), *ROOT.glob("sftdoctor/**/*.py"), *ROOT.glob("tests/**/*.py")])


@cache
def read(path: Path) -> tuple[bytes, ast.Module]:
    source = path.read_bytes()
    return source, ast.parse(source)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Path, bytes, Edit]:
    """A script and an edit at one of its own places, of names that are there."""
    path = draw(st.sampled_from(SCRIPTS))
    source, tree = read(path)
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Call, ast.ImportFrom, ast.FunctionDef))]
    node = draw(st.sampled_from(nodes)) if nodes else None
    location = Location(str(path), getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1)
    if isinstance(node, ast.ImportFrom):
        return path, source, Edit(*_import(draw, node, location))
    if isinstance(node, ast.Call):
        return path, source, Edit(*_call(draw, node, location))
    return path, source, Edit("add_parameter", location, {"name": "extra", "default": "None"})


def _import(draw: st.DrawFn, node: ast.ImportFrom, place: Location) -> tuple[str, Location, dict[str, str]]:
    module, old = node.module or "none", draw(st.sampled_from(node.names)).name
    names = " ".join(f"{alias.name}=pkg.other.{alias.name}2" for alias in node.names)
    return draw(
        st.sampled_from(
            [
                ("replace_import", place, {"module": module, "old": old, "new": "fresh"}),
                ("replace_import", place, {"module": module, "old": old, "new": "fresh", "new_module": "pkg.sub"}),
                ("remove_import", place, {"module": module, "old": old}),
                ("define_import", place, {"module": module, "old": old, "code": f"def {old}(x):\n    return x"}),
                ("redirect_imports", place, {"module": module, "to": names}),
                ("insert_after", place, {"code": "print(1)"}),
            ]
        )
    )


def _call(draw: st.DrawFn, node: ast.Call, place: Location) -> tuple[str, Location, dict[str, str]]:
    place = Location(place.path, place.line, place.column, node.end_lineno, (node.end_col_offset or 0) + 1)
    name = draw(st.sampled_from([one.arg for one in node.keywords if one.arg] or ["fresh"]))
    move = {"name": name, "argument": "args", "class": "Config", "module": "pkg", "first": '"out"'}
    return draw(
        st.sampled_from(
            [
                ("rename_keyword", place, {"old": name, "new": "fresh"}),
                ("remove_keyword", place, {"name": name}),
                ("set_keyword", place, {"name": name, "value": "(1, 'two')"}),
                ("translate_keyword", place, {"old": name, "new": "fresh", "true": "'yes'"}),
                ("move_keyword", place, move),
                ("insert_before", place, {"code": "fresh = 1"}),
            ]
        )
    )


@settings(max_examples=60, deadline=None)
@given(wish=edits())
def test_any_edit_of_any_script(wish: tuple[Path, bytes, Edit]) -> None:
    _, source, edit = wish
    try:
        once = carry_out(source, edit)
    except RepairError:
        return
    before, after = ast.parse(source), ast.parse(once.source)
    assert comments(once.source) >= comments(source) or edit.operation == "remove_keyword"
    assert abs(len(list(ast.walk(after))) - len(list(ast.walk(before)))) < 400
    try:
        twice = carry_out(once.source, Edit(edit.operation, once.moved(edit.location), edit.arguments))
    except RepairError:
        return
    if edit.operation != "translate_keyword":
        assert twice.source == once.source


def comments(source: bytes) -> int:
    return source.count(b"#")
