"""explain where the error happened: the exact cause, and honest notes where it does not show."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.model import Explanation

KEYWORD = "got an unexpected keyword argument 'gradient_checkpointing_kwargs'"


def crash(stack: Path, script: Path) -> str:
    """The real output of a script that really fails in a stack."""
    done = subprocess.run([stack / "bin" / "python", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text("from trl import SFTTrainer\ntrainer = SFTTrainer(model=None)\n")
    return path


def causes(explanation: Explanation) -> list[tuple[str, bool]]:
    return [(one.id, one.cause is not None) for one in explanation.findings]


def test_the_environment_is_found_by_the_frames(broken: Path, script: Path) -> None:
    found = sftdoctor.explain(crash(broken, script))
    assert causes(found)[0] == ("API021", True)
    cause = found.findings[0].cause
    assert cause is not None
    assert cause.caller is not None
    assert (cause.caller.distribution, cause.caller.version) == ("trl", "0.24.0")
    assert found.environment is not None
    assert found.environment.version("peft") == "0.5.0"
    assert str(broken) in found.notes[0]


def test_an_environment_that_is_named_is_asked(broken: Path) -> None:
    found = sftdoctor.explain(f"TypeError: prepare_model_for_kbit_training() {KEYWORD}", python=broken)
    assert causes(found) == [("API021", True)]


def test_a_cause_that_is_not_there_is_said_to_be_none(healthy: Path) -> None:
    found = sftdoctor.explain(f"TypeError: prepare_model_for_kbit_training() {KEYWORD}", python=healthy)
    assert causes(found) == [("API021", False)]
    assert found.findings[0].confidence.value == "possible"
    assert "does not show" in found.notes[0]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("ImportError: cannot import name 'Nowhere' from 'trl' (x)", "Nowhere"),
        ("TypeError: SFTConfig.__init__() got an unexpected keyword argument 'nonsense'", "nonsense"),
    ],
)
def test_the_line_that_failed_is_linked_where_the_script_is_not_at_hand(healthy: Path, message: str, name: str) -> None:
    found = sftdoctor.explain(message, python=healthy)
    (finding,) = found.findings
    assert finding.cause is not None
    assert finding.cause.name == name
    assert "the_failing_line" not in finding.title + finding.message
    assert finding.location is None


def test_the_environment_is_found_by_the_launchers_frames(broken: Path) -> None:
    module = next(broken.glob("lib*/python3*/site-packages/trl/trainer.py"))
    line = module.read_text().splitlines()[0]
    log = f"""TypeError: prepare_model_for_kbit_training() {KEYWORD}
Traceback (most recent call last):
  File "{module}", line 1, in <module>
    {line}
torch.distributed.elastic.multiprocessing.errors.ChildFailedError: """
    assert causes(sftdoctor.explain(log)) == [("API021", True)]


def test_another_break_of_the_same_kind_is_not_the_cause(broken: Path) -> None:
    found = sftdoctor.explain("TypeError: Trainer.__init__() got an unexpected keyword argument 'other'", python=broken)
    assert causes(found) == [("API002", False)]


def test_a_file_that_says_something_else_is_not_taken_for_the_script(broken: Path, script: Path) -> None:
    log = crash(broken, script).replace("trainer = SFTTrainer", "trainer = Other")
    found = sftdoctor.explain(log)
    assert all(finding.location is None for finding in found.findings)


def test_an_unknown_error_gets_its_frames_and_the_environment(healthy: Path) -> None:
    found = sftdoctor.explain(
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nFooError: y', python=healthy
    )
    assert found.findings == ()
    assert found.frames == ("a.py:1 in f",)
    assert found.environment is not None


def test_an_environment_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(sftdoctor.SftDoctorError):
        sftdoctor.explain("FooError: y", python=tmp_path / "nowhere")
    with pytest.raises(sftdoctor.SftDoctorError, match="empty"):
        sftdoctor.explain("")


def test_a_script_that_is_known_to_have_failed_is_judged_itself(broken: Path, tmp_path: Path) -> None:
    """A notebook, say, which no frame names as Python does: a stand-in would not show whether the name is used."""
    from sftdoctor.jobs import explain
    from sftdoctor.settings import Settings

    script = tmp_path / "train.py"
    script.write_text("from trl import SFTTrainer, gone\ntrainer = SFTTrainer(gone)\n")
    lines = ["ImportError: cannot import name 'gone' from 'trl'"]
    settings = Settings(python=str(broken), paths=(str(script),))
    found = explain(lines, settings).findings
    assert [(one.id, one.location.path if one.location else None) for one in found] == [("API001", str(script))]
