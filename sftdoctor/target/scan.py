"""The distributions in a list of import roots, and the flaws of the installation that reading them shows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sftdoctor.model import Distribution, NotJudged, Problem
from sftdoctor.target.headers import clean
from sftdoctor.target.metadata import (
    UnreadableError,
    canonical_name,
    is_plain_version,
    read_distribution,
    source_folder,
)
from sftdoctor.target.numpy_interface import numpy_range_of_installed
from sftdoctor.target.search import Search

_METADATA = (".dist-info", ".egg-info")
_EGG = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)(?:-py\d.*)?\.egg", re.IGNORECASE)
_SOURCES = (".py", ".so", ".pyd")


@dataclass
class Scan:
    """What lies in the roots."""

    distributions: dict[str, Distribution] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    not_judged: list[NotJudged] = field(default_factory=list)


def scan(search: Search) -> Scan:
    """Read every distribution that the roots hold.

    Args:
        search: The roots, in the order that Python searches them.

    Returns:
        The first of each name in the order that `importlib.metadata` finds them, and every flaw on the way.
    """
    found = Scan()
    linked = _egg_links(search)
    for root in search.roots:
        for path in _metadata_paths(search, root, found):
            _take(found, path, root, search, linked)
    found.distributions = dict(sorted(found.distributions.items()))
    if "numpy" in found.distributions:
        _ask_binaries(found.distributions)
    return found


def _ask_binaries(distributions: dict[str, Distribution]) -> None:
    for name, distribution in distributions.items():
        numpy = numpy_range_of_installed(distribution)
        if numpy is not None:
            distributions[name] = replace(distribution, numpy=numpy)


def _metadata_paths(search: Search, root: str, found: Scan) -> Iterator[str]:
    """Paths of metadata in one root: first those of wheels and develop installs, then those of eggs, as Python does."""
    if root.lower().endswith(".egg"):
        yield from _egg(root, found)
        return
    if os.path.isfile(root):
        found.not_judged.append(NotJudged(clean(root), "an import root that is a file (zip) is not read"))
        return
    for name in search.list(root):
        if name.startswith("~"):
            _leftover(found, root, name)
        elif name.endswith(_METADATA):
            yield os.path.join(root, name)


def _egg(root: str, found: Scan) -> Iterator[str]:
    if os.path.isdir(root):
        yield os.path.join(root, "EGG-INFO")
        return
    name = _EGG.fullmatch(os.path.basename(root))
    if name is None:
        found.problems.append(Problem("unreadable", clean(os.path.basename(root)), root, "a zipped egg without a name"))
        return
    distribution = Distribution(canonical_name(name[1]), name[2].replace("_", "-"), root=root, metadata=root)
    found.distributions.setdefault(distribution.name, distribution)
    reason = f"{distribution.name} is a zipped egg; neither its modules nor its requirements are read"
    found.not_judged.append(NotJudged(clean(root), reason))


def _take(found: Scan, path: str, root: str, search: Search, linked: set[str]) -> None:
    try:
        distribution = read_distribution(path, root)
    except UnreadableError as why:
        found.problems.append(Problem("unreadable", _name_of(path), path, str(why)))
        found.not_judged.append(NotJudged(_name_of(path), f"its version is not known: {why}"))
        return
    if not is_plain_version(distribution.version):
        detail = f"its version {distribution.version!r} is no PEP 440 version"
        found.problems.append(Problem("unreadable", distribution.name, path, detail))
    if distribution.editable or distribution.name in linked:
        distribution = _at_its_source(distribution, search)
    first = found.distributions.setdefault(distribution.name, distribution)
    if first is not distribution and first.version != distribution.version:
        found.problems.append(_duplicate(first, distribution, path))


def _duplicate(first: Distribution, second: Distribution, path: str) -> Problem:
    together = os.path.dirname(first.metadata or "") == os.path.dirname(path)
    if together:
        how = f"{first.version} and {second.version} lie in one folder; Python takes {first.version} for installed"
    else:
        how = f"{second.version} is hidden by {first.version}, which comes earlier on the path"
    return Problem("duplicate", first.name, path, how)


def _leftover(found: Scan, root: str, name: str) -> None:
    """pip renames what it is about to remove; what is still there was never removed (or not yet)."""
    detail = "left over from an uninstall that was interrupted; it can be deleted"
    found.problems.append(Problem("leftover", clean(name), os.path.join(root, name), detail))


def _egg_links(search: Search) -> set[str]:
    """Names of what `setup.py develop` linked into the path."""
    names = (name for root in search.roots for name in search.list(root))
    return {canonical_name(name.removesuffix(".egg-link")) for name in names if name.endswith(".egg-link")}


def _at_its_source(distribution: Distribution, search: Search) -> Distribution:
    """An editable install is imported from its source: its root is that folder, not the one with its metadata."""
    distribution = replace(distribution, editable=True)
    for module in distribution.top_level:
        if module in search.modules:
            return replace(distribution, root=os.path.dirname(search.modules[module]))
    source = source_folder(distribution.metadata) if distribution.metadata else None
    for module, path in search.modules.items():
        if source and path.startswith(source + os.sep):
            return replace(distribution, root=os.path.dirname(path), top_level=(module,))
    for root in search.roots:
        if source and (root == source or root.startswith(source + os.sep)) and root != distribution.root:
            return replace(
                distribution, root=root, top_level=distribution.top_level or _packages(search, root, distribution)
            )
    return distribution


def _packages(search: Search, root: str, distribution: Distribution) -> tuple[str, ...]:
    """The module named like the distribution, else every package in its source folder (its metadata names none)."""
    names = {name.split(".", 1)[0] for name in search.list(root) if name.endswith(_SOURCES)}
    folders = {name for name in search.list(root) if os.path.isfile(os.path.join(root, name, "__init__.py"))}
    named = {name for name in names | folders if canonical_name(name) == distribution.name}
    return tuple(sorted(name for name in named or folders if name.isidentifier()))


def _name_of(path: str) -> str:
    """The distribution that an unreadable folder seems to be of, by the folder's name."""
    folder = os.path.basename(path)
    if folder == "EGG-INFO":
        folder = os.path.basename(os.path.dirname(path))
    stem = re.sub(r"\.(dist-info|egg-info|egg)$", "", folder)
    return canonical_name(clean(stem.split("-", 1)[0])) or clean(folder)
