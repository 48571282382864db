"""Scripts that fail on the newest stack, and the same ones mended: what rules say of them is what happens."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import sftdoctor
from sftdoctor.demo import DATA, run_script
from sftdoctor.repair.edits import edit_file
from sftdoctor.ruleset import load_rules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.lab

FIXTURES = Path(__file__).parents[2] / "fixtures"
BREAKAGES = sorted((FIXTURES / "breakages").glob("*.toml"))
CORRECT = sorted((FIXTURES / "scripts" / "correct").glob("*.py"))
RULES = {rule.id: rule for rule in load_rules()}


@pytest.fixture
def folder(newest: Path, tmp_path: Path) -> Path:
    """A folder with the tiny model."""
    assert run_script(newest, tmp_path, str(DATA / "make_model.py"), "tiny").passed
    return tmp_path


@pytest.mark.parametrize("recipe", BREAKAGES, ids=[path.stem for path in BREAKAGES])
def test_it_fails_and_runs_when_it_is_mended(recipe: Path, newest: Path, folder: Path) -> None:
    data: dict[str, Any] = tomllib.loads(recipe.read_text(encoding="utf-8"))
    pattern = data.get("sees") or RULES[recipe.stem].symptom.strip()
    script = folder / "train.py"
    script.write_text(data["script"], encoding="utf-8")
    findings = sftdoctor.check(script, python=newest, select=[recipe.stem]).findings
    assert findings
    before = run_script(newest, folder, script.name)
    assert before.passed is data.get("silent", False)
    assert re.search(pattern, f"{before.line} ")
    if "mended" in data:
        script.write_text(data["mended"], encoding="utf-8")
    else:
        assert edit_file(script, next(fix.edit for fix in findings[0].fixes if fix.edit is not None))
    assert not sftdoctor.check(script, python=newest, select=[recipe.stem]).findings
    after = run_script(newest, folder, script.name)
    assert after.passed
    assert not re.search(pattern, f"{after.line} ")


@pytest.mark.parametrize("correct", CORRECT, ids=[path.stem for path in CORRECT])
def test_correct_scripts_run_and_nothing_is_said_of_them(correct: Path, newest: Path, folder: Path) -> None:
    script = folder / "train.py"
    script.write_text(correct.read_text(encoding="utf-8"), encoding="utf-8")
    assert not sftdoctor.check(script, python=newest, select=["MDL", "DAT", "CFG"]).findings
    assert run_script(newest, folder, script.name).passed
