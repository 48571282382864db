"""One broken root, one finding: decorate what the linker found, drop what follows from something else, group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sftdoctor.drafts import CONFIDENCES, SEVERITIES, Draft, absorb
from sftdoctor.model import Cause, Finding, Location, Severity

Key = tuple[Any, ...]


def merged(links: Sequence[Finding], drafts: Sequence[Draft]) -> tuple[Finding, ...]:
    """Merge the linker's findings and those of the rules.

    Args:
        links: The linker's findings, in the order of the run.
        drafts: The findings that rules made, those that decorate one of the linker's among them.

    Returns:
        The findings, worst first, one for each root.
    """
    drafts = _absorbed(drafts, links)
    decorated = _decorated(links, drafts)
    alone = [own for own in drafts if own.match.link is None]
    missing = frozenset(name for own in alone if _is_core_missing(own) for name in own.values("name"))
    told = _told_by_rules(decorated, alone)
    decorated = [own for own in decorated if not _asks_missing(own, missing) and id(own) not in told]
    everything = _unique([*alone, *decorated])
    declared = [own for own in everything if own.is_declared]
    others = _grouped([own for own in everything if not own.is_declared])
    others, declared = _joined(others, [own for own in declared if not missing.intersection(own.values("dependency"))])
    return tuple(own.finding for own in sorted([*others, *declared], key=_rank))


def _absorbed(drafts: Sequence[Draft], links: Sequence[Finding]) -> list[Draft]:
    """Rules that judged for themselves what the linker found too take its finding over."""
    by_name: dict[str, list[Finding]] = {}
    for link in links:
        if link.cause is not None:
            by_name.setdefault(link.cause.name, []).append(link)
    result: list[Draft] = []
    for own in drafts:
        cause = own.finding.cause if own.match.link is None else None
        same = [link for link in by_name.get(cause.name, ()) if _same(own, link)] if cause else []
        result.extend(absorb(own, link) for link in same)
        if not same:
            result.append(own)
    return result


def _same(own: Draft, link: Finding) -> bool:
    mine, its = own.finding.cause, link.cause
    if own.rule is None or mine is None or its is None or mine.callee is None or its.callee is None:
        return False
    caller = its.caller.distribution if its.caller else ""
    return (
        mine.callee.distribution == its.callee.distribution
        and _last(mine.callee.symbol) == _last(its.callee.symbol)
        and caller in own.rule.applies
        and caller != mine.callee.distribution
    )


def _last(symbol: str | None) -> str:
    return (symbol or "").rpartition(".")[2]


def _decorated(links: Sequence[Finding], drafts: Sequence[Draft]) -> list[Draft]:
    """Each of the linker's findings, told by the rule that speaks of it most closely."""
    by_link: dict[int, list[Draft]] = {}
    for own in drafts:
        if own.match.link is not None:
            by_link.setdefault(id(own.match.link), []).append(own)
    result = []
    for link in links:
        telling = by_link.get(id(link))
        result.append(min(telling, key=_distance) if telling else Draft(link))
    return result


def _distance(own: Draft) -> Key:
    assert own.rule is not None  # only rules tell
    return own.is_page, -len(own.rule.applies) - len(own.rule.fails), own.rule.id


def _is_core_missing(own: Draft) -> bool:
    return own.rule is not None and own.rule.fails["probe"] == "core-missing"


def _asks_missing(own: Draft, missing: frozenset[str]) -> bool:
    """Whether a link breaks for no other reason than that a distribution is not installed that is named already."""
    callee = own.finding.cause.callee if own.finding.cause else None
    return callee is not None and callee.version is None and callee.distribution in missing


def _told_by_rules(linked: Sequence[Draft], rules: Sequence[Draft]) -> set[int]:
    """Ids of drafts for a library's own refusals that a rule tells too, with more of its reason and its remedy."""
    refusals = [own for own in linked if own.finding.rule == "refused-arguments"]
    told: set[int] = set()
    for rule in rules if refusals else ():
        same = [own for own in refusals if rule.speaks_of(own.finding.symptom) and _file(own) == _file(rule)]
        told.update(id(own) for own in same if len(same) == 1 or _spans(own.finding.location, rule.finding.location))
    return told


def _file(own: Draft) -> str | None:
    return own.finding.location.path if own.finding.location else None


def _spans(call: Location | None, place: Location | None) -> bool:
    """Whether a place lies in a call, counted in lines."""
    if call is None or place is None or not call.line or not place.line:
        return False
    return call.line <= place.line <= (call.end_line or call.line)


def _unique(drafts: Iterable[Draft]) -> list[Draft]:
    """Without what two scripts, or two conditions of one rule, made alike."""
    found: dict[Key, Draft] = {}
    for own in drafts:
        finding = own.finding
        key = (finding.id, finding.message, finding.location, _cause_key(finding.cause), _caller_line(finding.cause))
        found.setdefault(key, own)
    return list(found.values())


def _caller_line(cause: Cause | None) -> Key:
    return (cause.caller.module, cause.caller.line) if cause and cause.caller else ()


def _cause_key(cause: Cause | None) -> Key:
    if cause is None:
        return ()
    callee = cause.callee
    return (cause.name, callee.distribution, callee.symbol or callee.module) if callee else (cause.name,)


def _grouped(drafts: Sequence[Draft]) -> list[Draft]:
    """Many callers of one broken thing are one finding; each place in a script stays, since each is edited."""
    groups: dict[Key, list[Draft]] = {}
    for number, own in enumerate(drafts):
        linked = own.rule is None or own.match.link is not None
        # what a rule found by itself is one thing each
        key = (own.finding.id, own.finding.location, _root(own.finding)) if linked else (number,)
        groups.setdefault(key, []).append(own)
    return [_one(group) for group in groups.values()]


def _root(finding: Finding) -> Key:
    cause = finding.cause
    if cause is None:
        return (finding.message,)
    if finding.rule == "missing-module" and cause.callee is not None and cause.callee.version is None:
        return (cause.callee.distribution,)
    return _cause_key(cause)


def _one(group: Sequence[Draft]) -> Draft:
    first = min(group, key=lambda own: (CONFIDENCES.index(own.finding.confidence), group.index(own)))
    places = dict.fromkeys(_caller_line(own.finding.cause) for own in group)
    if len(places) < 2:
        return first
    more = len(places) - 1
    return _said(first, f"The same in {more} more {'place' if more == 1 else 'places'}.")


def _said(own: Draft, sentence: str, finding: Mapping[str, Any] | None = None) -> Draft:
    said = own.finding.message
    end = "" if said.endswith((".", "!", "?")) else "."  # of an error's own words
    message = f"{said}{end} {sentence}"
    return replace(own, finding=replace(own.finding, message=message, **(finding or {})))


def _joined(others: Sequence[Draft], declared: Sequence[Draft]) -> tuple[list[Draft], list[Draft]]:
    """A declared conflict between two distributions that really break on each other is told with the break."""
    told: list[Draft] = []
    left = list(declared)
    for own in others:
        also = [one for one in left if _pair(one.finding.cause) == _pair(own.finding.cause)]
        if also and own.finding.severity is Severity.ERROR:
            left = [one for one in left if one not in also]
            fixes = own.finding.fixes or tuple(fix for one in also for fix in one.finding.fixes)
            own = _said(own, " ".join(_declares(one) for one in also), {"fixes": fixes})
        told.append(own)
    return told, left


def _declares(own: Draft) -> str:
    values = {name: " ".join(own.values(name)) for name in ("distribution", "extra", "requirement")}
    if values["extra"]:
        return f"{values['distribution']}'s extra {values['extra']!r} asks for {values['requirement']}."
    return f"{values['distribution']} declares {values['requirement']}."


def _pair(cause: Cause | None) -> tuple[str, str] | None:
    if cause is None or cause.caller is None or cause.callee is None:
        return None
    return cause.caller.distribution, cause.callee.distribution


def _rank(own: Draft) -> Key:
    """Worst and surest first; among equals what is not installed, then the links in the order of the run."""
    linked = own.rule is None or own.match.link is not None
    turn = 0 if _is_core_missing(own) else 1 if linked else 2
    return SEVERITIES.index(own.finding.severity), CONFIDENCES.index(own.finding.confidence), turn
