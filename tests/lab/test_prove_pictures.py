"""`prove --script` of models that see: pictures and processors are made up, and what cannot be made is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Proof
from sftdoctor.proof.script import prove_script
from sftdoctor.target import read_interpreter
from tests.lab.builds import Stacks

pytestmark = pytest.mark.lab
KINDS = {
    "llava-hf/llava-1.5-7b-hf": "llava",
    "llava-hf/llava-v1.6-mistral-7b-hf": "llava",
    "google/gemma-3-4b-it": "gemma3",
    "google/paligemma-3b-pt-224": "paligemma",
    "HuggingFaceM4/Idefics3-8B-Llama3": "idefics3",
}
"""Repository → the architecture that is made."""
TRAINER = """
import sys
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig
from trl import SFTConfig, SFTTrainer

class Looks(SFTTrainer):
    def compute_loss(self, model, inputs, *args, **more):
        assert inputs["pixel_values"].numel(), "no picture"
        return super().compute_loss(model, inputs, *args, **more)

trainer = Looks(
    model=AutoModelForImageTextToText.from_pretrained(
        sys.argv[1], quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    ),
    args=SFTConfig(output_dir="out", max_length=2048, per_device_train_batch_size=2),
    train_dataset=load_dataset("HuggingFaceH4/llava-instruct-mix-vsft", split="train"),
    peft_config=LoraConfig(target_modules="all-linear"),
)
trainer.train()
trainer.save_model("out")
"""
COLLATOR = """
from datasets import load_dataset
from transformers import AutoProcessor, LlavaForConditionalGeneration, Trainer, TrainingArguments

processor = AutoProcessor.from_pretrained("acme/charts-7b")
model = LlavaForConditionalGeneration.from_pretrained("acme/charts-7b")

def conversation(sample):
    asked = [{"type": "image", "image": sample["chart"]}, {"type": "text", "text": sample["Question asked"]}]
    answered = [{"type": "text", "text": sample["label"][0]}]
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]

def collate(samples):
    texts = [processor.apply_chat_template(conversation(sample), tokenize=False) for sample in samples]
    images = [sample["chart"].convert("RGB") for sample in samples]
    batch = processor(text=texts, images=images, return_tensors="pt", padding=True)
    batch["labels"] = batch["input_ids"].clone()
    batch["labels"][batch["labels"] == processor.tokenizer.convert_tokens_to_ids(processor.image_token)] = -100
    return batch

rows = load_dataset("acme/charts", split="train").select(range(5000))
Trainer(
    model=model, train_dataset=rows, data_collator=collate,
    args=TrainingArguments("out", remove_unused_columns=False, per_device_train_batch_size=2),
).train()
"""
FILES = COLLATOR.replace('sample["chart"].convert("RGB")', 'Image.open("/data/" + sample["chart"])').replace(
    "from datasets", "import os\nfrom PIL import Image\nfrom datasets"
)
OPENED = FILES.replace('"/data/" + sample["chart"]', 'os.path.join("/data", sample["chart"])')


@pytest.fixture(scope="session")
def with_pillow(stacks: Stacks) -> Path:
    """Python of the newest stack with Pillow, and without torchvision."""
    return stacks.build(stacks.workshop.folder / "pillow", "newest", ("pillow==13.0.0",))


def run(python: Path, source: str, monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> Proof:
    monkeypatch.chdir(folder)
    Path("train.py").write_text(source)
    return prove_script(read_interpreter(str(python)), Path("train.py"), arguments, timeout=300)


@pytest.mark.parametrize("name", KINDS)
def test_a_model_that_sees_trains(
    name: str, with_pillow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(with_pillow, TRAINER, monkeypatch, tmp_path, name)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert proof.quantization == "nf4"
    assert any(f"({KINDS[name]})" in told and "made-up tokenizer, processor" in told for told in proof.replaced)


def test_a_script_that_reads_pictures_itself(
    with_pillow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(with_pillow, COLLATOR, monkeypatch, tmp_path)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert any("Question asked" in told for told in proof.replaced)


def test_files_of_pictures_are_made_up_where_they_are_opened(
    with_pillow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(with_pillow, OPENED, monkeypatch, tmp_path)
    assert proof.verdict == "passed", (proof.failure, proof.reason)


def test_files_of_pictures_that_are_not_here_settle_nothing(
    with_pillow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(with_pillow, FILES, monkeypatch, tmp_path)
    assert proof.verdict == "not-possible", proof.failure
    assert "the rows are made up" in proof.reason


@pytest.mark.parametrize(
    ("name", "said"),
    [("Qwen/Qwen2.5-VL-3B-Instruct", "requires the Torchvision library"), ("llava-hf/llava-1.5-7b-hf", "Pil")],
)
def test_what_a_processor_lacks_is_named(
    name: str, said: str, newest: Path, with_pillow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = run(newest if said == "Pil" else with_pillow, TRAINER, monkeypatch, tmp_path, name)
    assert proof.verdict == "failed", proof.reason
    assert proof.failure is not None
    assert said.lower() in proof.failure.message.lower()
