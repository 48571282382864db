"""Plans over real wheels, a real resolver and the real linker: a caller, what it calls, and what goes with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from sftdoctor.engine import judge
from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import (
    Cause,
    Distribution,
    Edit,
    Environment,
    Finding,
    Fix,
    Location,
    Place,
    Plan,
    Report,
    Safety,
    Scenario,
    Script,
    Target,
    TargetKind,
    Workload,
)
from sftdoctor.reading import read_keep, split_keep
from sftdoctor.repair.candidates import Candidates, Release
from sftdoctor.repair.edits import edit_source
from sftdoctor.repair.oracle import JudgeOracle
from sftdoctor.repair.plan import _why_along, make_plan
from sftdoctor.repair.search import Candidate
from sftdoctor.repair.transaction import apply, undo
from sftdoctor.repair.weights import own_requirements
from sftdoctor.repair.written import with_files, write_constraints
from sftdoctor.target.index import Index
from sftdoctor.target.interpreter import read_interpreter
from sftdoctor.target.pins import read_pins
from sftdoctor.workload import read_workload

from .conftest import environment_of, finding, make_wheel, report_of

CALLER = "from callee import work\n\nRESULT = work(1, {keyword})\n\n\ndef run():\n    return RESULT\n"
OLD = "def work(x):\n    return x\n"
NEW = "def work(x, fast=False):\n    return x\n"
REMOVED = "def play(x):\n    return x\n"

INDEX: dict[str, list[tuple[str, str, str, tuple[str, ...]]]] = {
    # name, version, source, requires
    "raise": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "1.1", OLD, ()),
        ("callee", "2.0", NEW, ()),
        ("callee", "3.0", REMOVED, ()),
    ],
    "raise with a helper": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("callee", "1.0", OLD, ("helper<2",)),
        ("callee", "2.0", NEW, ("helper>=2",)),
        ("helper", "1.0", "", ()),
        ("helper", "2.0", "", ()),
    ],
    "lower": [
        ("caller", "1.0", CALLER.format(keyword=""), ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", REMOVED, ()),
    ],
    "caller": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("caller", "1.1", CALLER.format(keyword=""), ()),
        ("callee", "1.0", OLD, ()),
    ],
    "torch": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("callee", "1.0", OLD, ("torch<2",)),
        ("callee", "2.0", NEW, ("torch>=2",)),
        ("torch", "1.0", "", ()),
        ("torch", "2.0", "", ()),
    ],
    "both": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("caller", "0.9", CALLER.format(keyword=""), ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", NEW, ()),
        ("callee", "3.0", REMOVED, ()),
    ],
    "uncovers": [
        ("caller", "1.0", CALLER.format(keyword=""), ("callee; extra == 'fast'", "helper; extra == 'fast'")),
        ("caller", "0.1", "def run():\n    return 1\n", ()),
        ("callee", "1.0", "import helper\n\n\n" + OLD, ("helper; extra == 'fast'",)),
        ("helper", "1.0", "", ()),
    ],
    "alone": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", NEW, ()),
        ("callee", "2.1", NEW, ()),
        ("callee", "3.0", NEW, ("helper>=2",)),
        ("callee", "4.0", NEW, ("helper>=2",)),
        ("helper", "1.0", "", ()),
        ("helper", "2.0", "", ()),
    ],
    "another way": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("caller", "0.5", "from other import thing\n\n\ndef run():\n    return thing\n", ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", "from helper import gone\n\n\n" + NEW, ()),
        ("helper", "1.0", "", ()),
        ("helper", "1.1", "", ()),
        ("other", "1.0", "", ()),
        ("other", "1.1", "thing = 1\n", ()),
    ],
    "pins": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ("callee>=2",)),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", NEW, ("helper",)),
        ("callee", "3.0", REMOVED, ("helper",)),
        ("helper", "1.0", "", ()),
    ],
    "nothing": [
        ("caller", "1.0", CALLER.format(keyword="fast=True"), ()),
        ("callee", "1.0", OLD, ()),
        ("callee", "2.0", REMOVED, ()),
    ],
}


class Stack:
    """A venv with packages from a little index, and what check says of it."""

    def __init__(self, venv: Path, uv: str, installed: Mapping[str, str]) -> None:
        names = [f"{name}=={version}" for name, version in installed.items()]
        python = str(venv / "bin/python")
        subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--python", python, *names], check=True)
        self.environment = environment_of(venv)
        self.workload = Workload(Scenario("t", "t", ("caller:run",), {}, ("caller",)))

    def judge(self, environment: Environment, workload: Workload) -> Report:
        library = Library(environment, None)
        return judge(environment, workload, (), link(library, environment, workload), library)

    def plan(self, **options: object) -> Plan:
        report = self.judge(self.environment, self.workload)
        assert report.findings, "the stack is meant to be broken"
        return make_plan(report, oracle=JudgeOracle(report, self.judge, remembers=False), **options)  # type: ignore[arg-type]


@pytest.fixture
def stack(tmp_path: Path, uv: str, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def build(case: str, **installed: str) -> Stack:
        folder = tmp_path / "index"
        folder.mkdir()
        for name, version, source, requires in INDEX[case]:
            make_wheel(folder, name, version, {f"{name}.py": source}, requires)
        for tool in ("PIP", "UV"):
            monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
        venv = tmp_path / "stack"
        subprocess.run([uv, "venv", "-q", str(venv)], check=True)
        return Stack(venv, uv, installed)

    return build


def steps(plan: Plan) -> list[tuple[str, str | None, str | None]]:
    return [(one.name, one.old, one.new) for one in plan.actions]


PLANS = {
    "raise": ({"caller": "1.0", "callee": "1.0"}, {}, [("callee", "1.0", "2.0")]),
    "raise with a helper": (
        {"caller": "1.0", "callee": "1.0", "helper": "1.0"},
        {},
        [("callee", "1.0", "2.0"), ("helper", "1.0", "2.0")],
    ),
    "lower": ({"caller": "1.0", "callee": "2.0"}, {}, [("callee", "2.0", "1.0")]),
    "caller": ({"caller": "1.0", "callee": "1.0"}, {}, [("caller", "1.0", "1.1")]),
    "alone": (
        {"caller": "1.0", "callee": "1.0", "helper": "1.0"},
        {},
        [("callee", "1.0", "2.1")],
    ),
    "another way": (
        {"caller": "1.0", "callee": "1.0", "helper": "1.0", "other": "1.0"},
        {},
        [("caller", "1.0", "0.5"), ("other", "1.0", "1.1")],
    ),
    "torch": (
        {"caller": "1.0", "callee": "1.0", "torch": "1.0"},
        {"unsafe": True},
        [("callee", "1.0", "2.0"), ("torch", "1.0", "2.0")],
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_what_an_expert_would_pick(stack, case: str) -> None:  # type: ignore[no-untyped-def]
    installed, options, expected = PLANS[case]
    plan = stack(case, **installed).plan(**options)
    assert steps(plan) == expected, plan.left_out
    assert not plan.left_out


def test_what_goes_along_says_who_needs_it(stack) -> None:  # type: ignore[no-untyped-def]
    plan = stack("raise with a helper", caller="1.0", callee="1.0", helper="1.0").plan()
    assert [one.reason for one in plan.actions if one.along] == ["callee 2.0 needs helper>=2"]


def test_the_first_torch_replaces_nothing(stack) -> None:  # type: ignore[no-untyped-def]
    plan = stack("torch", caller="1.0", callee="1.0").plan()
    assert steps(plan) == [("callee", "1.0", "2.0"), ("torch", None, "2.0")]


def test_torch_moves_only_when_told(stack) -> None:  # type: ignore[no-untyped-def]
    plan = stack("torch", caller="1.0", callee="1.0", torch="1.0").plan()
    assert not plan.actions
    assert {one.action.name for one in plan.left_out} == {"callee", "torch"}
    assert all("--unsafe takes it: the set changes torch" in one.reason for one in plan.left_out)


@pytest.mark.parametrize(
    ("case", "options", "reason"),
    [
        ("nothing", {}, "none was clean"),
        ("raise", {"keep": {"callee": None, "caller": None}}, "is to be kept"),
        ("raise", {"keep": {"callee": "==1.1"}}, "kept at ==1.1"),
        ("raise", {"timeout": 0.0}, "time for the search was over"),
    ],
)
def test_what_cannot_be_had_is_answered_with_the_reason(
    stack, case: str, options: dict[str, object], reason: str
) -> None:  # type: ignore[no-untyped-def]
    plan = stack(case, caller="1.0", callee="1.0").plan(**options)
    assert not plan.actions
    assert [reason in one.reason for one in plan.left_out] == [True], plan.left_out


def test_one_incurable_finding_does_not_hold_up_the_others(stack) -> None:  # type: ignore[no-untyped-def]
    broken = stack("raise", caller="1.0", callee="1.0")
    ghost = replace(finding("API005", "nothing cures this"), cause=Cause(None, Place("caller", "1.0"), "ghost"))

    def judged(environment: Environment, workload: Workload) -> Report:
        report = broken.judge(environment, workload)
        return replace(report, findings=(*report.findings, ghost))

    report = judged(broken.environment, broken.workload)
    plan = make_plan(report, oracle=JudgeOracle(report, judged, remembers=False))
    assert steps(plan) == [("callee", "1.0", "2.0")]
    assert [one.action.findings for one in plan.left_out] == [("API005",)]


def test_a_written_requirement_comes_before_what_is_derived(stack) -> None:  # type: ignore[no-untyped-def]
    broken = stack("raise", caller="1.0", callee="1.0")
    report = broken.judge(broken.environment, broken.workload)
    fix = Fix("package", Safety.SAFE, "newer callee", ("callee>=1.1,<3",), reason="The rule says so.")
    report = replace(report, findings=tuple(replace(one, fixes=(fix,)) for one in report.findings))
    plan = make_plan(report, oracle=JudgeOracle(report, broken.judge, remembers=False))
    assert steps(plan) == [("callee", "1.0", "2.0")]
    assert plan.actions[0].reason.startswith("The rule says so.")


BOTH = {
    "1.0": "def work(x):\n    return x\n\n\ndef play(*, old=0):\n    return old\n",
    "2.0": "def work(x, fast=0):\n    return x\n\n\ndef play(*, new=0):\n    return new\n",
}


def test_versions_and_the_edits_that_they_call_for_are_planned_together(
    tmp_path: Path, uv: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    for version, source in BOTH.items():
        make_wheel(folder, "callee", version, {"callee.py": source})
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    subprocess.run([uv, "venv", "-q", str(tmp_path / "stack")], check=True)
    script = tmp_path / "train.py"
    script.write_text("from callee import play, work\n\nplay(old=1)  # one\nwork(1, fast=2)\n")
    scripts = (Script(str(script), script.read_text()),)
    broken = Stack(tmp_path / "stack", uv, {"callee": "1.0"})

    def judged(environment: Environment, workload: Workload) -> Report:
        report = broken.judge(environment, workload)
        return replace(report, findings=tuple(map(remedied, report.findings)))

    def remedied(one: Finding) -> Finding:
        assert one.cause is not None and one.location is not None
        edit = Edit("rename_keyword", one.location, {"old": "old", "new": "new"})
        newer = Fix("package", Safety.SAFE, "newer", ("callee>=2",))
        return replace(one, fixes=(newer,) if one.cause.name == "fast" else (Fix("edit", Safety.SAFE, "e", edit=edit),))

    workload = Workload(Scenario("t", "t", (), {}, ("callee",)), scripts)
    report = judged(broken.environment, workload)
    assert [one.cause.name for one in report.findings if one.cause] == ["fast"]
    plan = make_plan(report, oracle=JudgeOracle(report, judged, remembers=False))
    assert [(one.kind, one.new) for one in plan.actions] == [("package", "2.0"), ("edit", None)]
    assert "+play(new=1)  # one" in plan.diffs[str(script)] and not plan.left_out and not plan.foreseen


def test_what_an_edit_uncovers_is_mended_too(tmp_path: Path) -> None:
    """The linker stops where the program would: the second mistake shows when the first is gone."""
    script = tmp_path / "train.py"
    script.write_text("a = SFTConfig(max_seq_length=1)\nb = 2\nc = SFTConfig(max_seq_length=3)\n")

    class First(ScriptOracle):
        def script(self, path: str, source: str) -> Report:
            report = super().script(path, source)
            return replace(report, findings=report.findings[:1])

    oracle = First(Environment(report_target(), "3.11"))
    plan = make_plan(oracle.script(str(script), script.read_text()), oracle=oracle)
    assert [one.edit.location.line for one in plan.actions if one.edit] == [1, 3] and not plan.left_out


def test_scripts_are_edited_each_in_its_own_right(tmp_path: Path) -> None:
    paths = [tmp_path / "a.py", tmp_path / "b.py"]
    for path in paths:
        path.write_text("f(max_seq_length=3)\n")

    class Two(ScriptOracle):
        def judge(self, environment: Environment, sources: Mapping[str, bytes]) -> Report:
            texts = {str(path): sources.get(str(path), path.read_bytes()).decode() for path in paths}
            found = [one for path, text in texts.items() for one in self.script(path, text).findings]
            return report_of(environment, *found)

    oracle = Two(Environment(report_target(), "3.11"))
    plan = make_plan(oracle.judge(oracle._environment, {}), oracle=oracle)
    assert [one.name for one in plan.actions] == [str(path) for path in paths]


# --- edits --------------------------------------------------------------------------------------------------------

SCRIPT = """\
from trl import SFTConfig

a = SFTConfig(max_seq_length=1)  # one
b = SFTConfig(max_seq_length=2, x=f(max_seq_length=3))
"""


class ScriptOracle:
    """Finds every max_seq_length, as a rule would."""

    def __init__(self, environment: Environment, new: str = "") -> None:
        self._environment = environment
        self._new = new

    def judge(self, environment: Environment, sources: Mapping[str, bytes]) -> Report:
        assert environment is self._environment, "no versions are asked for"
        (path, source), *more = sources.items()
        assert not more
        return self.script(path, source.decode())

    def foresee(self, environments: Sequence[Environment], sources: Mapping[str, bytes]) -> None:
        assert not environments, "no versions are asked for"

    def script(self, path: str, source: str) -> Report:
        found = [old_name(path, line, column) for line, column in places(source)]
        if self._new and "max_length" in source:
            found.append(finding("API999", self._new))
        return report_of(self._environment, *found)


def places(source: str) -> list[tuple[int, int]]:
    found = []
    for number, line in enumerate(source.splitlines(), 1):
        for name in ("SFTConfig(max_seq_length", "f(max_seq_length"):
            if name in line:
                found.append((number, line.index(name) + 1))
    return found


def old_name(path: str, line: int, column: int) -> Finding:
    edit = Edit("rename_keyword", Location(path, line, column), {"old": "max_seq_length", "new": "max_length"})
    fix = Fix("edit", Safety.SAFE, "rename it", edit=edit)
    return replace(finding("API004", "renamed"), location=edit.location, fixes=(fix,))


def test_edits_of_one_script_follow_one_another(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    oracle = ScriptOracle(Environment(report_target(), "3.11"))
    report = oracle.script(str(script), SCRIPT)
    plan = make_plan(report, oracle=oracle)
    assert len(plan.actions) == 3 and not plan.left_out
    text = SCRIPT.encode()
    for action in plan.actions:
        assert action.edit is not None and action.diff.count("\n-") == action.diff.count("\n+") - 1 == 1
        text = edit_source(text, action.edit)
    assert text.decode() == SCRIPT.replace("max_seq_length", "max_length")
    assert script.read_text() == SCRIPT


@pytest.mark.parametrize("edits", [True, False])
def test_without_a_network_what_edits_can_do_is_done(
    edits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: object) -> None:
        raise OfflineError("the package index cannot be reached: no address\nand more")

    monkeypatch.setattr("sftdoctor.repair.solve.Solver.search", search)
    script = tmp_path / "train.py"
    script.write_text("f(max_seq_length=3)\n" if edits else "f()\n")
    lacking = replace(finding("ENV003", "lacking"), fixes=(Fix("package", Safety.SAFE, "add it", ("lib",)),))

    class Oracle(ScriptOracle):
        def script(self, path: str, source: str) -> Report:
            report = super().script(path, source)
            return replace(report, findings=(*report.findings, lacking))

    oracle = Oracle(Environment(report_target(), "3.11"))
    report = oracle.script(str(script), script.read_text())
    if not edits:
        with pytest.raises(OfflineError):
            make_plan(report, oracle=oracle)
        return
    plan = make_plan(report, oracle=oracle)
    assert [one.kind for one in plan.actions] == ["edit"]
    assert [one.reason for one in plan.left_out] == ["the package index cannot be reached: no address"]


def test_an_edit_that_brings_something_new_is_left_out(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    oracle = ScriptOracle(Environment(report_target(), "3.11"), "worse")
    plan = make_plan(oracle.script(str(script), SCRIPT), oracle=oracle)
    assert not plan.actions
    assert {one.reason for one in plan.left_out} == {"the script would then have API999: worse"}


@pytest.mark.parametrize("safety", [Safety.UNSAFE, Safety.MANUAL])
@pytest.mark.parametrize("unsafe", [False, True])
def test_safety(tmp_path: Path, safety: Safety, unsafe: bool) -> None:
    script = tmp_path / "train.py"
    script.write_text("b = f(max_seq_length=3)\n")
    oracle = ScriptOracle(Environment(report_target(), "3.11"))
    report = oracle.script(str(script), script.read_text())
    found = tuple(
        replace(one, fixes=tuple(replace(fix, safety=safety) for fix in one.fixes)) for one in report.findings
    )
    plan = make_plan(replace(report, findings=found), oracle=oracle, unsafe=unsafe)
    taken = safety is Safety.UNSAFE and unsafe
    assert (len(plan.actions), len(plan.left_out)) == ((1, 0) if taken else (0, 1))


def test_what_has_no_remedy_is_said() -> None:
    report = report_of(Environment(report_target(), "3.11"), replace(finding("MDL001"), location=Location("t.py", 1)))
    plan = make_plan(report, oracle=ScriptOracle(report.environment))
    assert [(one.action.safety, "no remedy" in one.reason) for one in plan.left_out] == [(Safety.MANUAL, True)]


def report_target():  # type: ignore[no-untyped-def]
    from sftdoctor.model import Target, TargetKind

    return Target(TargetKind.INTERPRETER, "python", "3.11")


IMPORTS = "from model import NAME\nfrom trl import SFTTrainer\n"


@pytest.mark.parametrize("changed", ["train.py", "model.py"])
def test_the_oracle_reads_a_changed_script_in_its_place(changed: str, tmp_path: Path) -> None:
    """With the modules of its project as they are there, or as they are thought of."""
    texts = {"train.py": f"{IMPORTS}SFTTrainer(model=NAME).train()\n", "model.py": "NAME = 'tiny'\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    seen: list[Workload] = []

    def remember(environment: Environment, workload: Workload) -> Report:
        seen.append(workload)
        return report_of(environment)

    workload = read_workload([tmp_path / "train.py"], model=None, scenario=Scenario("t", "t", ()))
    report = replace(report_of(Environment(report_target(), "3.11")), workload=workload)
    new = texts[changed].replace("NAME)", "'small')").replace("tiny", "small")
    JudgeOracle(report, remember).judge(report.environment, {str(tmp_path / changed): new.encode()})
    script = seen[0].scripts[0]
    assert (script.path, script.source) == (str(tmp_path / "train.py"), {**texts, changed: new}["train.py"])
    assert [fact.value for fact in script.facts if fact.name == "model_path"] == ["small"]
    assert {name: (tmp_path / name).read_text() for name in texts} == texts


def candidates(*distributions: Distribution) -> Candidates:
    target = Target(TargetKind.PINS, "pins.txt", "3.11")
    environment = Environment(target, "3.11", {}, {one.name: one for one in distributions})
    return Candidates(environment, Index(offline=True))


def test_what_only_looks_like_a_package_is_never_installed() -> None:
    """A name that nothing has bound may be the name of anybody's package."""
    cause = Cause(Place("caller", "1.0"), Place("accelerator", None), "Accelerator")
    for requires, expected in (((), 0), (("accelerator>=1; extra == 'fast'",), 1)):
        known = candidates(Distribution("caller", "1.0", requires=requires))
        known._releases = {"caller": (), "accelerator": (Release(Version("1.0"), None),)}
        assert len(known.moves(replace(finding(), cause=cause))) == expected


def test_extras_for_the_package_s_own_developers_restrain_nobody() -> None:
    requires = ("callee==4.30.1; extra == 'benchmarks'", "callee>=4.18; extra == 'fast'")
    caller = Distribution("caller", "1.0", requires=requires, extras=("benchmarks", "fast"))
    assert str(candidates(caller)._declared("callee")) == ">=4.18"


def test_pins_that_contradict_each_other_are_judged_whole(stack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """What they leave open comes in with the repair, and is no change of what they say."""
    some = stack("pins", helper="1.0")
    (tmp_path / "requirements.txt").write_text("caller==1.0\ncallee==1.0\nhelper\n")
    version = "{}.{}".format(*sys.version_info)
    environment = read_pins(tmp_path / "requirements.txt", version, cache=tmp_path / "cache")
    assert [one.kind for one in environment.problems] == ["unresolvable"]
    said = "all versions of caller depend on callee>=2 and you require caller==1.0; you require callee==1.0"
    assert environment.problems[0].detail == said
    seen: list[Environment] = []

    def judged(environment: Environment, workload: Workload) -> Report:
        seen.append(environment)
        report: Report = some.judge(environment, workload)
        return report

    report = some.judge(environment, some.workload)
    plan = make_plan(report, oracle=JudgeOracle(report, judged, remembers=False), cache=tmp_path / "cache")
    assert steps(plan) == [("callee", "1.0", "2.0")]
    assert {(one.complete, one.problems, one.version("helper")) for one in seen} == {(True, (), "1.0")}


def test_what_goes_along_is_told_of_a_requirement_that_holds() -> None:
    """Another platform's, an extra's, or one that the version does not meet explains nothing."""
    marked = ("helper<1; sys_platform == 'nowhere'", "helper>5; extra == 'fast'", "helper>=1,<3")
    callee = Distribution("callee", "2.0", requires=marked)
    after = report_of(Environment(report_target(), "3.11", {}, {"callee": callee}))
    chosen = Candidate({"callee": "2.0", "helper": "2.0"}, (), 0.0, after)
    assert _why_along("helper", chosen) == "callee 2.0 needs helper<3,>=1"


def test_what_else_was_considered_and_why_it_lost(stack) -> None:  # type: ignore[no-untyped-def]
    plan = stack("both", caller="1.0", callee="1.0").plan(alternatives=True)
    assert steps(plan) == [("callee", "1.0", "2.0")]
    reasons = {tuple(one.versions.items()): one.reason for one in plan.alternatives}
    assert reasons[(("caller", "0.9"),)] == "links clean too, but it takes caller back"
    assert reasons[(("callee", "3.0"),)].startswith("would bring API001: caller imports a name")


def test_requirements_files_hold(stack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Both versions would do; the file rules one of them out, and the other side is moved."""
    file = tmp_path / "requirements.txt"
    file.write_text("callee<2  # the cluster has no other\n")
    built = stack("both", caller="1.0", callee="1.0")
    assert steps(built.plan(keep=read_keep(*split_keep([str(file)]), {}))) == [("caller", "1.0", "0.9")]


def test_the_python_that_runs_this_keeps_what_it_needs(stack) -> None:  # type: ignore[no-untyped-def]
    """A half-installed package of ours would leave nobody who could take it back."""
    here = read_interpreter(sys.executable)
    needed = own_requirements(here)
    assert {"rich", "packaging", "libcst"} <= needed and "torch" not in needed
    assert own_requirements(stack("raise", caller="1.0").environment) == frozenset()


def test_the_file_that_describes_the_environment_changes_along(stack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    built = stack("raise with a helper", caller="1.0", callee="1.0", helper="1.0")
    file = tmp_path / "requirements.txt"
    file.write_text("caller  # ours\n")
    plan = with_files(built.plan(), [str(file)])
    assert steps(plan)[-1] == (str(file), None, None) and "+callee==2.0" in plan.actions[-1].diff
    before = built.judge(built.environment, built.workload)
    prefix = built.environment.target.prefix

    def check() -> Report:
        return built.judge(environment_of(prefix), built.workload)

    result = apply(plan, built.environment, before=before, check=check)
    assert (result.outcome, file.read_text()) == ("applied", "caller  # ours\ncallee==2.0\n")
    write_constraints(result, tmp_path / "good.txt", "1")
    assert (tmp_path / "good.txt").read_text().endswith("is not proved.\ncallee==2.0\ncaller==1.0\nhelper==2.0\n")
    undo()
    assert file.read_text() == "caller  # ours\n" and not check().verdict.value.startswith("clean")


def test_a_file_that_changed_since_the_plan_is_left_alone(stack, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    built = stack("raise", caller="1.0", callee="1.0")
    file = tmp_path / "requirements.txt"
    file.write_text("callee==1.0\n")
    plan = with_files(built.plan(), [str(file)])
    file.write_text("callee==1.0\nmore\n")
    before = built.judge(built.environment, built.workload)
    with pytest.raises(RepairError, match="changed since the plan"):
        apply(plan, built.environment, before=before, check=lambda: before)
    assert file.read_text() == "callee==1.0\nmore\n"


def test_two_light_moves_instead_of_a_heavy_one(stack) -> None:  # type: ignore[no-untyped-def]
    """What the first cure uncovers is cured too, where both together cost less than another way."""
    built = stack("uncovers", caller="1.0")
    plan = built.plan()
    assert steps(plan) == [("callee", None, "1.0"), ("helper", None, "1.0")]
