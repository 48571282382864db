"""Reading, linking and judging, put together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor import checker
from sftdoctor.checker import Checker
from sftdoctor.model import Verdict
from sftdoctor.settings import Settings


def test_a_linker_that_stumbles_is_not_judged_and_the_rules_go_on(
    healthy: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise IndexError("no such thing")

    monkeypatch.setattr(checker, "link", stumble)
    report = Checker(Settings(python=str(healthy))).check()
    assert report.verdict is Verdict.UNKNOWN
    assert "IndexError: no such thing" in report.not_judged[0].reason + report.not_judged[-1].reason
    monkeypatch.setenv("SFTDOCTOR_DEBUG", "1")
    with pytest.raises(IndexError):
        Checker(Settings(python=str(broken))).check()


def test_a_target_that_is_only_thought_of_is_judged_for_the_same_workload(broken: Path, healthy: Path) -> None:
    one = Checker(Settings(python=str(broken)))
    before = one.check()
    other = Checker(Settings(python=str(healthy))).check()
    assert one.judge(other.environment).verdict is other.verdict
    assert one.judge(before.environment).findings == before.findings
    unquantised = replace(one.workload, scenario=replace(one.workload.scenario, facts={"peft": True}))
    assert one.judge(before.environment, unquantised).workload is unquantised


def test_no_cache_writes_none(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(tmp_path / "cache"))
    Checker(Settings(python=str(healthy), no_cache=True)).check()
    assert not (tmp_path / "cache").exists()


def test_files_that_only_another_tool_reads_leave_the_verdict_open(healthy: Path, tmp_path: Path) -> None:
    path = tmp_path / "axolotl.yaml"
    path.write_text("base_model: x\nmicro_batch_size: 1\n")
    report = Checker(Settings(python=str(healthy), paths=(str(path),))).check()
    assert report.verdict is Verdict.UNKNOWN
    assert "it is an axolotl config" in {one.reason for one in report.not_judged}
    (tmp_path / "train.py").write_text("x = 1\n")
    both = Checker(Settings(python=str(healthy), paths=(str(path), str(tmp_path / "train.py")))).check()
    assert both.verdict is not Verdict.UNKNOWN
