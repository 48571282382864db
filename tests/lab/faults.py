"""A little stack that breaks, its repair as a process that can be killed, and a picture of every byte of it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.repair.journal import every_journal
from tests.repair.conftest import make_wheel, picture
from tests.stacks import NEW, OLD, SOURCES, VERSIONS
from tests.target.tiny_index import TinyIndex

ROOT = Path(__file__).parents[2]
SCRIPT = "from trl import SFTTrainer, setup_chat_format  # both\n\nprint(SFTTrainer)\n"
PARTS = 150
"""Modules of the package that makes an apply last."""


def publish(index: TinyIndex, folder: Path) -> None:
    """Put the stack of tests.stacks on an index, and a peft that needs more than itself."""
    for name, version in VERSIONS.items():
        sources = {path: text for path, text in SOURCES.items() if path.startswith(f"{name}/")}
        if name == "peft":
            sources = _peft(version, OLD)
        _add(index, folder, name, version, sources)
    _add(index, folder, "peft", "0.17.1", _peft("0.17.1", NEW), ("bulk>=2", "fresh"))
    _add(index, folder, "bulk", "1.0", _bulk("1.0", 0))
    _add(index, folder, "bulk", "2.0", _bulk("2.0", 5))
    _add(index, folder, "fresh", "1.0", {"fresh.py": "", "fresh-1.0.data/data/share/fresh/note.txt": "new\n"})


def _peft(version: str, kbit: str) -> dict[str, str]:
    first = f"VERSION = {version!r}\n{SOURCES['peft/__init__.py']}"
    return {"peft/__init__.py": first, "peft/utils/__init__.py": "", "peft/utils/other.py": kbit}


def _bulk(version: str, first: int) -> dict[str, str]:
    parts = {f"bulk/part{number}.py": f"# {version}\n" + "x = 1\n" * 200 for number in range(first, first + PARTS)}
    script = {f"bulk-{version}.data/scripts/bulk-tool": f"#!python\nprint({version!r})\n"}
    return {"bulk/__init__.py": f"VERSION = {version!r}\n", **parts, **script}


def _add(
    index: TinyIndex, folder: Path, name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()
) -> None:
    index.add(name, version, make_wheel(folder, name, version, files, requires).read_bytes())


class Bench:
    """One environment under repair.

    Args:
        folder: Of the test.
        venv: With the broken stack.
        kind: uv or pip.
    """

    def __init__(self, folder: Path, venv: Path, kind: str) -> None:
        self.folder = folder
        self.venv = venv
        self.script = folder / "train.py"
        self.script.write_text(SCRIPT)
        more = {"WITHOUT_UV": "1"} if kind == "pip" else {}
        self.driver = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.applying", str(venv), str(self.script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **more},
        )
        self.plan = self.hear()["plan"]
        self.seen = 0
        """Journals that there were before the last apply."""

    def hear(self) -> dict[str, Any]:
        """What the driver says next."""
        assert self.driver.stdout is not None
        line = self.driver.stdout.readline()
        assert line, "the driver is dead"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def start(self, **order: Any) -> int:
        """Begin an apply; its process id."""
        self.seen = self.journals()
        assert self.driver.stdin is not None
        self.driver.stdin.write(json.dumps(order) + "\n")
        self.driver.stdin.flush()
        pid: int = self.hear()["pid"]
        return pid

    def end(self) -> dict[str, Any]:
        """Wait for the apply that was begun: what it said, and its status."""
        told: dict[str, Any] = {}
        while "status" not in told:
            told |= self.hear()
        return told

    def close(self) -> None:
        """End the driver."""
        assert self.driver.stdin is not None and self.driver.stdout is not None
        self.driver.stdin.close()
        self.driver.wait(60)
        self.driver.stdout.close()

    def picture(self) -> dict[str, tuple[str, int, int]]:
        """Every path of the environment, and the script: content, mode, time."""
        status = self.script.stat()
        digest = hashlib.sha256(self.script.read_bytes()).hexdigest()
        return {**picture(self.venv), str(self.script): (digest, status.st_mode & 0o777, status.st_mtime_ns)}

    def contents(self) -> dict[str, str]:
        """The same without times, and without byte code, which holds times."""
        return {path: seen[0] for path, seen in self.picture().items() if not path.endswith(".pyc")}

    def journals(self) -> int:
        """How many there are."""
        return sum(1 for _ in every_journal())

    def wait_for(self, state: str) -> None:
        """Wait until the apply has reached a state, or has passed it."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.journals() > self.seen and self.state() in (state, "committed", "undone"):
                return
            time.sleep(0.005)

    def state(self) -> str:
        """That of the last journal; "none" where there is none."""
        last = next(every_journal(), None)
        return last.record.state if last else "none"

    def sftdoctor(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command as a user types it."""
        command = [sys.executable, "-m", "sftdoctor", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def kill(pid: int, *, tree: bool) -> None:
    """SIGKILL a process; tree: and all that it started, as a machine that loses its power does."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)  # so that it starts nothing more meanwhile
        for one in [pid, *(_below(pid) if tree else ())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)


def _below(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                yield int(entry.name)
                yield from _below(int(entry.name))
