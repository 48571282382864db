"""Script edits for the findings of a report: each must parse, cure its finding, and break nothing by itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.goals import may_take
from sftdoctor.model import Action, Edit, Finding, Fix, LeftOut, Location, Report, Safety
from sftdoctor.repair import compare
from sftdoctor.repair.document import decode
from sftdoctor.repair.edits import Edited, carry_out, read_script, render_diff
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Event, Listener

ROUNDS = 60
"""An edit can uncover the next break of a script; so often at most."""


@dataclass(frozen=True)
class Step:
    """One edit that was taken, with the file before and after."""

    path: str
    """The file as the user named it."""
    before: bytes
    after: Edited
    fix: Fix
    edit: Edit
    """Where it is made in the file as it is then."""
    findings: tuple[str, ...]

    def action(self) -> Action:
        """The step as a plan shows it."""
        diff = _diff(self.path, self.before, self.after.source)
        reason = self.fix.summary
        if self.fix.safety is not Safety.SAFE:
            reason = ": ".join(filter(None, (reason, self.fix.reason)))  # why it is not safe
        return Action("edit", self.path, None, None, self.fix.safety, reason, self.findings, self.edit, diff)


def _diff(path: str, before: bytes, after: bytes) -> str:
    return render_diff(decode(before, path)[0], decode(after, path)[0], path)


@dataclass(frozen=True)
class _Wish:
    """An edit that a finding offers."""

    finding: Finding
    fix: Fix
    edit: Edit


@dataclass
class Mender:
    """Edits scripts, one finding after the other, until nothing more can be cured by an edit.

    Attributes:
        now: The report as it is after the edits that were taken.
        oracle: Judges a changed script.
        unsafe: Whether unsafe edits may be taken.
        compatible: Whether the scripts are to go on working where the old names are still there.
        on_event: Told what is being edited.
        steps: The edits that were taken, in order.
        refused: Why the edits of a finding cannot be made.
    """

    now: Report
    oracle: Oracle
    unsafe: bool
    on_event: Listener
    compatible: bool = False
    steps: list[Step] = field(default_factory=list)
    refused: dict[compare.Key, list[LeftOut]] = field(default_factory=dict)
    _sources: dict[str, bytes] = field(default_factory=dict)
    _tried: dict[tuple[compare.Key, int], int] = field(default_factory=dict)
    """Refused edits, and how many edits had been made then."""

    def on(self, report: Report) -> Mender:
        """The same scripts with the edits so far, in another environment."""
        other = Mender(report, self.oracle, self.unsafe, self.on_event, self.compatible, list(self.steps))
        other._sources = dict(self._sources)
        return other

    @property
    def sources(self) -> dict[str, bytes]:
        """The changed scripts by their real path."""
        return dict(self._sources)

    def diffs(self) -> dict[str, str]:
        """What the steps come to, by file."""
        first: dict[str, bytes] = {}
        last: dict[str, bytes] = {}
        for step in self.steps:
            first.setdefault(step.path, step.before)
            last[step.path] = step.after.source
        return {path: _diff(path, before, last[path]) for path, before in first.items()}

    def mend(self) -> None:
        """Take every edit that cures a finding; one that was refused is tried again once others were made."""
        for _ in range(ROUNDS):
            wishes = self._wishes(lambda refused: False) or self._wishes(lambda refused: refused < len(self.steps))
            if not wishes:
                return
            if len(wishes) > 1 and self._all(wishes):
                continue
            for wish in wishes:
                if self._one(wish):
                    break  # the places of the others may have moved
            else:
                continue

    def leave(self, finding: Finding) -> list[LeftOut]:
        """Why the edits that a finding offers were not taken."""
        return self.refused.get(compare.key(finding), [])

    def _wishes(self, again: Callable[[int], bool]) -> list[_Wish]:
        """Of each finding the first edit that may be made.

        Args:
            again: Whether one is to be tried again that was refused when so many edits had been made.
        """
        found: list[_Wish] = []
        for finding in self.now.findings:
            if not compare.matters(finding):
                continue
            for index, fix in enumerate(finding.fixes):
                refused = self._tried.get((compare.key(finding), index))
                if self._permitted(fix) and fix.edit is not None and (refused is None or again(refused)):
                    found.append(_Wish(finding, fix, replace(fix.edit, compatible=self.compatible)))
                    break
        return found

    def _permitted(self, fix: Fix) -> bool:
        return fix.kind == "edit" and may_take(fix.safety, self.unsafe)

    def _all(self, wishes: Sequence[_Wish]) -> bool:
        """Make all edits at once, which one judgement is enough for; whether every one of them did its work."""
        sources, steps = dict(self._sources), list(self.steps)
        done: list[Edited] = []
        try:
            for wish in wishes:
                edit = _placed(wish.edit, steps[len(self.steps) :])
                self._make(replace_edit(wish, edit), sources, steps, done)
        except RepairError:
            return False
        return not self._judged(wishes, sources, steps, done)

    def _one(self, wish: _Wish) -> bool:
        """Make one edit; whether it was taken."""
        sources, steps, done = dict(self._sources), list(self.steps), list[Edited]()
        try:
            self._make(wish, sources, steps, done)
            reason = self._judged((wish,), sources, steps, done)
        except RepairError as error:
            reason = error.message
        if reason:
            key = compare.key(wish.finding)
            self._tried[key, wish.finding.fixes.index(wish.fix)] = len(self.steps)
            left = LeftOut(action_of(wish.fix, wish.finding), reason)
            self.refused[key] = [*(one for one in self.leave(wish.finding) if one.action != left.action), left]
        return not reason

    def _make(self, wish: _Wish, sources: dict[str, bytes], steps: list[Step], done: list[Edited]) -> None:
        path = wish.edit.location.path
        real = os.path.realpath(path)
        self.on_event(Event("editing", f"{path}:{wish.edit.location.line} {wish.edit.operation}"))
        before = sources[real] if real in sources else read_script(Path(path))
        after = carry_out(before, wish.edit)
        if after.source == before:
            return
        sources[real] = after.source
        steps.append(Step(path, before, after, wish.fix, wish.edit, (wish.finding.id,)))
        done.append(after)

    def _judged(
        self, wishes: Sequence[_Wish], sources: dict[str, bytes], steps: list[Step], done: Sequence[Edited]
    ) -> str:
        """Why the edits are no good; empty where they were taken."""
        if sources == self._sources:
            return "the edit changes nothing"
        after = self.oracle.judge(self.now.environment, sources)
        fresh = steps[len(self.steps) :]
        if any(self._remains(wish.finding, after, fresh) for wish in wishes):
            return "the finding would still be there"
        came = [one for one in compare.came(self.now, after) if not _is_uncovered(one, wishes, done)]
        if came:
            return f"the script would then have {came[0].id}: {came[0].message}"
        self._sources, self.steps, self.now = sources, steps, after
        return ""

    def _remains(self, finding: Finding, after: Report, fresh: Sequence[Step]) -> bool:
        """Whether a finding is still there: at its place, as the same mistake further down is another."""
        key = compare.key(finding)
        same = [one for one in after.findings if compare.key(one) == key]
        if finding.location is None or finding.location.line is None:
            return len(same) >= compare.count(self.now.findings)[key]
        place = _moved(finding.location, fresh)
        found = [one.location for one in same if one.location is not None]
        return any((one.path, one.line, one.column) == (place.path, place.line, place.column) for one in found)


def replace_edit(wish: _Wish, edit: Edit) -> _Wish:
    """The same wish at another place."""
    return replace(wish, edit=edit)


def action_of(fix: Fix, finding: Finding) -> Action:
    """A fix as the plan shows it that does not take it."""
    place = fix.edit.location.path if fix.edit else finding.location.path if finding.location else ""
    name = ", ".join(fix.require) or place or finding.id
    return Action(fix.kind, name, None, None, fix.safety, fix.reason or fix.summary, (finding.id,), fix.edit)


def _placed(edit: Edit, steps: Sequence[Step]) -> Edit:
    """An edit where its place is after other edits of the same file."""
    return replace(edit, location=_moved(edit.location, steps))


def _moved(location: Location, steps: Sequence[Step]) -> Location:
    for step in steps:
        if os.path.realpath(step.path) == os.path.realpath(location.path):
            location = step.after.moved(location)
    return location


def _is_uncovered(finding: Finding, wishes: Sequence[_Wish], done: Sequence[Edited]) -> bool:
    """Whether a new finding was there before, behind one that stopped the script: it is not where an edit wrote."""
    if finding.location is None or not any(compare.is_error(wish.finding) for wish in wishes):
        return False
    first = finding.location.line or 0
    place = range(first, (finding.location.end_line or first) + 1)
    return not any(edited.lines.intersection(place) for edited in done)
