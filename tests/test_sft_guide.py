"""fixtures/sft_guide.toml: every feature of TRL's guide is checked by rules that are there, or needs no check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.ruleset import load_rules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GUIDE = Path(__file__).parent.parent / "fixtures" / "sft_guide.toml"
FEATURES = tomllib.loads(GUIDE.read_text(encoding="utf-8"))["feature"]
RULES = {rule.id for rule in load_rules(pages=False)}


@pytest.mark.parametrize("feature", FEATURES, ids=[feature["name"][:40] for feature in FEATURES])
def test_every_feature_is_checked_or_needs_no_check(feature: dict[str, Any]) -> None:
    assert set(feature) <= {"name", "rules", "link", "reason"}
    assert feature.get("rules") or feature.get("link") or feature.get("reason")
    assert set(feature.get("rules", ())) <= RULES


def test_features_have_names_of_their_own() -> None:
    assert len({feature["name"] for feature in FEATURES}) == len(FEATURES)
