"""The copy of a script's folder: what goes along, what is cut, what stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.proof import copying
from sftdoctor.proof.copying import copy_folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    files = {
        "scripts/train.py": "import helper\n",
        "scripts/helper.py": "",
        "configs/a.yaml": "a: 1\n",
        ".git/config": "",
        ".venv/pyvenv.cfg": "",
        "env/pyvenv.cfg": "",
        "env/lib/x.py": "",
        "scripts/__pycache__/helper.pyc": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_where_it_is_started_is_copied(project: Path, tmp_path: Path) -> None:
    copy = copy_folder(Path("scripts/train.py"), tmp_path / "copy")
    assert (copy.root, copy.script, copy.left_out) == (project, "scripts/train.py", ())
    assert names(tmp_path / "copy") == ["configs/a.yaml", "scripts/helper.py", "scripts/train.py"]


def test_elsewhere_it_is_the_scripts_own_folder(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    copy = copy_folder(project / "scripts" / "train.py", tmp_path / "copy")
    assert (copy.root, copy.script) == (project / "scripts", "train.py")


def test_a_home_is_not_copied_whole(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    assert copy_folder(Path("scripts/train.py"), tmp_path / "copy").root == project / "scripts"


def test_rows_are_cut_and_weights_stay_behind(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "FILE_LIMIT", 1000)
    (project / "data.jsonl").write_text('{"text": "a"}\n' * 500)
    (project / "model.safetensors").write_bytes(b"0" * 5_000_000)
    copy = copy_folder(Path("scripts/train.py"), tmp_path / "copy")
    assert (tmp_path / "copy" / "data.jsonl").read_text().count("\n") == copying.ROWS
    assert set(copy.left_out) == {"data.jsonl after its first 200 lines", "model.safetensors (5 MB)"}
    assert not (tmp_path / "copy" / "model.safetensors").exists()


def test_a_huge_folder_is_bounded(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MOST_ENTRIES", 3)
    copy = copy_folder(Path("scripts/train.py"), tmp_path / "copy")
    assert copy.left_out == ("what comes after 3 files",)
    monkeypatch.setattr(copying, "MOST_ENTRIES", 1000)
    monkeypatch.setattr(copying, "TOTAL_LIMIT", 10)
    assert any("large enough" in text for text in copy_folder(Path("scripts/train.py"), tmp_path / "b").left_out)


def test_links_out_of_the_folder_are_read_and_never_written_through(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.txt").write_text("a")
    (project / "linked").symlink_to(tmp_path / "secret")
    (project / "b.txt").symlink_to(tmp_path / "secret" / "a.txt")
    copy_folder(Path("scripts/train.py"), tmp_path / "copy")
    assert (tmp_path / "copy" / "b.txt").read_text() == "a"
    assert not (tmp_path / "copy" / "b.txt").is_symlink()
    assert not (tmp_path / "copy" / "linked").exists()
