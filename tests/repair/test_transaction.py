"""apply and undo in real venvs, through uv and through pip: the whole tree is compared, nothing excluded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Edit, Failure, Location, Proof, Report
from sftdoctor.repair.journal import journals_folder
from sftdoctor.repair.lock import locked
from sftdoctor.repair.transaction import apply, half_done, journals, recover, undo

from .conftest import environment_of, finding, package, picture, plan_of, report_of, script_edit, site_of

PASSED = Proof("passed", "cpu", "nf4")
FAILED = Proof("failed", "cpu", "nf4", failure=Failure("train", "TypeError", "no such thing"))


@pytest.fixture(params=["uv_venv", "pip_venv"])
def either(request: pytest.FixtureRequest) -> Path:
    """The same through uv and through pip; pip is slow, so only where the installer makes a difference."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture
def venv(uv_venv: Path) -> Path:
    return uv_venv


def run(venv: Path, *actions: object, prove: object = None, after: object = None):  # type: ignore[no-untyped-def]
    environment = environment_of(venv)
    before = report_of(environment, finding())
    return apply(
        plan_of(*actions),  # type: ignore[arg-type]
        environment,
        before=before,
        check=after or (lambda: report_of(environment_of(venv))),  # type: ignore[arg-type]
        prove=prove,  # type: ignore[arg-type]
    )


def version(venv: Path, module: str) -> str:
    code = f"import {module}; print({module}.VERSION)"
    done = subprocess.run([str(venv / "bin/python"), "-B", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_apply_then_undo_leaves_the_same_tree(either: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_bytes(b"f(max_seq_length=1)\r\n")
    script.chmod(0o750)
    edit = Edit("rename_keyword", Location(str(script), 1, 1), {"old": "max_seq_length", "new": "max_length"})
    before = picture(either)
    result = run(
        either,
        package("alpha", "1.0", "2.0"),
        package("beta", "1.0", "1.5"),
        script_edit(script, edit),
        prove=lambda: PASSED,
    )
    assert (result.outcome, result.proof) == ("applied", PASSED)
    assert (version(either, "alpha"), version(either, "beta")) == ("2.0", "1.5")
    assert script.read_bytes() == b"f(max_length=1)\r\n"
    assert not (site_of(either) / "alpha/old.py").exists() and (either / "bin/alpha-extra").exists()
    assert (site_of(either) / "alpha/mine.txt").exists()
    assert journals()[0].state == "committed"
    undone = undo()
    assert undone.restored == ("alpha 2.0 → 1.0", "beta 1.5 → 1.0", str(script))
    assert picture(either) == before
    assert script.read_bytes() == b"f(max_seq_length=1)\r\n" and script.stat().st_mode & 0o777 == 0o750
    with pytest.raises(RepairError, match="no fix to take back"):
        undo(prefix=str(either))


def test_a_package_that_was_absent_or_is_removed(either: Path) -> None:
    before = picture(either)
    first = run(either, package("beta", "1.0", None))
    assert "beta" not in environment_of(either).distributions
    between = picture(either)
    run(either, package("beta", None, "1.5"))
    assert version(either, "beta") == "1.5"
    undo()
    assert picture(either) == between
    undo(first.journal)
    assert picture(either) == before


FAILURES = {
    "a failed proof": ({"prove": lambda: FAILED}, "the proof failed in train: TypeError"),
    "a finding that stays": ({"after": "same"}, "API002 is still there"),
    "a finding that comes": ({"after": "other"}, "the change would bring API003"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_does_not_help_is_taken_back(venv: Path, name: str) -> None:
    options, reason = FAILURES[name]
    options = dict(options)
    if options.get("after"):
        found = finding() if options["after"] == "same" else finding("API003", "something else")
        options["after"] = lambda: report_of(environment_of(venv), found)
    before = picture(venv)
    result = run(venv, package("alpha", "1.0", "2.0"), **options)
    assert result.outcome == "undone" and reason in result.reason
    assert picture(venv) == before
    assert journals()[0].state == "undone" and reason in journals()[0].note


@pytest.mark.parametrize("error", [ValueError("crash"), RepairError("broken", "hint"), KeyboardInterrupt()])
def test_what_crashes_is_taken_back(venv: Path, error: BaseException) -> None:
    def crash() -> Report:
        raise error

    before = picture(venv)
    with pytest.raises(type(error)):
        run(venv, package("alpha", "1.0", "2.0"), after=crash)
    assert picture(venv) == before
    assert journals()[0].state == "undone"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_are_taken_back(venv: Path, number: int) -> None:
    def die() -> Proof:
        os.kill(os.getpid(), number)
        threading.Event().wait(10)
        return PASSED

    before = picture(venv)
    with pytest.raises(KeyboardInterrupt):
        run(venv, package("alpha", "1.0", "2.0"), prove=die)
    assert picture(venv) == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_version_that_does_not_exist(either: Path) -> None:
    before = picture(either)
    with pytest.raises((RepairError, OfflineError), match="alpha"):
        run(either, package("alpha", "1.0", "9.9"))
    assert picture(either) == before
    assert journals()[0].state == "undone" and "nothing had been changed" in journals()[0].note


def test_an_environment_that_changed_since_the_plan(venv: Path) -> None:
    with pytest.raises(RepairError, match=r"alpha is 1\.0 now, the plan is for 0\.5"):
        run(venv, package("alpha", "0.5", "2.0"))
    assert journals() == ()


def test_drift_stops_undo_until_it_is_forced(uv_venv: Path) -> None:
    before = picture(uv_venv)
    run(uv_venv, package("alpha", "1.0", "2.0"))
    later = run(uv_venv, package("alpha", "2.0", "1.0"))
    first = journals()[1].id
    with pytest.raises(RepairError, match=r"alpha is 1\.0, the fix left 2\.0"):
        undo(first)
    undo(later.journal)
    undo(first)
    assert picture(uv_venv) == before


def test_a_script_that_changed_since(uv_venv: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("f(a=1)\n")
    edit = Edit("rename_keyword", Location(str(script), 1, 1), {"old": "a", "new": "b"})
    run(uv_venv, script_edit(script, edit))
    script.write_text("f(b=1)\n# mine\n")
    with pytest.raises(RepairError, match="was changed or is gone"):
        undo()
    assert undo(force=True).drift and script.read_text() == "f(a=1)\n"


def test_a_script_edit_that_no_longer_is_what_was_shown(uv_venv: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("f(a=1)\n")
    edit = Edit("rename_keyword", Location(str(script), 1, 1), {"old": "a", "new": "b"})
    shown = script_edit(script, edit)
    object.__setattr__(shown, "diff", "--- something else\n")
    with pytest.raises(RepairError, match="changed since the plan"):
        run(uv_venv, shown)
    assert script.read_text() == "f(a=1)\n"


def test_what_somebody_else_installed_stays(uv_venv: Path) -> None:
    run(uv_venv, package("alpha", "1.0", "2.0"))
    other = site_of(uv_venv) / "gamma" / "__pycache__"
    other.mkdir(parents=True)
    (other.parent / "__init__.py").write_text("")
    (other / "__init__.cpython-311.pyc").write_bytes(b"x")
    undo()
    assert (other / "__init__.cpython-311.pyc").exists() and (other.parent / "__init__.py").exists()
    assert version(uv_venv, "alpha") == "1.0"


def test_byte_code_of_the_proof_goes_too(uv_venv: Path) -> None:
    def prove() -> Proof:
        subprocess.run([str(uv_venv / "bin/python"), "-c", "import alpha, alpha.new, beta"], check=True, env={})
        return FAILED

    before = picture(uv_venv)
    assert run(uv_venv, package("alpha", "1.0", "2.0"), prove=prove).outcome == "undone"
    assert picture(uv_venv) == before


def test_a_tampered_journal_is_refused(uv_venv: Path) -> None:
    result = run(uv_venv, package("alpha", "1.0", "2.0"))
    folder = journals_folder() / str(result.journal)
    copy = next(path for path in (folder / "files").iterdir() if path.stat().st_size)
    good = copy.read_bytes()
    copy.write_bytes(b"evil")
    after = picture(uv_venv)
    with pytest.raises(RepairError, match="was changed or is gone"):
        undo()
    assert picture(uv_venv) == after
    copy.write_bytes(good)
    record = folder / "journal.json"
    text = record.read_text()
    record.write_text(text.replace("committed", "undoing"))
    with pytest.raises(RepairError, match="not trusted"):
        undo(result.journal)
    record.write_text(text)
    folder.chmod(0o777)
    with pytest.raises(RepairError, match="not trusted"):
        undo(result.journal)
    folder.chmod(0o700)
    undo()
    assert version(uv_venv, "alpha") == "1.0"


def test_two_fixes_at_once(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftdoctor.repair.lock.locked.__wrapped__.__defaults__", (0.2,))
    with locked(uv_venv.resolve()), pytest.raises(RepairError, match="another fix is at work"):
        run(uv_venv, package("alpha", "1.0", "2.0"))


def test_no_space_for_the_journal(uv_venv: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands for a full disk: the journal's list of files no longer fits."""
    before = picture(uv_venv)
    done = child(uv_venv, tmp_path, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))")
    assert done.returncode == 3, done.stderr
    assert "RepairError" in done.stderr
    recover(str(uv_venv))
    assert picture(uv_venv) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_under_the_journal(uv_venv: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTDOCTOR_STATE", str(small_disk))
    monkeypatch.setattr("sftdoctor.repair.prepare._refuse_no_space", lambda *arguments: None)
    (site_of(uv_venv) / "alpha" / "data" / "table.txt").write_bytes(os.urandom(2**20))
    before = picture(uv_venv)
    with pytest.raises(RepairError, match="No space left"):
        run(uv_venv, package("alpha", "1.0", "2.0"))
    assert picture(uv_venv) == before
    assert run(uv_venv, package("beta", "1.0", "1.5")).outcome == "applied"


def test_a_disk_without_room_is_refused_beforehand(
    uv_venv: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTDOCTOR_STATE", str(small_disk))
    with pytest.raises(RepairError, match="MiB free, the fix needs"):
        run(uv_venv, package("alpha", "1.0", "2.0"))


def test_a_disk_that_fills_while_installing(venv: Path, tmp_path: Path) -> None:
    """The installer dies half-way, with the old version gone: the way back needs no more room than there was."""
    before = picture(venv)
    fill = """
        from sftdoctor.repair.packages import Installer
        from sftdoctor.errors import RepairError
        from pathlib import Path
        def half(self, pins, folder, lock, log):
            self.remove(list(pins), lock, log)
            (next(Path(venv, "lib").glob("python*")) / "site-packages/alpha").mkdir(exist_ok=True)
            (next(Path(venv, "lib").glob("python*")) / "site-packages/alpha/__init__.py").write_text("VERS")
            raise RepairError("No space left on device")
        Installer.install = half
    """
    done = child(venv, tmp_path, fill)
    assert done.returncode == 3 and "Everything was put back" in done.stderr
    assert picture(venv) == before


STATES = {
    "planned": "before it had begun: nothing had been changed",
    "preparing": "while it fetched and kept files: nothing had been changed",
    "applying": "while it installed and has been taken back; put back: alpha 2.0 → 1.0",
    "checking": "before its result was checked and has been taken back; put back: alpha 2.0 → 1.0",
    "proving": "before it was proved and has been taken back; put back: alpha 2.0 → 1.0",
    "committed": "",
}


@pytest.mark.parametrize("state", STATES)
def test_killed_on_entering_a_state(venv: Path, tmp_path: Path, state: str) -> None:
    before = picture(venv)
    kill = f"""
        from sftdoctor.repair.journal import Journal
        import os, signal
        save = Journal.save
        def dying(self):
            save(self)
            if self.record.state == {state!r}:
                os.kill(os.getpid(), signal.SIGKILL)
        Journal.save = dying
    """
    done = child(venv, tmp_path, kill)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if state == "committed":
        assert recover(str(venv)) == () and half_done() == frozenset()
        undo()
    else:
        assert half_done() == {str(venv.resolve())}
        assert STATES[state] in recover(str(venv))[0].said
    assert picture(venv) == before
    assert journals()[0].state == "undone"


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.1, 0.4])
def test_killed_while_the_installer_works(either: Path, tmp_path: Path, seconds: float) -> None:
    before = picture(either)
    kill = f"""
        from sftdoctor.repair.packages import Installer
        import os, signal, threading
        install = Installer.install
        def dying(self, *arguments):
            threading.Timer({seconds}, os.kill, (os.getpid(), signal.SIGKILL)).start()
            install(self, *arguments)
            threading.Event().wait(5)
        Installer.install = dying
    """
    assert child(either, tmp_path, kill).returncode == -signal.SIGKILL
    undo(prefix=str(either))
    assert picture(either) == before


@pytest.mark.parametrize("step", ["backup.remove_new", "backup.put_back", "way_back._verify"])
def test_killed_on_the_way_back(venv: Path, tmp_path: Path, step: str) -> None:
    before = picture(venv)
    module, name = step.split(".")
    kill = f"""
        import os, signal
        from sftdoctor.repair import backup, way_back
        step = getattr({module}, {name!r})
        def dying(*arguments):
            step(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        setattr(way_back, {name!r}, dying)
        prove = lambda: FAILED
    """
    assert child(venv, tmp_path, kill).returncode == -signal.SIGKILL
    assert journals()[0].state == "undoing"
    recover(str(venv))
    assert picture(venv) == before


def test_the_next_fix_takes_a_killed_one_back_first(uv_venv: Path, tmp_path: Path) -> None:
    before = picture(uv_venv)
    child(uv_venv, tmp_path, "prove = lambda: os.kill(os.getpid(), 9)")
    assert version(uv_venv, "alpha") == "2.0" and journals()[0].state == "proving"
    recover(str(uv_venv))
    result = run(uv_venv, package("beta", "1.0", "1.5"))
    assert result.outcome == "applied" and version(uv_venv, "alpha") == "1.0"
    undo()
    assert picture(uv_venv) == before


def child(venv: Path, tmp_path: Path, prelude: str) -> subprocess.CompletedProcess[str]:
    """Run an apply of alpha 1.0 → 2.0 in a process of its own, with something done to it before."""
    uv = "" if venv.name == "venv" else "from sftdoctor.repair import packages; packages.find_uv = lambda: None\n"
    code = f"""\
import os, sys, traceback
from sftdoctor.model import Failure, Proof
from sftdoctor.repair.transaction import apply
from tests.repair.conftest import environment_of, finding, package, plan_of, report_of
from sftdoctor.repair.backup import *
FAILED = Proof("failed", "cpu", "nf4", failure=Failure("train", "TypeError", "no"))
PASSED = Proof("passed", "cpu", "nf4")
prove = lambda: PASSED
{uv}
venv = {str(venv)!r}
environment = environment_of(venv)
{textwrap.dedent(prelude)}
try:
    apply(plan_of(package("alpha", "1.0", "2.0")), environment, before=report_of(environment, finding()),
          check=lambda: report_of(environment_of(venv)), prove=prove)
except Exception:
    traceback.print_exc()
    sys.exit(3)
"""
    script = tmp_path / "child.py"
    script.write_text(code)
    here = str(Path(__file__).parents[2])
    variables = {**os.environ, "PYTHONPATH": here}
    return subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=variables, check=False)


def test_what_would_be_written_through_a_link_is_refused(either: Path, tmp_path: Path) -> None:
    """The new version brings a folder where somebody has put a link that leads out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (site_of(either) / "alpha" / "new").symlink_to(outside)
    before = picture(either)
    with pytest.raises(RepairError, match=r"alpha/new/__init__\.py would be written outside"):
        run(either, package("alpha", "1.0", "2.0"))
    assert picture(either) == before and not list(outside.iterdir())
    assert journals()[0].state == "undone"


def test_two_processes_fix_at_once(uv_venv: Path, tmp_path: Path) -> None:
    """The second waits for the first, finds that the plan is out of date, and touches nothing."""
    before = picture(uv_venv)
    hold = f"import time; prove = lambda: (open({str(tmp_path / 'in')!r}, 'w').close(), time.sleep(1.5)) and PASSED"
    (tmp_path / "second").mkdir()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(child, uv_venv, tmp_path, hold)
        while not (tmp_path / "in").exists():
            threading.Event().wait(0.02)
        second = child(uv_venv, tmp_path / "second", "")
        assert first.result().returncode == 0, first.result().stderr
    assert second.returncode == 3 and "alpha is 2.0 now, the plan is for 1.0" in second.stderr
    assert [one.state for one in journals()] == ["committed"] and version(uv_venv, "alpha") == "2.0"
    undo()
    assert picture(uv_venv) == before
