"""The three failures that the tool was born for, each for real: it breaks, is foreseen, repaired, proved, undone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.demo import CASES, DATA, Case, run_script
from sftdoctor.model import Report, Verdict
from sftdoctor.throwaway import Workshop
from tests.lab.builds import freeze

pytestmark = [pytest.mark.lab, pytest.mark.core]

KBIT, REMOTE_CODE, NO_GRAD = CASES


@dataclass(frozen=True)
class Broken:
    """A case laid out: its folder, its Python, its script."""

    case: Case
    folder: Path
    python: Path

    @property
    def script(self) -> Path:
        return self.folder / "train.py"

    @property
    def model(self) -> Path | None:
        return self.folder / self.case.model if self.case.model else None

    def check(self) -> Report:
        return sftdoctor.check(self.script, python=self.python, model=self.model)


@pytest.fixture
def broken(request: pytest.FixtureRequest, workshop: Workshop, tmp_path: Path) -> object:
    """The case that the test names, in a folder and an environment of its own."""
    case: Case = request.param
    folder = tmp_path / case.folder
    shutil.copytree(DATA / case.folder, folder)
    python = workshop.build(tmp_path / "venv", case.requirements)
    if case.model is None:
        assert run_script(python, folder, str(DATA / "make_model.py"), "tiny-llama").passed
    yield Broken(case, folder, python)
    shutil.rmtree(tmp_path / "venv")


def errors(report: Report) -> list[str]:
    """Ids of the findings that are errors."""
    return [finding.id for finding in report.findings if finding.severity.value == "error"]


@pytest.mark.parametrize(
    ("broken", "symptom", "words"),
    [
        (
            KBIT,
            r"TypeError: prepare_model_for_kbit_training() got an unexpected keyword argument "
            "'gradient_checkpointing_kwargs'",
            ("trl", "peft", "prepare_model_for_kbit_training", "gradient_checkpointing_kwargs"),
        ),
        (
            REMOTE_CODE,
            "_set_gradient_checkpointing() got an unexpected keyword argument 'enable'",
            ("transformers", "_set_gradient_checkpointing", "enable"),
        ),
        (
            NO_GRAD,
            "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn",
            ("gradient",),
        ),
    ],
    indirect=["broken"],
    ids=[case.folder for case in CASES],
)
def test_breaks_is_foreseen_repaired_proved_and_undone(broken: Broken, symptom: str, words: tuple[str, ...]) -> None:
    old, source = freeze(broken.python), broken.script.read_bytes()
    before = run_script(broken.python, broken.folder, "train.py")
    assert not before.passed
    assert symptom in before.line

    report = broken.check()
    assert report.verdict is Verdict.BREAKS
    said = repr([finding for finding in report.findings if finding.severity.value == "error"])
    assert all(word in said for word in words), said

    fixed = sftdoctor.fix(
        broken.script, python=broken.python, model=broken.model, apply=True, unsafe=broken.case.unsafe
    )
    assert fixed.outcome == "applied", fixed.reason
    assert fixed.after is not None and not errors(fixed.after)
    assert fixed.proof is not None and fixed.proof.verdict != "failed"
    if broken.case is not REMOTE_CODE:  # the libraries of 2023 use bitsandbytes on a GPU alone
        assert fixed.proof.verdict == "passed"
    assert not errors(broken.check())
    after = run_script(broken.python, broken.folder, "train.py")
    assert after.passed, after.line
    assert after.line.startswith("trained 5 steps")

    sftdoctor.undo(fixed.journal)
    assert freeze(broken.python) == old
    assert broken.script.read_bytes() == source
    assert errors(broken.check()) == errors(report)


@pytest.mark.parametrize("broken", [KBIT], indirect=True, ids=["kbit"])
def test_the_environment_alone_is_judged_and_proved(broken: Broken) -> None:
    report = sftdoctor.check(python=broken.python)
    assert report.verdict is Verdict.BREAKS
    (finding,) = [found for found in report.findings if found.id in errors(report)]
    assert finding.cause is not None and finding.cause.caller is not None and finding.cause.callee is not None
    assert (finding.cause.caller.distribution, finding.cause.callee.distribution) == ("trl", "peft")
    assert "prepare_model_for_kbit_training" in str(finding.cause.callee.symbol)

    proof = sftdoctor.prove(python=broken.python)
    assert proof.verdict == "failed"
    assert proof.quantization == "int8"  # on a CPU trl skips the k-bit preparation of 4-bit weights
    assert proof.failure is not None
    assert (proof.failure.stage, proof.failure.exception) == ("trainer", "TypeError")
    assert finding.id in [found.id for found in proof.failure.findings]
