"""Asking a real resolver (uv, else pip) which versions go together. Nothing is installed and nothing is built."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Environment, TargetKind
from sftdoctor.repair.installed import same_version
from sftdoctor.repair.packages import Installer, choose_installer, is_network, own_variables
from sftdoctor.repair.weights import CORE, Weight, weight_of
from sftdoctor.target.pins import left_open
from sftdoctor.target.resolver import gist_of

if TYPE_CHECKING:
    from sftdoctor.target.pin_formats import Pin

_CHANGE = re.compile(r"^ ([-+~]) ([A-Za-z0-9._-]+)==([A-Za-z0-9.!+_-]+)")

_NOISE = re.compile(r"^(?:WARNING|DEPRECATION|\[notice\]).*\n?", re.MULTILINE)


class UnsatisfiableError(Exception):
    """No versions go together with what has to stay; the text is what the resolver said."""


@dataclass(frozen=True)
class Solution:
    """Versions that go together by what packages declare."""

    versions: Mapping[str, str]
    """Only what differs from the environment: canonical name → version to be installed."""
    filled: Mapping[str, str] = field(default_factory=dict)
    """What a file of pins had left open, and nobody could complete so far: no change of what it says."""
    relaxed: Weight | None = None
    """The heaviest weight that had to be let go; None where only the wanted packages move."""


class Resolver:
    """Finds the versions that must move with a wanted one.

    Args:
        environment: The target.
        keep: Names that must not move, whatever is wanted.
        offline: Ask the installer's cache alone.
        timeout: Seconds for one question.
    """

    def __init__(
        self, environment: Environment, *, keep: Collection[str] = (), offline: bool = False, timeout: float = 120.0
    ) -> None:
        self.environment = environment
        self.keep = frozenset(keep)
        self.offline = offline
        self.timeout = timeout
        self.open = left_open(environment)
        """The file of pins of which a part is not known yet."""
        self._installer: Installer | None = None
        self._answers: dict[tuple[tuple[tuple[str, str], ...], frozenset[str]], Solution | UnsatisfiableError] = {}

    def solve(self, wanted: Mapping[str, str], heaviest: Weight | None = Weight.DEAR) -> Solution:
        """The smallest change that brings the wanted versions; cheap packages are let go first, torch last.

        Args:
            wanted: Name → specifier set ("==0.17.1", ">=0.8").
            heaviest: Weight of the dearest packages that may go along; None where nothing may.

        Returns:
            The versions that change.

        Raises:
            UnsatisfiableError: Nothing that may move makes it possible.
            OfflineError: The index cannot be reached.
            RepairError: The resolver itself does not work.
        """
        first: UnsatisfiableError | None = None
        for weight, free in self._steps(wanted, heaviest):
            known = (tuple(sorted(wanted.items())), free)
            if known not in self._answers:
                self._answers[known] = self._answer(wanted, free, weight)
            answer = self._answers[known]
            if isinstance(answer, Solution):
                return answer
            first = first or answer
        raise first or UnsatisfiableError("nothing may move")

    def _answer(
        self, wanted: Mapping[str, str], free: frozenset[str], weight: Weight | None
    ) -> Solution | UnsatisfiableError:
        try:
            found = self._ask(wanted, free)
        except UnsatisfiableError as error:
            return error
        there = self.environment.distributions
        filled = {name for name in found if name not in there and name not in wanted} if self.open else set()
        changed = {name: version for name, version in found.items() if name not in filled}
        return Solution(changed, {name: found[name] for name in filled}, weight)

    def _steps(
        self, wanted: Mapping[str, str], heaviest: Weight | None
    ) -> Iterable[tuple[Weight | None, frozenset[str]]]:
        asked = frozenset(wanted) - self.keep
        yield None, asked
        for weight in Weight:
            if heaviest is not None and weight <= heaviest:
                light = {name for name in self.environment.distributions if self._weight(name) <= weight}
                yield weight, asked | (light - self.keep)

    def _weight(self, name: str) -> Weight:
        weight = weight_of(name, self.environment.distributions.get(name))
        return max(weight, Weight.CORE) if name in CORE else weight

    def _ask(self, wanted: Mapping[str, str], free: frozenset[str]) -> dict[str, str]:
        blocked = sorted(name for name in wanted if name in self.keep)
        if blocked:
            raise UnsatisfiableError(f"{', '.join(blocked)} is to be kept")
        there = self.environment.distributions
        pins = {name: one.version for name, one in there.items() if name not in free and not one.editable}
        if self.open is not None:
            return self._run([_line(pin, wanted, free) for pin in self.open.pins if not pin.url], pins)
        # What contradicts itself already cannot be asked for; without it, at least nothing gets worse.
        dependents = self._dependents(free) - self._at_odds()
        lines = [f"{name}{spec}" for name, spec in sorted(wanted.items())]
        lines += [f"{name}=={pins[name]}" for name in sorted(dependents) if name in pins]
        lines += sorted(name for name in dependents if name in free and name not in wanted)
        return self._run(lines, pins)

    def _dependents(self, names: Collection[str]) -> set[str]:
        """Installed distributions that require one of these (extras left out)."""
        found = set()
        for name, one in self.environment.distributions.items():
            if not one.editable and any(need.name in names for need in self._needs(name)):
                found.add(name)
        return found

    def _at_odds(self) -> set[str]:
        """Distributions whose declared requirements the environment does not meet today."""
        there = self.environment.distributions
        return {
            name
            for name in there
            for need in self._needs(name)
            if need.name not in there or not need.specifier.contains(there[need.name].version, prereleases=True)
        }

    def _needs(self, name: str) -> list[Requirement]:
        needs = []
        for text in self.environment.distributions[name].requires:
            need = read_requirement(text)
            if need is None:
                continue
            if need.marker is None or need.marker.evaluate({**self.environment.markers, "extra": ""}):
                need.name = canonicalize_name(need.name)
                needs.append(need)
        return needs

    def _run(self, lines: Sequence[str], pins: Mapping[str, str]) -> dict[str, str]:
        with tempfile.TemporaryDirectory(prefix="sftdoctor-solve-") as name:
            folder = Path(name)
            if self.environment.target.kind is TargetKind.INTERPRETER:
                return self._installed(folder, lines, pins)
            return self._pinned(lines, pins)

    def _installed(self, folder: Path, lines: Sequence[str], pins: Mapping[str, str]) -> dict[str, str]:
        wanted, held = folder / "wanted.txt", folder / "held.txt"
        wanted.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        held.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pins.items())), "utf-8")
        installer = self._installer = self._installer or choose_installer(self.environment)
        common = ["-r", str(wanted), "-c", str(held)]
        # Nothing is installed here: the plan is shown for a Python of the system too, and refused before it is applied.
        variables = {**installer.environment, "UV_BREAK_SYSTEM_PACKAGES": "1", "PIP_BREAK_SYSTEM_PACKAGES": "1"}
        if installer.kind == "uv":
            more = ["install", "--dry-run", "--no-build", "--python", installer.python, *common]
            with _without_trace(self.environment.target.prefix):
                said = self._call([*installer.command, *more, *(["--offline"] if self.offline else [])], variables)
            return self._differing(_uv_changes(said))
        more = ["install", "--dry-run", "--quiet", "--only-binary", ":all:", "--report", "-", *common]
        offline = ["--no-index"] if self.offline else []
        said = self._call([*installer.command, *more, *offline], variables, folder)
        return self._differing(_pip_changes(said))

    def _pinned(self, lines: Sequence[str], pins: Mapping[str, str]) -> dict[str, str]:
        from sftdoctor.target.index_settings import read_index_settings
        from sftdoctor.target.pin_formats import Pin
        from sftdoctor.target.resolver import ResolverError, complete

        needs = [need for line in lines if (need := read_requirement(line))]
        wanted = [Pin(one.name, specifier=str(one.specifier), extras=tuple(sorted(one.extras))) for one in needs]
        # An index seldom has the local part that a wheel of torch carries (+cu124).
        held = [Pin(name, specifier=f"=={version.partition('+')[0]}") for name, version in pins.items()]
        try:
            markers, indexes = self.environment.markers, read_index_settings()
            preferred = {name: one.version.partition("+")[0] for name, one in self.environment.distributions.items()}
            return self._differing(complete(wanted, held, markers, indexes, preferred)[1])
        except ResolverError as error:
            if error.final:
                raise UnsatisfiableError(str(error)) from error
            raise _trouble(str(error)) from error

    def _differing(self, versions: Mapping[str, str]) -> dict[str, str]:
        changed: dict[str, str] = {}
        for name, version in versions.items():
            now = self.environment.version(canonicalize_name(name))
            bare = now.partition("+")[0] if now and "+" not in version else now
            if not same_version(bare, version):
                changed[canonicalize_name(name)] = version
        return changed

    def _call(self, command: Sequence[str], variables: Mapping[str, str], folder: Path | None = None) -> str:
        try:
            done = subprocess.run(
                list(command),
                capture_output=True,
                text=True,
                timeout=self.timeout,
                check=False,
                env={**own_variables(), **variables},
                cwd=folder,
                errors="replace",
            )
        except subprocess.TimeoutExpired as error:
            raise RepairError(f"the resolver did not answer within {self.timeout:.0f} s") from error
        except OSError as error:
            raise RepairError(f"{command[0]} cannot be started: {error}") from error
        if done.returncode == 0:
            return done.stdout + done.stderr if "uv" in Path(command[0]).name else done.stdout
        said = _NOISE.sub("", done.stderr).strip() or done.stdout.strip()
        if re.search(
            r"no solution found|ResolutionImpossible|conflicting dependencies|no matching distribution", said, re.I
        ):
            raise UnsatisfiableError(gist_of(said))
        raise _trouble(said)


def _line(pin: Pin, wanted: Mapping[str, str], free: Collection[str]) -> str:
    """A line of a file of pins, as it would be: the wanted version, any where it may move, else what it says."""
    if pin.name not in wanted and pin.name not in free:
        return replace(pin, version=pin.version.partition("+")[0] if pin.version else None).requirement()
    return replace(pin, version=None, specifier=wanted.get(pin.name, "")).requirement()


@contextlib.contextmanager
def _without_trace(prefix: str | None) -> Iterator[None]:
    """Takes away the empty lock that uv leaves in an environment even where it only looks."""
    lock = Path(prefix or "", ".lock")
    there = prefix is None or lock.exists()
    try:
        yield
    finally:
        if not there:
            with contextlib.suppress(OSError), lock.open("rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not held.read(1):
                    lock.unlink()


def read_requirement(text: str) -> Requirement | None:
    """A PEP 508 requirement; None where it is none."""
    try:
        return Requirement(re.sub(r"\((.*?)\)", r"\1", text, count=1) if ";" not in text.partition("(")[0] else text)
    except InvalidRequirement:
        return None


def _trouble(said: str) -> RepairError | OfflineError:
    tail = "\n".join(said.splitlines()[-15:])
    if is_network(said):
        return OfflineError(f"the package index cannot be reached:\n{tail}", "check the network or the index")
    return RepairError(f"the resolver failed:\n{tail}")


def _uv_changes(said: str) -> dict[str, str]:
    found = {}
    for line in said.splitlines():
        match = _CHANGE.match(line)
        if match and match[1] == "+":
            found[match[2]] = match[3]
    return found


def _pip_changes(said: str) -> dict[str, str]:
    report = json.loads(said[said.index("{") :])
    return {one["metadata"]["name"]: one["metadata"]["version"] for one in report["install"]}
