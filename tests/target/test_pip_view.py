"""The second reading: pip's list of an environment, and the cases in which there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.model import TargetKind
from sftdoctor.report.environment import against_pip
from sftdoctor.target import pip_view, read_interpreter
from sftdoctor.target.pip_view import ask_pip
from tests.stacks import VERSIONS


def test_pip_reads_what_we_read(broken: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('the present folder lends no modules')")
    monkeypatch.chdir(tmp_path)
    environment = read_interpreter(str(broken))
    seen = ask_pip(environment)
    assert seen is not None
    assert seen.version[0].isdigit()
    assert seen.distributions["peft"] == "0.5.0"
    assert against_pip(environment, seen.distributions) == ()


def test_differences_are_named(broken: Path) -> None:
    environment = read_interpreter(str(broken))
    listed = {name: one.version for name, one in environment.distributions.items()}
    listed |= {"peft": "0.6.0", "more": "1", "trl": "0.24"}
    del listed["torch"]
    found = [(one.what, one.a, one.b) for one in against_pip(environment, listed)]
    assert found == [("more", "–", "1"), ("peft", "0.5.0", "0.6.0"), ("torch", VERSIONS["torch"], "–")]


def test_no_pip_no_second_reading(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = read_interpreter(str(broken))
    target = replace(environment.target, kind=TargetKind.SNAPSHOT)
    assert ask_pip(replace(environment, target=target)) is None
    for executable in (str(broken / "bin/python"), "/nowhere/python"):  # has neither pip nor pip-api; is not there
        monkeypatch.setattr(pip_view.sys, "executable", executable)
        assert ask_pip(environment) is None
