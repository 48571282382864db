"""The estimate of activations against what torch's profiler measures in a real step of LoRA training on the CPU.

What a CPU can tell: the tensors that torch allocates in a forward and backward pass in bfloat16, which a GPU allocates
too. What it cannot: CUDA's context, the allocator's slack, the workspace of GPU kernels, 4-bit weights. `-s` prints the
error of every size.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftdoctor.demo import run_script
from sftdoctor.predicates.activations import Step, activation_bytes
from sftdoctor.predicates.sizes import sizes_of_config

pytestmark = pytest.mark.lab

MEASURE = """
import json, sys, torch
from peft import LoraConfig, get_peft_model
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig, AutoModelForCausalLM

config, batch, length, checkpointing = json.loads(sys.argv[1])
kind = config.pop("model_type")
model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config), dtype=torch.bfloat16)
model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
if checkpointing:
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
ids = torch.randint(0, config["vocab_size"], (batch, length))
with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
    model(input_ids=ids, labels=ids).loss.backward()
events, waiting = [], list(profiled.profiler.kineto_results.experimental_event_tree())
while waiting:
    event = waiting.pop()
    waiting.extend(event.children)
    if event.tag == torch._C._profiler._EventType.Allocation:
        events.append((event.start_time_ns, event.extra_fields.alloc_size))
now = peak = 0
for _, size in sorted(events):
    now += size
    peak = max(peak, now)
print(peak)
"""
SHAPE = {"num_attention_heads": 8, "num_key_value_heads": 8, "tie_word_embeddings": False}
LLAMA = {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 6, **SHAPE}
QWEN: dict[str, object] = {
    "model_type": "qwen2",
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 4,
    **SHAPE,
}
QWEN["vocab_size"] = 32000


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize(
    ("config", "batch", "length"),
    [
        ({**LLAMA, "vocab_size": 1000}, 2, 256),
        ({**LLAMA, "vocab_size": 8000}, 1, 512),
        ({**QWEN, "vocab_size": 32000}, 1, 256),
    ],
)
def test_the_estimate_is_near(
    config: dict[str, object], batch: int, length: int, checkpointing: bool, newest: Path, tmp_path: Path
) -> None:
    sizes = sizes_of_config(config)
    assert sizes is not None
    done = run_script(newest, tmp_path, "-c", MEASURE, json.dumps([config, batch, length, checkpointing]))
    assert done.passed, done.line
    # without autocast peft casts what its float32 adapters get: a step in float32
    step = Step(batch * length, checkpointing, float32=True)
    estimate, measured = activation_bytes(sizes, step), int(done.line)
    kind = "with" if checkpointing else "without"
    print(
        f"{config['model_type']}, {batch} × {length} tokens, vocabulary {config['vocab_size']}, {kind} checkpointing: "
        f"estimated {estimate / 2**20:.0f} MiB, measured {measured / 2**20:.0f} MiB ({estimate / measured - 1:+.0%})"
    )
    assert 0.7 < estimate / measured < 1.4
