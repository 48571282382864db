"""What becomes of the gradients: from a model's state at the start of training to an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sftdoctor.flow import UNKNOWN, Value
from sftdoctor.predicates.gradient import model as models


@dataclass(frozen=True)
class Training:
    """What becomes of a training."""

    outcome: str
    """trains, no-grad (backward raises "element 0 of tensors …"), silent (it goes on, but what is meant to be trained
    gets no gradient), raises (an error before), or unknown."""
    cause: str = ""
    """frozen-inputs, frozen-adapter or all-frozen; no-recompute where it trains, but without the checkpointing that was
    asked for; "" where nothing is wrong."""
    detail: str = ""
    """Who froze the adapter; the error; why it is unknown."""


def outcome(state: Mapping[str, Value]) -> Training:
    """What a model's state at the start of training comes to.

    Args:
        state: adapter, base, head, embeddings (what is trainable), inputs (whether the embeddings' output is made to
            require gradients), checkpointing, reentrant.

    Returns:
        The outcome; unknown where what decides is not known.
    """
    starts = _or(state["inputs"], state["embeddings"])
    flows = _or(starts, _not(_and(state["checkpointing"], state["reentrant"])))
    adapter = {models.TRAINABLE: True, models.FROZEN: False, models.NO_ADAPTER: False}.get(state["adapter"], UNKNOWN)
    inner = _or(adapter, state["base"])
    has_adapter = state["adapter"] != models.NO_ADAPTER
    outside = _or(state["head"], starts)
    if inner is UNKNOWN:
        return Training("unknown", detail="whether the adapter can be trained depends on what cannot be followed")
    if inner:
        if flows is UNKNOWN:
            return Training("unknown", detail="whether gradients reach the adapter depends on what cannot be followed")
        if flows:
            return Training("trains")
        return _lost("frozen-inputs", outside)
    if not has_adapter and _or(state["head"], state["embeddings"]) is not False:
        return Training("trains")
    if state["adapter"] == models.FROZEN:
        return _lost("frozen-adapter", outside, str(state["frozen_by"]))
    return _lost("all-frozen", outside)


def _lost(cause: str, outside: Value, detail: str = "") -> Training:
    """Nothing that is meant to be trained gets a gradient; whether it is loud depends on what else has one."""
    if outside is UNKNOWN:
        return Training("unknown", cause, "whether anything else has a gradient cannot be followed")
    return Training("silent" if outside else "no-grad", cause, detail)


def _or(a: Value, b: Value) -> Value:
    return True if a is True or b is True else (UNKNOWN if a is UNKNOWN or b is UNKNOWN else False)


def _and(a: Value, b: Value) -> Value:
    return False if a is False or b is False else (UNKNOWN if a is UNKNOWN or b is UNKNOWN else True)


def _not(a: Value) -> Value:
    return UNKNOWN if a is UNKNOWN else not a
