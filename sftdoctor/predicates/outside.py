"""What judging an environment does not show: `log` (explain finds it) and `ignore-comment` (suppression does)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, predicate


@predicate(
    "log",
    {
        "frame": Argument("text", "pattern that one of the innermost frames, as path in function, must match"),
        "raiser": Argument("text", "pattern that the innermost frame, as path in function, must match, at its raise"),
        "alone": Argument("text", "pattern of words that need no frame, since nobody else's error has them"),
        "named": Argument("flag", "whether its words do where a log has no frame at all, but names the libraries"),
        "last": Argument("flag", "whether its words only pass another error on, so that any other answer goes before"),
    },
)
def log(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """Only a log shows it, by the rule's symptom: explain finds it, and judging an environment never does.

    Where the words of the symptom may be any program's, frame says whose they are; alone says which of them
    are not, and named that they do where a person tells the error of these libraries without a traceback.
    """
    return HOLDS


@predicate(
    "ignore-comment",
    {"state": Argument("text", "what is wrong with it", required=True, choices=("unused", "without-reason"))},
    values=("ids",),
)
def ignore_comment(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A comment that ignores a rule is like that: known only when all other rules were asked."""
    return HOLDS
