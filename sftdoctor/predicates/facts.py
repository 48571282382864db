"""What the script, the scenario and the model folder say: `facts` and `model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.model import Fact
from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails, predicate, unknown

UNSET = "unset"
"""In a `where`, and as the value of a Fact: the script does not say it."""
SET = "set"
"""In a `where`: the script says it, whatever the value."""
NONE = "none"
"""In a `where`: None, which TOML has no word for (or the text itself)."""
UNREADABLE = "unknown"
"""Value of a Fact that the script sets to something that only running it would tell."""


@predicate(
    "facts",
    {
        "where": Argument(
            "table",
            'fact name → value, list of values, "unset", "set", or a table of not, at_least, at_most and '
            "is_number_as_text",
            required=True,
        )
    },
)
def facts(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Every line of `where` is true of one script (of the scenario where no script was given) and the model folder."""
    match = Match()
    open_question = ""
    known = context.facts
    for name, wanted in arguments["where"].items():
        said = known.get(name)
        if said is None:
            if _fits_unset(wanted):
                continue
            return HOLDS
        fitting = [fact for fact in said if _fits(wanted, fact.value)]
        if fitting:
            match = match.merge(_match(fitting[0]))
        elif any(fact.value == UNREADABLE for fact in said):
            open_question = open_question or _open_question(said, context)
        else:
            return HOLDS
    return unknown(open_question) if open_question else fails(match)


def _open_question(said: tuple[Fact, ...], context: Context) -> str:
    """Why a fact is not known; one reason for all that the call of the trainer's arguments would say."""
    calls = {fact.location for fact in context.facts.get("trainer_args_class", ())}
    calls |= {fact.location for fact in context.facts.get("trainer_args_call", ())}
    if all(fact.location in calls for fact in said if fact.value == UNREADABLE) and calls - {None}:
        return "what the trainer's arguments say shows only when the script runs"
    return f"the value of {said[0].name} shows only when the script runs"


@predicate(
    "model",
    {"where": Argument("table", "dotted key of config.json → as for facts", required=True)},
    values=("model",),
)
def model(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Every line of `where` is true of the model folder's config.json. Without a model folder it does not apply."""
    folder = context.workload.model
    if folder is None:
        return HOLDS
    for key, wanted in arguments["where"].items():
        there, value = _dotted(folder.config, key)
        if not (_fits(wanted, value) if there else _fits_unset(wanted)):
            return HOLDS
    return fails(Match({"model": folder.path}))


def _match(fact: Fact) -> Match:
    return Match({f"fact.{fact.name}": str(fact.value)}, location=fact.location)


def _fits(wanted: Any, value: Any) -> bool:
    """Whether a value that is there is what a `where` asks for."""
    if isinstance(wanted, (list, tuple)):
        return any(_fits(item, value) for item in wanted)
    if value == UNREADABLE and wanted not in (UNREADABLE, SET):
        return False
    if isinstance(wanted, Mapping):
        return _fits_conditions(wanted, value)
    if wanted == NONE and value is None:
        return True
    if wanted == SET:
        return bool(value != UNSET)
    # bool is an int in Python, and 1 is not true in TOML
    return type(wanted) is type(value) and bool(wanted == value)


def _fits_conditions(conditions: Mapping[str, Any], value: Any) -> bool:
    if "not" in conditions and (_fits(conditions["not"], value) or (value is None and _fits_unset(conditions["not"]))):
        return False  # `deepspeed=None` is as good as nothing
    if "is_number_as_text" in conditions:
        return _is_number_as_text(value) is conditions["is_number_as_text"]
    if "at_least" not in conditions and "at_most" not in conditions:
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    low, high = conditions.get("at_least", value), conditions.get("at_most", value)
    return bool(low <= value <= high)


def _is_number_as_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and isinstance(float(value), float)
    except ValueError:
        return False


def _fits_unset(wanted: Any) -> bool:
    if isinstance(wanted, (list, tuple)):
        return any(_fits_unset(item) for item in wanted)
    if isinstance(wanted, Mapping):
        return set(wanted) == {"not"} and not _fits_unset(wanted["not"])
    return bool(wanted == UNSET)


def _dotted(config: Mapping[str, Any], key: str) -> tuple[bool, Any]:
    value: Any = config
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False, None
        value = value[part]
    return True, value
