"""How near the estimate of a training's memory comes to what a GPU really holds at the peak.

    python -m tests.bench.memory /path/to/python [--folder /dev/shm]

Each row is one process on the first GPU: a model of random weights in the shape of a public one is quantised, gets
LoRA, and is trained for three steps by SFTTrainer on texts of full length. Measured is what the process holds of the
device at the peak: what torch reserved, and the rest (CUDA's context, its libraries).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sftdoctor.model import Case
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.memory import extra_bytes, least_bytes
from sftdoctor.predicates.sizes import sizes_of_config
from sftdoctor.testing import build_environment, build_workload

TRAIN = """
import json, sys, torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

folder, config, quantization, batch, length, checkpointing, rank = json.loads(sys.argv[1])
kind = config.pop("model_type")
with torch.device("cuda"):
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config), dtype=torch.bfloat16).save_pretrained(folder)
torch.cuda.empty_cache()
torch.cuda.reset_peak_memory_stats()
quantized = {
    "nf4": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16,
                bnb_4bit_use_double_quant=True),
    "int8": dict(load_in_8bit=True),
}.get(quantization)
how = {"quantization_config": BitsAndBytesConfig(**quantized)} if quantized else {}
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, device_map={"": 0}, **how)
loaded = torch.cuda.memory_allocated()
rows = torch.randint(5, config["vocab_size"], (batch * 3, length)).tolist()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, "<pad>")),
                                    pad_token="<pad>", eos_token="<eos>")
args = SFTConfig(output_dir=folder + "/out", max_steps=3, per_device_train_batch_size=batch, max_length=length,
                 gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False},
                 bf16=True, report_to="none", save_strategy="no", logging_steps=1)
trainer = SFTTrainer(model=model, args=args, train_dataset=Dataset.from_dict({"input_ids": rows}),
                     processing_class=tokenizer,
                     peft_config=LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
torch.cuda.reset_peak_memory_stats()
trainer.train()
free, total = torch.cuda.mem_get_info()
print(json.dumps({"loaded": loaded, "allocated": torch.cuda.max_memory_allocated(),
                  "reserved": torch.cuda.max_memory_reserved(), "other": total - free - torch.cuda.memory_reserved()}))
"""
SHAPES: dict[str, dict[str, Any]] = {
    "Llama-3.2-1B": {
        **{"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16},
        **{"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": True},
    },
    "Qwen2.5-3B": {
        **{"model_type": "qwen2", "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36},
        **{"num_attention_heads": 16, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
    },
    "Llama-2-7B": {
        **{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
        **{"num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False},
    },
}
"""Public models' shapes, from their configs."""
CASES: tuple[tuple[str, str, int, int, bool, int], ...] = (
    ("Llama-3.2-1B", "nf4", 4, 1024, True, 8),
    ("Llama-3.2-1B", "nf4", 2, 1024, False, 8),
    ("Llama-3.2-1B", "int8", 4, 1024, True, 8),
    ("Llama-3.2-1B", "none", 8, 1024, True, 64),
    ("Qwen2.5-3B", "nf4", 8, 1024, True, 8),
    ("Qwen2.5-3B", "nf4", 1, 1024, False, 16),
    ("Llama-2-7B", "nf4", 1, 512, True, 8),
    ("Llama-2-7B", "nf4", 4, 2048, True, 64),
)
"""Shape, quantisation, batch, length, checkpointing, LoRA's rank."""


def estimate(config: dict[str, Any], case: tuple[str, str, int, int, bool, int], folder: Path) -> float:
    """Bytes that the rules reckon with."""
    _, quantization, batch, length, checkpointing, rank = case
    facts = {
        **{"trainer_class": "SFTTrainer", "peft_config_passed": True, "quantization": quantization, "lora_r": rank},
        **{"per_device_train_batch_size": batch, "max_length": length, "gradient_checkpointing": checkpointing},
    }
    scene = Case("", "", facts=facts)
    workload, environment = build_workload(scene, folder), build_environment(scene, folder)
    context = Context(environment, workload, None, None, workload.scripts[0])  # type: ignore[arg-type]
    sizes = sizes_of_config(config)
    assert sizes is not None
    return least_bytes(context, sizes) + extra_bytes(context, sizes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of the stack")
    parser.add_argument("--folder", help="where the models are written; a disk in memory is fastest")
    given = parser.parse_args()
    print(f"{'shape':14}  bits  batch  length  checkpointing  rank  estimate  measured   error  (GiB)")
    for case in CASES:
        with tempfile.TemporaryDirectory(dir=given.folder) as name:
            shape, *numbers = case
            words = json.dumps([f"{name}/model", SHAPES[shape], *numbers])
            done = subprocess.run([given.python, "-c", TRAIN, words], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{shape:14} failed: {done.stderr.strip().splitlines()[-1:]}", flush=True)
                continue
            seen = json.loads(done.stdout.splitlines()[-1])
            measured, wanted = seen["reserved"] + seen["other"], estimate(SHAPES[shape], case, Path(name))
            print(
                f"{shape:14}{numbers[0]:>6}{numbers[1]:7}{numbers[2]:8}{numbers[3]!s:>15}{numbers[4]:6}"
                f"{wanted / 2**30:10.2f}{measured / 2**30:10.2f}{wanted / measured - 1:+8.0%}"
                f"  ({seen['reserved'] / 2**30:.2f} reserved, {seen['allocated'] / 2**30:.2f} allocated, "
                f"{seen['loaded'] / 2**30:.2f} loaded, {seen['other'] / 2**30:.2f} other)",
                flush=True,
            )


if __name__ == "__main__":
    main()
