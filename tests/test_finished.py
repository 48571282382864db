"""A kept check is said again only where a new one would say the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sftdoctor import finished

RUN = """
import json, sys
from sftdoctor.__main__ import main
try:
    main()
finally:
    print("\\n" + json.dumps("sftdoctor.cli" in sys.modules))
"""
pytestmark = pytest.mark.skipif(not finished.CAN_WATCH, reason="nothing is kept with this Python")


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


def _rewritten(path: Path) -> None:
    path.write_text("other")


def _replaced(path: Path) -> None:
    beside = path.with_name("beside")
    beside.write_text(path.read_text())
    os.utime(beside, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    beside.replace(path)


def _gone(path: Path) -> None:
    path.unlink()


def _now_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("change", [_rewritten, _replaced, _gone, _now_a_folder])
@pytest.mark.parametrize("kind", ["stat", "lstat"])
def test_a_look_at_a_file(tmp_path: Path, kind: str, change: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    before = finished.look(kind, str(path))
    assert finished.look(kind, str(path)) == before
    change(path)
    assert finished.look(kind, str(path)) != before


def test_a_look_at_what_is_not_there_a_folder_and_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "new", tmp_path / "link"
    link.symlink_to("new")
    listed, missing, linked = (
        finished.look(*at) for at in (("list", str(tmp_path)), ("stat", str(path)), ("lstat", str(link)))
    )
    time.sleep(0.01)  # folders take the time of the kernel's clock, which ticks every 4 ms
    path.write_text("")
    assert finished.look("list", str(tmp_path)) != listed
    assert finished.look("stat", str(path)) != missing
    assert finished.look("lstat", str(link)) == linked == "@new"
    assert finished.look("access1", str(path)) == "False"


def test_facts_of_the_system_are_compared_by_what_they_say() -> None:
    kernel = "/proc/sys/kernel/ostype"
    if not Path(kernel).exists():
        pytest.skip("no /proc")
    assert "Linux" in finished.look("stat", kernel)
    assert finished.look("list", "/proc/sys/kernel") == finished.look("list", "/proc/sys/kernel")


@pytest.mark.parametrize("event", ["os.fork", "subprocess.Popen", "socket.connect", "ctypes.dlopen"])
def test_a_watch_hears_what_asks_elsewhere(event: str) -> None:
    watch = finished.Watch("/cache", "key")
    watch._heard(event, ())
    assert watch.elsewhere == event


def test_a_watch_hears_what_is_read_and_not_what_is_written(tmp_path: Path) -> None:
    watch = finished.Watch(str(tmp_path / "cache"), "key")
    for path, mode, flags in ((tmp_path / "a", "r", os.O_RDONLY), (tmp_path / "b", "w", os.O_WRONLY | os.O_CREAT)):
        watch._heard("open", (str(path), mode, flags))
    watch._heard("open", (str(tmp_path / "cache/c"), "r", os.O_RDONLY))
    watch._heard("os.listdir", (str(tmp_path),))
    assert set(watch.seen) == {("stat", str(tmp_path / "a")), ("list", str(tmp_path))}


def sources() -> Iterator[Path]:
    package = Path(finished.__file__).parent
    return (path for path in package.rglob("*.py") if path.relative_to(package).parts[0] not in ("repair", "proof"))


def test_every_look_can_be_noticed() -> None:
    """What os.scandir gives looks at files by itself (DirEntry.stat); nothing that a check does may use that."""
    assert not [path for path in sources() if re.search(r"\bentry\.(stat|is_symlink|inode)\(", path.read_text("utf-8"))]
