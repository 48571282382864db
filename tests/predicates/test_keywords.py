"""Whether an edit finds the keyword of a call."""

from __future__ import annotations

import pytest

from sftdoctor.model import Location
from sftdoctor.predicates.keywords import is_written

CALLS = {
    "its own": ("f(old=1)", 1, True),
    "a dictionary that is written there": ("f(**{'old': 1})", 1, True),
    "a dictionary that is bound once": ("k = {'old': 1}\nf(**k)", 2, True),
    "dict()": ("k = dict(old=1)\nf(**k)", 2, True),
    "a dictionary that is bound twice": ("k = {'old': 1}\nk = {}\nf(**k)", 3, False),
    "what another function gives": ("k = load()\nf(**k)", 2, False),
    "a part of something": ("f(**cfg['training'])", 1, False),
    "a dictionary without it": ("k = {'new': 1}\nf(**k)", 2, False),
    "of a chain": ("f(old=1).g()", 1, True),
    "no call": ("x = 1", 1, True),
    "no Python": ("f(", 1, True),
}


@pytest.mark.parametrize(("source", "line", "wanted"), CALLS.values(), ids=CALLS)
def test_a_keyword(source: str, line: int, wanted: bool) -> None:
    assert is_written(source, Location("train.py", line, 1), "old") is wanted


def test_one_that_may_be_added() -> None:
    place = Location("train.py", 1, 1)
    assert is_written("f(a=1)", place, "old", adds=True)
    assert not is_written("f(a=1)", place, "old")
    assert not is_written("f(a=1, **more)", place, "old", adds=True)
