"""Many environments side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from rich.console import Console

from sftdoctor.model import Distribution, Environment
from sftdoctor.report import crowd_text
from sftdoctor.report.crowd import Crowd, compare, crowd_to_dict
from tests.predicates.contexts import environment


def member(name: str, peft: str = "0.17.0", **variables: str) -> tuple[str, Environment, Mapping[str, str]]:
    found = environment(Distribution("peft", peft), Distribution("idna", "3.0"))
    return name, found, {f"${key}": value for key, value in variables.items()}


def text(crowd: Crowd, width: int = 80) -> str:
    out = io.StringIO()
    crowd_text.render(crowd, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def test_all_alike() -> None:
    found = compare([member("a"), member("b"), member("c")])
    assert (found.splits, found.odd) == ((), ())
    assert "all 3 are alike" in text(found)


def test_the_odd_one_is_named_with_what_most_have() -> None:
    found = compare([member("a"), member("b", "0.5.0", NCCL_DEBUG="INFO"), member("c"), member("d")])
    assert found.odd == (("b", 2),)
    assert [(split.kind, split.what) for split in found.splits] == [("variables", "$NCCL_DEBUG"), ("stack", "peft")]
    said = text(found)
    assert "1 of 4 not like the others" in said
    assert "peft" in said
    assert "3 others: 0.17.0" in said
    assert crowd_to_dict(found)["differences"][1]["values"] == [
        {"value": "0.17.0", "members": ["a", "c", "d"]},
        {"value": "0.5.0", "members": ["b"]},
    ]


def test_halves_are_groups() -> None:
    found = compare([member("a"), member("b", "0.5.0")])
    assert found.odd == ()
    assert "fall into groups" in text(found)


def test_one_alone_is_not_called_alike() -> None:
    assert "only one" in text(compare([member("a")]))


@pytest.mark.parametrize("width", [80, 120])
def test_a_thousand_are_told_shortly(width: int) -> None:
    found = compare([member(f"node{n}", "0.5.0" if n % 3 == 0 else "0.17.0") for n in range(1000)])
    lines = text(found, width).splitlines()
    assert len(lines) < 60
    assert "and 322 more" in "\n".join(lines)
    assert max(map(len, lines)) <= width


def test_names_and_values_are_harmless() -> None:
    found = compare([member("a"), member("c"), member("[red]b\x1b[31m", "[bold]\x1b]0;x\x07")])
    assert "\x1b" not in text(found)
    assert "[red]b" in text(found)
