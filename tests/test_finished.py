"""A kept check is said again only where a new one would say the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sftdoctor import finished, looks

RUN = """
import json, sys
from sftdoctor.__main__ import main
try:
    main()
finally:
    print("\\n" + json.dumps("sftdoctor.cli" in sys.modules))
"""
pytestmark = pytest.mark.skipif(not looks.CAN_WATCH, reason="nothing is kept with this Python")


class Project:
    """A folder with a venv of little in it, a script, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {**os.environ, "SFTDOCTOR_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hf")}
        self.variables.pop("PYTHONPATH", None)
        self.words = ["--python", str(folder / "venv"), "--fail-on", "never"]
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.site = next((folder / "venv").glob("lib/python*/site-packages"))
        self.install("rich", "1.0")
        self.work = folder / "work"
        self.work.mkdir()
        (self.work / "train.py").write_text("from rich import print\nprint('hello')\n")

    def install(self, name: str, version: str) -> Path:
        info = self.site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
        (self.site / name).mkdir(exist_ok=True)
        (self.site / name / "__init__.py").write_text("print = print\n")
        return info

    def check(self, *words: str) -> tuple[str, int, bool]:
        """What it says, its exit status, and whether it was made anew."""
        done = subprocess.run(
            [sys.executable, "-c", RUN, "check", *words, *self.words],
            cwd=self.work,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said, _, made = done.stdout.rstrip("\n").rpartition("\n")
        return re.sub(r"\d+\.\d+ s$", "", said, flags=re.MULTILINE), done.returncode, bool(json.loads(made))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("words", [(), ("train.py",)])
def test_the_same_is_said_again_and_nothing_is_loaded_for_it(project: Project, words: tuple[str, ...]) -> None:
    first, second, third = (project.check(*words) for _ in range(3))
    assert first[2]
    assert not third[2]
    assert first[:2] == second[:2] == third[:2]


def _install(project: Project) -> None:
    project.install("torch", "2.0.0")


def _upgrade(project: Project) -> None:
    (project.site / "rich-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: rich\nVersion: 1.1\n")


def _break(project: Project) -> None:
    (project.site / "rich/__init__.py").write_text("say = print\n")


def _edit(project: Project) -> None:
    (project.work / "train.py").write_text("from rich import prints\nprint('hello')\n")


def _shadow(project: Project) -> None:
    (project.work / "rich.py").write_text("")


def _configure(project: Project) -> None:
    (project.work / "pyproject.toml").write_text('[tool.sftdoctor]\nlang = "zh"\n')


def _path_file(project: Project) -> None:
    (project.folder / "more").mkdir()
    (project.site / "more.pth").write_text(f"{project.folder / 'more'}\n")


def _variable(project: Project) -> None:
    project.variables["CUDA_VISIBLE_DEVICES"] = ""


def _width(project: Project) -> None:
    project.variables["COLUMNS"] = "50"


def _other_python(project: Project) -> None:
    link = project.folder / "venv/bin/python"
    link.unlink()
    link.symlink_to("/bin/false")


def _damage(project: Project) -> None:
    for path in (project.folder / "cache/finished").iterdir():
        path.write_bytes(path.read_bytes()[:-100])


CHANGES = (
    _install,
    _upgrade,
    _break,
    _edit,
    _shadow,
    _configure,
    _path_file,
    _variable,
    _width,
    _other_python,
    _damage,
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_checked_again(project: Project, change: Callable[[Project], None]) -> None:
    for _ in range(2):
        project.check("train.py")
    assert not project.check("train.py")[2]
    change(project)
    said, status, made = project.check("train.py")
    assert made
    project.words.append("--no-cache")
    assert project.check("train.py") == (said.replace(" --no-cache", ""), status, True)


@pytest.mark.parametrize("words", [("--no-cache",), ("--format", "json"), ("--format", "text=report.txt")])
def test_what_is_not_kept(project: Project, words: tuple[str, ...]) -> None:
    assert all(project.check(*words)[2] for _ in range(3))


def test_another_interpreter_is_asked_again(project: Project) -> None:
    """One that is no plain venv tells itself what it is, each time."""
    wrapper = project.folder / "python"
    wrapper.write_text(f'#!/bin/sh\necho asked >> {project.folder}/asked\nexec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    project.words[1] = str(wrapper)
    answers = [project.check() for _ in range(3)]
    assert [made for _, _, made in answers][1:] == [True, False] or not answers[1][2]
    assert len((project.folder / "asked").read_text().splitlines()) == 3


def test_only_so_many_are_kept(project: Project) -> None:
    for number in range(finished.MOST + 5):
        path = project.folder / "cache/finished" / f"{number:040}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
        os.utime(path, (number, number))
    project.check()
    project.check()
    assert len(list((project.folder / "cache/finished").iterdir())) == finished.MOST
    assert not project.check()[2]
