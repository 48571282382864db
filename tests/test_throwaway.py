"""What of the throwaway environments needs no index; they are built for real in tests/lab."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from sftdoctor import throwaway
from sftdoctor.demo import CASES, DATA
from sftdoctor.errors import OfflineError, RepairError, SftDoctorError
from sftdoctor.throwaway import Wheel, Workshop, index_options, require_room, with_sizes

TAG = next(sys_tags())
LOCK = f"""
lock-version = "1.0"
[[packages]]
name = "peft"
version = "0.5.0"
sdist = {{ url = "https://files.example/peft-0.5.0.tar.gz" }}
wheels = [{{ url = "https://files.example/peft-0.5.0-py3-none-any.whl", size = 85000 }}]
[[packages]]
name = "torch"
version = "2.13.0+cpu"
wheels = [
  {{ url = "https://files.example/torch-2.13.0%2Bcpu-cp27-cp27m-win32.whl", size = 1 }},
  {{ url = "https://files.example/torch-2.13.0%2Bcpu-{TAG}.whl", size = 2 }},
]
[[packages]]
name = "source-only"
version = "1"
sdist = {{ url = "https://files.example/source-only-1.tar.gz", size = 3 }}
"""


def test_lock_of_uv(tmp_path: Path) -> None:
    lock = tmp_path / "pylock.toml"
    lock.write_text(LOCK, encoding="utf-8")
    found = {wheel.name: wheel for wheel in throwaway._read_lock(lock)}
    assert found["peft"].size == 85000
    assert (found["torch"].version, found["torch"].size) == ("2.13.0+cpu", 2)
    assert found["source-only"].url.endswith(".tar.gz")


def test_report_of_pip(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    item = {"metadata": {"name": "peft", "version": "0.5.0"}, "download_info": {"url": "https://files.example/p.whl"}}
    report.write_text(json.dumps({"install": [item]}), encoding="utf-8")
    assert throwaway._read_report(report) == (Wheel("peft", "0.5.0", "https://files.example/p.whl"),)


def test_sizes_of_local_files(tmp_path: Path) -> None:
    file = tmp_path / "torch-2.13.0+cpu-py3-none-any.whl"
    file.write_bytes(b"x" * 5000)
    gone, local = with_sizes([Wheel("a", "1", "file:///no/such/file.whl"), Wheel("torch", "2.13.0", file.as_uri())])
    assert (gone.size, local.size) == (None, 5000)
    assert local.is_local


def test_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = [Wheel("torch", "2.13.0", "https://files.example/t.whl", 1_000_000_000)]
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(throwaway.shutil, "disk_usage", lambda _: usage(5_000_000_000))
    assert require_room(tmp_path, wheels) == 4_000_000_000
    monkeypatch.setattr(throwaway.shutil, "disk_usage", lambda _: usage(3_000_000_000))
    with pytest.raises(SftDoctorError, match=r"3\.0 GB left.*4\.0 GB") as caught:
        require_room(tmp_path, wheels)
    assert "TMPDIR" in caught.value.hint


def test_the_users_own_index_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://more.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert index_options() == (
        *("--index-url", "https://index.example/simple", "--extra-index-url", "https://more.example/simple"),
        *("--find-links", str(tmp_path)),
    )


@pytest.mark.parametrize(
    ("said", "answers", "kind", "words"),
    [
        (["OSError: [Errno 28] No space left on device"], True, RepairError, "no space left"),
        (["error: failed to fetch"], False, OfflineError, "does not answer"),
        (["No solution found"], True, RepairError, "No solution found"),
    ],
)
def test_what_a_failing_installer_means(
    said: list[str], answers: bool, kind: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throwaway, "_answers", lambda _: answers)
    error = throwaway._refusal(["/usr/bin/uv", "pip"], said)
    assert isinstance(error, kind)
    assert words in error.message
    assert error.hint


def test_linked_files_leave_what_is_there(tmp_path: Path) -> None:
    source, there, new = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    source.write_text("new")
    there.write_text("old")
    throwaway._link(str(source), str(there))
    throwaway._link(str(source), str(new))
    assert (there.read_text(), new.read_text()) == ("old", "new")


def test_no_index_is_said_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throwaway, "_answers", lambda _: False)
    workshop = Workshop(tmp_path, lambda _: None, uv=("false",))
    with pytest.raises(OfflineError):
        workshop.resolve([("peft==0.5.0",)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder)
def test_cases_travel_whole(case: object) -> None:
    folder = DATA / CASES[CASES.index(case)].folder  # type: ignore[arg-type]
    compile((folder / "train.py").read_text(encoding="utf-8"), "train.py", "exec")
    assert (DATA / "make_model.py").is_file()
