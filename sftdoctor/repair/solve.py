"""The search for the smallest set of versions that resolves and links clean."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.specifiers import SpecifierSet

from sftdoctor.errors import OfflineError, RepairError, SftDoctorError
from sftdoctor.folders import cache_folder
from sftdoctor.model import Environment, Finding, Report
from sftdoctor.repair import compare
from sftdoctor.repair.candidates import Candidates, Move, merged
from sftdoctor.repair.hopes import is_hopeless, is_settled
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Event, Listener
from sftdoctor.repair.resolver import Resolver, UnsatisfiableError
from sftdoctor.repair.search import Candidate, Round, Search, Step, drags, label_of
from sftdoctor.repair.weights import Weight, cost_of, own_requirements, weight_of

ROUNDS = 8
"""Breaks that show only when another is cured are cured in further rounds, as are those of another way."""
JUDGED = 20
"""Candidates that are fetched and linked in one search."""
PATIENCE = 6
"""Moves that may fail to better a set that is already a step ahead, before it is taken as it is."""
LATER = 0.6
"""Cost of a guess for each one that comes before it: the first guess is the better one."""
WARNED = 20.0
"""Cost of a warning that comes with a set: more than any package costs, but for torch and its like."""
MORE = 6
"""Moves that are resolved to find alternatives, of which FEW are linked."""
FEW = 3
"""The same, where nothing breaks and only warnings could be cured."""


class Solver:
    """Searches for versions, cheap and near ones first.

    Args:
        report: What is wrong.
        oracle: Judges candidates.
        keep: Name → versions that it may have ("==0.17.1", ">=0.9,<1"), or None for the one that is there.
        offline: Ask no index.
        cache: Cache folder; None for the user's.
        timeout: Seconds for the whole search.
        on_event: Told what is tried.
        limit: Candidates that are fetched and linked at most.
        alternatives: Whether to go on looking, once a set is found, for what else would do.
    """

    def __init__(
        self,
        report: Report,
        oracle: Oracle,
        *,
        keep: Mapping[str, str | None],
        offline: bool,
        cache: Path | None,
        timeout: float,
        on_event: Listener,
        limit: int = JUDGED,
        alternatives: bool = False,
    ) -> None:
        from sftdoctor.target.index import Index

        self.report = report
        self.oracle = oracle
        self.environment = report.environment
        self.keep = dict(keep)
        self.offline = offline
        self.cache = cache or cache_folder()
        self.on_event = on_event
        self.limit = limit
        self.alternatives = alternatives
        self.end = time.monotonic() + timeout
        self.resolver = Resolver(self.environment, keep=self._immovable(), offline=offline)
        held = {name: SpecifierSet(spec) for name, spec in self.keep.items() if spec is not None}
        self.candidates = Candidates(self.environment, Index(cache=self.cache, offline=offline), held)
        self.goal: tuple[Finding, ...] = ()
        self.judged: list[Candidate] = []
        self.ahead: list[Candidate] = []
        """Judged sets that cure something, from which a round may go on."""
        self.refused: dict[str, str] = {}

    def _immovable(self) -> Collection[str]:
        now = self.environment.version
        kept = {name for name, spec in self.keep.items() if spec is None or spec == f"=={now(name)}"}
        return (
            kept
            | own_requirements(self.environment)
            | {name for name, one in self.environment.distributions.items() if one.editable}
        )

    def search(self, findings: tuple[Finding, ...]) -> Search:
        """Find versions that cure these findings and bring nothing new.

        Raises:
            OfflineError: The index is needed and cannot be reached.
            RepairError: The resolver does not work.
        """
        base: Candidate | None = None
        self.goal = findings
        for _ in range(ROUNDS if self.limit > FEW else 1):
            self._round(base, self._open(base))
            base = self._next()
            if base is None:
                break
            if not self._score(base):
                best = self._pruned(self._cheaper(base, findings))
                if self.alternatives:
                    self._look_further(best, findings)
                return self._result(best)
        clean = [one for one in self.judged if one.report and not self._came(one)]
        better = [one for one in clean if len(self._still(one, findings)) < len(findings)]
        return self._result(min(better, key=lambda one: (len(self._still(one, findings)), one.cost), default=None))

    def _open(self, base: Candidate | None) -> tuple[Finding, ...]:
        """What is still to be cured in a set."""
        return (*self._still(base, self.goal), *self._came(base)) if base else self.goal

    def _next(self) -> Candidate | None:
        """The most hopeful of the sets that are a step ahead and that nothing was built upon yet; None for none."""
        if not self.ahead:
            return None
        found = min(self.ahead, key=lambda one: (self._score(one), one.cost))
        self.ahead.remove(found)
        return found

    def _cheaper(self, best: Candidate, findings: tuple[Finding, ...]) -> Candidate:
        """A set of several light moves instead of one heavy one, where that cures everything too."""
        parts = []
        for one in self.judged:
            came = compare.came(self.report, one.report) if one.report else ()
            still = self._still(one, findings)
            if len(still) == len(findings):
                continue
            open_ = (*still, *came)
            cost = one.cost - WARNED * len(came)
            if cost < best.cost and 0 < len(open_) <= len(findings):
                parts.append((cost, one, open_))
        for _, part, open_ in sorted(parts, key=lambda one: one[0])[:2]:
            found = self._round(part, open_, Step(0, best))
            if found is not None and not self._score(found) and found.cost < best.cost:
                best = found
        return best

    def _pruned(self, best: Candidate) -> Candidate:
        """The same without the moves that a later one has made needless."""
        for move in best.moves[:-1]:
            rest = [one for one in best.moves if one is not move]
            if len(rest) == len(best.moves) or time.monotonic() > self.end:
                continue
            fewer = self._resolve(Candidate({}, tuple(rest[:-1]), 0.0), rest[-1], Weight.DEAR)
            if fewer is None or fewer.cost >= best.cost:
                continue
            judged = self._judged_before(fewer) or self._judge(fewer)
            if judged is not None and not self._score(judged):
                best = judged
        return best

    def _look_further(self, best: Candidate, findings: tuple[Finding, ...]) -> None:
        """Judge the first guesses for the packages that the chosen set does not move."""
        moves = merged([move for finding in findings for move in self.candidates.moves(finding)])
        others = [move for move in moves if not best.wanted & set(move.wanted)]
        found = [self._resolve(None, move, Weight.DEAR) for move in sorted(others, key=lambda one: one.rank)[:MORE]]
        for candidate in sorted(filter(None, found), key=lambda one: one.cost)[:FEW]:
            if not self._is_over() and self._judged_before(candidate) is None:
                self._judge(candidate)

    def _judged_before(self, candidate: Candidate) -> Candidate | None:
        same = (one for one in self.judged if dict(one.versions) == dict(candidate.versions))
        return next(same, None)

    def _result(self, chosen: Candidate | None) -> Search:
        note = "the time for the search was over" if time.monotonic() > self.end else ""
        note = note or ("enough candidates were tried" if len(self.judged) >= self.limit and chosen is None else "")
        held = {name: str(spec) for name, spec in self.candidates.held.items() if self.environment.version(name)}
        return Search(chosen, tuple(self.judged), dict(self.refused), held, note)

    def _still(self, candidate: Candidate, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        there = {compare.key(one) for one in candidate.report.findings} if candidate.report else set()
        return tuple(one for one in findings if compare.key(one) in there)

    def _round(
        self, base: Candidate | None, findings: tuple[Finding, ...], best: Step | None = None
    ) -> Candidate | None:
        """The best candidate that goes one move beyond the base.

        The first guesses of all packages come before the second ones, and each may take along only what is as light
        as can be; torch and its like go along only where nothing else helps. Once a set cures everything, only
        guesses that could be cheaper are looked at; `best` is one that is known already.
        """
        moves = merged([move for finding in findings for move in self.candidates.moves(finding)])
        ranks = sorted({move.rank for move in moves})
        around = Round(base, findings)
        tried = since = 0
        for weights in ((Weight.PURE, Weight.COMPILED), (Weight.DEAR,)):
            for rank, limit in ((rank, weight) for rank in ranks for weight in weights):
                if self._is_over():
                    break
                if best and tried - since >= PATIENCE:
                    break  # what is left may be incurable by versions: the next round looks at it alone
                now = [move for move in moves if move.rank == rank and self._is_worth(around, move, limit, best)]
                guesses = [self._resolve(base, move, limit) for move in now]
                guesses += [
                    self._alone(around, move) for move, one in zip(now, guesses, strict=True) if drags(move, one)
                ]
                better = self._best(around, best, sorted(filter(None, guesses), key=lambda one: one.cost))
                tried += len(now) if limit is weights[-1] else 0
                since = tried if better is not best else since
                best = better
            if best is not None:
                break
        return best.candidate if best else None

    def _is_worth(self, around: Round, move: Move, limit: Weight, best: Step | None) -> bool:
        """Whether to try a move in a round: not what is dear at first, what must cost more than the best, or what the
        candidates before it have shown to be of no use."""
        base = around.base
        if limit is not Weight.DEAR and self._is_dear(move):
            return False
        names = list(move.wanted)
        now = (base.versions.get(names[0]) if base else None) or self.environment.version(names[0])
        if is_hopeless(move, now, around.findings, around.tried):
            return False
        versions = {name: spec.removeprefix("==") for name, spec in move.wanted.items()}
        least = cost_of(self.environment, {**(base.versions if base else {}), **versions}) + LATER * move.rank
        if best and not best.score and least >= best.candidate.cost:
            return False
        return not self._is_settled(around, move, least)

    def _is_settled(self, around: Round, move: Move, least: float) -> bool:
        base = around.base
        before = base.report if base and base.report else self.report
        return is_settled(move, least, around.findings, before, around.tried)

    def _alone(self, around: Round, move: Move) -> Candidate | None:
        """The newest version of a package that goes with all others as they are; asked once a round."""
        (name,) = move.wanted
        if name in around.alone or self.environment.version(name) is None:
            return None
        around.alone.add(name)
        held = self.candidates.held.get(name, SpecifierSet())
        spec = SpecifierSet(move.within) & held & SpecifierSet(f"!={self.environment.version(name)}")
        found = self._resolve(around.base, replace(move, wanted={name: str(spec)}), None)
        if found is None or len(found.versions) > len(found.wanted):
            return None
        exact = replace(
            move,
            wanted={name: f"=={found.versions[name]}"},
            reason=f"{found.versions[name]} is the newest that goes with everything else as it is.",
        )
        return replace(found, moves=(*found.moves[:-1], exact))

    def _is_dear(self, move: Move) -> bool:
        return any(weight_of(name, self.environment.distributions.get(name)) is Weight.DEAR for name in move.wanted)

    def _best(self, around: Round, best: Step | None, candidates: list[Candidate]) -> Step | None:
        # What a guess takes along is known now: it may cost more than another that has done as much.
        candidates = [one for one in candidates if not self._is_settled(around, one.moves[-1], one.cost)]
        self._foresee([one for one in candidates if best is None or best.score or one.cost < best.candidate.cost])
        for candidate in candidates:
            if best and best.score == 0 and candidate.cost >= best.candidate.cost:
                break
            found = self._try(around, candidate)
            if found and (best is None or found.order < best.order):
                best = found
        return best

    def _foresee(self, candidates: list[Candidate]) -> None:
        """Have as many candidates linked at a time as there are processors; more would seldom be looked at."""
        new = [one for one in candidates if self._judged_before(one) is None]
        first = new[: min(os.cpu_count() or 1, self.limit - len(self.judged))]
        if len(first) > 1 and not self._is_over():
            self.on_event(Event("linking", f"{len(first)} sets of versions", len(self.judged) + 1, self.limit))
            self.oracle.foresee([found for one in first if (found := self._thought(one))], {})

    def _try(self, around: Round, candidate: Candidate) -> Step | None:
        """Judge a candidate; None where it is no step ahead."""
        if self._is_over() or self._judged_before(candidate) is not None:
            return None
        judged = self._judge(candidate)
        if judged is None:
            return None
        around.tried.append(judged)
        if len(self._still(judged, around.findings)) == len(around.findings):
            return None
        self.ahead.append(judged)
        return Step(self._score(judged), judged)

    def _is_over(self) -> bool:
        return len(self.judged) >= self.limit or time.monotonic() > self.end

    def _score(self, candidate: Candidate) -> int:
        """How much is still wrong: old findings that stay and new ones that came."""
        return len(self._still(candidate, self.goal)) + len(self._came(candidate))

    def _came(self, candidate: Candidate) -> tuple[Finding, ...]:
        """What is new and speaks against a set: no mere warning where the set cures what breaks the run."""
        new = compare.came(self.report, candidate.report) if candidate.report else ()
        breaks = any(compare.is_error(one) for one in self.goal)
        return tuple(one for one in new if compare.is_error(one) or not breaks)

    def _resolve(self, base: Candidate | None, move: Move, limit: Weight | None) -> Candidate | None:
        if self._is_over():
            return None
        there = self.environment.distributions
        wanted = {name: spec for name, spec in self.keep.items() if spec and name in there}
        for one in (*(base.moves if base else ()), move):
            for name, spec in one.wanted.items():
                held = self.candidates.held.get(name)
                exact = spec.removeprefix("==")
                if held is not None and exact != spec and not held.contains(exact, prereleases=True):
                    self.refused[f"{name}{spec}"] = f"{name} is to be kept at {held}"
                    return None
                wanted[name] = spec
        moves = (*(base.moves if base else ()), move)
        label = ", ".join(f"{name}{spec}" for name, spec in move.wanted.items())
        kept = sorted(self.resolver.keep.intersection(move.wanted))
        if kept:
            self.refused[label] = f"{', '.join(kept)} is to be kept"
            return None
        self.on_event(Event("solving", label))
        try:
            solution = self.resolver.solve(wanted, limit)
        except UnsatisfiableError as error:
            self.refused[label] = str(error)
            return None
        self.refused.pop(label, None)
        if not solution.versions:
            return None
        # The rank breaks ties between versions of one package: the first guess is the better one.
        cost = cost_of(self.environment, dict(solution.versions)) + LATER * move.rank
        return Candidate(solution.versions, moves, cost, filled=solution.filled)

    def _judge(self, candidate: Candidate) -> Candidate | None:
        label = label_of(candidate)
        self.on_event(Event("linking", label, len(self.judged) + 1, self.limit))
        thought = self._thought(candidate)
        if thought is None:
            return None
        try:
            report = self.oracle.judge(thought, {})
        except (OfflineError, RepairError):
            raise
        except SftDoctorError as error:
            self.refused[label] = error.message
            return None
        warnings = len(compare.came(self.report, report))
        judged = replace(candidate, report=report, cost=candidate.cost + WARNED * warnings, bare=candidate.cost)
        self.judged.append(judged)
        return judged

    def _thought(self, candidate: Candidate) -> Environment | None:
        """The environment as it would be with a candidate; None, with the reason noted, where it cannot be had."""
        from sftdoctor.target.pins import completed, with_versions

        versions = {**candidate.filled, **candidate.versions}
        try:
            thought: Environment = with_versions(self.environment, versions, offline=self.offline, cache=self.cache)
        except (OfflineError, RepairError):
            raise
        except SftDoctorError as error:
            self.refused[label_of(candidate)] = error.message
            return None
        return completed(thought, self.resolver.open) if self.resolver.open else thought
