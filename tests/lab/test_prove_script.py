"""`prove --script` on a real stack: sound scripts pass, and every fault that is planted is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftdoctor import jobs
from sftdoctor.model import Proof
from sftdoctor.proof.script import prove_script
from sftdoctor.settings import Settings
from sftdoctor.target import read_interpreter

pytestmark = pytest.mark.lab

SCRIPT = """
import torch
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForCausalLM.from_pretrained(
    "Qwen/Qwen3-0.6B", quantization_config=config, device_map="auto", attn_implementation="flash_attention_2"
)
tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen3-0.6B")
data = load_dataset("trl-lib/Capybara", split="train")
args = SFTConfig(output_dir="/data/out", learning_rate=2e-4, bf16=True, max_length=2048, push_to_hub=True)
trainer = SFTTrainer(
    model=model, args=args, train_dataset=data, processing_class=tokenizer,
    peft_config=LoraConfig(r=8, target_modules="all-linear"),
)
# here
trainer.train()
trainer.save_model("/data/final")
torch.save({"a": torch.ones(1)}, "/data/weights.pt")
trainer.push_to_hub()
"""
OWN = """
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForLanguageModeling
from transformers import Trainer, TrainingArguments

name = "meta-llama/Llama-3.1-8B-Instruct"
model = AutoModelForCausalLM.from_pretrained(name)
tokenizer = AutoTokenizer.from_pretrained(name)
tokenizer.pad_token = tokenizer.eos_token
rows = load_dataset("acme/private-data")
ask = lambda row, key: row[key]

def prepare(row):
    return tokenizer("Q: " + row["question"] + " A: " + ask(row, "gold"), truncation=True, max_length=512)

rows = rows.map(prepare, remove_columns=rows["train"].column_names)
args = TrainingArguments("out", num_train_epochs=1, per_device_train_batch_size=4)
Trainer(
    model=model, args=args, train_dataset=rows["train"], eval_dataset=rows["validation"],
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
).train()
"""
WHOLE = SCRIPT.replace('device_map="auto", ', "")
"""For several processes, each with the whole model."""
DETACHED = """
step = trainer.compute_loss
trainer.compute_loss = lambda *args, **more: step(*args, **more).detach()
"""
MASKED = """
collate = trainer.data_collator
def masked(rows):
    batch = collate(rows)
    batch["labels"] = batch["labels"] * 0 - 100
    return batch
trainer.data_collator = masked
"""
NAN = """
step = trainer.compute_loss
trainer.compute_loss = lambda *args, **more: step(*args, **more) * float("nan")
"""
FROZEN = """
for parameter in trainer.model.parameters():
    parameter.requires_grad_(False)
"""
ZERO = """
step = trainer.compute_loss
trainer.compute_loss = lambda *args, **more: step(*args, **more) * 0
"""
BASE = """
from transformers import TrainerCallback
class Changes(TrainerCallback):
    def on_step_end(self, args, state, control, model=None, **more):
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name:
                parameter.data += 1
trainer.add_callback(Changes())
"""
UNCHECKPOINTED = """
trainer.model.gradient_checkpointing_disable()
trainer.model.gradient_checkpointing_enable = lambda *args, **more: None
trainer.model.base_model.model.gradient_checkpointing_enable = lambda *args, **more: None
"""


def run(python: Path, folder: Path, source: str, monkeypatch: pytest.MonkeyPatch, ranks: int = 1) -> Proof:
    monkeypatch.chdir(folder)
    (folder / "train.py").write_text(source)
    return prove_script(read_interpreter(str(python)), folder / "train.py", timeout=300, ranks=ranks)


def test_a_sound_script_passes(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = run(newest, tmp_path, SCRIPT, monkeypatch)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert proof.quantization == "nf4"
    assert {check.name for check in proof.checks} >= {"trained", "loss_finite", "gradients", "base_untouched", "moved"}
    told = " | ".join(proof.replaced)
    for what in (
        "Qwen/Qwen3-0.6B",
        "flash_attention_2",
        "Capybara",
        "max_length=2048",
        "/data/final",
        "/data/weights.pt",
        "push_to_hub",
    ):
        assert what in told, what
    assert not Path("/data").exists()
    assert proof.seconds < 120


def test_columns_that_only_the_run_shows_are_made_in_a_second_run(
    newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest, tmp_path, OWN, monkeypatch)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert any("question" in text and "gold" in text for text in proof.replaced)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (DETACHED, "does not require grad"),
        (MASKED, "labels_seen"),
        (NAN, "loss_finite"),
        (FROZEN, "gradients"),
        (ZERO, "gradients"),
        (BASE, "base_untouched"),
        (UNCHECKPOINTED, "gradient_checkpointing_on"),
    ],
    ids=["detached", "masked", "nan", "frozen", "zero", "base", "uncheckpointed"],
)
def test_every_planted_fault_is_named(
    fault: str, said: str, newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest, tmp_path, SCRIPT.replace("# here", fault), monkeypatch)
    assert proof.verdict == "failed", proof.checks
    assert proof.failure is not None
    assert said in proof.failure.message


def test_what_the_real_libraries_refuse_is_refused(
    newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest, tmp_path, SCRIPT.replace("max_length=2048", "max_seq_length=2048"), monkeypatch)
    assert proof.failure is not None
    assert "unexpected keyword argument 'max_seq_length'" in proof.failure.message
    assert proof.failure.stage == "config"


REENTRANT = """
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

args = SFTConfig(
    output_dir="out", gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": True},
    ddp_find_unused_parameters=True,
)
SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained("Qwen/Qwen3-0.6B"), args=args, peft_config=LoraConfig(),
    train_dataset=load_dataset("trl-lib/Capybara", split="train"),
).train()
"""
ONE_RANK = """
import os
if os.environ["RANK"] == "1":
    raise ValueError("of rank 1 alone")
"""


def test_a_notebook_trains(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = SCRIPT.split("# here")
    sources = ["!pip install -q trl peft", f"%%time\n{first}", second + "\ntrainer.model"]
    cells = [{"cell_type": "code", "source": source} for source in sources]
    Path("train.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    proof = prove_script(read_interpreter(str(newest)), Path("train.ipynb"), timeout=300)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert proof.quantization == "nf4"
    assert proof.replaced[0].startswith("magics and shell lines by nothing: !pip install -q trl peft")


def test_two_processes_train_together(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proof = run(newest, tmp_path, WHOLE, monkeypatch, ranks=2)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert [check.value for check in proof.checks if check.name == "ranks_agree"] == ["2 processes"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (REENTRANT, "mark a variable ready only once"),
        (ONE_RANK + WHOLE, "of rank 1 alone"),
        (SCRIPT, "loaded with `device_map='auto'` in any distributed mode"),
    ],
    ids=["reentrant", "one rank fails", "device_map"],
)
def test_the_traps_of_several_processes(
    source: str, said: str, newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest, tmp_path, source, monkeypatch, ranks=2)
    assert proof.verdict == "failed"
    assert proof.failure is not None
    assert said in proof.failure.message


LOOP = """
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("Qwen/Qwen3-0.6B", device_map="auto")
batch = AutoTokenizer.from_pretrained("Qwen/Qwen3-0.6B")(["hello there"] * 2, return_tensors="pt")
optimizer = torch.optim.AdamW(model.parameters())
model(**batch, labels=batch["input_ids"]).loss.backward()
torch.distributed.init_process_group("gloo")
for parameter in model.parameters():
    torch.distributed.all_reduce(parameter.grad)
optimizer.step()
"""


def test_a_spread_model_that_nothing_refuses_is_not_proved(
    newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(newest, tmp_path, LOOP.replace("auto", "cpu"), monkeypatch, ranks=2).verdict == "passed"
    proof = run(newest, tmp_path, LOOP, monkeypatch, ranks=2)
    assert proof.verdict == "not-possible"
    assert "device_map spreads the model over all GPUs" in proof.reason


UNUSED = WHOLE.replace("# here", "trainer.model.extra = torch.nn.Linear(4, 4)").replace(
    "max_length=2048", "max_length=2048, ddp_find_unused_parameters=False"
)
"""Trainer looks for unused parameters of models with adapters, unless it is told not to."""


def test_a_parameter_that_takes_no_part_is_named(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(UNUSED)
    proof = jobs.prove(Settings(python=str(newest), script="train.py", nproc=2, timeout=300))
    assert proof.failure is not None
    assert [finding.id for finding in proof.failure.findings] == ["DST213"]
