"""Pins → Environment: fetch every pin, see whether they are the whole environment, complete them where not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sftdoctor.errors import OfflineError, TargetError
from sftdoctor.model import Distribution, Environment, NotJudged, Problem, Target, TargetKind
from sftdoctor.target.index import Index, with_settings
from sftdoctor.target.index_page import IndexFile
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats import Pin, PinFile, holds, read_pin_file
from sftdoctor.target.resolver import ResolverError, complete
from sftdoctor.target.wheels import (
    NoFittingFileError,
    NoSuchVersionError,
    UnreadableFileError,
    fetch_file,
    fetch_sources,
)

Progress = Callable[[int, int, str], None]
_THREADS = 8
_WHOLE = 0.8
"""Share of the required packages that a list of exact pins must name to be taken for a whole environment."""
_NOT_COUNTED = ("nvidia-", "cuda-", "triton", "pytorch-triton", "setuptools", "pip", "wheel", "distribute")
"""Not counted as lacking: what depends on the build of torch, and what `pip freeze` leaves out."""


@dataclass
class Gathered:
    """What fetching the pins gave."""

    distributions: dict[str, Distribution] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    not_judged: list[NotJudged] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    """What the network would have to bring."""
    silent: str = ""
    """What was said of the first address that did not answer."""
    lasting: bool = True
    """Whether another run would find the same."""
    complete: bool = False
    """Whether a package that is not among the distributions is missing for sure."""
    blind: bool = False
    """Whether packages are asked for whose version cannot be told."""
    resolved: bool = False
    """Whether a resolver added packages."""


def assemble(
    path: Path, python_version: str, markers: Mapping[str, str], index: Index, progress: Progress | None
) -> tuple[Environment, PinFile, Gathered]:
    """Read pins and fetch what they name.

    Args:
        path: The file.
        python_version: The target's Python as the user gives it.
        markers: Its PEP 508 marker environment.
        index: Where to look.
        progress: Called with (done, total, what) as the fetching goes on, from one thread at a time.

    Raises:
        TargetError: The file cannot be read, is broken or pins nothing.
        OfflineError: Something is not in the cache, and the network is off or does not answer.
    """
    file = read_pin_file(path, markers)
    if not file.pins and not file.blind:
        raise TargetError(f"{path} pins no package", hint="It must name packages, as `pip freeze` does.")
    index = with_settings(index, file.indexes) if file.indexes else index
    gathered = Gathered(notes=list(file.notes), not_judged=list(file.blind), blind=bool(file.blind))
    exact = [pin for pin in file.pins if pin.version]
    _fetch_all(exact, markers, index, gathered, progress)
    if file.lock or len(exact) == len(file.pins):
        gathered.complete = file.lock or _is_whole(file.pins, gathered, markers)
    if not gathered.complete:
        _complete(file, markers, index, gathered, progress)
    # a package that is there but cannot be told must not be taken for missing
    gathered.complete = gathered.complete and not gathered.blind
    order = sorted(gathered.distributions)
    environment = Environment(
        target=Target(TargetKind.PINS, str(path), python_version),
        python=python_version,
        markers=dict(markers),
        distributions={name: gathered.distributions[name] for name in order},
        paths=tuple(root for name in order if (root := gathered.distributions[name].root)),
        problems=tuple(gathered.problems),
        complete=gathered.complete,
        not_judged=tuple(gathered.not_judged),
        notes=tuple(gathered.notes),
    )
    return environment, file, gathered


def _fetch_all(
    pins: Iterable[Pin], markers: Mapping[str, str], index: Index, gathered: Gathered, progress: Progress | None
) -> None:
    todo = [pin for pin in pins if pin.name not in gathered.distributions]
    done, lock = 0, threading.Lock()

    def one(pin: Pin) -> tuple[Pin, Distribution | TargetError | OfflineError]:
        nonlocal done
        result: Distribution | TargetError | OfflineError
        try:
            result = _fetch(pin, markers, index)
        except (TargetError, OfflineError) as error:
            result = error
        with lock:
            done += 1
            if progress:
                progress(done, len(todo), f"{pin.name} {pin.version}")
        return pin, result

    with ThreadPoolExecutor(_THREADS) as pool:
        for pin, result in pool.map(one, todo):
            _note(pin, result, markers, gathered)
    if gathered.lacking:
        named = ", ".join(sorted(gathered.lacking)[:5]) + (" …" if len(gathered.lacking) > 5 else "")
        why = "the network is off" if index.offline else "the package index does not answer"
        raise OfflineError(
            f"{len(gathered.lacking)} of {len(todo)} packages are not in the cache, and {why}: {named}",
            hint="Run once without --offline; what it fetches is kept."
            if index.offline
            else f"Check the network, and the indexes that the file and pip's settings name: {gathered.silent}.",
        )


def _fetch(pin: Pin, markers: Mapping[str, str], index: Index) -> Distribution:
    version = pin.version or ""
    if pin.url:
        filename = unquote(urlsplit(pin.url).path.rpartition("/")[2])
        digest = next(iter(pin.hashes), None) if len(pin.hashes) == 1 else None
        return fetch_file(index, IndexFile(filename, pin.url, sha256=digest), pin.name, version)
    return fetch_sources(
        pin.name, version, markers["python_full_version"], markers=markers, index=index, hashes=pin.hashes
    )


def _note(
    pin: Pin, result: Distribution | TargetError | OfflineError, markers: Mapping[str, str], gathered: Gathered
) -> None:
    label = f"{pin.name} {pin.version}"
    if isinstance(result, Distribution):
        gathered.distributions[pin.name] = result
        if (
            "+" in (pin.version or "")
            and result.root
            and f"+{(pin.version or '').partition('+')[2]}" not in result.root
        ):
            gathered.notes.append(f"{label} is judged by the published {(pin.version or '').partition('+')[0]}")
        return
    if isinstance(result, OfflineError):
        gathered.lacking.append(label)
        gathered.silent = gathered.silent or str(result)
        return
    if pin.foreign and isinstance(result, NoSuchVersionError):
        gathered.not_judged.append(NotJudged(label, "a conda package that the package index does not have"))
        gathered.distributions[pin.name] = Distribution(pin.name, pin.version or "")
        return
    kind = {NoFittingFileError: "incompatible", NoSuchVersionError: "unavailable"}.get(type(result))
    if kind:
        gathered.problems.append(Problem(kind, pin.name, pin.version or "", result.message))
    gathered.not_judged.append(NotJudged(label, result.message))
    gathered.distributions[pin.name] = Distribution(pin.name, pin.version or "")
    # a hidden transient fault, or a version that may be published tomorrow
    gathered.lasting = gathered.lasting and isinstance(result, NoFittingFileError | UnreadableFileError)


def required(distribution: Distribution, extras: Iterable[str], markers: Mapping[str, str]) -> set[str]:
    """Canonical names of the distributions that one requires on the target.

    Args:
        distribution: The one that requires.
        extras: The extras of it that are asked for.
        markers: The target's PEP 508 marker environment.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found = set()
    for line in distribution.requires:
        try:
            requirement = Requirement(line)
        except (InvalidRequirement, RecursionError):
            continue
        if any(holds(requirement.marker, markers, extra) for extra in ("", *extras)):
            found.add(canonical_name(requirement.name))
    return found


def _is_whole(pins: Iterable[Pin], gathered: Gathered, markers: Mapping[str, str]) -> bool:
    """Whether exact pins are all there is: they name nearly everything that they require.

    A forced environment (--no-deps, an image that was patched) lacks a few requirements and is whole all the same; the
    pins of a tutorial name five packages of the fifty that these require.
    """
    extras = {pin.name: pin.extras for pin in pins}
    wanted: set[str] = set()
    for name, distribution in gathered.distributions.items():
        wanted |= required(distribution, extras.get(name, ()), markers)
    counted = {name for name in wanted if not name.startswith(_NOT_COUNTED)}
    there = {name for name in counted if name in gathered.distributions}
    named = {one.what for one in gathered.not_judged}
    return len(there | (counted & named)) >= _WHOLE * len(counted)


def _complete(
    file: PinFile, markers: Mapping[str, str], index: Index, gathered: Gathered, progress: Progress | None
) -> None:
    """Add what a resolver says is missing; say so where it cannot."""
    if index.offline:
        why = "it leaves packages open, and the resolver that would complete it needs the network"
        gathered.not_judged.append(NotJudged(file.path.name, why))
        return
    askable = [pin for pin in file.pins if _askable(pin, index, gathered)]
    plain = [replace(pin, version=pin.version.partition("+")[0] if pin.version else None) for pin in askable]
    try:
        resolver, versions = complete(plain, file.constraints, markers, index.settings)
    except ResolverError as error:
        gathered.lasting = gathered.lasting and error.final
        if error.final:
            gathered.problems.append(Problem("unresolvable", file.path.name, str(file.path), str(error)))
        gathered.not_judged.append(NotJudged(file.path.name, f"the packages it leaves open are not known: {error}"))
        versions, resolver = {}, ""
    more = [Pin(name, version=version) for name, version in versions.items() if name not in gathered.distributions]
    _fetch_all(more, markers, index, gathered, progress)
    if resolver:
        gathered.notes.append(f"{file.path.name} leaves packages open; {resolver} added {len(more)}")
        gathered.complete = gathered.resolved = True


def _askable(pin: Pin, index: Index, gathered: Gathered) -> bool:
    """Whether a resolver can be asked for it: a version that is not there would only make it give up."""
    if any(problem.name == pin.name for problem in gathered.problems) or pin.url:
        return False
    if not pin.foreign:
        return True
    from packaging.specifiers import SpecifierSet

    versions = index.versions(pin.name, yanked=True)
    if pin.version and pin.name in gathered.distributions:
        return gathered.distributions[pin.name].root is not None
    if any(SpecifierSet(pin.specifier).contains(version) for version in versions):
        return True
    gathered.not_judged.append(NotJudged(pin.name, "a conda package that the package index does not have"))
    gathered.blind = True
    return False
