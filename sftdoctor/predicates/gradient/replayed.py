"""The training of what is judged, replayed once for all rules that ask."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sftdoctor import folders
from sftdoctor.model import Fact
from sftdoctor.predicates.core import Context
from sftdoctor.predicates.gradient.outcome import Training
from sftdoctor.predicates.gradient.remote import remote_model
from sftdoctor.predicates.gradient.sources import sources_of
from sftdoctor.predicates.gradient.training import READ, replay

CODE = ("predicates/gradient", "flow", "nodes.py")
"""What replays."""


def replayed(context: Context) -> Training:
    """The training of a context, replayed once for all rules, and for all scripts that come to the same.

    Args:
        context: What is judged.

    Returns:
        What becomes of it.
    """
    # where a script says so does not matter: many scripts come to the same few trainings
    facts = tuple(fact for name, group in context.facts.items() if name in READ for fact in group)
    return _known(context, facts)


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
    return _known(context, steps)


def _known(context: Context, facts: Sequence[Fact]) -> Training:
    """What becomes of a training, which the library remembers."""
    environment, model = context.environment, context.workload.model
    code = model.code if model is not None else ()

    def ask() -> list[str]:
        found = replay(environment, facts, remote_model(model))
        return [found.outcome, found.cause, found.detail]

    said = (
        *(folders.code_stamp(*CODE), environment.accelerators == ()),
        *(code, model.config.get("auto_map") if model is not None and code else None),
        *((fact.name, fact.value) for fact in facts),
    )
    question = hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()
    answer = context.library.known(f"training {question}", ask, lambda: [*sources_of(environment).files(), *code])
    return Training(*answer)
