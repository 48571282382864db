"""The scripts that the rows of fixtures/gradients/truth.json mean, and environments of the excerpts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sftdoctor.flow.source import Source
from sftdoctor.model import Accelerator, Distribution, Environment, Fact, Target, TargetKind
from sftdoctor.workload.script import read_script

GRADIENTS = Path(__file__).parents[2] / "fixtures" / "gradients"
TRUTH: Mapping[str, Any] = json.loads((GRADIENTS / "truth.json").read_text(encoding="utf-8"))
GPU = (Accelerator("cuda", "NVIDIA A100"),)
HEAD = (
    "from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training",
    "from transformers import AutoModelForCausalLM, BitsAndBytesConfig, Trainer, TrainingArguments",
    "from trl import SFTConfig, SFTTrainer",
)
_NF4 = ', quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")'


def environment(versions: Mapping[str, str | None], accelerators: Sequence[Accelerator] | None = ()) -> Environment:
    """An environment whose packages are the excerpts of those versions."""
    found = {
        name: Distribution(name, version, root=str(GRADIENTS / "sources" / f"{name}-{version}"))
        for name, version in versions.items()
        if version
    }
    known = None if accelerators is None else tuple(accelerators)
    return Environment(Target(TargetKind.PINS, "pins.txt", "3.11"), "3.11", distributions=found, accelerators=known)


def stack(name: str) -> dict[str, str]:
    """The versions of a stack of the tables that decide."""
    return {key: TRUTH["stacks"][name][key] for key in ("transformers", "peft", "trl")}


def row_script(row: Mapping[str, Any]) -> str:
    """The script of one row: trainer, use_reentrant, remedy, trained head, quantisation."""
    fix, reentrant = row["fix"], row["use_reentrant"]
    kwargs = "" if reentrant == "unset" else f'gradient_checkpointing_kwargs={{"use_reentrant": {reentrant}}}'
    head = ', modules_to_save=["lm_head"]' if row["lm_head"] else ""
    before = {
        "enable_input_require_grads": ["model.enable_input_require_grads()"],
        "prepare_kbit": ["model = prepare_model_for_kbit_training(model)"],
        "prepare_kbit_flagged": ["model.is_loaded_in_4bit = True", "model = prepare_model_for_kbit_training(model)"],
        "prepare_kbit_kwargs": [f"model = prepare_model_for_kbit_training(model, {kwargs})"],
        "prepare_kbit_nogc": ["model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)"],
        "gc_enable_before_wrap": [f"model.gradient_checkpointing_enable({kwargs})"],
    }
    wrapped = [] if fix == "peft_config" else ["model = get_peft_model(model, config)"]
    arguments = "SFTConfig" if row["trainer"] == "SFTTrainer" else "TrainingArguments"
    lines = [
        *HEAD,
        f'model = AutoModelForCausalLM.from_pretrained("tiny"{_NF4 if row["model"] == "nf4" else ""})',
        *before.get(fix, []),
        f'config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"]{head})',
        *wrapped,
        *(["model.enable_input_require_grads()"] if fix == "enable_irg_after_wrap" else []),
        f'args = {arguments}(output_dir="out", gradient_checkpointing=True{", " + kwargs if kwargs else ""})',
        f"trainer = {row['trainer']}(model=model, args=args, train_dataset=data"
        + (", peft_config=config)" if fix == "peft_config" else ")"),
        "trainer.train()",
    ]
    return "\n".join(lines) + "\n"


def facts_of(text: str, arguments: Sequence[str] = ()) -> tuple[Fact, ...]:
    """The facts of a script given as text."""
    path = Path("train.py")
    return read_script(Source(path, text), arguments)[0].facts
