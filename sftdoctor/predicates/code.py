"""What the installed source says: `signature` and `offers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.model import Cause
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    as_texts,
    fails,
    fails_if,
    predicate,
    unknown,
)
from sftdoctor.predicates.fields import Fields, fields_of


@predicate(
    "signature",
    {
        "callable": Argument("text", '"pkg.mod:function", "pkg.mod:Class.method" or "pkg.mod:Class"', required=True),
        "lacks": Argument("texts", "keywords of which it takes at least one not (`**kwargs` takes all)"),
        "has": Argument("texts", "keywords that it takes, every one"),
    },
    values=("missing",),
    one_of=("lacks", "has"),
)
def signature(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A callable takes, or does not take, a keyword. Unknown where its source cannot be read."""
    called = arguments["callable"]
    found = context.library.signature(called) or fields_of(context.library, called)
    if found is None:
        return unknown(f"the signature of {called.replace(':', '.')} cannot be read")
    if not all(found.accepts(keyword) for keyword in as_texts(arguments.get("has"))):
        known = not isinstance(found, Fields) or found.complete
        return HOLDS if known else unknown(f"the signature of {called.replace(':', '.')} cannot be read")
    if "lacks" not in arguments:
        return fails_if(True)
    missing = next((keyword for keyword in as_texts(arguments["lacks"]) if not found.accepts(keyword)), None)
    if missing is not None and isinstance(found, Fields) and not found.complete:
        return unknown(f"the signature of {called.replace(':', '.')} cannot be read")
    if missing is None:
        return HOLDS
    return fails(_match(context, called, missing))


@predicate(
    "offers",
    {
        "module": Argument("text", "dotted module", required=True),
        "lacks": Argument("texts", "names of which it offers at least one not"),
        "has": Argument("texts", "names that it offers, every one"),
    },
    values=("missing",),
    one_of=("lacks", "has"),
)
def offers(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """`from module import name` would work, or would not. Unknown where its source cannot be read."""
    module = arguments["module"]
    for name in as_texts(arguments.get("has")):
        there = context.library.offers(module, name)
        if there is None:
            return unknown(f"what {module} offers cannot be read")
        if not there:
            return HOLDS
    if "lacks" not in arguments:
        return fails_if(True)
    answers = {name: context.library.offers(module, name) for name in as_texts(arguments["lacks"])}
    missing = next((name for name, there in answers.items() if there is False), None)
    if missing is not None:
        return fails(_match(context, f"{module}:{missing}", missing))
    return unknown(f"what {module} offers cannot be read") if None in answers.values() else HOLDS


def _match(context: Context, called: str, missing: str) -> Match:
    module, _, symbol = called.partition(":")
    callee = context.place(module, f"{module}.{symbol}")
    return Match({"missing": missing}, cause=Cause(caller=None, callee=callee, name=missing))
