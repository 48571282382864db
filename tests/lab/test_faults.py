"""Nothing is lost: real applies, through uv and through pip, that are killed, run out of space, or lose their index.

    python -m pytest tests/lab/test_faults.py -m lab -s

kills 200 applies at random moments and prints a table; SFTDOCTOR_KILLS is the number for each of the two installers.
After each the next `sftdoctor undo` or `sftdoctor fix` must leave every file of the environment (content, mode, time)
as it was, or, where the fix had been committed, every file as an apply leaves it that nobody disturbs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sftdoctor.demo import CASES
from sftdoctor.repair.journal import every_journal
from sftdoctor.repair.packages import find_uv
from sftdoctor.throwaway import Workshop
from tests.lab.applying import BALLAST
from tests.lab.faults import ROOT, Bench, kill, publish
from tests.repair.conftest import picture, site_of
from tests.target.tiny_index import TinyIndex, serve

pytestmark = pytest.mark.lab
KILLS = int(os.environ.get("SFTDOCTOR_KILLS", "100"))
KINDS = ("uv", "pip")
ORDER = ("not begun", "planned", "preparing", "applying", "checking", "proving", "committed", "undoing", "undone")
PLAN = [
    ["package", "peft", "0.5.0", "0.17.1"],
    ["package", "bulk", "1.0", "2.0"],
    ["package", "fresh", None, "1.0"],
]
MakeBench = Callable[..., Bench]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyIndex]:
    """The only index that pip and uv know; neither asks twice."""
    for tool in ("PIP", "UV"):
        for variable in ("FIND_LINKS", "NO_INDEX", "EXTRA_INDEX_URL", "INDEX"):
            monkeypatch.delenv(f"{tool}_{variable}", raising=False)
    (tmp_path / "wheels").mkdir()
    with serve() as tiny:
        publish(tiny, tmp_path / "wheels")
        settings = {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": f"{tiny.url}/simple",
            "PIP_RETRIES": "0",
            "PIP_NO_CACHE_DIR": "1",
            "UV_DEFAULT_INDEX": f"{tiny.url}/simple",
            "UV_HTTP_RETRIES": "0",
            "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
            "SFTDOCTOR_STATE": str(tmp_path / "state"),
            "SFTDOCTOR_CACHE": str(tmp_path / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield tiny


@pytest.fixture
def make(index: TinyIndex, tmp_path: Path) -> Iterator[MakeBench]:
    """Makes the broken stack with an installer, somewhere."""
    made: list[Bench] = []

    def bench(kind: str, folder: Path | None = None) -> Bench:
        venv = (folder or tmp_path) / "venv"
        python = str(venv / "bin/python")
        stack = ["peft==0.5.0", "bulk==1.0", "trl", "transformers", "torch", "datasets", "accelerate", "bitsandbytes"]
        if kind == "uv":
            uv = [*(find_uv() or ())]
            subprocess.run([*uv, "venv", "-q", "-p", sys.executable, str(venv)], check=True)
            subprocess.run([*uv, "pip", "install", "-q", "--python", python, *stack], check=True)
        else:
            subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *stack], check=True)
        site = site_of(venv)
        subprocess.run([python, "-m", "compileall", "-q", str(site / "bulk")], check=True)
        (site / "bulk" / "mine.txt").write_text("the user's\n")
        (site / "bulk" / "part1.py").chmod(0o640)
        (site / "bulk" / "link.txt").symlink_to("mine.txt")
        made.append(Bench(tmp_path, venv, kind))
        assert [one for one in made[-1].plan if one[0] == "package"] == PLAN
        return made[-1]

    yield bench
    for one in made:
        one.close()


@pytest.mark.core
@pytest.mark.parametrize("kind", KINDS)
def test_killed_a_few_times(make: MakeBench, tmp_path: Path, kind: str) -> None:
    assert kill_at_random(make(kind), tmp_path, 4, seed=1).total() == 4


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(make: MakeBench, tmp_path: Path, kind: str) -> None:
    table = kill_at_random(make(kind), tmp_path, KILLS, seed=7)
    print(f"\n{kind}: killed in → left behind")
    for (state, what), number in sorted(table.items(), key=lambda one: (ORDER.index(one[0][0]), one[0][1])):
        print(f"  {state:<10} → {what:<24} {number:>4}")
    assert table.total() == KILLS


def kill_at_random(bench: Bench, folder: Path, number: int, seed: int) -> Counter[tuple[str, str]]:
    """Kill applies, and hold what the next command leaves against what there was: (state, outcome) → how often."""
    old = bench.picture()
    started = time.monotonic()
    bench.start()
    assert bench.end()["outcome"] == "applied"
    length = time.monotonic() - started
    new = bench.contents()
    assert bench.sftdoctor("undo").returncode == 0 and bench.picture() == old
    moments = random.Random(seed)
    table: Counter[tuple[str, str]] = Counter()
    for turn in range(number):
        if moments.random() < 0.3:
            shutil.rmtree(folder / "uv-cache", ignore_errors=True)
        # Most states are short: every other kill waits for one of them, the way back of a failed proof among them.
        awaited = moments.choice(ORDER[1:-1]) if turn % 2 else None
        pid = bench.start(refute=awaited == "undoing")
        if awaited:
            bench.wait_for(awaited)
        time.sleep(moments.uniform(0, 0.3 if awaited else 1.1 * length))
        kill(pid, tree=moments.random() < 0.5)
        bench.end()
        table[outcome(bench, turn, old, new)] += 1
    return table


def outcome(bench: Bench, turn: int, old: object, new: object) -> tuple[str, str]:
    """The state that a kill left, and what the next command made of it."""
    state = bench.state()
    if state == "committed":
        assert bench.contents() == new
        assert bench.sftdoctor("undo").returncode == 0 and bench.picture() == old
        return state, "new, and undo: old"
    if state in ("none", "undone"):
        assert bench.picture() == old, state
        return "not begun" if bench.seen == bench.journals() else "undone", "old"
    command = ("undo",) if turn % 4 else ("fix", "--python", str(bench.venv), str(bench.script))
    done = bench.sftdoctor(*command)
    assert bench.picture() == old, (state, command, done.stdout, done.stderr)
    assert bench.state() == "undone" and not leftovers()
    said = "Nothing was undone" if state in ("planned", "preparing") else "Undone"
    assert (said if turn % 4 else "cut short") in done.stdout, done.stdout + done.stderr
    return state, f"old, by {command[0]}"


def leftovers() -> list[Path]:
    """Downloads and copies that nobody needs any more."""
    folders = [journal.folder for journal in every_journal()]
    return [path for folder in folders for path in folder.iterdir() if path.is_dir()]


NETWORK = {
    "errors": lambda index: setattr(index, "broken", 10**6),
    "broken off": lambda index: setattr(index, "cut", 10**6),
    "another file": lambda index: index.hashes.update({"bulk-2.0-py3-none-any.whl": "0" * 64}),
    "gone": lambda index: index.files.pop("bulk"),
}


@pytest.mark.core
@pytest.mark.parametrize("fault", NETWORK)
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_fails(make: MakeBench, index: TinyIndex, tmp_path: Path, kind: str, fault: str) -> None:
    bench = make(kind)
    old = bench.picture()
    shutil.rmtree(tmp_path / "uv-cache", ignore_errors=True)
    NETWORK[fault](index)
    bench.start()
    told = bench.end()
    assert told["error"] in ("RepairError", "OfflineError"), told
    assert any(name in told["message"] for _, name, _, _ in PLAN), told
    assert bench.picture() == old and bench.state() == "undone" and not leftovers()
    assert "nothing had been changed" in next(every_journal()).record.note


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_that_vanishes_once_all_is_fetched(make: MakeBench, index: TinyIndex, kind: str) -> None:
    bench = make(kind)
    old = bench.picture()

    def vanish() -> None:
        while bench.state() not in ("applying", "checking", "proving", "committed"):
            time.sleep(0.005)
        index.broken = 10**6

    watch = threading.Thread(target=vanish)
    bench.start()
    watch.start()
    assert bench.end()["outcome"] == "applied"
    watch.join()
    assert bench.sftdoctor("undo").returncode == 0 and bench.picture() == old


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str, int], Path]]:
    """Makes small file systems: name, MiB."""
    made: list[Path] = []

    def small(name: str, size: int) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("only root may mount a small file system")
        made.append(folder)
        return folder

    yield small
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


FULL = [("environment", stage, left) for stage in ("applying", "checking") for left in (0, 50_000, 300_000, 800_000)]
FULL += [
    ("journal", stage, left) for stage in ("preparing", "applying", "checking", "proving") for left in (0, 100_000)
]


@pytest.mark.parametrize("refute", [False, True], ids=["passes", "fails"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills(
    make: MakeBench, disk: Callable[[str, int], Path], monkeypatch: pytest.MonkeyPatch, kind: str, refute: bool
) -> None:
    """Everything is taken from the file system of the environment, or of the journal, once a stage is reached."""
    folders = {"environment": disk("small", 80), "journal": disk("state", 40)}
    monkeypatch.setenv("SFTDOCTOR_STATE", str(folders["journal"] / "sftdoctor"))
    bench = make(kind, folders["environment"])
    old = bench.picture()
    for where, stage, left in FULL:
        bench.start(fill=[{"stage": stage, "folder": str(folders[where]), "left": left}], refute=refute)
        told = bench.end()
        (folders[where] / BALLAST).unlink(missing_ok=True)
        print(f"{kind:<4} {where:<12} {stage:<10} {left:>7} free → {told.get('outcome') or told['error']}")
        if told.get("outcome") == "applied" or "way back failed" in told.get("message", ""):
            assert bench.sftdoctor("undo").returncode == 0
        elif bench.state() not in ("undone", "none"):
            assert "cut short" in bench.sftdoctor("fix", "--python", str(bench.venv), str(bench.script)).stdout
        assert bench.picture() == old, told


@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_fills_on_the_way_back(make: MakeBench, disk: Callable[[str, int], Path], kind: str) -> None:
    """Somebody else takes what the uninstalled files freed: the copies stay, and the next undo puts them back."""
    small = disk("small", 80)
    bench = make(kind, small)
    old = bench.picture()
    bench.start(fill=[{"stage": "undoing", "folder": str(small), "left": 0}], refute=True)
    told = bench.end()
    (small / BALLAST).unlink()
    if "error" in told:
        assert "the way back failed" in told["message"] and "No space left" in told["message"]
        assert bench.sftdoctor("undo").returncode == 0
    assert bench.picture() == old


def test_killed_in_a_real_proof(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command on the whole stack, killed while it trains; the next `fix` begins where the first one did."""
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    python = workshop.build(tmp_path / "venv", CASES[0].requirements)
    command = [sys.executable, "-m", "sftdoctor", "fix", "--python", str(python), "--apply", "--format", "json"]
    old = picture(tmp_path / "venv")
    for seconds in (0.0, 4.0, 12.0):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
            until = time.monotonic() + 300
            while last_state() != "proving" and child.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(seconds)
            assert child.poll() is None
            kill(child.pid, tree=False)
        assert last_state() == "proving"
        done = subprocess.run([*command[:3], "undo"], cwd=ROOT, capture_output=True, text=True, check=True)
        assert "Undone" in done.stdout and picture(tmp_path / "venv") == old
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["outcome"] == "applied", done.stderr
    subprocess.run([*command[:3], "undo"], cwd=ROOT, check=True, capture_output=True)
    assert picture(tmp_path / "venv") == old


def last_state() -> str:
    """That of the last journal; "none" where there is none."""
    last = next(every_journal(), None)
    return last.record.state if last else "none"
