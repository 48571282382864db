"""The rules' Markdown pages: current, and harmless whatever a rule says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.model import FAMILIES, Rule
from sftdoctor.report.rules_markdown import COMMAND, family_page
from sftdoctor.report.rules_text import by_family
from sftdoctor.ruleset import load_rules

ROOT = Path(__file__).parents[2]
RULES = by_family(load_rules())


@pytest.mark.parametrize("letters", RULES)
def test_the_page_is_current_and_linked(letters: str) -> None:
    path = ROOT / "rules" / letters.lower() / "README.md"
    assert path.read_text(encoding="utf-8") == family_page(RULES[letters]), f"write it anew: {COMMAND}"
    assert f"(rules/{letters.lower()}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_family_has_a_name() -> None:
    assert set(RULES) <= set(FAMILIES)


@pytest.fixture
def rule() -> Rule:
    return RULES["ENV"][0]


@pytest.mark.parametrize("field", ["title", "explain"])
def test_what_a_rule_says_is_text_alone(rule: Rule, field: str) -> None:
    hostile = "<script>alert(1)</script> [click](javascript:x) *a* | b \x1b[31m"
    page = family_page([replace(rule, **{field: hostile})])
    assert "\n<script>" not in page and "[click](" not in page and " *a*" not in page and "\x1b" not in page


def test_code_stays_as_it_is(rule: Rule) -> None:
    page = family_page([replace(rule, explain="`peft<0.6` and peft<0.6")])
    assert "`peft<0.6` and peft\\<0.6" in page
