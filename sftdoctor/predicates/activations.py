"""What a step of LoRA training keeps for its backward pass, by what the script, trl and bitsandbytes do.

The factors come of 22 trainings on an H200 (tests/bench/memory.py: Llama and Qwen2 shapes from 1 to 7 billion
parameters, trl 0.24 and 1.16) and of torch's profiler on a CPU (tests/lab/test_memory.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sftdoctor.predicates.core import Context
from sftdoctor.predicates.sizes import Sizes

_PREPARES = re.compile(r"\bprepare_(?:peft_model|model_for_kbit_training)\(")
_FUSES = re.compile(r"\badd_fused_lm_head\(")
_CHUNKS = re.compile(r"""else ["']chunked_nll["']""")
_BITS = ("nf4", "fp4", "int8")


@dataclass(frozen=True)
class Step:
    """How one step computes."""

    tokens: int
    """Batch times sequence length."""
    checkpointing: bool = True
    """Whether each layer's input is all that is kept, and one layer at a time is computed again."""
    float32: bool = False
    """Whether norms, embeddings and adapters are in float32, as prepare_model_for_kbit_training leaves them."""
    logits: bool = True
    """Whether the logits of all tokens are there at once."""
    inputs: bool = False
    """Whether quantised layers hold their inputs past checkpointing."""


def step_of(context: Context, tokens: int, quantization: str) -> Step:
    """How the script's trainer computes a step.

    Args:
        context: The run.
        tokens: Batch times sequence length.
        quantization: nf4, fp4, int8, gptq, awq or none.
    """
    checkpointing = said(context, "gradient_checkpointing") is not False
    return Step(
        tokens,
        checkpointing,
        float32=quantization in _BITS and _is_prepared(context),
        logits=not _computes_logits_in_parts(context),
        # MatMul8bitLt keeps them as attributes (bitsandbytes/autograd/_functions.py, ctx.tensors), out of reach of the
        # hooks by which checkpointing without reentry lets tensors go
        inputs=quantization == "int8" and checkpointing and said(context, "use_reentrant") is not True,
    )


def activation_bytes(sizes: Sizes, step: Step) -> float:
    """Bytes of what a step keeps, in 16 bit with fused attention.

    A layer keeps about 12 hidden and 3.5 intermediate vectors a token, 16 and 7 where norms and adapters are in
    float32, and four tenths more while its gradients are made; the logits are there in 16 bit and in float32, with
    their softmax and gradient.

    Args:
        sizes: The model's.
        step: How it computes.

    Returns:
        The sum at its peak.
    """
    hidden, intermediate = (16.0, 7.0) if step.float32 else (12.0, 3.5)
    layer = 2.0 * step.tokens * (hidden * sizes.hidden + intermediate * sizes.intermediate)
    kept = 2.0 * step.tokens * sizes.hidden * sizes.layers if step.checkpointing else layer * (sizes.layers - 1)
    if step.inputs:
        kept += 2.0 * step.tokens * (6 * sizes.hidden + sizes.intermediate) * sizes.layers
    head = 12.0 * step.tokens * sizes.vocabulary if step.logits else 0.0
    return kept + max(1.4 * layer, head)


def _is_prepared(context: Context) -> bool:
    """Whether the model passes through prepare_model_for_kbit_training: the script's call, or that of trl's trainer."""
    if said(context, "prepare_kbit") not in (None, "never"):
        return True
    if not _is_sft(context):
        return False
    return _PREPARES.search(_text(context, "trl.trainer.sft_trainer")) is not None


def _computes_logits_in_parts(context: Context) -> bool:
    if any(said(context, name) is True for name in ("use_liger", "use_liger_kernel")):
        return True
    if not _is_sft(context):
        return False
    if _FUSES.search(_text(context, "trl.trainer.sft_trainer")):
        return True
    loss = said(context, "loss_type")
    if loss in (None, "unset"):
        return _CHUNKS.search(_text(context, "trl.trainer.sft_config")) is not None
    return bool(loss == "chunked_nll")


def _is_sft(context: Context) -> bool:
    return bool(said(context, "trainer_class") == "SFTTrainer")


def _text(context: Context, module: str) -> str:
    return context.library.text(module) or ""


def said(context: Context, name: str) -> Any:
    """The first value of a fact; None where the script says nothing of it."""
    facts = context.facts.get(name, ())
    return facts[0].value if facts else None
