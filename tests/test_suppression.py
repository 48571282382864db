"""Comments that ignore findings: which lines they cover, what is said about them, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.checker import Checker
from sftdoctor.model import Confidence, Config, Finding, Location, Script, Severity, Verdict
from sftdoctor.ruleset import load_rules
from sftdoctor.settings import Settings
from sftdoctor.suppression import ignores_in, suppress

MARK = "# sftdoctor: ignore[API002] why"


def finding(line: int, id_: str = "API002", end: int | None = None) -> Finding:
    location = Location("train.py", line, 1, end)
    return Finding(id_, "unexpected-keyword", Severity.ERROR, Confidence.CERTAIN, "t", "m", location=location)


def covered(source: str) -> set[int]:
    """Lines in which a finding would be suppressed."""
    ignores = ignores_in(Script("train.py", source))
    return {line for line in range(1, source.count("\n") + 3) if suppress([finding(line)], ignores, ())[1]}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (f"a = 1  {MARK}\nb = 2\n", {1}),
        (f"{MARK}\na = 1\nb = 2\n", {2}),
        (f"{MARK}\n\na = 1\n", {2}),
        (f"{MARK}\n# another comment\n{MARK}\na = f(\n 1,\n)\nb\n", {2, 4, 5, 6}),
        (f"f(  {MARK}\n a=1,\n b=2,\n)\nc\n", {1, 2, 3, 4}),
        (f"f(\n a=1,  {MARK}\n b=2,\n)\n", {2}),
        (f"f(\n a=1,\n b=2,\n)  {MARK}\nc\n", {1, 2, 3, 4}),
        (f"f(\n {MARK}\n a=1,\n b=2,\n)\n", {3}),
        (f"def f():\n    {MARK}\n    return g(\n        1)\n", {3, 4}),
        (f"if x:  {MARK}\n    y()\n", {1}),
        (f"s = '''\n{MARK}\n'''\n", set()),
        ("a = 1  # sftdoctor: ignore\n", set()),
        ("a = 1  # sftdoctor: ignore[API001] other\n", set()),
        ("a = 1  # sftdoctor: ignore[ENV001, API] two\n", {1}),
        ("a = 1  # sftdoctor: ignore[unexpected-keyword] by name\n", {1}),
        ("a = 1  #sftdoctor:ignore[API002]:why\n", {1}),
        (f"a = (  {MARK}\n", {1}),
        (f"a = 1  {MARK}\n  b = 2\n", {1}),
    ],
)
def test_which_lines_a_comment_covers(source: str, lines: set[int]) -> None:
    assert covered(source) == lines


def test_a_finding_of_several_lines_is_met_anywhere() -> None:
    ignores = ignores_in(Script("train.py", f"f(\n a=1,  {MARK}\n)\n"))
    assert suppress([finding(1, end=3)], ignores, ())[1][0].reason == "why"
    assert not suppress([finding(1)], ignores, ())[1]


def test_what_is_said_about_comments() -> None:
    source = "a = 1  # sftdoctor: ignore[API002, ENV001]\nb = 1  # sftdoctor: ignore[API001] gone\n"
    kept, suppressed = suppress([finding(1)], ignores_in(Script("train.py", source)), load_rules())
    assert [one.finding.id for one in suppressed] == ["API002"]
    said = [(one.id, one.location.line if one.location else 0, one.title) for one in kept]
    assert [(id_, line) for id_, line, _ in said] == [("CFG201", 1), ("CFG202", 1), ("CFG201", 2)]
    assert "ENV001" in said[0][2]
    assert "API002" not in said[0][2]
    assert all(one.severity is Severity.INFO for one in kept)


def test_an_ignore_is_not_unused_where_it_was_not_asked_for() -> None:
    ignores = ignores_in(Script("train.py", f"a = 1  {MARK}\n"))
    assert suppress([], ignores, load_rules(), ("ENV",))[0] == ()
    assert [one.id for one in suppress([], ignores, load_rules(), ("API",))[0]] == ["CFG201"]


@given(st.text(alphabet="ab#[]() \n'\"\\:,=", max_size=200))
def test_no_script_is_a_crash(source: str) -> None:
    ignores_in(Script("train.py", source + " # sftdoctor: ignore[A] b"))


def test_check_suppresses_and_keeps(healthy: Path, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("from trl import SFTConfig\nSFTConfig(nonsense=1)\n")

    def check() -> tuple[Verdict, list[str], list[tuple[str, str, str]]]:
        report = Checker(Settings(python=str(healthy), paths=(str(script),), select=("API", "CFG"))).check()
        kept = [one.id for one in report.findings]
        return report.verdict, kept, [(one.finding.id, one.by, one.reason) for one in report.suppressed]

    assert check() == (Verdict.BREAKS, ["API002"], [])
    script.write_text(script.read_text().replace("=1)", "=1)  # sftdoctor: ignore[API002] a test"))
    assert check() == (Verdict.CLEAN, [], [("API002", "comment", "a test")])


def test_comments_of_a_module_cover_it_and_are_never_unused() -> None:
    """The module may serve other scripts, whose findings they are for."""
    script = Script("run.py", "import train\n", modules=(("train.py", f"a = 1  {MARK}\nb = 1  {MARK}\n"),))
    kept, suppressed = suppress([finding(1), finding(3)], ignores_in(script), load_rules())
    assert [one.location for one in kept] == [finding(3).location]
    assert [one.reason for one in suppressed] == ["why"]


def test_what_the_configuration_ignores_is_kept_with_its_reason(broken: Path) -> None:
    settings = Settings(python=str(broken), ignore=("API", "GPU"), reasons=(("API", "known"),))
    report = Checker(settings).check()
    assert report.findings == ()
    assert report.verdict is Verdict.CLEAN
    assert {("API021", "ignore", "known"), ("GPU007", "ignore", "")} <= {
        (one.finding.id, one.by, one.reason) for one in report.suppressed
    }


def test_comments_of_a_config_cover_their_line_or_the_next() -> None:
    source = f"a: 1  {MARK}\nb: 2\n{MARK}\nc: 3\nd: 4\n"
    ignores = ignores_in(Script("train.py", source, config=Config("trl", ())))
    covered = [line for line in range(1, 6) if suppress([finding(line)], ignores, ())[1]]
    assert covered == [1, 4]
    assert [one.reason for one in ignores] == ["why", "why"]
