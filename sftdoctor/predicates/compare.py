"""Two facts against each other: `compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sftdoctor.model import Fact
from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails, predicate, unknown
from sftdoctor.predicates.facts import UNREADABLE, UNSET


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_NUMBERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "less": lambda left, right: bool(left < right),
    "at-least": lambda left, right: bool(left >= right),
    "more": lambda left, right: bool(left > right),
    "no-multiple": lambda left, right: bool(right > 0 and left % right != 0),
}
_CHOICES = (*_NUMBERS, "equal", "different", "not-among")


@predicate(
    "compare",
    {
        "left": Argument("text", "name of a fact", required=True),
        "is": Argument("text", "what it is to the other", required=True, choices=_CHOICES),
        "right": Argument("text", "name of the other fact", required=True),
        "left_default": Argument("number", "value of the first where it is not said"),
        "right_default": Argument("number", "value of the other where it is not said"),
    },
    values=("left", "right"),
)
def compare(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """One fact is so to another. Not there where one of them is not said and has no default."""
    lefts = _said(context, arguments["left"], arguments.get("left_default"))
    rights = _said(context, arguments["right"], arguments.get("right_default"))
    if not lefts or not rights:
        return HOLDS
    if any(fact.value == UNREADABLE for fact in (*lefts, *rights)):
        return unknown(f"the value of {arguments['left']} or {arguments['right']} shows only when the script runs")
    how, left = arguments["is"], lefts[0]
    if how == "not-among":
        there = left.value not in {fact.value for fact in rights}
    elif how in ("equal", "different"):
        there = (left.value == rights[0].value) is (how == "equal")
    elif _number(left.value) and _number(rights[0].value):
        there = _NUMBERS[how](left.value, rights[0].value)
    else:
        there = False
    where = next((fact.location for fact in (left, rights[0]) if fact.location is not None), None)
    values = {f"fact.{fact.name}": str(fact.value) for fact in (left, rights[0])}
    words = {"left": str(left.value), "right": ", ".join(str(fact.value) for fact in rights)}
    return fails(Match({**values, **words}, location=where)) if there else HOLDS


def _said(context: Context, name: str, default: Any) -> tuple[Fact, ...]:
    found = tuple(fact for fact in context.facts.get(name, ()) if fact.value not in (UNSET, None))
    if not found and default is not None:
        return (Fact(name, default),)
    return found
