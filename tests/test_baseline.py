"""A gate switched on in an old project: what was there is lived with, what is new fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftdoctor.baseline import baseline_text, read_baseline
from sftdoctor.cli import main
from sftdoctor.errors import UsageError
from sftdoctor.status import DONE, FAILED, FOUND

OLD = "from trl import SFTConfig\nSFTConfig(nonsense=1)\n"


@pytest.fixture
def project(tmp_path: Path, healthy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(f"[tool.sftdoctor]\npython = '{healthy}'\nbaseline = 'known.json'\n")
    (tmp_path / "train.py").write_text(OLD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, object]]:
    status = main(["check", "train.py", "--format", "json", *argv])
    return status, json.loads(capsys.readouterr().out)


def test_a_gate_in_an_old_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "train.py"]) == FAILED
    assert "--write-baseline" in capsys.readouterr().err
    status, value = report(capsys, "--write-baseline")
    assert (status, value["findings"]) == (DONE, [])
    assert {one["by"] for one in value["suppressed"]} == {"baseline"}  # type: ignore[union-attr, call-overload, index, attr-defined]
    (project / "train.py").write_text("# moved\n\n" + OLD)
    status, value = report(capsys)
    assert (status, value["findings"], value["verdict"]) == (DONE, [], "clean")
    (project / "train.py").write_text(OLD + "SFTConfig(other=1)\n")
    status, value = report(capsys)
    assert status == FOUND
    assert [one["cause"]["name"] for one in value["findings"]] == ["other"]  # type: ignore[attr-defined]
    (project / "train.py").write_text("x = 1\n")
    status, value = report(capsys)
    assert status == DONE
    assert value["summary"]["outlived"] == 1  # type: ignore[index]
    main(["check", "train.py"])
    assert "1 finding of the baseline" in capsys.readouterr().out


def test_what_is_no_baseline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    for text in ("", "[]", '{"schema": 2, "findings": []}', '{"schema": 1, "findings": [1]}', "[" * 100_000, "\0"):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"base\.json"):
            read_baseline(path)
    with pytest.raises(UsageError, match="no baseline"):
        read_baseline(tmp_path)


def test_an_empty_baseline_is_one(tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_text(baseline_text(()))
    assert read_baseline(path) == frozenset()


def test_a_file_must_be_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--write-baseline"]) == FAILED
    assert "--baseline FILE" in capsys.readouterr().err
