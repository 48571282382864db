"""Old fixes let go of their copies, never the last one; the list says which can no longer be taken back."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from sftdoctor.errors import RepairError
from sftdoctor.repair import retention
from sftdoctor.repair.journal import every_journal
from sftdoctor.repair.lock import locked
from sftdoctor.repair.transaction import journals, undo
from sftdoctor.report.repair_text import render_journals

from .conftest import package, picture, site_of
from .test_transaction import run, version


def up_and_down(venv: Path, times: int) -> list[str]:
    """That many fixes of one package; their ids."""
    versions = ["1.0", "1.5"]
    results = [run(venv, package("beta", versions[n % 2], versions[(n + 1) % 2])) for n in range(times)]
    return [str(result.journal) for result in results]


def test_only_the_last_ones_keep_their_copies(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIXES", 2)
    first, second, third = up_and_down(uv_venv, 3)
    assert {one.id: one.state for one in journals()} == {first: "settled", second: "committed", third: "committed"}
    assert [one.lost != "" for one in journals()] == [False, False, True]
    (settled,) = [one for one in every_journal() if one.record.state == "settled"]
    assert sorted(path.name for path in settled.folder.iterdir()) == ["installer.log", "journal.json"]
    undo(third)
    undo(second)
    with pytest.raises(RepairError, match=r"can no longer be taken back: its copies were let go of") as caught:
        undo(first)
    assert "pip install" in caught.value.hint and "beta==1.0" in caught.value.hint and version(uv_venv, "beta") == "1.5"


def test_the_last_one_keeps_them_whatever_they_take(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SIZE", 0)
    before = picture(uv_venv)
    up_and_down(uv_venv, 2)
    between = picture(uv_venv)
    run(uv_venv, package("alpha", "1.0", "2.0"))
    assert [one.state for one in journals()] == ["committed", "settled", "settled"]
    undo()
    assert picture(uv_venv) == between and between.keys() == before.keys()


def test_one_that_is_at_work_keeps_them(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may be taking back the fix of another environment."""
    run(uv_venv, package("alpha", "1.0", "2.0"))
    other = next(every_journal())
    monkeypatch.setattr(retention, "FIXES", 0)
    last = type(other)(other.folder.with_name("last"), type(other.record)("last", "committed", "", "/elsewhere"))
    with locked(uv_venv.resolve()):
        retention.let_go(last)
    assert journals()[0].state == "committed"
    retention.let_go(last)
    assert journals()[0].state == "settled"


def test_what_is_undone_is_listed_for_a_while(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RECORDS", 1)
    for _ in range(3):
        run(uv_venv, package("beta", "1.0", "1.5"))
        undo()
    run(uv_venv, package("beta", "1.0", "1.5"))
    assert [one.state for one in journals()] == ["committed", "undone"]


def test_the_list_says_what_is_lost(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIXES", 1)
    up_and_down(uv_venv, 2)
    site_of(uv_venv).parents[2].rename(uv_venv.with_name("moved"))
    console = Console(file=io.StringIO(), width=80, color_system=None)
    render_journals(journals(), console)
    assert isinstance(console.file, io.StringIO)
    said = " ".join(console.file.getvalue().split())
    assert "can no longer be taken back: its copies were let go of" in said and f"{uv_venv} is gone" in said
    with pytest.raises(RepairError, match="is gone"):
        undo()
