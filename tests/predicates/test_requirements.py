"""requirement and requires-python."""

from __future__ import annotations

import pytest

from sftdoctor.model import Distribution
from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context, distribution


def unmet(*distributions: Distribution, **arguments: str) -> list[str]:
    """The requirements that are not met, as "who: what, found"."""
    complete = arguments.pop("complete", "yes") == "yes"
    probe = {"probe": "requirement", "kind": "declared", **arguments}
    values = [match.values for match in evaluate(context(*distributions, complete=complete), probe).matches]
    return [f"{value['distribution']}: {value['requirement']}, {value['found']}" for value in values]


@pytest.mark.parametrize(
    ("line", "version", "expected"),
    [
        ("peft>=0.8.0", "0.5.0", ["trl: peft>=0.8.0, peft 0.5.0"]),
        ("peft>=0.5.0", "0.5.0", []),
        ("peft (>=0.8.0)", "0.5.0", ["trl: peft>=0.8.0, peft 0.5.0"]),
        ("Peft >= 0.8", "0.5.0", ["trl: peft>=0.8, peft 0.5.0"]),
        ("peft<0.5", "0.5.0+local", ["trl: peft<0.5, peft 0.5.0+local"]),
        ("peft==0.5.0", "0.5.0+local", []),
        ("peft>=0.5", "0.5.0rc1", ["trl: peft>=0.5, peft 0.5.0rc1"]),
        ("peft>=0.4", "0.5.0rc1", []),
        ("peft>=0.8; python_version < '3.0'", "0.5.0", []),
        ("peft>=0.8; python_version >= '3.10'", "0.5.0", ["trl: peft>=0.8, peft 0.5.0"]),
        ("peft>=0.8; extra == 'peft'", "0.5.0", []),
        ("peft>=0.8", "not-a-version", []),
        ("peft>=oops", "0.5.0", []),
        ("???", "0.5.0", []),
        ("peft @ https://example.org/peft.whl", "0.5.0", []),
        ("scipy", "0.5.0", ["trl: scipy, no scipy"]),
        ("scipy>=1; sys_platform == 'win32'", "0.5.0", []),
        ("scipy>=1; nonsense == 'x'", "0.5.0", []),
    ],
)
def test_declared(line: str, version: str, expected: list[str]) -> None:
    assert unmet(distribution("trl", "0.24.0", line), distribution("peft", version)) == expected


def test_what_is_not_listed_may_be_there_all_the_same() -> None:
    assert unmet(distribution("trl", "0.24.0", "scipy"), complete="no") == []


@pytest.mark.parametrize(
    ("line", "extras", "expected"),
    [
        ("peft>=0.8.0; extra == 'peft'", ["peft"], ["trl: peft>=0.8.0, peft 0.5.0"]),
        ('peft>=0.8.0; extra == "peft"', [], ["trl: peft>=0.8.0, peft 0.5.0"]),
        ("peft<0.5,>=0.4; extra == 'peft'", ["peft"], []),
        ("peft==0.4.0; extra == 'peft'", ["peft"], []),
        ("peft>=0.8.0; extra == 'dev'", ["dev"], []),
        ("peft>=0.8.0; extra == 'dev-torch'", ["dev-torch"], []),
        ("peft>=0.8.0; extra == 'testing'", ["testing"], []),
        ("peft>=0.8.0; extra == 'peft' and python_version < '3.0'", ["peft"], []),
        ("peft>=0.8.0", ["peft"], []),
        ("vllm>=0.10; extra == 'vllm'", ["vllm"], []),
    ],
)
def test_floors_of_extras(line: str, extras: list[str], expected: list[str]) -> None:
    trl = distribution("trl", "0.24.0", line, extras=extras)
    assert unmet(trl, distribution("peft", "0.5.0"), kind="extra") == expected


def test_one_requirement_in_two_extras_is_told_once() -> None:
    lines = ("peft>=0.8.0; extra == 'peft'", "peft>=0.8.0; extra == 'adapters'")
    trl = distribution("trl", "0.24.0", *lines, extras=["peft", "adapters"])
    assert len(unmet(trl, distribution("peft", "0.5.0"), kind="extra")) == 1


@pytest.mark.parametrize(
    ("within", "owners"),
    [("core", []), ("run", ["transformers"]), ("elsewhere", ["tensorflow"])],
)
def test_within(within: str, owners: list[str]) -> None:
    found = unmet(
        distribution("trl", "0.24.0", "transformers"),
        distribution("peft", "0.17.1"),
        distribution("transformers", "4.57.3", "numpy>=1.26"),
        distribution("tensorflow", "2.20.0", "numpy>=1.26"),
        distribution("numpy", "1.20"),
        within=within,
    )
    assert [line.partition(":")[0] for line in found] == owners


def test_nothing_of_a_run_is_installed() -> None:
    stack = (distribution("tensorflow", "2.20.0", "numpy>=1.26"), distribution("numpy", "1.20"))
    assert unmet(*stack, within="run") == []
    assert len(unmet(*stack, within="elsewhere")) == 1


@pytest.mark.parametrize(
    ("declared", "python", "outcome"),
    [
        (">=3.11", "3.9.18", Outcome.FAILS),
        (">=3.11", "3.11.7", Outcome.HOLDS),
        (">=3.11", "3.14.0rc1", Outcome.HOLDS),
        ("<3.13,>=3.8", "3.13.0", Outcome.FAILS),
        ("nonsense", "3.11.7", Outcome.HOLDS),
        (None, "3.11.7", Outcome.HOLDS),
    ],
)
def test_requires_python(declared: str | None, python: str, outcome: Outcome) -> None:
    asked = context(distribution("trl", "1.16.0", requires_python=declared), python=python)
    assert evaluate(asked, {"probe": "requires-python"}).outcome is outcome
