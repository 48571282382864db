"""The search for the smallest set of versions that resolves and links clean."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sftdoctor.errors import OfflineError, RepairError, SftDoctorError
from sftdoctor.folders import cache_folder
from sftdoctor.model import Environment, Finding, Report
from sftdoctor.repair import compare
from sftdoctor.repair.candidates import Candidates, Move, merged
from sftdoctor.repair.oracle import Oracle
from sftdoctor.repair.progress import Event, Listener
from sftdoctor.repair.resolver import Resolver, UnsatisfiableError
from sftdoctor.repair.weights import Weight, cost_of, weight_of

ROUNDS = 4
"""Breaks that show only when another is cured are cured in further rounds."""
JUDGED = 16
"""Candidates that are fetched and linked in one search."""
PATIENCE = 6
"""Moves that may fail to better a set that is already a step ahead, before it is taken as it is."""
FEW = 3
"""The same, where nothing breaks and only warnings could be cured."""


@dataclass(frozen=True)
class Candidate:
    """A set of versions that resolves."""

    versions: Mapping[str, str]
    """Everything that differs from the environment."""
    moves: tuple[Move, ...]
    cost: float
    report: Report | None = None
    """None until it was judged."""

    @property
    def wanted(self) -> frozenset[str]:
        """The packages that the moves ask for; the others go along."""
        return frozenset(name for move in self.moves for name in move.wanted)

    @property
    def is_bare(self) -> bool:
        """Whether nothing goes along."""
        return len(self.versions) <= len(self.wanted)

    @property
    def findings(self) -> tuple[str, ...]:
        """Ids of the findings that it is for."""
        return tuple(dict.fromkeys(one for move in self.moves for one in move.findings))


@dataclass(frozen=True)
class _Step:
    """A judged candidate that is a step ahead."""

    score: int
    """How much is still wrong."""
    candidate: Candidate

    @property
    def order(self) -> tuple[int, float]:
        return self.score, self.candidate.cost


@dataclass(frozen=True)
class Search:
    """What a search came to."""

    chosen: Candidate | None
    """None where nothing helps."""
    judged: tuple[Candidate, ...] = ()
    refused: Mapping[str, str] | None = None
    """What was not tried, and why: "peft==0.4.0" → the resolver's words."""
    note: str = ""
    """Why the search ended before everything was tried; empty where it did not."""

    def why_not(self, before: Report) -> str:
        """Why nothing was chosen.

        Args:
            before: The report that the search began with.
        """
        tried = [(compare.came(before, one.report), one) for one in self.judged if one.report]
        parts = [f"{len(tried)} sets of versions were linked and none was clean" if tried else "no set resolves"]
        new, nearest = min(tried, key=lambda pair: (len(pair[0]), pair[1].cost), default=((), None))
        if nearest and new:
            versions = ", ".join(f"{name} {version}" for name, version in sorted(nearest.versions.items()))
            place = new[0].location
            where = f" ({place.path}:{place.line})" if place else ""
            parts.append(f"with {versions} the next to fail is {new[0].id}{where}: {new[0].title}")
        else:
            parts += [f"{label}: {said}" for label, said in list((self.refused or {}).items())[:3]]
        return "; ".join([*parts, *([self.note] if self.note else [])])


class Solver:
    """Searches for versions, cheap and near ones first.

    Args:
        report: What is wrong.
        oracle: Judges candidates.
        keep: Name → version that it must have, or None for the one that is there.
        offline: Ask no index.
        cache: Cache folder; None for the user's.
        timeout: Seconds for the whole search.
        on_event: Told what is tried.
        limit: Candidates that are fetched and linked at most.
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
        self.end = time.monotonic() + timeout
        self.resolver = Resolver(self.environment, keep=self._immovable(), offline=offline)
        self.candidates = Candidates(self.environment, Index(cache=self.cache, offline=offline))
        self.goal: tuple[Finding, ...] = ()
        self.judged: list[Candidate] = []
        self.refused: dict[str, str] = {}

    def _immovable(self) -> Collection[str]:
        now = self.environment.version
        kept = {name for name, version in self.keep.items() if version is None or version == now(name)}
        return kept | {name for name, one in self.environment.distributions.items() if one.editable}

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
            open_ = (*self._still(best, findings), *compare.came(self.report, found.report))
            if not open_:
                return self._result(self._pruned(best))
        clean = [one for one in self.judged if one.report and not compare.came(self.report, one.report)]
        better = [one for one in clean if len(self._still(one, findings)) < len(findings)]
        return self._result(min(better, key=lambda one: (len(self._still(one, findings)), one.cost), default=None))

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

    def _judged_before(self, candidate: Candidate) -> Candidate | None:
        same = (one for one in self.judged if dict(one.versions) == dict(candidate.versions))
        return next(same, None)

    def _result(self, chosen: Candidate | None) -> Search:
        note = "the time for the search was over" if time.monotonic() > self.end else ""
        note = note or ("enough candidates were tried" if len(self.judged) >= self.limit and chosen is None else "")
        return Search(chosen, tuple(self.judged), dict(self.refused), note)

    def _still(self, candidate: Candidate, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        there = {compare.key(one) for one in candidate.report.findings} if candidate.report else set()
        return tuple(one for one in findings if compare.key(one) in there)

    def _round(self, base: Candidate | None, findings: tuple[Finding, ...]) -> Candidate | None:
        """The best candidate that goes one move beyond the base.

        The first guesses of all packages come before the second ones, and each may take along only what is as light
        as can be; torch and its like go along only where nothing else helps. A set that cures everything by moving
        nothing but what was asked for ends it; otherwise a cheaper one is looked for among the later guesses.
        """
        moves = merged([move for finding in findings for move in self.candidates.moves(finding)])
        ranks = sorted({move.rank for move in moves})
        best: _Step | None = None
        tried = since = 0
        for weights in ((Weight.PURE, Weight.COMPILED), (Weight.DEAR,)):
            for rank, limit in ((rank, weight) for rank in ranks for weight in weights):
                if self._is_over() or (best and best.score == 0 and best.candidate.is_bare):
                    break
                if best and tried - since >= PATIENCE:
                    break  # what is left may be incurable by versions: the next round looks at it alone
                now = [
                    move for move in moves if move.rank == rank and (limit is Weight.DEAR or not self._is_dear(move))
                ]
                guesses = [self._resolve(base, move, limit) for move in now]
                better = self._best(base, best, sorted(filter(None, guesses), key=lambda one: one.cost))
                tried += len(guesses) if limit is weights[-1] else 0
                since = tried if better is not best else since
                best = better
            if best is not None:
                break
        return best.candidate if best else None

    def _is_dear(self, move: Move) -> bool:
        return heaviest(self.environment, move.wanted) is Weight.DEAR

    def _best(self, base: Candidate | None, best: _Step | None, candidates: list[Candidate]) -> _Step | None:
        for candidate in candidates:
            if best and best.score == 0 and candidate.cost >= best.candidate.cost:
                break
            found = self._try(base, candidate)
            if found and (best is None or found.order < best.order):
                best = found
        return best

    def _try(self, base: Candidate | None, candidate: Candidate) -> _Step | None:
        """Judge a candidate; None where it is no step ahead."""
        if self._is_over() or self._judged_before(candidate) is not None:
            return None
        judged = self._judge(candidate)
        if judged is None:
            return None
        left = len(self._still(base, self.goal)) if base else len(self.goal)
        score = self._score(judged)
        ahead = len(self._still(judged, self.goal)) < left or (base is not None and score < self._score(base))
        return _Step(score, judged) if ahead else None

    def _is_over(self) -> bool:
        return len(self.judged) >= self.limit or time.monotonic() > self.end

    def _score(self, candidate: Candidate) -> int:
        """How much is still wrong: old findings that stay and new ones that came."""
        new = compare.came(self.report, candidate.report) if candidate.report else ()
        return len(self._still(candidate, self.goal)) + len(new)

    def _resolve(self, base: Candidate | None, move: Move, limit: Weight) -> Candidate | None:
        if self._is_over():
            return None
        wanted = {name: f"=={version}" for name, version in self.keep.items() if version is not None}
        moves = (*(base.moves if base else ()), move)
        for one in moves:
            for name, spec in one.wanted.items():
                if name in wanted and wanted[name] != spec and name in self.keep:
                    self.refused[f"{name}{spec}"] = f"{name} is to be kept at {self.keep[name]}"
                    return None
                wanted[name] = spec
        label = ", ".join(f"{name}{spec}" for name, spec in move.wanted.items())
        self.on_event(Event("solving", label))
        try:
            solution = self.resolver.solve(wanted, limit)
        except UnsatisfiableError as error:
            self.refused[label] = _gist(str(error))
            return None
        if not solution.versions:
            return None
        # The rank breaks ties between versions of one package: the first guess is the better one.
        cost = cost_of(self.environment, dict(solution.versions)) + 0.6 * move.rank
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
        judged = replace(candidate, report=report)
        self.judged.append(judged)
        return judged


def heaviest(environment: Environment, versions: Mapping[str, str]) -> Weight:
    """Weight of the dearest package that a set of versions changes."""
    return max((weight_of(name, environment.distributions.get(name)) for name in versions), default=Weight.PURE)


def _gist(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Using Python")]
    return " ".join(lines)[:600]
