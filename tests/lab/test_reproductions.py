"""What rules warn of, for real: `python -m pytest tests/lab -m reproduce`; -k ENV014 plays one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sftdoctor.ruleset import load_rules
from tests.lab.builds import Stacks
from tests.lab.recipes import Outcome, Recipe, recipes, record
from tests.lab.reproductions import Play

pytestmark = [pytest.mark.lab, pytest.mark.reproduce]

RULES = {rule.id: rule for rule in load_rules()}


@pytest.mark.parametrize("recipe", [pytest.param(recipe, id=recipe.name) for recipe in recipes()])
def test_it_fails_before_and_passes_after(recipe: Recipe, stacks: Stacks, tmp_path: Path) -> None:
    if not stacks.workshop.uv:
        pytest.skip("recipes are built with uv, and it is not here")
    outcome, begun, said = Outcome(), time.monotonic(), "interrupted"
    try:
        Play(recipe, RULES[recipe.rule], stacks, tmp_path).play(outcome)
        said = "reproduced"
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise
    finally:
        record(recipe, outcome, said, time.monotonic() - begun)
