"""Fingerprints: what they survive, and what they tell apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.fingerprint import fingerprints, project_root
from sftdoctor.model import Cause, Confidence, Finding, Location, Place, Severity

CAUSE = Cause(Place("trl", "0.15.2", "trl.trainer", 335), Place("peft", "0.5.0", symbol="peft.prepare"), "kwargs")
LINK = Finding("API002", "x", Severity.ERROR, Confidence.CERTAIN, "trl 0.15.2 asks", "at trl/x.py:335", cause=CAUSE)
PLAIN = replace(LINK, id="ENV001", title="trl 0.15.2 asks for more", cause=None)
SCRIPT = replace(PLAIN, id="MDL004", location=Location("train.py", 12, 5))


def one(finding: Finding, root: Path) -> str:
    return fingerprints([finding], root)[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (LINK, replace(LINK, message="worded anew", title="too", severity=Severity.WARNING)),
        (LINK, replace(LINK, cause=replace(CAUSE, caller=Place("trl", "0.16.0", "trl.trainer", 400)))),
        (PLAIN, replace(PLAIN, title="trl 0.16.1 asks for more")),
        (SCRIPT, replace(SCRIPT, location=Location("train.py", 99, 1), title="another")),
        (SCRIPT, replace(SCRIPT, location=Location("./train.py", 12))),
    ],
)
def test_what_a_fingerprint_survives(a: Finding, b: Finding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert one(a, tmp_path) == one(b, tmp_path)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (LINK, replace(LINK, id="API001")),
        (LINK, replace(LINK, cause=replace(CAUSE, name="other"))),
        (LINK, replace(LINK, location=Location("train.py", 12))),
        (PLAIN, replace(PLAIN, title="peft 0.15.2 asks for more")),
        (SCRIPT, replace(SCRIPT, location=Location("eval.py", 12))),
    ],
)
def test_what_a_fingerprint_tells_apart(a: Finding, b: Finding, tmp_path: Path) -> None:
    assert one(a, tmp_path) != one(b, tmp_path)


def test_a_path_is_the_same_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    ways = ("train.py", "../sub/train.py", str(tmp_path / "sub" / "train.py"))
    assert len({one(replace(SCRIPT, location=Location(path)), tmp_path) for path in ways}) == 1


def test_alike_findings_are_numbered(tmp_path: Path) -> None:
    found = fingerprints([SCRIPT, SCRIPT, LINK], tmp_path)
    assert len(set(found)) == 3
    assert found[0] == one(SCRIPT, tmp_path)


def test_the_root_is_that_of_the_project(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    assert project_root(inner) == tmp_path.resolve()
    (tmp_path / "a" / ".git").mkdir()
    assert project_root(inner) == (tmp_path / "a").resolve()
