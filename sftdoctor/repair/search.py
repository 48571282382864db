"""What a search for versions finds: candidates, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sftdoctor.model import Alternative, Finding, Report
from sftdoctor.repair import compare
from sftdoctor.repair.candidates import Move
from sftdoctor.repair.weights import Weight, is_older, weight_of


@dataclass(frozen=True)
class Candidate:
    """A set of versions that resolves."""

    versions: Mapping[str, str]
    """Everything that differs from the environment."""
    moves: tuple[Move, ...]
    cost: float
    report: Report | None = None
    """None until it was judged."""
    bare: float = 0.0
    """The cost without that of the warnings that come with it."""
    filled: Mapping[str, str] = field(default_factory=dict)
    """What the pins had left open, and goes with them: no change."""

    @property
    def wanted(self) -> frozenset[str]:
        """The packages that the moves ask for; the others go along."""
        return frozenset(name for move in self.moves for name in move.wanted)

    @property
    def findings(self) -> tuple[str, ...]:
        """Ids of the findings that it is for."""
        return tuple(dict.fromkeys(one for move in self.moves for one in move.findings))


@dataclass(frozen=True)
class Step:
    """A judged candidate that is a step ahead."""

    score: int
    """How much is still wrong."""
    candidate: Candidate

    @property
    def order(self) -> tuple[int, float]:
        return self.score, self.candidate.cost


@dataclass
class Round:
    """What a round goes on from, and what it has tried."""

    base: Candidate | None
    findings: tuple[Finding, ...]
    """What is to be cured."""
    tried: list[Candidate] = field(default_factory=list)
    """Judged candidates."""
    alone: set[str] = field(default_factory=set)
    """Packages that were asked for alone."""


def drags(move: Move, candidate: Candidate | None) -> bool:
    """Whether a guess for one package does not go without others."""
    return len(move.wanted) == 1 and (candidate is None or len(candidate.versions) > len(candidate.wanted))


def label_of(candidate: Candidate) -> str:
    """Its versions, as a line."""
    return ", ".join(f"{name} {version}" for name, version in sorted(candidate.versions.items()))


@dataclass(frozen=True)
class Search:
    """What a search came to."""

    chosen: Candidate | None
    """None where nothing helps."""
    judged: tuple[Candidate, ...] = ()
    refused: Mapping[str, str] | None = None
    """What was not tried, and why: "peft==0.4.0" → the resolver's words."""
    held: Mapping[str, str] | None = None
    """What the user wants to be kept: name → versions that it may have."""
    note: str = ""
    """Why the search ended before everything was tried; empty where it did not."""

    def why_not(self, before: Report) -> str:
        """Why nothing was chosen.

        Args:
            before: The report that the search began with.
        """
        said = dict(self.refused or {})
        kept = [label for label, reason in said.items() if "is to be kept" in reason]
        if said and len(kept) == len(said) and not self.judged:
            names = sorted({pin.partition("==")[0] for label in kept for pin in label.split(", ")})
            return f"all that could cure it is to be kept: {', '.join(names)} (such as {kept[0]}: {said[kept[0]]})"
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
        parts += [f"{name} is to be kept at {spec}" for name, spec in (self.held or {}).items()]
        return "; ".join([*parts, *([self.note] if self.note else [])])

    def others(self, before: Report, goal: Sequence[Finding]) -> tuple[Alternative, ...]:
        """What was considered and not taken, and why; the best first.

        Args:
            before: The report that the search began with.
            goal: The findings that were to be cured.
        """
        taken = dict(self.chosen.versions) if self.chosen else {}
        judged = [one for one in self.judged if one.report and dict(one.versions) != taken]
        reasons = [(_flaw(one, before, goal), one) for one in judged]
        ordered = sorted(reasons, key=lambda pair: (bool(pair[0]), pair[1].cost))
        found = [Alternative(one.versions, flaw or self._dearer(one, before)) for flaw, one in ordered]
        for label, said in (self.refused or {}).items():
            pins = [pin.partition("==") for pin in label.split(", ")]
            found.append(Alternative({name: version for name, _, version in pins}, f"does not resolve: {said}"))
        return tuple(found)

    def _dearer(self, other: Candidate, before: Report) -> str:
        """In which way a clean set is worse than the chosen one."""
        environment = before.environment
        chosen = self.chosen.versions if self.chosen else {}
        more = [name for name in other.versions if name not in chosen]
        weights = {name: weight_of(name, environment.distributions.get(name)) for name in more}
        heavy = [name for name, weight in weights.items() if weight >= Weight.COMPILED]
        back = [name for name in more if is_older(other.versions[name], environment.version(name) or "")]
        warned = compare.came(before, other.report) if other.report else ()
        if warned:
            why = f"it brings a warning, {warned[0].id}: {warned[0].title}"
        elif len(other.versions) > len(chosen):
            why = f"it changes {len(other.versions)} packages, not {len(chosen)}"
        elif heavy:
            why = f"it changes {', '.join(heavy)}, which is compiled"
        elif back:
            why = f"it takes {', '.join(back)} back"
        else:
            why = "its versions are further from what is there"
        return f"links clean too, but {why}"


def _flaw(candidate: Candidate, before: Report, goal: Sequence[Finding]) -> str:
    """Why a set is no repair; empty where it is one."""
    after = candidate.report
    if after is None:
        return "was not judged"
    new = [one for one in compare.came(before, after) if compare.is_error(one)]
    if new:
        return f"would bring {new[0].id}: {new[0].title}"
    there = {compare.key(one) for one in after.findings}
    left = [one for one in goal if compare.key(one) in there]
    return f"would leave {left[0].id}: {left[0].title}" if left else ""
