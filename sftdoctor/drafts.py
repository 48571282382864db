"""From a rule and one of its matches to a Finding: texts filled in, fixes made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sftdoctor.model import (
    SHELL,
    Cause,
    Confidence,
    Edit,
    Evidence,
    Finding,
    Fix,
    Location,
    Place,
    Rule,
    RuleFix,
    Safety,
    Severity,
)
from sftdoctor.predicates import Context, Match, Outcome, evaluate
from sftdoctor.predicates.keywords import is_written
from sftdoctor.rulefile import FINDING, PLACEHOLDER
from sftdoctor.symptoms import compiled, readable

KEYWORD_EDITS = frozenset({"rename_keyword", "translate_keyword", "remove_keyword", "set_keyword"})
"""Edits of one keyword of a call."""
OPTION = "rename_option"
"""The edit of a launch script; an option that was only said on a command line stands nowhere."""
SEVERITIES = tuple(Severity)
"""Worst first."""
CONFIDENCES = tuple(Confidence)
"""Surest first."""


@dataclass(frozen=True)
class Draft:
    """A Finding in the making, with what it came from."""

    finding: Finding
    rule: Rule | None = None
    match: Match = field(default_factory=Match)

    @property
    def is_page(self) -> bool:
        """Whether the rule is no more than the page of the linker's kind."""
        return self.rule is not None and self.match.link is not None and self.match.link.id == self.rule.id

    @property
    def is_declared(self) -> bool:
        """Whether it says that a declared requirement is not met."""
        return self.rule is not None and self.rule.fails["probe"] == "requirement"

    def speaks_of(self, error: str) -> bool:
        """Whether its rule's symptom stands in what an error says."""
        symptom = self.rule.symptom.strip() if self.rule is not None else ""
        return bool(symptom) and compiled(symptom).search(error) is not None

    def values(self, name: str) -> tuple[str, ...]:
        """What a placeholder stands for, as a tuple."""
        value = self.match.values.get(name, ())
        return (value,) if isinstance(value, str) else value


def draft(rule: Rule, match: Match, context: Context) -> Draft:
    """Make the Finding of one match of a rule.

    Args:
        rule: The rule.
        match: Where it fails; with the linker's finding, where the rule decorates one.
        context: What was judged.

    Returns:
        The draft of the finding.
    """
    link = match.link
    finding = Finding(
        id=rule.id,
        rule=rule.name,
        severity=_weaker(rule.severity, link.severity) if link else rule.severity,
        confidence=link.confidence if link else rule.confidence,
        title=fill(rule.title, context, match.values),
        message=fill(rule.message, context, match.values),
        symptom=(link.symptom if link else "") or match.symptom or readable(rule.symptom),
        cause=_cause(rule, match, context),
        location=match.location,
        fixes=_fixes(rule, match, context),
        evidence=(link.evidence if link else ()) + tuple(_cited(evidence) for evidence in rule.evidence),
    )
    return Draft(finding, rule, match)


def _cause(rule: Rule, match: Match, context: Context) -> Cause | None:
    """The match's cause; where it does not know who asks, the one other distribution that the rule is about."""
    cause = match.cause
    if cause is None or cause.caller is not None or cause.callee is None or match.link is not None:
        return cause
    others = [name for name in rule.applies if name not in ("python", cause.callee.distribution)]
    version = context.environment.version(others[0]) if len(others) == 1 else None
    return replace(cause, caller=Place(others[0], version)) if version else cause


def absorb(own: Draft, link: Finding) -> Draft:
    """The draft of a rule that found by itself what the linker found too: the linker's cause, the rule's story."""
    finding = replace(
        own.finding,
        cause=link.cause,
        location=own.finding.location or link.location,
        symptom=link.symptom or own.finding.symptom,
    )
    return replace(own, finding=finding, match=replace(own.match, link=link))


def fill(text: str, context: Context, values: Mapping[str, str | tuple[str, ...]]) -> str:
    """A rule's text with its placeholders filled in.

    Args:
        text: The text; `{name}` is a value of the match, a fact ("fact.name"), "python" or a distribution's version.
        context: What is judged.
        values: The values of the match.

    Returns:
        The text. Nothing of the target's can be run by it: placeholders are names alone.
    """
    return PLACEHOLDER.sub(lambda found: _value(found[1], context, values), text)


def _value(name: str, context: Context, values: Mapping[str, str | tuple[str, ...]]) -> str:
    if name in values:
        value = values[name]
        return value if isinstance(value, str) else _listed(value)
    if name.startswith("fact."):
        facts = context.facts.get(name.removeprefix("fact."), ())
        return str(facts[0].value) if facts else "unset"
    if name == "python":
        return context.environment.python
    return context.environment.version(name) or "(not installed)"


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _fixes(rule: Rule, match: Match, context: Context) -> tuple[Fix, ...]:
    made = tuple(_fix(fix, match, context) for fix in rule.fixes if _is_offered(fix, match, context))
    return made or (match.link.fixes if match.link else ())


def _is_offered(fix: RuleFix, match: Match, context: Context) -> bool:
    """Whether a fix is for this match, and what it needs is known to be there."""
    if fix.names and match.values.get("name") not in fix.names:
        return False
    if not fix.when:
        return True
    asked = _filled(fix.when, context, match.values)
    return evaluate(context, context.shared.tables.setdefault(repr(asked), asked)).outcome is Outcome.FAILS


def _filled(value: Any, context: Context, values: Mapping[str, str | tuple[str, ...]]) -> Any:
    if isinstance(value, str):
        return fill(value, context, values)
    if isinstance(value, Mapping):
        return {key: _filled(part, context, values) for key, part in value.items()}
    return [_filled(part, context, values) for part in value] if isinstance(value, (list, tuple)) else value


def _fix(fix: RuleFix, match: Match, context: Context) -> Fix:
    reason = fill(fix.reason, context, match.values)
    require = tuple(line for text in fix.require for line in _requirements(text, match, context))
    summary = fill(fix.summary, context, match.values) or ", ".join(require)
    if fix.kind != "edit":
        return Fix(fix.kind, fix.safety, summary, require, reason=reason)
    location = _anchor(fix, match, context)
    if location is None or (fix.operation == OPTION and not location.path.endswith(SHELL)):
        # no script was given, so there is nothing to edit: say what to write
        return Fix("config", Safety.MANUAL, summary, reason=reason)
    arguments = {name: fill(text, context, match.values) for name, text in fix.arguments.items()}
    if fix.operation in KEYWORD_EDITS and not _finds(fix.operation, arguments, location, context):
        return Fix("config", Safety.MANUAL, f"{summary}, where the script puts the arguments together", reason=reason)
    return Fix("edit", fix.safety, summary, edit=Edit(fix.operation, location, arguments), reason=reason)


def _finds(operation: str, arguments: Mapping[str, str], location: Location, context: Context) -> bool:
    """Whether an edit of a call's keyword finds it there: what a call unpacks may come from anywhere."""
    script = context.script
    if script is None or script.config is not None or script.path != location.path:
        return True
    name = arguments.get("old") or arguments.get("name", "")
    return is_written(script.source, location, name, adds=operation == "set_keyword")


def _requirements(text: str, match: Match, context: Context) -> tuple[str, ...]:
    whole = PLACEHOLDER.fullmatch(text)
    value = match.values.get(whole[1]) if whole else None
    return value if isinstance(value, tuple) else (fill(text, context, match.values),)


def _anchor(fix: RuleFix, match: Match, context: Context) -> Location | None:
    if fix.anchor == FINDING:
        return match.location
    return next((fact.location for fact in context.facts.get(fix.anchor, ()) if fact.location), None)


def _cited(evidence: Evidence) -> str:
    return f"{evidence.claim} ({evidence.source}, {evidence.checked})"


def _weaker(one: Severity, other: Severity) -> Severity:
    return max(one, other, key=SEVERITIES.index)
