"""What preflight measured on a live trainer: `live`. Where nothing was measured the condition is never there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, predicate
from sftdoctor.predicates.facts import facts

PREFIX = "live."
"""Before the name of each fact that preflight measured."""
LIVE: Mapping[str, str] = {
    # the model
    "trainable": "number of weights that are trained; a weight in 4 bit counts as one",
    "parameters": "number of weights, the adapter's among them",
    "adapter": 'whether the model carries an adapter ("peft" layers): true or false',
    "adapter_tensors": "number of tensors of the active adapters",
    "adapter_trainable": "how many of them require a gradient",
    "base_trained": "number of weights of the base that are trained besides the adapter and are not saved with it",
    "base_trained_example": "name of one of their tensors",
    "trainable_float16": "number of trained weights in float16",
    "trainable_bfloat16": "number of trained weights in bfloat16",
    "trained_in": "types of the trained weights",
    "kept_in": "types of the frozen weights",
    "devices": "where the weights lie",
    "mixed_precision": '"no", "fp16" or "bf16": what accelerate was told',
    "meta": "number of tensors on the meta device: they have no values",
    "meta_example": "name of one of them",
    "offloaded": "number of weights that lie on the CPU while others lie on a GPU",
    "quantization": '"nf4", "fp4" or "int8" where the model says that bitsandbytes quantised it; else "none"',
    "quantized_percent": "percentage of the weights of its layers that really are quantised",
    "optimizer_held": "how many trained tensors the optimizer holds; not said where there is no optimizer yet",
    "optimizer_missing": "how many it does not hold",
    "optimizer_example": "name of one of them",
    # the data, as the collator gives it
    "rows": "number of rows that were looked at",
    "collator_error": "what the collator raised",
    "learnable": "whether any label counts, as far as labels were seen",
    "unlabelled_percent": "percentage of rows without a single label that counts",
    "supervised_percent": "percentage of the tokens that are no padding whose label counts",
    "padding_percent": "percentage of the labels that count which stand on padding",
    "end_masked_percent": "percentage of the rows whose end token is masked although the token before it counts",
    "end_missing_percent": "percentage of the rows whose last counting labels hold no end token",
    "end_token": "the end tokens, as text",
    "double_start_percent": "percentage of the rows that begin with two start tokens",
    "unknown_percent": "percentage of the tokens that the tokenizer does not know",
    "truncated_percent": "percentage of the rows that reach the longest length that the arguments allow",
    "max_length": "that length, in tokens",
    "largest_id": "largest token id",
    "embedding_rows": "rows of the embedding table",
    "ids_outside": "number of token ids, or labels, for which the model has no row",
    "left_padded_percent": "percentage of the rows that are padded on the left",
    "learned_positions": "whether the model looks positions up in a table (GPT-2), and the batch brings none",
    "labels_ahead": "whether the labels are the tokens shifted by one, which the model shifts once more",
    "mask_asked": '"completion" or "assistant": what the arguments ask to train on alone',
    # one tiny forward and backward
    "step_error": "what the forward or the backward raised",
    "loss": "the loss, as text",
    "loss_finite": "whether it is a number",
    "loss_has_gradient": "whether the loss depends on anything that is trained",
    "gradient_finite": "whether all gradients are numbers",
    "trained_tensors": "number of tensors that require a gradient",
    "reached": "how many of them got one",
    "adapter_reached": "how many of the adapter's tensors got one",
    "nonzero": "how many got one that is not all zero",
    "dead": "how many got none although their module ran",
    "dead_example": "name of one of them",
    "checkpointing": "whether the arguments ask for gradient checkpointing",
    "layers": "number of layers that ran and in which something got a gradient",
    "layers_recomputed": "how many of them the backward ran again",
}
"""Names of the facts that preflight measures, and what they mean. A fact that could not be measured is left out."""


@predicate(
    "live",
    {"where": Argument("table", "name of a measured fact → as for facts", required=True)},
)
def live(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Every line of `where` is true of what preflight measured on a live trainer. A check finds nothing by it."""
    where = {PREFIX + name: wanted for name, wanted in arguments["where"].items()}
    return facts(context, {"where": where}) if where.keys() <= context.facts.keys() else HOLDS
