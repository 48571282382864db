"""Symptoms: the patterns by which a rule recognises its failure in a log. They must run in linear time on any log.

Python's `re` backtracks, so a pattern is refused unless the number of ways in which it can match from one position has
a small bound that does not depend on the log: every repetition is bounded and repeats a single character.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Any

if sys.version_info >= (3, 11):
    from re import _parser as parser  # type: ignore[attr-defined]
else:  # pragma: no cover  (the module's name until 3.10)
    import sre_parse as parser

LONGEST_REPEAT = 1_000
MOST_WAYS = 100_000
"""Largest number of ways in which a symptom may match from one position; enough for two `.{0,300}`."""

_SINGLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "CATEGORY")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


def compile_symptom(symptom: str) -> re.Pattern[str]:
    """Compile a rule's symptom.

    Args:
        symptom: A regular expression; blanks around it are dropped (TOML needs one after a quote).

    Returns:
        The compiled pattern, to be searched line by line or in a whole log.

    Raises:
        ValueError: It is no regular expression, or it could take more than linear time.
    """
    text = symptom.strip()
    if not text:
        raise ValueError("is empty")
    try:
        pattern = re.compile(text)
        tree = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from error
    ways = _ways(tree)
    if ways > MOST_WAYS:
        raise ValueError(f"can match in {ways:,} ways from one position (at most {MOST_WAYS:,}): shorten its repeats")
    return pattern


def readable(symptom: str) -> str:
    """A symptom as a person would see it in a terminal.

    Args:
        symptom: A pattern that compile_symptom accepts.

    Returns:
        Its text with "…" for what varies; of alternatives the first.
    """
    text = symptom.strip()
    return re.sub("…+", "…", _text(parser.parse(text))) if text else ""


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern that was checked when its rule was read, compiled once a process: there are more than `re` keeps."""
    return re.compile(pattern)


@cache
def anchors(pattern: str) -> tuple[str, ...]:
    """Texts of which every match of a pattern contains at least one, to look for first; () where none is sure.

    Args:
        pattern: A regular expression.

    Returns:
        The best that its syntax tree shows: few, and the shortest of them long.
    """
    tree = parser.parse(pattern)
    return () if tree.state.flags & re.IGNORECASE else _anchors(tree)


def _anchors(sequence: Any) -> tuple[str, ...]:
    found: list[tuple[str, ...]] = []
    run = ""
    for operation, argument in [*sequence, ("END", None)]:
        if str(operation) == "LITERAL":
            run += chr(argument)
            continue
        found.append((run,))
        run = ""
        if str(operation) == "SUBPATTERN" and not argument[1]:
            found.append(_anchors(argument[3]))
        elif str(operation) == "BRANCH":
            branches = [_anchors(branch) for branch in argument[1]]
            found.append(tuple(text for branch in branches for text in branch) if all(branches) else ())
    best = max(found, key=lambda texts: min(map(len, texts), default=0))
    return best if all(best) else ()


def _ways(sequence: Any) -> int:
    ways = 1
    for operation, argument in sequence:
        ways *= _ways_of(str(operation), argument)
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    if operation in _SINGLE or operation == "AT":
        return 1
    if operation == "SUBPATTERN":
        return _ways(argument[3])
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if operation in _REPEATS:
        return _ways_of_repeat(*argument)
    raise ValueError(f"uses {_NAMES.get(operation, operation)}, which cannot be matched in linear time")


def _ways_of_repeat(least: int, most: Any, body: Any) -> int:
    if most == 1:
        return 1 + _ways(body)
    if len(body) != 1 or str(body[0][0]) not in _SINGLE:
        raise ValueError("repeats a group: nested repeats can take exponential time; write it out")
    if most > LONGEST_REPEAT:
        raise ValueError(
            f"has an unbounded repeat: write .{{0,200}} for .*, \\d{{1,9}} for \\d+ (at most {LONGEST_REPEAT})"
        )
    return int(most) - least + 1


def _text(sequence: Any) -> str:
    return "".join(_text_of(str(operation), argument) for operation, argument in sequence)


def _text_of(operation: str, argument: Any) -> str:
    if operation == "LITERAL":
        return chr(argument)
    if operation == "SUBPATTERN":
        return _text(argument[3])
    if operation == "BRANCH":
        return _text(argument[1][0])
    if operation in _REPEATS:
        least, most, _ = argument
        return "" if (least, most) == (0, 1) else "…"
    return "" if operation == "AT" else "…"


_NAMES = {
    "ASSERT": "a lookahead or lookbehind",
    "ASSERT_NOT": "a lookahead or lookbehind",
    "GROUPREF": "a backreference",
    "GROUPREF_EXISTS": "a condition",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}
