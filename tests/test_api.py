"""The public door: what `import sftdoctor` gives, and that it is the same as the commands."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.report import json_report
from tests.report.test_json_report import validate


def test_every_word_is_there_and_documented() -> None:
    for name in sftdoctor.__all__:
        word = getattr(sftdoctor, name)
        assert name == "__version__" or inspect.getdoc(word)
    assert set(dir(sftdoctor)) == set(sftdoctor.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = sftdoctor.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["check", "fix", "prove", "undo", "explain"])
def test_every_argument_is_documented(name: str) -> None:
    function = getattr(sftdoctor, name)
    documented = inspect.getdoc(function) or ""
    missing = [
        argument for argument in inspect.signature(function).parameters if f"\n    {argument}: " not in documented
    ]
    assert not missing


def test_check_finds_what_breaks(broken: Path, healthy: Path) -> None:
    report = sftdoctor.check(python=broken)
    assert report.verdict is sftdoctor.Verdict.BREAKS
    assert "API021" in [finding.id for finding in report.findings]
    validate("check", json_report.to_dict(report))
    assert sftdoctor.check(python=healthy).verdict is sftdoctor.Verdict.CLEAN


def test_check_takes_the_same_options_as_the_command(broken: Path, tmp_path: Path) -> None:
    assert sftdoctor.check(python=str(broken), ignore=["API021", "API002", "GPU"]).findings == ()
    assert sftdoctor.check(python=broken, select="CFG", cache=False).findings == ()
    script = tmp_path / "train.py"
    script.write_text("from trl import SFTTrainer\nSFTTrainer()\n")
    report = sftdoctor.check(script, python=broken, arguments=["--bf16"])
    assert [one.arguments for one in report.workload.scripts] == [("--bf16",)]


def test_a_target_is_one() -> None:
    with pytest.raises(sftdoctor.SftDoctorError, match="exclude each other"):
        sftdoctor.check(python="a", pins="b")


def test_explain_takes_text_or_a_path(tmp_path: Path) -> None:
    call = "prepare_model_for_kbit_training()"
    text = f"TypeError: {call} got an unexpected keyword argument 'gradient_checkpointing_kwargs'"
    (tmp_path / "a.log").write_text(text)
    for log in (text, tmp_path / "a.log"):
        assert [finding.id for finding in sftdoctor.explain(log).findings] == ["API021"]
    with pytest.raises(sftdoctor.SftDoctorError, match="cannot be read"):
        sftdoctor.explain(tmp_path / "nowhere.log")


def test_errors_carry_a_hint() -> None:
    with pytest.raises(sftdoctor.SftDoctorError) as caught:
        sftdoctor.check(python="/nowhere/at/all")
    assert caught.value.hint


def test_configuration_files_have_no_say(broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.sftdoctor]\nignore = ["API"]\n')
    monkeypatch.chdir(tmp_path)
    assert sftdoctor.check(python=broken).findings


def test_version_is_that_of_the_report(healthy: Path) -> None:
    report = json.loads(json_report.dumps(json_report.to_dict(sftdoctor.check(python=healthy))))
    assert report["tool"] == {"name": "sftdoctor", "version": sftdoctor.__version__}
