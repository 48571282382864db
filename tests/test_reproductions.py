"""The recipes of tests/lab as data: each reads, has a rule, and was really played as it stands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sftdoctor.ruleset import load_rules
from tests.lab.recipes import Recipe, read_recipe, read_table, recipes

RULES = {rule.id: rule for rule in load_rules(pages=False)}
ROWS = {row["recipe"]: row for row in read_table()}


@pytest.mark.parametrize("recipe", [pytest.param(recipe, id=recipe.name) for recipe in recipes()])
def test_every_recipe_was_played(recipe: Recipe) -> None:
    row = ROWS.get(recipe.name)
    assert row is not None, "play it: python -m pytest tests/lab -m reproduce -k " + recipe.name
    assert (row["outcome"], row["digest"]) == ("reproduced", recipe.digest)
    assert row["before"]


@pytest.mark.parametrize("recipe", [pytest.param(recipe, id=recipe.name) for recipe in recipes()])
def test_a_recipe_has_a_rule_something_to_see_and_a_remedy(recipe: Recipe) -> None:
    rule = RULES[recipe.rule]
    assert recipe.data.get("sees") or rule.symptom
    by_link = rule.fails["probe"] == "link"  # the link says which version it wants
    assert "mended" in recipe.data or by_link or any(fix.kind in ("package", "edit") for fix in rule.fixes)
    script = recipe.data["script"]
    ast.parse(script)
    for old, new in recipe.data.get("mended", {}).get("replace", {}).items():
        script = script.replace(old, new)
    ast.parse(script)


def test_enough_rules_are_reproduced_and_no_row_is_left_over() -> None:
    assert set(ROWS) == {recipe.name for recipe in recipes()}
    assert len({recipe.rule for recipe in recipes()}) >= 60


@pytest.mark.parametrize(
    "text",
    [
        'rule = "ENV014"\nscript = "x"\nsurprise = 1',
        'rule = "ENV014"\nscript = 3',
        'rule = "ENV015"\nscript = "x"',
        'rule = "ENV014"',
        'rule = "ENV014"\nscript = "x"\n[mended]\ndo = "it"',
        'rule = "ENV014"\nscript = "x"\nstack = "2019"',
        'rule = "ENV014"\nscript = "x"\n[mended.replace]\ny = "z"',
        'rule = "ENV014"\nscript = "x, x"\n[mended.replace]\nx = "z"',
    ],
)
def test_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ENV014.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ENV014\.toml: "):
        read_recipe(path)
