"""What is asked of a process and all that it started: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sftdoctor.proof import tree

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says this in /proc")

HOLDS = "kept = bytearray(b'x' * 200_000_000)"
SAYS = "print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture
def family() -> Iterator[int]:
    """A process that holds little, with a child in a session of its own that holds 200 MB."""
    inner = f"{HOLDS}; import signal; signal.signal(signal.SIGUSR1, print); {SAYS}"
    outer = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {inner!r}], start_new_session=True).wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    yield process.pid
    for pid in reversed(tree.descendants(process.pid)):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_memory_is_that_of_all_of_them(family: int) -> None:
    pids = tree.descendants(family)
    assert pids[0] == family and len(pids) == 2
    assert tree.memory([family]) < 100_000_000
    assert 200_000_000 < tree.memory(pids) < 300_000_000
    assert tree.memory([family, family]) < 2 * tree.memory([family])  # what they share is counted once


def test_who_catches_a_signal(family: int) -> None:
    assert [tree.catches(pid, signal.SIGUSR1) for pid in tree.descendants(family)] == [False, True]


def test_what_is_not_there() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert tree.descendants(gone.pid) == (gone.pid,)
    assert tree.memory([gone.pid]) == 0


def test_a_limit_leaves_some_of_what_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tree.memory_limit()
    assert limit is not None and 0 < limit < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.setattr(tree, "PROC", tmp_path)
    assert tree.memory_limit() is None
    assert tree.descendants(7) == (7,)
    assert tree.catches(7, signal.SIGUSR1)  # nobody says: it is asked as before
