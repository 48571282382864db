"""How near the estimate of a training's memory comes to what a GPU really holds at the peak.

    python -m tests.bench.memory /path/to/python [--folder /dev/shm]

On the first GPU, a model of random weights in the shape of a public one is quantised, gets LoRA, and is trained for
three steps on texts of full length, once a row. Measured is what torch reserved at the peak, and CUDA's context.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sftdoctor.link.index import Library
from sftdoctor.model import Case as RuleCase
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.memory import extra_bytes, least_bytes
from sftdoctor.predicates.sizes import sizes_of_config
from sftdoctor.target import read_interpreter
from sftdoctor.testing import build_workload

TRAIN = """
import gc, json, sys, torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerFast
from transformers import Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

folder, shapes, cases = json.loads(sys.argv[1])
QUANTIZED = {
    "nf4": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16,
                bnb_4bit_use_double_quant=True),
    "int8": dict(load_in_8bit=True),
}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, "<pad>")),
                                    pad_token="<pad>", eos_token="<eos>")
made = set()


def free():
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()


def load(shape, quantization):
    config = dict(shapes[shape])
    if shape not in made:
        kind = config.pop("model_type")
        with torch.device("cuda"):
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config), dtype=torch.bfloat16)
        model.save_pretrained(folder + "/" + shape)
        made.add(shape)
        del model
    free()
    how = {"quantization_config": BitsAndBytesConfig(**QUANTIZED[quantization])} if quantization in QUANTIZED else {}
    return AutoModelForCausalLM.from_pretrained(folder + "/" + shape, dtype=torch.bfloat16, device_map={"": 0}, **how)


def train(trainer, shape, quantization, batch, length, checkpointing, rank):
    model = load(shape, quantization)
    loaded = torch.cuda.memory_allocated()
    rows = torch.randint(5, shapes[shape]["vocab_size"], (batch * 3, length)).tolist()
    lora = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    options = dict(output_dir=folder + "/out", max_steps=3, per_device_train_batch_size=batch, logging_steps=1,
                   gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False},
                   bf16=True, report_to="none", save_strategy="no")
    if trainer == "SFTTrainer":
        made = SFTTrainer(model=model, args=SFTConfig(max_length=length, **options), processing_class=tokenizer,
                          train_dataset=Dataset.from_dict({"input_ids": rows}), peft_config=lora)
    else:
        if quantization in QUANTIZED:
            model = prepare_model_for_kbit_training(model, checkpointing, {"use_reentrant": False})
        made = Trainer(model=get_peft_model(model, lora), args=TrainingArguments(**options),
                       train_dataset=Dataset.from_dict({"input_ids": rows, "labels": rows}))
    free()
    made.train()
    return loaded


torch.ones(1, device="cuda") @ torch.ones(1, device="cuda")
left, total = torch.cuda.mem_get_info()
print(json.dumps({"context": total - left - torch.cuda.memory_reserved()}), flush=True)
for case in cases:
    try:
        loaded = train(*case)
        found = {"loaded": loaded, "allocated": torch.cuda.max_memory_allocated(),
                 "reserved": torch.cuda.max_memory_reserved()}
    except Exception as error:
        found = {"failed": repr(error)[:300]}
    print(json.dumps({"case": case, **found}), flush=True)
    free()
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
    "Llama-2-7B, 8 layers": {
        **{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 8},
        **{"num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False},
    },
}
"""Public models' shapes, from their configs."""
Case = tuple[str, str, str, int, int, bool, int]
CASES: tuple[Case, ...] = (
    ("SFTTrainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8),
    ("SFTTrainer", "Llama-3.2-1B", "nf4", 2, 1024, False, 8),
    ("SFTTrainer", "Llama-3.2-1B", "int8", 4, 1024, True, 8),
    ("SFTTrainer", "Llama-3.2-1B", "int8", 2, 1024, False, 8),
    ("SFTTrainer", "Llama-3.2-1B", "none", 8, 1024, True, 64),
    ("SFTTrainer", "Llama-3.2-1B", "none", 2, 1024, False, 64),
    ("Trainer", "Llama-3.2-1B", "nf4", 4, 1024, True, 8),
    ("Trainer", "Llama-3.2-1B", "nf4", 2, 1024, False, 8),
    ("Trainer", "Llama-3.2-1B", "none", 2, 1024, False, 8),
    ("SFTTrainer", "Llama-2-7B, 8 layers", "nf4", 4, 2048, True, 64),
    ("SFTTrainer", "Llama-2-7B, 8 layers", "nf4", 1, 512, True, 8),
    ("SFTTrainer", "Llama-2-7B, 8 layers", "nf4", 2, 1024, False, 8),
    ("Trainer", "Llama-2-7B, 8 layers", "nf4", 2, 1024, False, 8),
    ("SFTTrainer", "Qwen2.5-3B", "nf4", 8, 1024, True, 8),
    ("SFTTrainer", "Qwen2.5-3B", "nf4", 1, 1024, False, 16),
)
"""Trainer, shape, quantisation, batch, length, checkpointing, LoRA's rank."""


def estimate(case: Case, python: str, folder: Path) -> float:
    """Bytes that the rules reckon with, on the stack of an interpreter."""
    trainer, shape, quantization, batch, length, checkpointing, rank = case
    facts = {
        **{"trainer_class": trainer, "peft_config_passed": True, "quantization": quantization, "lora_r": rank},
        "prepare_kbit": "before wrap" if trainer == "Trainer" and quantization != "none" else "never",
        **{"per_device_train_batch_size": batch, "max_length": length, "gradient_checkpointing": checkpointing},
    }
    workload = build_workload(RuleCase("", "", facts=facts), folder)
    environment = read_interpreter(python)
    context = Context(environment, workload, Library(environment, None), None, workload.scripts[0])  # type: ignore[arg-type]
    sizes = sizes_of_config(SHAPES[shape])
    assert sizes is not None
    return least_bytes(context, sizes) + extra_bytes(context, sizes)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of the stack")
    parser.add_argument("--folder", help="where the models are written; a disk in memory is fastest")
    given = parser.parse_args()
    print(f"{'':40}bits  batch  length  checkpointing  rank  estimate  measured   error  (GiB)")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        command = [given.python, "-c", TRAIN, json.dumps([name, SHAPES, CASES])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            context = 0
            for line in running.stdout:
                seen = json.loads(line) if line.startswith('{"') else {}
                context = seen.get("context", context)
                if "case" in seen:
                    print(row(seen, context, given.python, Path(name)), flush=True)


def row(seen: dict[str, Any], context: int, python: str, folder: Path) -> str:
    """One line of the table."""
    trainer, shape, *numbers = seen["case"]
    head = f"{trainer:12}{shape:26}{numbers[0]:>6}{numbers[1]:7}{numbers[2]:8}{numbers[3]!s:>15}{numbers[4]:6}"
    if "failed" in seen:
        return f"{head}  {seen['failed']}"
    measured, wanted = seen["reserved"] + context, estimate(seen["case"], python, folder)
    parts = ", ".join(f"{seen[part] / 2**30:.2f} {part}" for part in ("loaded", "allocated", "reserved"))
    figures = f"{wanted / 2**30:10.2f}{measured / 2**30:10.2f}{wanted / measured - 1:+8.0%}"
    return f"{head}{figures}  ({parts}, {context / 2**30:.2f} context)"


if __name__ == "__main__":
    main()
