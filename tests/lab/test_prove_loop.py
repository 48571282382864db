"""`prove --script` of scripts that train without Trainer: sound ones pass, and every fault that is planted is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Proof
from sftdoctor.proof.script import prove_script
from sftdoctor.target import read_interpreter

pytestmark = pytest.mark.lab

PLAIN = """
import torch
from datasets import load_dataset
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup

name = "meta-llama/Llama-3.2-1B"
tokenizer = AutoTokenizer.from_pretrained(name)
tokenizer.pad_token = tokenizer.eos_token
model = AutoModelForCausalLM.from_pretrained(name)
model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"]))
data = load_dataset("acme/rows", split="train")
data = data.map(lambda row: tokenizer(row["question"], truncation=True, max_length=64, padding="max_length"))
data.set_format("torch", columns=["input_ids", "attention_mask"])
loader = DataLoader(data, batch_size=4, shuffle=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
scheduler = get_linear_schedule_with_warmup(optimizer, 10, 1000)
# before
done = 0
for epoch in range(3):
    total = 0
    for step, batch in enumerate(loader):
        labels = batch["input_ids"].clone()
        # labels
        loss = model(**batch, labels=labels).loss
        # loss
        loss.backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        done += 1
        total += loss.item()
    print(epoch, total / (step + 1))
model.save_pretrained("/data/adapter")
"""
ACCELERATED = (
    PLAIN.replace("# before", "from accelerate import Accelerator\naccelerator = Accelerator()\n# before")
    .replace(
        "# before", "model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)"
    )
    .replace("loss.backward()", "accelerator.backward(loss)")
    .replace("model.save_pretrained", "accelerator.unwrap_model(model).save_pretrained")
)
FAULTS = {
    "detached": ("# loss", "loss = loss.detach()", "does not require grad"),
    "nan": ("# loss", "loss = loss * float('nan')", "loss_finite"),
    "zero": ("# loss", "loss = loss * 0", "gradients"),
    "masked": ("# labels", "labels[:] = -100", "labels_seen"),
    "base": ("# loss", "model.get_input_embeddings().weight.data += 1", "base_untouched"),
}


def run(python: Path, source: str, monkeypatch: pytest.MonkeyPatch, folder: Path, ranks: int = 1) -> Proof:
    monkeypatch.chdir(folder)
    Path("train.py").write_text(source)
    return prove_script(read_interpreter(str(python)), Path("train.py"), timeout=300, ranks=ranks)


@pytest.mark.parametrize(
    ("source", "ranks"), [(PLAIN, 1), (ACCELERATED, 1), (ACCELERATED, 2)], ids=["plain", "a", "a2"]
)
def test_a_sound_loop_passes(
    source: str, ranks: int, newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest, source, monkeypatch, tmp_path, ranks)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert {check.name for check in proof.checks} >= {
        *("trained", "loss_finite", "gradients", "labels_seen", "base_untouched", "moved"),
        *(["ranks_agree"] if ranks > 1 else []),
    }
    assert any("/data/adapter" in line for line in proof.replaced)  # it went on to its end


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named(
    fault: str, newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, planted, said = FAULTS[fault]
    proof = run(newest, PLAIN.replace(mark, planted), monkeypatch, tmp_path)
    assert proof.verdict == "failed", proof.checks
    assert proof.failure is not None
    assert said in proof.failure.message


def test_a_loop_without_end_is_ended(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PLAIN.replace("for epoch in range(3):", "while done < 1_000_000:").replace("print(epoch, ", "print(")
    proof = run(newest, source, monkeypatch, tmp_path)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert any("after its first 64 steps" in line for line in proof.replaced)


def test_steps_that_never_come_prove_nothing(newest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PLAIN.replace("        optimizer.step()", "        if (step + 1) % 1000 == 0: optimizer.step()")
    proof = run(newest, source, monkeypatch, tmp_path)
    assert proof.verdict == "not-possible"
    assert "no optimizer took a step after 24 losses" in proof.reason
