"""A set of pins, not installed → Environment. A second run over the same pins reads one file and asks nobody."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor.errors import TargetError
from sftdoctor.folders import cache_folder
from sftdoctor.model import Distribution, Environment, NotJudged, Problem, Target, TargetKind
from sftdoctor.target.index_settings import read_index_settings
from sftdoctor.target.platforms import marker_environment
from sftdoctor.target.store import read_json, write_json

if TYPE_CHECKING:
    from sftdoctor.target.assemble import Gathered
    from sftdoctor.target.pin_formats import PinFile

_SCHEMA = 1
_OPEN_FOR = 24 * 3600.0
"""Seconds for which what a resolver added is kept: new releases change it."""
_MISSING_FOR = 3600.0
"""Seconds for which "the index has no such version" is kept."""


def read_pins(
    path: Path,
    python_version: str,
    *,
    offline: bool = False,
    cache: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Environment:
    """Judge a set of pins without installing it: fetch the metadata and Python files of what it names.

    Args:
        path: requirements.txt, constraints, `pip freeze` output, uv.lock, poetry.lock, pylock.*.toml,
            pyproject.toml or environment.yml.
        python_version: The Python that they are meant for, "3.11" or "3.11.7"; need not be on this machine.
        offline: Use the cache alone.
        cache: The cache folder; the user's where None.
        progress: Called with (done, total, what) as the fetching goes on, from one thread at a time.

    Returns:
        An Environment whose distributions lie each in a folder of the cache; `complete` where the file (or a resolver)
        lists everything. What the file leaves to others, cannot be fetched or fits no such Python is in `problems` and
        `not_judged`; what a resolver had to add is in `notes`.

    Raises:
        TargetError: The file cannot be read, is broken or pins nothing.
        OfflineError: Something is not in the cache, and the network is off or does not answer.
    """
    cache = cache or cache_folder()
    markers = marker_environment(python_version)
    kept = cache / "pins" / f"{_key(path, markers)}.json"
    environment = _load(kept, cache, path, python_version, markers, offline)
    if environment:
        return environment
    from sftdoctor.target.assemble import assemble
    from sftdoctor.target.index import Index
    from sftdoctor.target.wheel_cache import prune_daily

    index = Index(cache=cache, offline=offline)
    environment, file, gathered = assemble(path, python_version, markers, index, progress)
    if gathered.lasting or not offline:
        _save(kept, cache, environment, file, gathered)
    if index.fetcher.requests:
        prune_daily(cache)
    return environment


def _key(path: Path, markers: Mapping[str, str]) -> str:
    try:
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    except OSError:
        content = ""
    # the format is told by the name
    said = (content, path.name.lower(), sorted(markers.items()), read_index_settings())
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def _save(kept: Path, cache: Path, environment: Environment, file: PinFile, gathered: Gathered) -> None:
    lasts = _OPEN_FOR if gathered.resolved else None
    if not gathered.lasting:
        lasts = _MISSING_FOR
    content = {
        "expires": time.time() + lasts if lasts else None,
        "inputs": {os.path.relpath(one, file.path.resolve().parent): _digest(one) for one in file.inputs},
        "variables": {name: _secret(name) for name in file.variables},
        "distributions": [_portable(one, cache) for one in environment.distributions.values()],
        "problems": [asdict(one) for one in environment.problems],
        "not_judged": [asdict(one) for one in environment.not_judged],
        "notes": environment.notes,
        "complete": environment.complete,
    }
    write_json(kept, _SCHEMA, content)


def _load(
    kept: Path, cache: Path, path: Path, python_version: str, markers: dict[str, str], offline: bool
) -> Environment | None:
    """What an earlier run found for the same content, if that still holds and nothing of it was removed since."""
    content = read_json(kept, _SCHEMA)
    if not content:
        return None
    try:
        if content["expires"] and content["expires"] < time.time() and not offline:
            return None
        folder = path.resolve().parent
        if any(_digest(folder / name) != digest for name, digest in content["inputs"].items()):
            return None
        if any(_secret(name) != digest for name, digest in content["variables"].items()):
            return None
        found = [_from_portable(one, cache) for one in content["distributions"]]
        if any(one.metadata and not Path(one.metadata).is_dir() for one in found):
            return None
        return Environment(
            target=Target(TargetKind.PINS, str(path), python_version),
            python=python_version,
            markers=markers,
            distributions={one.name: one for one in found},
            paths=tuple(one.root for one in found if one.root),
            problems=tuple(Problem(**one) for one in content["problems"]),
            not_judged=tuple(NotJudged(**one) for one in content["not_judged"]),
            notes=tuple(content["notes"]),
            complete=bool(content["complete"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        return None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _secret(name: str) -> str:
    return hashlib.sha256(os.environ.get(name, "").encode()).hexdigest()


def _portable(distribution: Distribution, cache: Path) -> dict[str, Any]:
    """As plain data; its folders relative to the cache, which may be moved."""
    content = {key: value for key, value in asdict(distribution).items() if value}
    for key in ("root", "metadata"):
        if content.get(key):
            content[key] = str(Path(content[key]).relative_to(cache))
    return content


def _from_portable(content: Mapping[str, Any], cache: Path) -> Distribution:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    for key in ("root", "metadata"):
        if fields.get(key):
            fields[key] = f"{cache}/{fields[key]}"
    return Distribution(**fields)


def left_open(environment: Environment) -> PinFile | None:
    """The file of a target that is not known whole: its pins contradict each other, say, so that nobody completes them.

    Returns:
        What the file asks for; None where every distribution is known, or the target is no file of pins.

    Raises:
        TargetError: The file cannot be read any more.
    """
    if environment.complete or environment.target.kind is not TargetKind.PINS:
        return None
    from sftdoctor.target.pin_formats import read_pin_file

    return read_pin_file(Path(environment.target.path), environment.markers)


def completed(environment: Environment, file: PinFile) -> Environment:
    """The environment of pins to which a resolver has added all that was left open: it is judged as a whole one."""
    problems = tuple(one for one in environment.problems if one.kind != "unresolvable")
    gaps = tuple(one for one in environment.not_judged if one.what != file.path.name)
    return replace(environment, complete=not file.blind, problems=problems, not_judged=gaps)


def with_versions(
    environment: Environment,
    versions: Mapping[str, str | None],
    *,
    offline: bool = False,
    cache: Path | None = None,
) -> Environment:
    """The same environment with some distributions in other versions, fetched and not installed.

    Args:
        environment: Any target; an installed one stays as it is.
        versions: Name → version to put in its place (or to add); None to leave the distribution out.
        offline: Use the cache alone.
        cache: The cache folder; the user's where None.

    Returns:
        An Environment in which the new distributions come first on the path and `owners` keeps the modules of the old
        ones from being found.

    Raises:
        TargetError: A version is not there, or does not fit the target.
        OfflineError: It is not in the cache, and the network is off or does not answer.
    """
    from sftdoctor.target.index import Index
    from sftdoctor.target.metadata import canonical_name
    from sftdoctor.target.wheels import fetch_sources

    index = Index(cache=cache or cache_folder(), offline=offline)
    distributions = dict(environment.distributions)
    owners, fresh, gone = dict(environment.owners), [], set()
    for given, version in versions.items():
        name = canonical_name(given)
        old = distributions.pop(name, None)
        new = None
        if version is not None:
            new = fetch_sources(name, version, environment.python, markers=environment.markers or None, index=index)
            if new.root is None:
                raise TargetError(f"{name} {version} has no files")
            distributions[name] = new
            fresh.append(new.root)
        if old and old.root and not any(one.root == old.root for one in distributions.values()):
            gone.add(old.root)
        shared = {module for one in distributions.values() if one.name != name for module in one.top_level}
        modules = {*(old.top_level if old else ()), *(new.top_level if new else ())}
        # what an earlier swap gave to the root that goes now
        modules |= {module for module, root in owners.items() if old and root == old.root}
        modules -= shared
        owners.update(dict.fromkeys(modules, new.root if new and new.root else ""))
    return replace(
        environment,
        distributions=distributions,
        paths=(*fresh, *(path for path in environment.paths if path not in gone and path not in fresh)),
        owners=owners,
        torch_build=environment.torch_build if "torch" not in map(canonical_name, versions) else None,
    )
