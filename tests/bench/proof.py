"""What the harness of a proof costs over the same training written by hand: one process each, in turn.

    python -m tests.bench.proof /path/to/python [--runs 3]

By hand is what a user would write: make the tiny model, load it in nf4, train 30 steps with SFTTrainer and LoRA, save
the adapter, load it again and compare the logits. The proof does that and its checks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.contest import ROOT, Contestant, compete, ratio

BY_HAND = """
import sys, time
import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import SFTConfig, SFTTrainer

folder = sys.argv[1]
cuda = torch.cuda.is_available()
device, half = (0, torch.bfloat16) if cuda else ("cpu", torch.float32)
rows = ["the quick brown fox jumps over the lazy dog", "a small test shows what a large run would do",
        "four sentences are enough for an adapter to learn", "nothing is downloaded and nothing leaves this folder"]
words = sorted({word for row in rows for word in row.split()})
vocabulary = {word: n for n, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *words])}
raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
raw.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
config = LlamaConfig(vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                     num_attention_heads=4, num_key_value_heads=2, initializer_range=0.15)
LlamaForCausalLM(config).save_pretrained(folder)
quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                  bnb_4bit_compute_dtype=half)

def base():
    return AutoModelForCausalLM.from_pretrained(folder, quantization_config=quantization, device_map={"": device},
                                                dtype=half)

took = []
class Clock(TrainerCallback):
    def on_step_begin(self, args, state, control, **more):
        self.begun = time.perf_counter()
    def on_step_end(self, args, state, control, **more):
        if cuda:
            torch.cuda.synchronize()
        took.append(time.perf_counter() - self.begun)

args = SFTConfig(output_dir=folder + "/out", max_steps=30, per_device_train_batch_size=4, learning_rate=1e-2,
                 max_length=32, logging_steps=1, report_to="none", save_strategy="no", use_cpu=not cuda, bf16=cuda,
                 gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": False})
lora = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                                                      "down_proj"], task_type="CAUSAL_LM")
trainer = SFTTrainer(model=base(), args=args, train_dataset=Dataset.from_dict({"text": rows}),
                     processing_class=tokenizer, peft_config=lora, callbacks=[Clock()])
trainer.train()
trainer.save_model(folder + "/adapter")
ids = torch.tensor([tokenizer(rows[0])["input_ids"]], device=trainer.model.device)
with torch.no_grad():
    trained = trainer.model.eval()(input_ids=ids).logits
    again = PeftModel.from_pretrained(base(), folder + "/adapter").eval()(input_ids=ids).logits
assert (trained - again).abs().max() < 0.1 * trained.abs().max()
print("step", sorted(took[1:])[len(took) // 2])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of the stack")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script = folder / "by_hand.py"
        script.write_text(BY_HAND)
        quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        hand = Contestant("by hand", [given.python, str(script), str(folder / "model")], environment=quiet)
        prove = [sys.executable, "-m", "sftdoctor", "prove", "--python", given.python, "--quantization", "nf4"]
        proof = Contestant("sftdoctor prove", prove, environment=quiet)
        compete([hand, proof], given.runs)
        said = subprocess.run(hand.command, capture_output=True, text=True, check=True, env={**quiet}, cwd=ROOT)
        told = subprocess.run([*prove, "--format", "json"], capture_output=True, text=True, check=True, cwd=ROOT)
    for one in (hand, proof):
        seconds, cpu, peak = (statistics.median(values) for values in (one.seconds, one.cpu, one.peak))
        print(f"{one.name:16} {seconds:6.1f} s  {cpu:6.1f} s CPU  {peak:5.0f} MiB  status {one.status}")
    steps = float(said.stdout.split()[-1]), float(json.loads(told.stdout)["seconds_per_step"])
    print(f"whole: {ratio(proof, hand):.2f} ×; a step: {steps[0]:.4f} s by hand, {steps[1]:.4f} s in the proof")


if __name__ == "__main__":
    main()
