"""From a Report to a Plan: what to change, in which order, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sftdoctor import goals
from sftdoctor.errors import OfflineError
from sftdoctor.model import Action, Alternative, Environment, Finding, LeftOut, Plan, Report, Safety
from sftdoctor.repair import compare
from sftdoctor.repair.candidates import Move
from sftdoctor.repair.mend import Mender, action_of
from sftdoctor.repair.oracle import Oracle, Sources
from sftdoctor.repair.progress import Listener, silent
from sftdoctor.repair.resolver import read_requirement
from sftdoctor.repair.search import Candidate
from sftdoctor.repair.weights import Weight, is_older, weight_of

NAMED = 3
"""Packages that one reason names."""
RANK = {Safety.SAFE: 0, Safety.UNSAFE: 1, Safety.MANUAL: 2}


def make_plan(
    report: Report,
    *,
    oracle: Oracle,
    keep: Mapping[str, str | None] | None = None,
    unsafe: bool = False,
    compatible: bool = False,
    alternatives: bool = False,
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
        keep: Distributions that must stay, by canonical name: the versions that they may have ("==0.17.1",
            ">=0.9,<1"), or None for the one that is there.
        unsafe: Take the actions that are unsafe too; manual ones are always left out.
        compatible: Edit scripts so that they go on working where the old names are still there.
        alternatives: Go on looking, once a set of versions is found, for what else would do.
        offline: Ask no index; only what is in the cache can be tried.
        cache: Folder of the cache; None for folders.cache_folder().
        timeout: Seconds for the whole search; what was found until then is planned.
        on_event: Told what is being tried.

    Returns:
        The actions in order (packages first), and what is left out with the reason.

    Raises:
        RepairError: The resolver does not work.
        OfflineError: The index cannot be reached although it is allowed and needed, and nothing can be done without.
    """
    mender = Mender(report, oracle, unsafe, on_event, compatible)
    mender.mend()
    rest = [one for one in mender.now.findings if compare.matters(one)]
    asked = [one for one in rest if goals.by_versions(one, unsafe)]
    mending = _Mending(mender, oracle)
    options = _Options(mending, keep or {}, unsafe, offline, cache, timeout, on_event, alternatives, bool(mender.steps))
    packages, left, after = _packages(mender.now, asked, options)
    mender = mending.behind(after) or mender
    there = compare.count(after.findings)
    for one in rest:
        if one not in asked and there[compare.key(one)]:
            left += mender.leave(one) or _unsolved(one, unsafe)
    steps = tuple(step.action() for step in mender.steps)
    others = tuple(options.others)
    return Plan((*packages, *steps), tuple(left), mender.diffs(), after.findings, others)


class _Mending:
    """An oracle that makes the edits which a candidate environment calls for, so that both are planned together.

    Args:
        mender: With the edits that the present environment calls for.
        oracle: The judge.
    """

    def __init__(self, mender: Mender, oracle: Oracle) -> None:
        self.mender = mender
        self.oracle = oracle
        self.made: dict[int, tuple[Report, Mender]] = {}

    def judge(self, environment: Environment, sources: Sources) -> Report:
        """Judge a candidate with the edited scripts; what its change uncovers in them is edited too."""
        report = self.oracle.judge(environment, {**self.mender.sources, **sources})
        mender = self.mender.on(report)
        if any(one.location for one in compare.came(self.mender.now, report)):
            mender.mend()
        self.made[id(mender.now)] = mender.now, mender
        return mender.now

    def foresee(self, environments: Sequence[Environment], sources: Sources) -> None:
        """Judge several candidates at a time."""
        self.oracle.foresee(environments, {**self.mender.sources, **sources})

    def behind(self, report: Report) -> Mender | None:
        """The edits that led to a report."""
        return self.made[id(report)][1] if id(report) in self.made else None


def _unsolved(finding: Finding, unsafe: bool) -> list[LeftOut]:
    """What is said about a finding for which nothing can be done by itself."""
    fix = min(finding.fixes, key=lambda one: RANK[one.safety], default=None)
    if fix is None:
        if not compare.is_error(finding):
            return []
        name = finding.location.path if finding.location else finding.id
        action = Action("command", name, None, None, Safety.MANUAL, finding.title, (finding.id,))
        return [LeftOut(action, "no remedy is known: see `sftdoctor rules " + finding.id + "`")]
    action = action_of(fix, finding)
    if fix.safety is Safety.UNSAFE and not unsafe:
        return [LeftOut(action, f"{goals.WITH_UNSAFE}: {fix.reason or fix.summary}")]
    return [LeftOut(action, f"to be done by hand: {fix.summary or fix.reason}")]


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
    alternatives: bool
    edits: bool
    """Whether there is something to do that needs no package."""
    others: list[Alternative] = field(default_factory=list)
    """What the search considered and did not take."""


def _packages(report: Report, findings: list[Finding], options: _Options) -> tuple[list[Action], list[LeftOut], Report]:
    """The actions that cure what breaks; warnings are cured along, or alone where that moves one package only."""
    goal = goals.searched(findings, options.unsafe)
    if not goal:
        return [], [], report
    actions, left, after = _searched(report, goal, options)
    there = compare.count(after.findings)
    others = [one for one in findings if one not in goal and there[compare.key(one)]]
    why = "only a warning: not worth another change of the environment"
    return actions, [*left, *(_not_found(one, why) for one in others)], after


def _searched(report: Report, findings: list[Finding], options: _Options) -> tuple[list[Action], list[LeftOut], Report]:
    """Actions, what is left out, and the report as it would be after the actions."""
    from sftdoctor.repair.solve import FEW, JUDGED, Solver

    solver = Solver(
        report,
        options.oracle,
        keep=options.keep,
        offline=options.offline,
        cache=options.cache,
        timeout=options.timeout,
        on_event=options.on_event,
        limit=JUDGED if any(compare.is_error(one) for one in findings) else FEW,
        alternatives=options.alternatives,
    )
    try:
        search = solver.search(tuple(findings))
    except OfflineError as error:
        if not options.offline and not options.edits:
            raise
        said = error.message.partition("\n")[0]  # what can be done by edits alone is not held up by a network
        why = f"{said}; leave --offline out" if options.offline else said
        return [], [_not_found(one, why) for one in findings], report
    options.others.extend(search.others(report, findings))
    chosen = search.chosen
    if chosen is None or chosen.report is None:
        return [], [_not_found(one, search.why_not(report)) for one in findings], report
    by_name = {name: move for move in chosen.moves for name in move.wanted}
    actions = [
        _package_action(report.environment, name, version, by_name.get(name), chosen)
        for name, version in sorted(chosen.versions.items(), key=lambda one: (one[0] not in by_name, one[0]))
    ]
    there = {compare.key(one) for one in chosen.report.findings}
    left = [_not_found(one, "no version cures this one") for one in findings if compare.key(one) in there]
    left += [
        _not_found(one, f"comes with this set, as a warning: {one.title}")
        for one in compare.came(report, chosen.report)
    ]
    if not options.unsafe and any(action.safety is not Safety.SAFE for action in actions):
        # They belong together: a part of the set would not resolve.
        heavy = [action.name for action in actions if action.safety is not Safety.SAFE]
        more = f" and {len(heavy) - NAMED} more" if len(heavy) > NAMED else ""
        why = f"{goals.WITH_UNSAFE}: the set changes {', '.join(heavy[:NAMED])}{more}"
        return [], [*left, *(LeftOut(one, why) for one in actions)], report
    return actions, left, chosen.report


def _package_action(environment: Environment, name: str, version: str, move: Move | None, chosen: Candidate) -> Action:
    old = environment.version(name)
    weight = weight_of(name, environment.distributions.get(name))
    # Another torch is gigabytes, and may not fit the driver: that is the user's to decide. The first replaces nothing.
    replaces = environment.version("torch") is not None
    safety = Safety.UNSAFE if weight is Weight.DEAR and replaces else Safety.SAFE
    reason = move.reason if move else _why_along(name, chosen)
    if old is not None and is_older(version, old):
        reason += " (going back is the smallest change that links clean)"
    findings = move.findings if move else chosen.findings
    return Action("package", name, old, version, safety, reason, findings, along=move is None)


def _why_along(name: str, chosen: Candidate) -> str:
    """Which of the changed packages asks for one that goes along, and for what."""
    after = chosen.report.environment.distributions if chosen.report else {}
    for other in sorted(chosen.versions, key=lambda one: (one not in chosen.wanted, one)):
        for text in after[other].requires if other in after else ():
            need = read_requirement(text)
            if need is None or canonicalize_name(need.name) != name or not _asks(need, chosen.report):
                continue
            if need.specifier.contains(chosen.versions[name], prereleases=True):
                return f"{other} {chosen.versions[other]} needs {name}{need.specifier}"
    return f"it has to go with {', '.join(sorted(chosen.wanted))}"


def _asks(need: Requirement, report: Report | None) -> bool:
    """Whether a requirement holds without any extra, on the target."""
    markers = report.environment.markers if report else {}
    return need.marker is None or need.marker.evaluate({**markers, "extra": ""})


def _not_found(finding: Finding, reason: str) -> LeftOut:
    fix = next((one for one in finding.fixes if one.kind == "package"), None)
    if fix is not None:
        return LeftOut(action_of(fix, finding), reason)
    cause = finding.cause
    name = (cause.callee or cause.caller).distribution if cause and (cause.callee or cause.caller) else finding.id  # type: ignore[union-attr]
    return LeftOut(Action("package", name, None, None, Safety.MANUAL, finding.title, (finding.id,)), reason)
