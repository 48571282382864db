"""The registry: every predicate is documented, and arguments are described well enough to be checked."""

from __future__ import annotations

from typing import Any

import pytest

import sftdoctor.predicates as predicates
from sftdoctor.predicates import PREDICATES, Argument


@pytest.mark.parametrize("name", sorted(PREDICATES))
def test_every_predicate_is_documented(name: str) -> None:
    assert f"\n{name} " in f"{predicates.__doc__}" or f"\n{name}\n" in f"{predicates.__doc__}"
    assert PREDICATES[name].doc
    for argument in PREDICATES[name].arguments.values():
        assert argument.doc


@pytest.mark.parametrize(
    ("argument", "good", "bad"),
    [
        (Argument("text", "x"), ["a"], ["", 1, None, ["a"]]),
        (Argument("texts", "x"), ["a", ["a", "b"]], [1, [], [1]]),
        (Argument("texts", "x", choices=("a", "b")), ["a", ["a", "b"]], ["c", ["a", "c"]]),
        (Argument("specifier", "x"), ["*", "absent", ">=1,<2", "==1.*"], ["", "1.0", ">=x", 1]),
        (Argument("flag", "x"), [True, False], [1, "true"]),
        (Argument("number", "x"), [1, 1.5], [True, "1"]),
        (Argument("table", "x"), [{"a": 1}], [{}, [], "a"]),
        (Argument("probe", "x"), [{"probe": "gpu"}], [[], "gpu"]),
        (Argument("probes", "x"), [[{"probe": "gpu"}]], [[], {}, "gpu"]),
    ],
)
def test_arguments(argument: Argument, good: list[Any], bad: list[Any]) -> None:
    assert [argument.problem(value) for value in good] == [""] * len(good)
    assert all(argument.problem(value) for value in bad)
