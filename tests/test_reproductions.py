"""The recipes of tests/lab as data: each reads, has a rule, and was really played as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.ruleset import load_rules
from tests.lab.reproductions import Recipe, read_recipe, read_table, recipes

IDS = {rule.id for rule in load_rules()}
ROWS = {row["recipe"]: row for row in read_table()}


@pytest.mark.parametrize("recipe", [pytest.param(recipe, id=recipe.name) for recipe in recipes()])
def test_every_recipe_was_played(recipe: Recipe) -> None:
    assert recipe.rule in IDS
    row = ROWS.get(recipe.name)
    assert row is not None, "play it: python -m pytest tests/lab -m reproduce -k " + recipe.name
    assert (row["outcome"], row["digest"]) == ("reproduced", recipe.digest)
    assert row["before"]


def test_no_row_without_a_recipe() -> None:
    assert set(ROWS) == {recipe.name for recipe in recipes()}


@pytest.mark.parametrize(
    "text",
    [
        'rule = "ENV014"\nscript = "x"\nsurprise = 1',
        'rule = "ENV014"\nscript = 3',
        'rule = "ENV015"\nscript = "x"',
        'rule = "ENV014"',
        'rule = "ENV014"\nscript = "x"\n[mended]\ndo = "it"',
    ],
)
def test_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ENV014.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ENV014\.toml: "):
        read_recipe(path)
