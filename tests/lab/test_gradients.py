"""Gradients for real: what the judge says of a script or a model's own code is what happens when it runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import sftdoctor
from sftdoctor.demo import DATA, run_script
from sftdoctor.model import Fact, Finding, Location
from sftdoctor.predicates.gradient.remote import remote_model
from sftdoctor.predicates.gradient.training import replay
from sftdoctor.repair.edits import edit_file
from sftdoctor.target import read_interpreter
from sftdoctor.workload import read_model_folder
from tests.lab.builds import Build
from tests.predicates.overrides import write_variant
from tests.predicates.training_scripts import TRUTH

pytestmark = pytest.mark.lab

FIXTURES = Path(__file__).parents[2] / "fixtures"
GRAD_FN = "element 0 of tensors does not require grad and does not have a grad_fn"
BEFORE_5 = ("transformers==4.57.6", "peft==0.17.1", "accelerate==1.10.1", "datasets==4.3.0")
OF_2023 = ("transformers==4.35.2", "accelerate==0.26.1", "numpy==1.26.4")
SAVE_ADAPTER = """
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
model = AutoModelForCausalLM.from_pretrained("tiny")
get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")).save_pretrained("adapter")
"""
TRY_ALL = """
import json, sys
from transformers import AutoConfig, AutoModelForCausalLM
found = {}
for folder in sys.argv[1:]:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    model = AutoModelForCausalLM.from_config(config, trust_remote_code=True)
    try:
        model.gradient_checkpointing_enable()
        found[folder] = "on" if getattr(model.transformer, "gradient_checkpointing", False) else "silent"
    except Exception as error:
        found[folder] = f"{type(error).__name__}: {error}"
print(json.dumps(found))
"""


def gradient_findings(script: Path, python: Path) -> tuple[Finding, ...]:
    """What the rules about gradients find in a script."""
    return sftdoctor.check(script, python=python, select=["MDL"]).findings


def mend(script: Path, finding: Finding) -> None:
    """Carry out the first edit that a finding offers."""
    edit = next(fix.edit for fix in finding.fixes if fix.edit is not None)
    assert edit_file(script, edit)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to run in."""
    made = tmp_path / "run"
    made.mkdir()
    return made


def test_frozen_inputs(build: Build, newest: Path, folder: Path) -> None:
    python = build(*BEFORE_5)
    script = folder / "lora_checkpointing.py"
    shutil.copy(FIXTURES / "scripts" / script.name, script)
    assert run_script(python, folder, str(DATA / "make_model.py"), "tiny").passed

    (finding,) = gradient_findings(script, python)
    assert finding.id == "MDL004"
    assert GRAD_FN in run_script(python, folder, script.name).line

    assert gradient_findings(script, newest) == ()
    assert run_script(newest, folder, script.name).passed

    mend(script, finding)
    assert gradient_findings(script, python) == ()
    after = run_script(python, folder, script.name)
    assert after.passed and after.line.startswith("LOSS"), after.line


def test_adapter_that_is_not_trainable(newest: Path, folder: Path) -> None:
    script = folder / "adapter_continued.py"
    shutil.copy(FIXTURES / "scripts" / script.name, script)
    assert run_script(newest, folder, str(DATA / "make_model.py"), "tiny").passed
    assert run_script(newest, folder, "-c", SAVE_ADAPTER).passed

    (finding,) = gradient_findings(script, newest)
    assert finding.id == "MDL007"
    assert isinstance(finding.location, Location)
    silent = run_script(newest, folder, script.name)
    assert silent.passed and silent.line.startswith("MOVED 0 OF"), silent.line

    mend(script, finding)
    assert gradient_findings(script, newest) == ()
    after = run_script(newest, folder, script.name)
    _, moved, _, total = after.line.split()
    assert after.passed and moved == total != "0", after.line


@pytest.mark.parametrize("old", [True, False], ids=["4.35.2", "newest"])
def test_overrides(old: bool, build: Build, newest: Path, folder: Path) -> None:
    python = build(*OF_2023) if old else newest
    folders = {
        variant: write_variant(variant, FIXTURES / "models" / "qwen_old", folder / f"model{number}")
        for number, variant in enumerate(TRUTH["overrides"]["enable()"])
    }
    tried = run_script(python, folder, "-c", TRY_ALL, *map(str, folders.values()))
    assert tried.passed, tried.line
    happened = json.loads(tried.line)

    environment = read_interpreter(str(python))
    steps = (Fact("step", ("load", "from_config")), Fact("step", ("gc_enable", "unset", False)))
    for variant, path in folders.items():
        said = replay(environment, steps, remote_model(read_model_folder(path)))
        answer = said.detail if said.outcome == "raises" else ("silent" if said.cause == "no-recompute" else "on")
        real = happened[str(path)]
        # Python names the method with its class since 3.10
        assert answer.split("() ")[-1][:60] == real.split("() ")[-1][:60], variant
