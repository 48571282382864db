"""The recipes of fixtures/breakages as data; tests/lab plays them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from sftdoctor.ruleset import load_rules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = sorted((Path(__file__).parent.parent / "fixtures" / "breakages").glob("*.toml"))
RULES = {rule.id: rule for rule in load_rules(pages=False)}


@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_a_recipe_has_a_rule_something_to_see_and_a_remedy(recipe: Path) -> None:
    data = tomllib.loads(recipe.read_text(encoding="utf-8"))
    assert set(data) <= {"script", "mended", "sees", "silent"}
    rule = RULES[recipe.stem]
    assert data.get("sees") or rule.symptom
    assert "mended" in data or any(fix.kind == "edit" for fix in rule.fixes)
    for text in (data["script"], data.get("mended", "")):
        ast.parse(text)
