"""Version ranges as gates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from sftdoctor.predicates import Outcome, evaluate, gate
from sftdoctor.predicates.versions import in_range
from tests.predicates.contexts import context, distribution


@pytest.mark.parametrize(
    ("version", "specifier", "inside"),
    [
        ("0.15.0", ">=0.15,<0.25", True),
        ("0.24.0", ">=0.15,<0.25", True),
        ("0.25.0", ">=0.15,<0.25", False),
        ("0.14.9", ">=0.15,<0.25", False),
        ("1.0", "*", True),
        ("2.6.0+cu124", "==2.6.0", True),
        ("2.6.0+cu124", "<=2.6", True),
        ("2.6.0+cu124", ">2.6", False),
        ("5.0.0rc1", ">=5.0", True),
        ("5.0.0rc1", "<5.0", False),
        ("5.0.0.dev0", ">=5.0.0", True),
        ("2.6.0a0+df5bbc0", ">=2.6", True),
        ("2.1.0.post100", "==2.1.0", True),
        ("2.1.0.post100", ">2.1.0", False),
        ("4.57.3", "!=4.57.3", False),
        ("4.57.3", "==4.57.*", True),
        ("4.57.3", "~=4.50", True),
        ("4.57.3", "~=4.50.0", False),
        ("1!2.0", ">=1.0", True),
        ("3.0", ">=3.0.0", True),
        ("3.0.0", "==3", True),
        ("unreadable!", ">=1", None),
        ("unreadable!", "*", True),
    ],
)
def test_in_range(version: str, specifier: str, inside: bool | None) -> None:
    assert in_range(version, specifier) is inside


releases = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
clauses = st.tuples(st.sampled_from([">=", "<=", "==", "!=", "<", ">"]), releases).map("".join)


@given(releases, st.lists(clauses, min_size=1, max_size=3).map(",".join))
def test_fast_comparison_says_what_packaging_says(version: str, specifier: str) -> None:
    assert in_range(version, specifier) is SpecifierSet(specifier).contains(version)


@pytest.mark.parametrize(
    ("name", "specifier", "complete", "outcome"),
    [
        ("peft", ">=0.5", True, Outcome.FAILS),
        ("peft", ">=0.6", True, Outcome.HOLDS),
        ("peft", "absent", True, Outcome.HOLDS),
        ("python", ">=3.10", True, Outcome.FAILS),
        ("python", "<3.10", True, Outcome.HOLDS),
        ("scipy", "*", True, Outcome.HOLDS),
        ("scipy", "absent", True, Outcome.FAILS),
        ("scipy", "absent", False, Outcome.UNKNOWN),
        ("scipy", "*", False, Outcome.UNKNOWN),
        ("odd", ">=1", True, Outcome.UNKNOWN),
    ],
)
def test_gate(name: str, specifier: str, complete: bool, outcome: Outcome) -> None:
    asked = context(distribution("peft", "0.5.0"), distribution("odd", "not-a-version"), complete=complete)
    assert gate(asked, name, specifier).outcome is outcome
    if name != "python":
        probe = {"probe": "version", "distribution": name, "in": specifier}
        assert evaluate(asked, probe).outcome is outcome
