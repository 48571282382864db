"""The search for the smallest set of versions that resolves and links clean."""

from __future__ import annotations

import re
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
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Event, Listener
from sftdoctor.repair.resolver import Resolver, UnsatisfiableError
from sftdoctor.repair.search import Candidate, Search, Step
from sftdoctor.repair.weights import Weight, cost_of, own_requirements, weight_of

ROUNDS = 4
"""Breaks that show only when another is cured are cured in further rounds."""
JUDGED = 16
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
        best: Candidate | None = None
        open_ = self.goal = findings
        for _ in range(ROUNDS if self.limit > FEW else 1):
            found = self._round(best, open_)
            if found is None or found.report is None:
                break
            best = found
            open_ = (*self._still(best, findings), *self._came(found))
            if not open_:
                best = self._pruned(self._cheaper(best, findings))
                if self.alternatives:
                    self._look_further(best, findings)
                return self._result(best)
        clean = [one for one in self.judged if one.report and not self._came(one)]
        better = [one for one in clean if len(self._still(one, findings)) < len(findings)]
        return self._result(min(better, key=lambda one: (len(self._still(one, findings)), one.cost), default=None))

    def _cheaper(self, best: Candidate, findings: tuple[Finding, ...]) -> Candidate:
        """A set of several light moves instead of one heavy one, where that cures everything too."""
        parts = []
        for one in self.judged:
            came = compare.came(self.report, one.report) if one.report else ()
            open_ = (*self._still(one, findings), *came)
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
        tried = since = 0
        for weights in ((Weight.PURE, Weight.COMPILED), (Weight.DEAR,)):
            for rank, limit in ((rank, weight) for rank in ranks for weight in weights):
                if self._is_over():
                    break
                if best and tried - since >= PATIENCE:
                    break  # what is left may be incurable by versions: the next round looks at it alone
                now = [move for move in moves if move.rank == rank and self._is_worth(base, move, limit, best)]
                guesses = [self._resolve(base, move, limit) for move in now]
                better = self._best(base, best, sorted(filter(None, guesses), key=lambda one: one.cost))
                tried += len(guesses) if limit is weights[-1] else 0
                since = tried if better is not best else since
                best = better
            if best is not None:
                break
        return best.candidate if best else None

    def _is_worth(self, base: Candidate | None, move: Move, limit: Weight, best: Step | None) -> bool:
        """Whether to try a move in a round: not what is dear at first, nor what must cost more than the best."""
        if limit is not Weight.DEAR and self._is_dear(move):
            return False
        if best is None or best.score:
            return True
        versions = {name: spec.removeprefix("==") for name, spec in move.wanted.items()}
        least = cost_of(self.environment, {**(base.versions if base else {}), **versions}) + LATER * move.rank
        return least < best.candidate.cost

    def _is_dear(self, move: Move) -> bool:
        return any(weight_of(name, self.environment.distributions.get(name)) is Weight.DEAR for name in move.wanted)

    def _best(self, base: Candidate | None, best: Step | None, candidates: list[Candidate]) -> Step | None:
        for candidate in candidates:
            if best and best.score == 0 and candidate.cost >= best.candidate.cost:
                break
            found = self._try(base, candidate)
            if found and (best is None or found.order < best.order):
                best = found
        return best

    def _try(self, base: Candidate | None, candidate: Candidate) -> Step | None:
        """Judge a candidate; None where it is no step ahead."""
        if self._is_over() or self._judged_before(candidate) is not None:
            return None
        judged = self._judge(candidate)
        if judged is None:
            return None
        left = len(self._still(base, self.goal)) if base else len(self.goal)
        score = self._score(judged)
        order = score, judged.cost  # a warning that is gone makes a set cheaper
        ahead = len(self._still(judged, self.goal)) < left or (
            base is not None and order < (self._score(base), base.cost)
        )
        return Step(score, judged) if ahead else None

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

    def _resolve(self, base: Candidate | None, move: Move, limit: Weight) -> Candidate | None:
        if self._is_over():
            return None
        there = self.environment.distributions
        wanted = {name: spec for name, spec in self.keep.items() if spec and name in there}
        for one in (*(base.moves if base else ()), move):
            for name, spec in one.wanted.items():
                held = self.candidates.held.get(name)
                if held is not None and not held.contains(spec.removeprefix("=="), prereleases=True):
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
            self.refused[label] = _gist(str(error))
            return None
        self.refused.pop(label, None)
        if not solution.versions:
            return None
        # The rank breaks ties between versions of one package: the first guess is the better one.
        cost = cost_of(self.environment, dict(solution.versions)) + LATER * move.rank
        return Candidate(solution.versions, moves, cost)

    def _judge(self, candidate: Candidate) -> Candidate | None:
        from sftdoctor.target.pins import with_versions

        label = ", ".join(f"{name} {version}" for name, version in sorted(candidate.versions.items()))
        self.on_event(Event("linking", label, len(self.judged) + 1, self.limit))
        try:
            thought: Environment = with_versions(
                self.environment, dict(candidate.versions), offline=self.offline, cache=self.cache
            )
            report = self.oracle.judge(thought, {})
        except OfflineError:
            raise
        except RepairError:
            raise
        except SftDoctorError as error:
            self.refused[label] = error.message
            return None
        warnings = len(compare.came(self.report, report))
        judged = replace(candidate, report=report, cost=candidate.cost + WARNED * warnings)
        self.judged.append(judged)
        return judged


def _gist(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Using Python")]
    text = re.sub(r"^(error: )?No solution found when resolving dependencies:? (cause: )?", "", " ".join(lines))
    return re.sub(r",? (we can conclude that|And because you require|hint:).*", "", text)[:400]
