"""explain where the error happened: the exact cause, and honest notes where it does not show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.model import Explanation
from tests.stacks import make_stack

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


LAZY = """import importlib

def __getattr__(name):
    try:
        module = importlib.import_module("trl.dpo")
    except Exception as error:
        raise RuntimeError(f"Failed to import trl.dpo because of the following error:\\n{error}") from error
    return getattr(module, name)
"""


@pytest.fixture(scope="module")
def lazy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack whose trl imports its DPO trainer when it is asked for, and tells then that it cannot."""
    stack = make_stack(tmp_path_factory.mktemp("lazy") / "venv", peft="0.17.1")
    trl = next(stack.glob("lib*/python3*/site-packages/trl"))
    with (trl / "__init__.py").open("a") as module:
        module.write(LAZY)
    (trl / "dpo.py").write_text("from transformers import GoneNames\n\nclass DPOConfig: ...\n")
    return stack


def test_the_script_of_the_error_that_it_led_to_is_linked(lazy: Path, tmp_path: Path) -> None:
    script = tmp_path / "dpo.py"
    script.write_text("import json\n\nfrom trl import DPOConfig\n\nprint(json, DPOConfig)\n")
    log = crash(lazy, script)
    assert "was the direct cause" in log
    for found in (sftdoctor.explain(log), sftdoctor.explain(log, python=lazy)):
        finding = found.findings[0]
        assert finding.cause is not None
        assert finding.cause.caller is not None
        assert finding.cause.caller.path == "trl/dpo.py"
        assert finding.cause.name == "GoneNames"
        assert finding.symptom.startswith("ImportError: cannot import name 'GoneNames' from 'transformers' (")
        assert finding.fixes
        assert found.scripts == (str(script),)
        assert found.notes == (f"Found in {lazy}.",)


AUTO = """
import os


class LlamaForCausalLM:
    def __init__(self, config): ...


class AutoModelForCausalLM:
    @classmethod
    def from_pretrained(cls, name, **kwargs):
        return globals()[os.environ.get("ARCHITECTURE", "LlamaForCausalLM")]({}, **kwargs)
"""


def test_a_keyword_that_a_module_of_the_project_gives_is_found_where_it_stands(healthy: Path, tmp_path: Path) -> None:
    """It is refused by a class that is known only when it runs."""
    stack = shutil.copytree(healthy, tmp_path / "stack", symlinks=True)
    package = next(stack.glob("lib/python*/site-packages/transformers/__init__.py"))
    package.write_text(package.read_text() + AUTO)
    made = "AutoModelForCausalLM.from_pretrained(\n        'm',\n        use_flash_attention_2=1)\n"
    head = "from transformers import AutoModelForCausalLM\n\n\ndef load():\n    return "
    (tmp_path / "model.py").write_text(head + made)
    script = tmp_path / "train.py"
    script.write_text("from model import load\n\nload()\n")
    log = crash(stack, script)
    assert "LlamaForCausalLM.__init__() got an unexpected keyword argument 'use_flash_attention_2'" in log
    finding = sftdoctor.explain(log).findings[0]
    assert finding.location is not None
    assert (finding.id, finding.location.path, finding.location.line) == ("API055", str(tmp_path / "model.py"), 5)
    assert finding.confidence.value != "possible"


def test_a_script_that_is_not_at_hand_is_judged_by_its_import(lazy: Path, tmp_path: Path) -> None:
    script = tmp_path / "dpo.py"
    script.write_text("from trl import DPOConfig\n")
    log = crash(lazy, script)
    script.unlink()
    found = sftdoctor.explain(log, python=lazy)
    assert causes(found)[0] == ("API001", True)
    assert found.scripts == ()


def test_an_import_that_stands_for_the_script_is_not_taken_out_of_it(healthy: Path) -> None:
    log = 'Traceback (most recent call last):\n  File "/u/train.py", line 1, in <module>\n    from trl import Gone\n'
    found = sftdoctor.explain(log + "ImportError: cannot import name 'Gone' from 'trl' (x)", python=healthy)
    (finding,) = found.findings
    assert finding.cause is not None
    assert finding.fixes == ()


def test_a_script_that_was_judged_too_is_named_where_nothing_shows(healthy: Path, script: Path) -> None:
    script.write_text("import trl\n\nsetattr(trl, 'x', 1 / 0)\n")
    log = crash(healthy, script).replace("ZeroDivisionError: division by zero", f"TypeError: LoraConfig() {KEYWORD}")
    found = sftdoctor.explain(log, python=healthy)
    assert str(script) in found.notes[-1]
    assert "script or its data" not in found.notes[-1]


def test_a_package_that_is_missing_is_the_cause_of_what_asks_for_it(tmp_path: Path, script: Path) -> None:
    stack = make_stack(tmp_path / "venv", peft="0.17.1")
    for path in stack.glob("lib*/python3*/site-packages/bitsandbytes*"):
        shutil.rmtree(path)
    error = (
        "ImportError: Using `bitsandbytes` 4-bit quantization requires bitsandbytes: `pip install -U bitsandbytes>=0`"
    )
    found = sftdoctor.explain(error, python=stack)
    assert causes(found)[0] == ("ENV003", True)
    assert found.findings[0].symptom == error


@pytest.mark.parametrize(
    ("words", "with_gpu"), [("", "GPU005"), (" You need torch>=1.10, using Ampere GPU with cuda>=11.0", "GPU003")]
)
def test_of_several_causes_that_of_the_hardware_which_is_there_comes_first(
    healthy: Path, words: str, with_gpu: str
) -> None:
    found = sftdoctor.explain(f"ValueError: Your setup doesn't support bf16/gpu.{words}", python=healthy)
    assert found.environment is not None
    first, second = (finding.id for finding in found.findings)
    assert (first, second) == ((with_gpu, "GPU013") if found.environment.accelerators else ("GPU013", with_gpu))


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
