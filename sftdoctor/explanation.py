"""A traceback or log → the rules whose symptom it shows. Reads once, line by line, whatever the size.

Not called explain: a module of that name would stand in the way of `sftdoctor.explain`, the function.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO

from sftdoctor.model import Explanation, Finding, Fix, Rule, RuleFix, without_placeholders
from sftdoctor.symptoms import anchors

LINE_LIMIT = 8192
"""Characters of one line; a longer one is read in pieces of this size."""
BLOCK = 512
"""Lines that are looked at together."""
FRAMES = 6
"""Innermost frames that are kept."""

_SIGNS = ('File "', "Error", "Exception", "Interrupt")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))")
_RANK = re.compile(r"\s*(?:\[?(?:default|rank)?\d{1,5}\]?:)?\s*")
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w{0,80}\.){0,12}[A-Za-z_]\w{0,80}(?:Error|Exception|Interrupt)(?::\s|\s*$)")
_FRAME = re.compile(r'File "([^"]{1,500})", line (\d{1,9})(?:, in (\S{1,200}))?')


def explain(lines: Iterable[str], rules: Sequence[Rule]) -> Explanation:
    """Match a traceback or log against the symptoms of rules.

    Args:
        lines: The log, line by line; read once, so that it may be endless in practice.
        rules: All that may be recognised.

    Returns:
        A Finding for each rule whose symptom was seen, in the order of the log; the last exception with its innermost
        frames.
    """
    patterns = [_Pattern(rule) for rule in rules if rule.symptom]
    seen: dict[str, tuple[Rule, str]] = {}
    frames: deque[str] = deque(maxlen=FRAMES)
    last: tuple[str | None, tuple[str, ...]] = (None, ())
    number = 0
    for block in _blocks(lines):
        number += len(block)
        text = "".join(block)
        alive = [pattern for pattern in patterns if pattern.could_match(text)]
        if not alive and not any(word in text for word in _SIGNS):
            continue  # most of a long log: nothing in it needs a closer look
        for line in block:
            for rule in _most_specific(alive, line):
                seen.setdefault(rule.id, (rule, line.strip()))
            if 'File "' in line:
                frames.extend(_frame(line))
            elif _is_exception(line):
                last = (_RANK.sub("", line, count=1).strip(), tuple(frames))
                frames.clear()
    findings = tuple(finding_of(rule, text) for rule, text in seen.values())
    return Explanation(findings, tuple(rule for rule, _ in seen.values()), *last, lines=number)


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines without terminal escapes, some hundred at a time."""
    stream = iter(lines)
    while block := list(islice(stream, BLOCK)):
        yield [_ESCAPES.sub("", line) if "\x1b" in line else line for line in block]


class _Pattern:
    """A rule's symptom, with the texts that are looked for before the pattern is tried."""

    def __init__(self, rule: Rule) -> None:
        symptom = rule.symptom.strip()
        self.rule = rule
        self.search = re.compile(symptom).search
        self.anchors = anchors(symptom)

    def could_match(self, line: str) -> bool:
        """Whether the pattern is worth trying; much cheaper than trying it."""
        return not self.anchors or any(text in line for text in self.anchors)

    def weight(self, line: str) -> int:
        """How much of a line the pattern spells out: of two that match, the one that says more knows more."""
        return max((len(text) for text in self.anchors if text in line), default=0)


def _most_specific(patterns: Sequence[_Pattern], line: str) -> list[Rule]:
    hits = [pattern for pattern in patterns if pattern.could_match(line) and pattern.search(line)]
    most = max((hit.weight(line) for hit in hits), default=0)
    return [hit.rule for hit in hits if hit.weight(line) == most]


def read_lines(stream: IO[str]) -> Iterator[str]:
    """The lines of a stream, none longer than LINE_LIMIT."""
    while line := stream.readline(LINE_LIMIT):
        yield line


def _is_exception(line: str) -> bool:
    start = _RANK.match(line)
    return _EXCEPTION.match(line, start.end() if start else 0) is not None


def _frame(line: str) -> list[str]:
    found = _FRAME.search(line)
    if not found:
        return []
    path, number, function = found.groups()
    return [f"{path}:{number}" + (f" in {function}" if function else "")]


def finding_of(rule: Rule, symptom: str = "") -> Finding:
    """What a rule says where no environment is known: placeholders for versions are left out.

    Args:
        rule: The rule.
        symptom: The line that showed it; the rule's own pattern where there is none.

    Returns:
        The Finding.
    """
    return Finding(
        id=rule.id,
        rule=rule.name,
        severity=rule.severity,
        confidence=rule.confidence,
        title=rule.heading(),
        message=without_placeholders(rule.message),
        symptom=symptom or rule.symptom,
        fixes=tuple(_fix(fix) for fix in rule.fixes),
        evidence=tuple(evidence.source for evidence in rule.evidence),
    )


def _fix(fix: RuleFix) -> Fix:
    summary = fix.summary or ", ".join(fix.require) or fix.reason
    return Fix(fix.kind, fix.safety, without_placeholders(summary), fix.require, reason=fix.reason)
