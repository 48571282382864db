"""What becomes of the gradients: `training`. And of a model's own checkpointing code: `gc-override`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sftdoctor.model import Fact, Location
from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, as_texts, fails, predicate, unknown

if TYPE_CHECKING:  # what evaluates the libraries' functions is loaded where there is a script
    from sftdoctor.predicates.gradient.outcome import Training

OUTCOMES = ("trains", "no-grad", "silent", "raises")
CAUSES = ("frozen-inputs", "frozen-adapter", "all-frozen", "no-recompute")
GRAD_FN = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn"
OVERRIDE = "_set_gradient_checkpointing"
REFUSALS = {
    "signature": OVERRIDE,
    "unsupported": "does not support",
    "incompatible": "is not compatible with gradient checkpointing",
}
_CONSEQUENCES = {
    "no-grad": "the first backward stops with `element 0 of tensors does not require grad and does not have a grad_fn`",
    "silent": "the run goes on without an error, with a gradient norm of 0 for all that it is meant to train",
    "raises": "the run stops before its first step",
}


@predicate(
    "training",
    {
        "outcome": Argument("texts", "what becomes of the training", choices=OUTCOMES),
        "cause": Argument("texts", "why nothing gets a gradient", choices=CAUSES),
        "frozen_by": Argument("texts", 'who froze the adapter: a call, "trl" or "the script"'),
        "error": Argument("texts", "part of the error that stops it"),
    },
    values=("consequence", "frozen_by", "error"),
    one_of=("outcome", "cause"),
)
def training(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script's training comes to that. The libraries' functions are evaluated; only a script is judged."""
    if context.script is None or "trainer_class" not in context.facts:
        return HOLDS
    from sftdoctor.predicates.gradient.replayed import replayed

    found = replayed(context)
    if found.outcome == "unknown":
        return unknown(found.detail)
    wanted = {"outcome": found.outcome, "cause": found.cause}
    for name, value in wanted.items():
        if name in arguments and value not in as_texts(arguments[name]):
            return HOLDS
    if "frozen_by" in arguments and found.detail not in as_texts(arguments["frozen_by"]):
        return HOLDS
    if "error" in arguments and not any(text in found.detail for text in as_texts(arguments["error"])):
        return HOLDS
    values = {
        "consequence": _CONSEQUENCES.get(found.outcome, "the run goes on"),
        "frozen_by": found.detail if found.cause == "frozen-adapter" else "",
        "error": found.detail if found.outcome == "raises" else "",
    }
    return fails(Match(values, location=_where(context, found), symptom=_symptom(found)))


def _where(context: Context, found: Training) -> Location | None:
    """The line that decides: what froze the adapter, else the wrap, else the trainer's call."""
    steps = context.facts.get("step", ())
    froze = {"prepare_model_for_kbit_training": "prepare_kbit", "the script": "freeze"}.get(found.detail, "wrap")
    if found.cause == "frozen-adapter" and found.detail != "trl":
        said = [fact for fact in steps if froze in fact.value[:2]][-1:]
    else:
        said = [*context.facts.get("wrap_call", ())] if found.cause == "frozen-inputs" else []
    said = said or [*context.facts.get("trainer_call", ())]
    return said[0].location if said else None


def _symptom(found: Training) -> str:
    """What would be seen."""
    if found.outcome == "silent":
        return "no error: a gradient norm of 0, and weights that do not move"
    return found.detail if found.outcome == "raises" else GRAD_FN


@predicate(
    "gc-override",
    {
        "refuses": Argument(
            "texts",
            "signature: the override does not take what transformers passes; unsupported: the class does not say that "
            "it can be checkpointed; incompatible: no module has the attribute",
            choices=tuple(REFUSALS),
        ),
        "silent": Argument("flag", "checkpointing is asked for and does nothing"),
    },
    values=("error", "class", "signature"),
    one_of=("refuses", "silent"),
)
def gc_override(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The model folder's own code meets the installed transformers' gradient checkpointing in that way."""
    said = context.facts
    if context.workload.model is None or not _has_code(said):
        return HOLDS
    from sftdoctor.predicates.gradient.replayed import enabled_alone, replayed

    found = replayed(context)
    if found.outcome == "unknown" or (found.outcome == "raises" and not _refusal(found.detail)):
        found = enabled_alone(context)
    values = {
        "error": found.detail,
        "class": str(said["remote_class"][0].value) if "remote_class" in said else "",
        "signature": str(said["remote_gc_override"][0].value) if "remote_gc_override" in said else "",
    }
    where = next((fact.location for fact in said.get("remote_gc_override", ()) if fact.location), None)
    if found.outcome == "unknown":
        return unknown(found.detail)
    refusal = _refusal(found.detail) if found.outcome == "raises" else ""
    asked = refusal in as_texts(arguments.get("refuses")) if refusal else False
    silent = arguments.get("silent", False) and found.cause == "no-recompute"
    symptom = "no error: nothing is recomputed" if silent else found.detail
    return fails(Match(values, location=where, symptom=symptom)) if asked or silent else HOLDS


def _has_code(said: Mapping[str, tuple[Fact, ...]]) -> bool:
    return any(fact.value is True for fact in said.get("has_remote_code", ()))


def _refusal(error: str) -> str:
    """Which refusal of checkpointing an error is; empty where it is about something else."""
    return next((name for name, text in REFUSALS.items() if text in error), "")
