"""all, any, not: three values, and what becomes of the matches."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context, distribution, finding

FAILS = {"probe": "version", "distribution": "peft", "in": "*"}
HOLDS = {"probe": "version", "distribution": "peft", "in": "<0.1"}
UNKNOWN = {"probe": "signature", "callable": "peft:unread", "lacks": "x"}


@pytest.mark.parametrize(
    ("probe", "parts", "outcome"),
    [
        ("all", [FAILS, FAILS], Outcome.FAILS),
        ("all", [FAILS, HOLDS], Outcome.HOLDS),
        ("all", [UNKNOWN, FAILS], Outcome.UNKNOWN),
        ("all", [UNKNOWN, HOLDS], Outcome.HOLDS),
        ("any", [HOLDS, FAILS], Outcome.FAILS),
        ("any", [HOLDS, HOLDS], Outcome.HOLDS),
        ("any", [UNKNOWN, FAILS], Outcome.FAILS),
        ("any", [UNKNOWN, HOLDS], Outcome.UNKNOWN),
        ("not", HOLDS, Outcome.FAILS),
        ("not", FAILS, Outcome.HOLDS),
        ("not", UNKNOWN, Outcome.UNKNOWN),
        ("not", {"probe": "all", "of": [FAILS, HOLDS]}, Outcome.FAILS),
    ],
)
def test_three_values(probe: str, parts: Any, outcome: Outcome) -> None:
    assert evaluate(context(distribution("peft", "0.5.0")), {"probe": probe, "of": parts}).outcome is outcome


def test_all_merges_what_its_parts_matched() -> None:
    asked = context(distribution("peft", "0.5.0"), facts={"bf16": True}, links=[finding(name="a"), finding(name="b")])
    judgement = evaluate(
        asked,
        {
            "probe": "all",
            "of": [{"probe": "link", "kind": "unexpected-keyword"}, {"probe": "facts", "where": {"bf16": True}}],
        },
    )
    assert [match.values["name"] for match in judgement.matches] == ["a", "b"]
    assert all(match.values["fact.bf16"] == "True" and match.link for match in judgement.matches)
    assert judgement.matches[0].location is not None


def test_any_keeps_every_match() -> None:
    asked = context(links=[finding(name="a"), finding(kind="missing-name", name="b")])
    kinds = [{"probe": "link", "kind": kind} for kind in ("unexpected-keyword", "missing-name", "version-gate")]
    judgement = evaluate(asked, {"probe": "any", "of": kinds})
    assert [match.values["name"] for match in judgement.matches] == ["a", "b"]
