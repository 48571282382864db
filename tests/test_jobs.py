"""What the jobs add to what they call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftdoctor import jobs
from sftdoctor.errors import ProofError, UsageError
from sftdoctor.model import (
    Action,
    Environment,
    Failure,
    Finding,
    Plan,
    Proof,
    Report,
    Safety,
    Scenario,
    Target,
    TargetKind,
    Verdict,
    Workload,
)
from sftdoctor.reading import find_model, read_keep, split_keep
from sftdoctor.settings import Settings

PACKAGE = Action("package", "peft", "0.5.0", "0.17.1", Safety.SAFE, "why")
EDIT = Action("edit", "train.py", None, None, Safety.SAFE, "why")


@pytest.mark.parametrize(
    ("variable", "actions", "expected"),
    [
        ("JPY_PARENT_PID", (PACKAGE, EDIT), True),
        ("COLAB_RELEASE_TAG", (PACKAGE,), True),
        ("KAGGLE_KERNEL_RUN_TYPE", (PACKAGE,), True),
        ("JPY_PARENT_PID", (EDIT,), False),
        (None, (PACKAGE,), False),
    ],
)
def test_a_kernel_goes_on_with_what_it_has_loaded(
    variable: str | None, actions: tuple[Action, ...], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in jobs.KERNELS:
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "1")
    assert any("Restart the kernel" in line for line in jobs._advice(Plan(actions))) is expected


def test_keep_takes_names_requirements_and_files(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("trl==0.24.0\nPEFT>=0.5,<1\nnumpy\n# torch==1\n")
    kept, files = split_keep(["torch", "Transformers==4.57.3", "peft", str(file)])
    assert (kept, files) == ({"torch": None, "transformers": "==4.57.3", "peft": None}, (file,))
    assert read_keep(kept, files, {}) == {**kept, "trl": "==0.24.0"}


@pytest.mark.parametrize("word", [">=2", "peft==", "there/is/none", "none.txt"])
def test_keep_refuses_what_makes_no_sense(word: str) -> None:
    with pytest.raises(UsageError, match="--keep"):
        split_keep([word])


def report(prefix: str | None) -> Report:
    target = Target(TargetKind.INTERPRETER, "/venv/bin/python", "3.11.7", prefix=prefix)
    return Report(Environment(target, "3.11.7"), Workload((), Scenario("sft", "an SFT run", ("trl",))), Verdict.BREAKS)


@pytest.mark.parametrize(
    ("prefix", "actions", "runs"),
    [
        ("/venv", (PACKAGE,), True),
        ("/venv", (PACKAGE, EDIT), True),
        ("/venv", (EDIT,), False),
        (None, (PACKAGE,), False),
    ],
)
def test_the_step_before_runs_where_packages_will_change(
    prefix: str | None, actions: tuple[Action, ...], runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Settings] = []

    def prove(settings: Settings, _: object) -> Proof:
        asked.append(settings)
        return Proof("failed", "cpu", "nf4", failure=Failure("import", "ImportError", "gone"))

    monkeypatch.setattr(jobs, "prove", prove)
    shown = jobs._step_before(Settings(timeout=600), report(prefix), Plan(actions), lambda _: None)
    assert (shown is not None) is runs is bool(asked)
    assert all(settings.timeout == jobs.BEFORE for settings in asked)


def test_no_step_before_where_nothing_could_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def prove(*_: object) -> Proof:
        raise ProofError("there is no torch")

    monkeypatch.setattr(jobs, "prove", prove)
    assert jobs._step_before(Settings(), report("/venv"), Plan((PACKAGE,)), lambda _: None) is None


def test_the_certificate_tells_the_step_before() -> None:
    before = Proof(
        "failed", "cpu", "nf4", failure=Failure("import", "ImportError", "gone"), certificate={"fingerprint": 1}
    )
    after = Proof("passed", "cpu", "nf4", certificate={"fingerprint": 2})
    told = jobs._with_before(after, before)
    assert told is not None
    assert told.certificate["fingerprint"] == 2
    assert told.certificate["before"]["failure"] == "import: ImportError: gone"
    assert jobs._with_before(after, None) is after
    assert jobs._with_before(None, before) is None


def test_one_process_shares_a_model_with_nobody() -> None:
    with pytest.raises(UsageError, match="nobody to share a model with"):
        jobs.prove(Settings(set=("sharding=fsdp2",)))
    with pytest.raises(UsageError, match="do not go together"):
        jobs.prove(Settings(set=("sharding=fsdp2",), nproc=2, accelerate_config="fsdp.yaml"))


@pytest.mark.parametrize("more", [{"set": ("use_dora=true",)}, {"matrix": True}, {"trust_remote_code": True}])
def test_a_script_says_itself_what_it_trains(more: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--script goes with"):
        jobs.prove(Settings(script="train.py", **more))


def test_where_a_model_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match=r"holds no config\.json"):
        find_model("model")
    (tmp_path / "model" / "config.json").write_text("{}")
    assert find_model("model") == tmp_path / "model"
    assert find_model("model/config.json") == tmp_path / "model" / "config.json"
    assert find_model("qwen3") is None  # the target's transformers may know it
    assert find_model("gpt-sw3") is None
    with pytest.raises(UsageError, match="nothing is downloaded"):
        find_model("Qwen/Qwen3-8B")
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-8B" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    assert find_model("Qwen/Qwen3-8B") == snapshot


def test_the_frames_of_the_worker_are_no_script_of_the_user_s() -> None:
    from sftdoctor.proof.process import WORKER

    frames = (
        "Traceback (most recent call last):",
        f'  File "{WORKER}", line 10, in main',
        "    job.run()",
        '  File "/env/lib/python3.11/site-packages/trl/x.py", line 2, in f',
        "    import scipy",
        "ModuleNotFoundError: No module named 'scipy'",
    )
    assert list(jobs._without_own_frames("\n".join(frames))) == [frames[0], *frames[3:]]


def test_a_failed_proof_is_told_by_what_is_really_there(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With both sides and a fix that can be typed, as explain tells it; the rule alone has holes for them."""
    message = "prepare_model_for_kbit_training() got an unexpected keyword argument 'gradient_checkpointing_kwargs'"
    told: list[Finding] = []

    def run(environment: Environment, *, match: Callable[[Failure], tuple[Finding, ...]], **_: Any) -> Proof:
        told.extend(match(Failure("trainer", "TypeError", message, "")))
        return Proof("failed", "cpu", "nf4")

    monkeypatch.setattr("sftdoctor.proof.runner.prove", run)
    jobs.prove(Settings(python=str(broken)))
    assert [one.id for one in told] == ["API021"]
    cause = told[0].cause
    assert cause is not None and cause.caller is not None and cause.callee is not None
    assert (cause.caller.version, cause.callee.version) == ("0.24.0", "0.5.0")
