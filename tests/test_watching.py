"""Judging again on save: what counts as a change, and the command itself in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sftdoctor.watching import look, rounds

ROOT = Path(__file__).parents[1]


def test_a_round_begins_when_a_file_changed(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("a = 1\n")
    counted = rounds([str(file)], interval=0.02)
    assert next(counted) == 1
    threading.Timer(0.1, lambda: file.write_text("a = 22\n")).start()
    start = time.perf_counter()
    assert next(counted) == 2
    assert time.perf_counter() - start >= 0.1


def test_what_changed_during_a_round_is_not_missed(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("a = 1\n")
    counted = rounds([str(file)], interval=0.01)
    next(counted)
    file.write_text("a = 333\n")
    assert next(counted) == 2


@pytest.mark.parametrize(
    ("name", "seen"),
    [("a.py", True), ("in/b.ipynb", True), ("c.bin", False), (".git/d.py", False), ("__pycache__/e.py", False)],
)
def test_what_is_watched_in_a_folder(tmp_path: Path, name: str, seen: bool) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    assert bool(look([str(tmp_path)])) is seen


def test_a_file_that_comes_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    assert look([str(file)]) == {}
    file.write_text("x")
    assert list(look([str(file)])) == [str(file)]


def test_the_command(broken: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import trl\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "sftdoctor", "check", "train.py", "--watch", "--python", str(broken)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        _until(process.stderr, "watching")
        script.write_text("def (\n")
        _until(process.stderr, "watching")
        script.write_text("import transformers\n")
        _until(process.stderr, "watching")
    finally:
        process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out.count("his run") >= 2  # one head a round
    assert process.returncode in (0, 1, 2)  # that of the last round, and not 130


def _until(stream: object, word: str) -> None:
    for line in stream:  # type: ignore[attr-defined]
        if word in line:
            return
    raise AssertionError(f"it ended without {word!r}")


def test_it_needs_a_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sftdoctor", "check", "--watch"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "") and "--watch needs a file" in done.stderr
