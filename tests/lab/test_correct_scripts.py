"""Correct scripts on the newest stack: they run, and nothing is said of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.demo import run_script
from tests.lab.builds import Stacks

pytestmark = pytest.mark.lab

CORRECT = sorted((Path(__file__).parents[2] / "fixtures" / "scripts" / "correct").glob("*.py"))


@pytest.mark.parametrize("correct", CORRECT, ids=[path.stem for path in CORRECT])
def test_correct_scripts_run_and_nothing_is_said_of_them(correct: Path, stacks: Stacks, tmp_path: Path) -> None:
    python = stacks.python("newest")
    shutil.copytree(stacks.model("newest"), tmp_path / "tiny")
    script = tmp_path / "train.py"
    script.write_text(correct.read_text(encoding="utf-8"), encoding="utf-8")
    assert not sftdoctor.check(script, python=python, select=["MDL", "DAT", "CFG"]).findings
    assert run_script(python, tmp_path, script.name).passed
