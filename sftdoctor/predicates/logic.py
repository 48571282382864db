"""Predicates made of other predicates: all, any, not. Kleene's three-valued logic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Outcome,
    evaluate,
    fails,
    merge_all,
    predicate,
)

_PARTS = {"of": Argument("probes", "the conditions, tables with a probe each", required=True)}


@predicate("all", _PARTS)
def all_of(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Every condition is there. Conditions are asked in order; the first that is not there ends it."""
    judgements = []
    open_question: Judgement | None = None
    for part in arguments["of"]:
        judgement = evaluate(context, part)
        if judgement.outcome is Outcome.HOLDS:
            return HOLDS
        if judgement.outcome is Outcome.UNKNOWN:
            open_question = open_question or judgement
        judgements.append(judgement)
    return open_question or fails(*merge_all(judgements))


@predicate("any", _PARTS)
def any_of(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """At least one condition is there; the matches of all that are there count."""
    judgements = [evaluate(context, part) for part in arguments["of"]]
    there = [judgement for judgement in judgements if judgement.outcome is Outcome.FAILS]
    if there:
        return fails(*(match for judgement in there for match in judgement.matches))
    return next((judgement for judgement in judgements if judgement.outcome is Outcome.UNKNOWN), HOLDS)


@predicate("not", {"of": Argument("probe", "the condition, a table with a probe", required=True)})
def not_of(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The condition is not there."""
    judgement = evaluate(context, arguments["of"])
    if judgement.outcome is Outcome.UNKNOWN:
        return judgement
    return fails() if judgement.outcome is Outcome.HOLDS else HOLDS
