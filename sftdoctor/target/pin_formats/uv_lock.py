"""uv.lock: one lock for every Python and platform; what one target gets is found by walking it from the project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftdoctor.errors import TargetError
from sftdoctor.model import NotJudged
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats.locks import packages_of, text_of
from sftdoctor.target.pin_formats.words import Pin, PinFile, holds, read_toml

_PROJECT = ("virtual", "editable", "directory")
_Table = dict[str, Any]


@dataclass
class _Walk:
    """The packages that were reached."""

    packages: Mapping[str, list[_Table]]
    markers: Mapping[str, str]
    chosen: dict[str, _Table] = field(default_factory=dict)
    extras: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    clash: str = ""
    """The package that would be there in two versions."""

    def copy(self) -> _Walk:
        """To try something that may clash."""
        extras = defaultdict(set, {name: set(found) for name, found in self.extras.items()})
        return _Walk(self.packages, self.markers, dict(self.chosen), extras)

    def follow(self, start: Iterable[object]) -> None:
        """Take in dependency tables and all that they lead to."""
        todo = list(start)
        while todo:
            edge = todo.pop()
            if not isinstance(edge, dict) or not holds(edge.get("marker"), self.markers):
                continue
            package = self._package(edge)
            if package is None:
                continue
            name = canonical_name(package["name"])
            asked = edge.get("extra")
            new = {one for one in (asked if isinstance(asked, list) else ()) if isinstance(one, str)} - self.extras[
                name
            ]
            if name not in self.chosen:
                self.chosen[name] = package
                todo += _list(package, "dependencies")
            elif self.chosen[name] is not package:
                self.clash = name
                return
            self.extras[name] |= new
            for extra in new:
                todo += _list(package.get("optional-dependencies"), extra)

    def _package(self, edge: _Table) -> _Table | None:
        """The package that an edge leads to; a name with several versions is told by the edge, or by its forks."""
        found = self.packages.get(canonical_name(text_of(edge, "name")), [])
        version = text_of(edge, "version")
        if version:
            found = [package for package in found if text_of(package, "version") == version]
        if len(found) > 1:
            forks = [package for package in found if _in_fork(package, self.markers)]
            found = forks or found
        return found[0] if found else None


def read_uv_lock(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a uv.lock, as installed with every extra and group of the project that does not clash with another.

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read, is broken or of a newer format.
    """
    content = read_toml(path)
    if content.get("version") != 1:
        raise TargetError(f"{path} is of version {str(content.get('version'))[:20]!r}; version 1 is read")
    packages: dict[str, list[_Table]] = defaultdict(list)
    for package in packages_of(content, "package", path):
        packages[canonical_name(package["name"])].append(package)
    roots = [one for several in packages.values() for one in several if _source(one) in _PROJECT]
    walk = _Walk(packages, markers)
    notes: list[str] = []
    if not roots:
        walk.follow(
            {"name": one["name"], "version": one.get("version")} for several in packages.values() for one in several
        )
    walk.follow({"name": root["name"]} for root in roots)
    _check(walk, path)
    for label, edges in _optional(roots):
        attempt = walk.copy()
        attempt.follow(edges)
        if attempt.clash:
            notes.append(f"{path.name}: {label} is left out, it brings another {attempt.clash}")
        else:
            walk = attempt
    pins, blind = [], []
    for name, package in walk.chosen.items():
        version, source = text_of(package, "version"), _source(package)
        if source == "registry" and version:
            pins.append(Pin(name, version=version, extras=tuple(sorted(walk.extras[name]))))
        elif package not in roots:
            blind.append(NotJudged(name, f"{path.name} installs it from a {source or 'source that is not known'}"))
    return PinFile(
        path=path, kind="uv.lock", pins=tuple(pins), lock=True, blind=tuple(blind), notes=tuple(notes),
        indexes=tuple(dict.fromkeys(_indexes(walk.chosen.values()))),
    )  # fmt: skip


def _check(walk: _Walk, path: Path) -> None:
    if walk.clash:
        raise TargetError(f"{path} installs {walk.clash} in two versions on this target", hint="Write the lock anew.")


def _list(table: object, key: str) -> list[Any]:
    found = table.get(key) if isinstance(table, dict) else None
    return found if isinstance(found, list) else []


def _source(package: _Table) -> str:
    source = package.get("source")
    return next(iter(source), "") if isinstance(source, dict) else ""


def _in_fork(package: _Table, markers: Mapping[str, str]) -> bool:
    forks = _list(package, "resolution-markers")
    return not forks or any(holds(fork, markers) for fork in forks)


def _optional(roots: Iterable[_Table]) -> Iterator[tuple[str, list[Any]]]:
    """The groups and extras of the project with their edges; groups first, as `uv sync` installs "dev" unasked."""
    for word, key in (("the group", "dev-dependencies"), ("the extra", "optional-dependencies")):
        for root in roots:
            tables = root.get(key)
            for name in tables if isinstance(tables, dict) else ():
                yield f"{word} {name}", _list(tables, name)


def _indexes(packages: Iterable[_Table]) -> Iterator[str]:
    for package in packages:
        source = package.get("source")
        url = text_of(source, "registry") if isinstance(source, dict) else ""
        if url.startswith("https://") and "@" not in url and url.rstrip("/") != "https://pypi.org/simple":
            yield url.rstrip("/")
