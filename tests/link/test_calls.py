"""Calls across packages: keywords, arguments, dictionaries of keywords, decorators, wrappers."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Location
from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("calls"))
def test_calls(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.xfail(reason="what an unknown branch, loop or callee leaves behind is taken for what was there before")
@pytest.mark.parametrize("row", read_worlds("unsolved"))
def test_false_alarms_that_are_left(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_a_scripts_break_is_placed(tmp_path: Path) -> None:
    row = World({"lib": "def f(x): pass"}, "from lib import f\n\nvalue = f(1, y=2)\n", script=True)
    found = row.link(tmp_path).findings[0]
    assert found.location == Location("train.py", 3, 9, 3, 18)
    assert found.cause is not None and found.cause.expression == "f(…, y=…)"
    assert found.symptom == "TypeError: f() got an unexpected keyword argument 'y'"


def test_both_places_of_a_call_are_named(tmp_path: Path) -> None:
    row = World({"lib": "", "lib.deep": "\n\ndef f(x): pass", "user": "import lib.deep\nlib.deep.f(y=1)"})
    cause = row.link(tmp_path).findings[0].cause
    assert cause is not None and cause.caller is not None and cause.callee is not None
    assert (cause.caller.path, cause.caller.line) == ("user/__init__.py", 2)
    assert (cause.callee.path, cause.callee.line, cause.callee.symbol) == ("lib/deep.py", 3, "lib.deep.f")
