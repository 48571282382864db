"""From a Report to a Plan: what to change, in which order, and what is left out and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Action, Edit, Environment, Finding, Fix, LeftOut, Plan, Report, Safety
from sftdoctor.repair import compare
from sftdoctor.repair.edits import decode, edit_source, read_script, render_diff
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Event, Listener, silent
from sftdoctor.repair.weights import Weight, is_older, weight_of

RANK = {Safety.SAFE: 0, Safety.UNSAFE: 1, Safety.MANUAL: 2}


def make_plan(
    report: Report,
    *,
    oracle: Oracle,
    keep: Mapping[str, str | None] | None = None,
    unsafe: bool = False,
    offline: bool = False,
    cache: Path | None = None,
    timeout: float = 300.0,
    on_event: Listener = silent,
) -> Plan:
    """Merge the fixes of all findings into the smallest set of actions that the linker finds clean.

    Changes nothing. Fetches candidate wheels into the cache unless offline.

    Args:
        report: What is wrong, from check.
        oracle: Judges a candidate environment or a changed script (repair.oracle.JudgeOracle is the real one).
        keep: Distributions that must stay, by canonical name: a version that they must have, or None for
            the one that is there.
        unsafe: Take the actions that are unsafe too; manual ones are always left out.
        offline: Ask no index; only what is in the cache can be tried.
        cache: Folder of the cache; None for folders.cache_folder().
        timeout: Seconds for the whole search; what was found until then is planned.
        on_event: Told what is being tried.

    Returns:
        The actions in order (packages first), and what is left out with the reason.

    Raises:
        RepairError: The resolver does not work.
        OfflineError: The index cannot be reached although it is allowed and needed.
    """
    wrong = [one for one in report.findings if compare.matters(one)]
    edits = _Edits(report, oracle, unsafe, on_event)
    rest = [finding for finding in wrong if not edits.take(finding)]
    asked = [one for one in rest if _by_packages(one, unsafe)]
    options = _Options(oracle, keep or {}, unsafe, offline, cache, timeout, on_event)
    packages, left = _packages(report, asked, options)
    others = [one for one in rest if one not in asked]
    left += [reason for one in others if (reason := _unsolved(one, unsafe)) is not None]
    return Plan((*packages, *edits.actions()), (*left, *edits.left))


def _by_packages(finding: Finding, unsafe: bool) -> bool:
    """Whether the search for versions may be tried on a finding."""
    written = [fix for fix in finding.fixes if fix.kind == "package" and fix.require]
    if written:
        return any(fix.safety is Safety.SAFE or (unsafe and fix.safety is Safety.UNSAFE) for fix in written)
    # A link that breaks between two packages is cured by versions even where no rule says which.
    return compare.is_error(finding) and finding.cause is not None and finding.location is None


def _unsolved(finding: Finding, unsafe: bool) -> LeftOut | None:
    """What is said about a finding for which nothing can be done by itself."""
    fix = min(finding.fixes, key=lambda one: RANK[one.safety], default=None)
    if fix is None:
        if not compare.is_error(finding):
            return None
        name = finding.location.path if finding.location else finding.id
        action = Action("command", name, None, None, Safety.MANUAL, finding.title, (finding.id,))
        return LeftOut(action, "no remedy is known: see `sftdoctor rules " + finding.id + "`")
    action = _action_of(fix, finding)
    if fix.safety is Safety.UNSAFE and not unsafe:
        return LeftOut(action, f"unsafe; --unsafe takes it: {fix.reason or fix.summary}")
    return LeftOut(action, f"to be done by hand: {fix.summary or fix.reason}")


def _action_of(fix: Fix, finding: Finding) -> Action:
    place = fix.edit.location.path if fix.edit else finding.location.path if finding.location else ""
    name = ", ".join(fix.require) or place or finding.id
    return Action(fix.kind, name, None, None, fix.safety, fix.reason or fix.summary, (finding.id,), fix.edit)


# --- packages -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Options:
    """What make_plan was asked."""

    oracle: Oracle
    keep: Mapping[str, str | None]
    unsafe: bool
    offline: bool
    cache: Path | None
    timeout: float
    on_event: Listener


def _packages(report: Report, findings: list[Finding], options: _Options) -> tuple[list[Action], list[LeftOut]]:
    """The actions that cure what breaks; warnings are cured along, or alone where that moves one package only."""
    errors = [one for one in findings if compare.is_error(one)]
    if errors:
        actions, left, after = _searched(report, errors, options)
        warnings = [one for one in findings if one not in errors]
        there = compare.count(after.findings)
        why = "only a warning: not worth another change of the environment"
        return actions, [*left, *(_not_found(one, why) for one in warnings if there[compare.key(one)])]
    return _searched(report, findings, options)[:2] if findings else ([], [])


def _searched(report: Report, findings: list[Finding], options: _Options) -> tuple[list[Action], list[LeftOut], Report]:
    """Actions, what is left out, and the report as it would be after the actions."""
    from sftdoctor.repair.solve import FEW, JUDGED, Search, Solver

    solver = Solver(
        report,
        options.oracle,
        keep=options.keep,
        offline=options.offline,
        cache=options.cache,
        timeout=options.timeout,
        on_event=options.on_event,
        limit=JUDGED if any(compare.is_error(one) for one in findings) else FEW,
    )
    try:
        search: Search = solver.search(tuple(findings))
    except OfflineError as error:
        if not options.offline:
            raise
        return [], [_not_found(one, f"{error.message}; leave --offline out") for one in findings], report
    chosen = search.chosen
    if chosen is None or chosen.report is None:
        return [], [_not_found(one, search.why_not(report)) for one in findings], report
    reasons = {name: move.reason for move in chosen.moves for name in move.wanted}
    wanted = {name for move in chosen.moves for name in move.wanted}
    actions = [
        _package_action(report.environment, name, version, reasons.get(name), chosen.findings, wanted)
        for name, version in sorted(chosen.versions.items(), key=lambda one: (one[0] not in wanted, one[0]))
    ]
    there = {compare.key(one) for one in chosen.report.findings}
    left = [_not_found(one, "no version cures this one") for one in findings if compare.key(one) in there]
    if not options.unsafe and any(action.safety is not Safety.SAFE for action in actions):
        # They belong together: a part of the set would not resolve.
        heavy = ", ".join(action.name for action in actions if action.safety is not Safety.SAFE)
        why = f"--unsafe takes it: the set changes {heavy}"
        return [], [*left, *(LeftOut(one, why) for one in actions)], report
    return actions, left, chosen.report


def _package_action(
    environment: Environment,
    name: str,
    version: str,
    reason: str | None,
    findings: tuple[str, ...],
    wanted: set[str],
) -> Action:
    old = environment.version(name)
    weight = weight_of(name, environment.distributions.get(name))
    # Another torch is gigabytes, and may not fit the driver: that is the user's to decide.
    safety = Safety.UNSAFE if weight is Weight.DEAR else Safety.SAFE
    if reason is None:
        other = ", ".join(sorted(wanted))
        reason = f"{other} {'need' if len(wanted) > 1 else 'needs'} it" if old is None else f"it has to go with {other}"
    if old is not None and is_older(version, old):
        reason += " (going back is the smallest change that links clean)"
    return Action("package", name, old, version, safety, reason, findings)


def _not_found(finding: Finding, reason: str) -> LeftOut:
    fix = next((one for one in finding.fixes if one.kind == "package"), None)
    if fix is not None:
        return LeftOut(_action_of(fix, finding), reason)
    cause = finding.cause
    name = (cause.callee or cause.caller).distribution if cause and (cause.callee or cause.caller) else finding.id  # type: ignore[union-attr]
    return LeftOut(Action("package", name, None, None, Safety.MANUAL, finding.title, (finding.id,)), reason)


# --- edits --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Taken:
    """One accepted edit."""

    finding: Finding
    fix: Fix
    edit: Edit


@dataclass
class _File:
    """A script with the edits that have been accepted so far."""

    name: str
    original: bytes
    now: bytes
    taken: list[_Taken]


class _Edits:
    """Collects edits, one finding at a time; each must parse, link, cure its finding and bring nothing new."""

    def __init__(self, report: Report, oracle: Oracle, unsafe: bool, on_event: Listener) -> None:
        self.now = report
        """As it would be after the edits that were accepted."""
        self.oracle = oracle
        self.unsafe = unsafe
        self.on_event = on_event
        self.files: dict[str, _File] = {}
        self.left: list[LeftOut] = []

    def take(self, finding: Finding) -> bool:
        """Take the first edit that a finding offers and that may be made; whether the finding is dealt with."""
        refused: list[LeftOut] = []
        for fix in finding.fixes:
            allowed = fix.safety is Safety.SAFE or (self.unsafe and fix.safety is Safety.UNSAFE)
            if fix.kind != "edit" or fix.edit is None or not allowed:
                continue
            reason = self._try(_Taken(finding, fix, fix.edit))
            if not reason:
                return True
            refused.append(LeftOut(_action_of(fix, finding), reason))
        self.left += refused
        return bool(refused) and not any(fix.kind == "package" for fix in finding.fixes)

    def _try(self, wish: _Taken) -> str:
        """Why the edit cannot be made; empty where it was taken."""
        name = wish.edit.location.path
        self.on_event(Event("editing", f"{name}:{wish.edit.location.line} {wish.edit.operation}"))
        key = compare.key(wish.finding)
        try:
            file = self._file(name)
            taken = [*file.taken, wish]
            new = _carry_out(file.original, taken)
            text = decode(new, name)[0]
        except RepairError as error:
            return error.message
        if new == file.now:
            gone = not compare.count(self.now.findings)[key]
            return "" if gone else "the edit changes nothing"
        after = self.oracle.script(name, text)
        if compare.count(after.findings)[key] >= compare.count(self.now.findings)[key]:
            return "the finding would still be there"
        came = compare.came(self.now, after)
        if came:
            return f"the script would then have {came[0].id}: {came[0].message}"
        file.now, file.taken, self.now = new, taken, after
        return ""

    def _file(self, name: str) -> _File:
        real = os.path.realpath(name)
        if real not in self.files:
            source = read_script(Path(name))
            self.files[real] = _File(name, source, source, [])
        return self.files[real]

    def actions(self) -> list[Action]:
        """The accepted edits in the order in which they are to be made, each with its own diff."""
        found = []
        for file in self.files.values():
            now = file.original
            for one in _in_order(file.taken):
                new = edit_source(now, one.edit)
                if new == now:
                    continue  # an edit for another finding has done it
                diff = render_diff(decode(now, file.name)[0], decode(new, file.name)[0], file.name)
                found.append(replace(_action_of(one.fix, one.finding), name=file.name, diff=diff))
                now = new
        return found


def _carry_out(source: bytes, taken: list[_Taken]) -> bytes:
    for one in _in_order(taken):
        source = edit_source(source, one.edit)
    return source


def _in_order(taken: list[_Taken]) -> list[_Taken]:
    """From the end of the file to its beginning, so that no edit moves the place of the next."""
    return sorted(taken, key=lambda one: (one.edit.location.line or 0, one.edit.location.column or 0), reverse=True)
