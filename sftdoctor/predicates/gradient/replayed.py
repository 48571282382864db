"""The training of what is judged, replayed once for all rules that ask."""

from __future__ import annotations

from typing import Any

from sftdoctor.model import Environment, Fact, ModelFolder
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.gradient.outcome import Training
from sftdoctor.predicates.gradient.remote import remote_model
from sftdoctor.predicates.gradient.training import READ, replay

_KEPT = 32
_kept: dict[tuple[int, tuple[tuple[str, Any], ...], int], tuple[Environment, ModelFolder | None, Training]] = {}


def replayed(context: Context) -> Training:
    """The training of a context, replayed once for all rules.

    Args:
        context: What is judged.

    Returns:
        What becomes of it.
    """
    facts = tuple(fact for name, group in context.facts.items() if name in READ for fact in group)
    # where a script says so does not matter: many scripts come to the same few trainings
    key = (id(context.environment), tuple((fact.name, fact.value) for fact in facts), id(context.workload.model))
    kept = _kept.get(key)
    if kept is None or kept[0] is not context.environment or kept[1] is not context.workload.model:
        result = replay(context.environment, facts, remote_model(context.workload.model))
        if len(_kept) >= _KEPT:
            _kept.clear()
        # The objects are kept beside the result, so that their ids stay theirs.
        kept = _kept[key] = (context.environment, context.workload.model, result)
    return kept[2]


def enabled_alone(context: Context) -> Training:
    """gradient_checkpointing_enable() by itself, where the whole training cannot be followed.

    Args:
        context: What is judged.

    Returns:
        What becomes of it.
    """
    said = context.facts.get("gradient_checkpointing", ())
    if said and said[0].value is not True:
        return Training(
            "unknown" if said[0].value == "unknown" else "trains", detail="whether it is checkpointed is not known"
        )
    steps = (Fact("step", ("load", "from_pretrained")), Fact("step", ("gc_enable", "unset", False)))
    return replay(context.environment, steps, remote_model(context.workload.model))
