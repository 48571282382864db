"""Which versions of a package are worth trying, in the order in which an expert would try them.

Release dates are the guide: libraries are tested against what was out when they were released. So the first candidate
for a package is its newest release that was out when the other side of the link was.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.errors import TargetError
from sftdoctor.model import Environment, Finding, Safety, TargetKind
from sftdoctor.repair.resolver import read_requirement
from sftdoctor.repair.weights import CORE
from sftdoctor.target.index import Index
from sftdoctor.target.platforms import fits_python

SLACKS = (timedelta(0), timedelta(days=45), timedelta(days=150))
"""How long after the other side's release a candidate may have come out, one try each."""
_WORKSHOP = re.compile(r"dev|test|doc|bench|quality|lint|typing|example|tutorial|release|build", re.IGNORECASE)
"""Extras for those who work on a package: what they pin says nothing about its users."""
PER_PACKAGE = 6
"""Candidates of one package."""


@dataclass(frozen=True)
class Release:
    """One version that the index has."""

    version: Version
    uploaded: datetime | None


@dataclass(frozen=True)
class Choice:
    """A version worth trying."""

    version: Version
    why: str = ""
    """A sentence for the plan."""


@dataclass(frozen=True)
class Move:
    """Bring some packages to versions, for a finding."""

    wanted: Mapping[str, str]
    """Name → specifier set for the resolver ("==0.17.1")."""
    findings: tuple[str, ...]
    reason: str
    rank: int = 0
    """0 is the first guess for that package."""
    within: str = ""
    """What a fix asks for, where it names one package: the specifier set that the guess was chosen from."""


class Candidates:
    """Makes moves out of findings.

    Args:
        environment: The target.
        index: The package index.
        held: Name → the versions that it may have.
    """

    def __init__(self, environment: Environment, index: Index, held: Mapping[str, SpecifierSet] | None = None) -> None:
        self.environment = environment
        self.index = index
        self.held = dict(held or {})
        self._releases: dict[str, tuple[Release, ...]] = {}

    def moves(self, finding: Finding) -> list[Move]:
        """What could cure a finding by versions alone, the best guess of each package first.

        Raises:
            OfflineError: The index is needed and cannot be reached.
        """
        written = next((one for one in finding.fixes if one.kind == "package" and one.require), None)
        found = self._written(finding, written.require, written.reason) if written else []
        cause = finding.cause
        if cause is None or finding.location is not None:
            return found  # a script that is behind its libraries is edited, not its libraries taken back
        named = {name for move in found for name in move.wanted}
        # What a rule says is safe is the first guess; where it is not, the other side may as well be.
        later = int(written is not None and written.safety is Safety.SAFE)
        caller = canonicalize_name(cause.caller.distribution) if cause.caller else ""
        callee = canonicalize_name(cause.callee.distribution) if cause.callee else ""
        for name, other in ((callee, caller), (caller, callee)):
            if name and name not in named:
                found += [replace(move, rank=move.rank + later) for move in self._derived(finding, name, other)]
        return found

    def _written(self, finding: Finding, require: tuple[str, ...], reason: str) -> list[Move]:
        choices: dict[str, list[Choice]] = {}
        needs = [need for text in require if (need := read_requirement(text))]
        if len(needs) < len(require):
            return []
        for need in needs:
            name = canonicalize_name(need.name)
            other = finding.cause.caller.distribution if finding.cause and finding.cause.caller else ""
            choices[name] = self.choose(name, need.specifier, canonicalize_name(other))
        moves = []
        for rank in range(max(map(len, choices.values()), default=0)):
            chosen = {name: found[min(rank, len(found) - 1)] for name, found in choices.items() if found}
            if len(chosen) < len(choices):
                return []
            why = " ".join(filter(None, (reason, *(one.why for one in chosen.values()))))
            wanted = {name: f"=={one.version}" for name, one in chosen.items()}
            within = ",".join(filter(None, (str(one.specifier) for one in needs))) if len(needs) == 1 else ""
            moves.append(Move(wanted, (finding.id,), why, rank, within))
        return moves

    def _derived(self, finding: Finding, name: str, other: str) -> list[Move]:
        if self.environment.version(name) is None and not (self._is_whole() and self._is_asked_for(name)):
            return []
        moves = []
        for rank, one in enumerate(self.choose(name, SpecifierSet(), other)):
            why = one.why or f"A {name} that links with {other or 'the rest'}."
            moves.append(Move({name: f"=={one.version}"}, (finding.id,), why, rank))
        return moves

    def choose(self, name: str, spec: SpecifierSet, other: str = "") -> list[Choice]:
        """Versions of a package worth trying.

        Args:
            name: Canonical name.
            spec: What a fix asks for.
            other: The other side of the link, where it is known.

        Returns:
            At most PER_PACKAGE, the best guess first, without the version that is there.
        """
        now = self.environment.version(name)
        held = self.held.get(name, SpecifierSet())
        known = [one for one in self.releases(name) if str(one.version) != now and spec.contains(one.version)]
        releases = [one for one in known if held.contains(one.version)] or known[-1:]
        declared = self._declared(name)
        fitting = [one for one in releases if declared.contains(one.version)] or releases
        if not fitting:
            return []
        chosen = self._of_the_era(name, other, fitting)
        chosen.append(Choice(fitting[-1].version))
        if now is not None:
            newer = [one.version for one in fitting if one.version > _parse(now)]
            older = [one.version for one in fitting if one.version < _parse(now)]
            chosen += [Choice(one) for one in newer[:1] + older[-1:]]
        if spec:
            chosen.append(Choice(fitting[0].version))
        chosen += [Choice(fitting[len(fitting) * part // 8].version) for part in (4, 6, 2, 7, 5, 3, 1)]
        return list({one.version: one for one in reversed(chosen)}.values())[::-1][:PER_PACKAGE]

    def _of_the_era(self, name: str, other: str, fitting: list[Release]) -> list[Choice]:
        asking = [other] if self._date(other) else self._asking(name)
        date = self._era(asking) or self._era(sorted(CORE - {name}))
        if date is None:
            return []
        who = " and ".join(f"{one} {self.environment.version(one)}" for one in asking[:2]) or "most of the stack"
        found = []
        for slack in SLACKS:
            out = [one.version for one in fitting if one.uploaded and one.uploaded <= date + slack]
            were = "were" if " and " in who else "was"
            why = f"{max(out)} was the newest when {who} {were} released." if out and not slack else ""
            found += [Choice(max(out), why)] if out else []
        return found

    def releases(self, name: str) -> tuple[Release, ...]:
        """Final, not yanked versions for the target's Python, oldest first; empty where the index has none.

        Raises:
            OfflineError: The index cannot be reached.
        """
        if name not in self._releases:
            try:
                files = self.index.files(name)
            except TargetError:
                files = ()
            found: dict[Version, Release] = {}
            for file in files:
                version = file.version(name)
                if version is None or file.yanked or version.is_prerelease:
                    continue
                if not fits_python(file.requires_python, dict(self.environment.markers)):
                    continue
                date = _parse_date(file.uploaded)
                before = found.get(version)
                if before is None or (date and (before.uploaded is None or date < before.uploaded)):
                    found[version] = Release(version, date)
            self._releases[name] = tuple(found[version] for version in sorted(found))
        return self._releases[name]

    def _date(self, name: str) -> datetime | None:
        version = self.environment.version(name) if name else None
        if version is None:
            return None
        wanted = _parse(version)
        for one in self.releases(name):
            if one.version.public == wanted.public:
                return one.uploaded
        return None

    def _era(self, names: Sequence[str]) -> datetime | None:
        """When most of these packages, as they are installed, were released."""
        dates = [date for one in names if (date := self._date(one))]
        return statistics.median_low(dates) if dates else None

    def _asking(self, name: str) -> list[str]:
        """Packages of the core that ask for this one."""
        return sorted(one for one in CORE if one != name and self._date(one) and self._said(one, name))

    def _is_whole(self) -> bool:
        """Whether what is not there is missing, or is left open by pins and comes in."""
        return self.environment.complete or self.environment.target.kind is TargetKind.PINS

    def _is_asked_for(self, name: str) -> bool:
        """Whether the metadata of something installed names it: what only looks like a module's name may be anybody's
        package."""
        return any(self._said(other, name, everywhere=True) for other in self.environment.distributions)

    def _declared(self, name: str) -> SpecifierSet:
        """What the installed packages' metadata says of this one, the floors of their extras included."""
        spec = SpecifierSet()
        for other in self.environment.distributions:
            for said in self._said(other, name):
                spec &= said
        return spec

    def _said(self, other: str, name: str, *, everywhere: bool = False) -> list[SpecifierSet]:
        """What one distribution requires of another, in any of its extras; everywhere: whatever its markers say."""
        one = self.environment.distributions.get(other)
        found: list[SpecifierSet] = []
        for text in one.requires if one else ():
            if not canonicalize_name(text).startswith(name):
                continue  # most lines are about others, and parsing is slow
            need = read_requirement(text)
            if need is None or canonicalize_name(need.name) != name:
                continue
            if everywhere or self._holds(need, one.extras if one else ()):
                found.append(need.specifier)
        return found

    def _holds(self, need: Requirement, extras: Sequence[str]) -> bool:
        if need.marker is None:
            return True
        wanted = ["", *(extra for extra in extras if not _WORKSHOP.search(extra))]
        return any(need.marker.evaluate({**self.environment.markers, "extra": extra}) for extra in wanted)


def merged(moves: list[Move]) -> list[Move]:
    """Moves that want the same, as one for all their findings."""
    found: dict[tuple[tuple[str, str], ...], Move] = {}
    for move in moves:
        key = tuple(sorted(move.wanted.items()))
        before = found.get(key)
        if before is None:
            found[key] = move
            continue
        ids = tuple(dict.fromkeys((*before.findings, *move.findings)))
        found[key] = replace(before, findings=ids, rank=min(before.rank, move.rank))
    return list(found.values())


def _parse(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def _parse_date(text: str | None) -> datetime | None:
    try:
        date = datetime.fromisoformat((text or "").replace("Z", "+00:00").split(".")[0])
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
