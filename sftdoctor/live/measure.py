"""Everything that preflight measures on one trainer, part by part."""

from __future__ import annotations

import warnings
from typing import Any

from sftdoctor.live import labels, parameters, step
from sftdoctor.live.parameters import Adapter, Values
from sftdoctor.live.restore import untouched
from sftdoctor.live.rows import Rows, read_rows
from sftdoctor.model import NotJudged


def measure(trainer: Any) -> tuple[Values, tuple[str, ...], tuple[NotJudged, ...]]:
    """Measure what predicates.live.LIVE names, and put everything back. One part that stumbles stops no other.

    Args:
        trainer: The trainer.

    Returns:
        The facts, what they come to in words, and what could not be measured and why.
    """
    values: Values = {}
    gaps: list[NotJudged] = []
    adapter, rows = Adapter(), Rows(reason="it could not be read")
    with untouched(trainer), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run will say them again
        try:
            adapter = parameters.find_adapter(trainer.model)
            values |= parameters.measure(trainer, adapter)
        except Exception as error:
            gaps.append(_stumbled("the model's parameters", error))
        try:
            rows = read_rows(trainer)
            values |= labels.measure(trainer, rows)
        except Exception as error:
            gaps.append(_stumbled("the training data", error))
        values["learnable"] = values.get("unlabelled_percent") != 100
        if rows.reason:
            gaps.append(NotJudged("the training data and the gradients", rows.reason))
        if rows.groups:
            reason = step.why_not(trainer, values)
            if reason:
                gaps.append(NotJudged("the loss and the gradients", reason))
            elif values.get("trainable") != 0:
                values |= step.measure(trainer, rows, adapter)
    return values, _notes(values, adapter), tuple(gaps)


def _stumbled(what: str, error: Exception) -> NotJudged:
    return NotJudged(what, f"preflight stumbled (a bug in sftdoctor): {type(error).__name__}: {error}")


def _notes(values: Values, adapter: Adapter) -> tuple[str, ...]:
    """What was measured, in a line or two."""
    trainable, total = values.get("trainable", 0), values.get("parameters", 0)
    share = f" ({100 * trainable / total:.3g} %)" if total else ""
    parts = [f"trains {number_in_words(trainable)} of {number_in_words(total)} weights{share}"]
    if values.get("trained_in"):
        kept = f" over {values['kept_in']}" if values["kept_in"] not in ("", values["trained_in"]) else ""
        parts[0] += f" in {values['trained_in']}{kept}, on {values['devices']}"
    if adapter.modules:
        parts.append(f"adapter on {adapter.kinds()}")
    if "quantized_percent" in values:
        parts.append(f"{values['quantized_percent']} % of the layers in {values['quantization']}")
    data = []
    if "rows" in values:
        data.append(f"{values['rows']} rows looked at")
    if "supervised_percent" in values:
        data.append(f"{values['supervised_percent']} % of the tokens are learned")
    if values.get("truncated_percent"):
        data.append(f"{values['truncated_percent']} % of the rows are cut at {values['max_length']} tokens")
    if "loss" in values:
        data.append(f"loss {values['loss']}")
    if values.get("layers") and (values["checkpointing"] or values["layers_recomputed"]):
        data.append(f"{values['layers_recomputed']} of {values['layers']} layers recomputed")
    return tuple(", ".join(part) for part in (parts, data) if part)


def number_in_words(number: float) -> str:
    """ "8.4 M": a number of weights as people say it."""
    for size, sign in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return str(int(number))
