"""poetry.lock and pylock.toml: lists of exact versions, each with the condition under which it is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sftdoctor.errors import TargetError
from sftdoctor.model import NotJudged
from sftdoctor.target.dist_info import is_name
from sftdoctor.target.headers import clean
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats.words import Pin, PinFile, holds, read_toml
from sftdoctor.target.platforms import fits_python

_PACKAGES = 20_000
_MEMBERSHIP = re.compile(r"""(['"])([^'"]{1,100})\1\s{1,9}(not\s{1,9})?in\s{1,9}(extras|dependency_groups)\b""")


def packages_of(content: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """The packages of a lock, each a table with a valid name.

    Args:
        content: The lock.
        key: Under which it lists them.
        path: The file, for messages.

    Raises:
        TargetError: There is no such list, or one of them is no package.
    """
    packages = content.get(key)
    if not isinstance(packages, list) or len(packages) > _PACKAGES:
        raise TargetError(f"{path} lists no packages", hint="Write the lock anew.")
    for package in packages:
        if not isinstance(package, dict) or not isinstance(package.get("name"), str) or not is_name(package["name"]):
            raise TargetError(f"{path} lists a package that has no valid name", hint="Write the lock anew.")
    return packages


def text_of(table: Mapping[str, Any], key: str) -> str:
    """A string out of a lock; empty where there is none."""
    value = table.get(key)
    return clean(value) if isinstance(value, str) else ""


def read_poetry(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a poetry.lock (any of its versions).

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read or is broken.
    """
    packages = packages_of(read_toml(path), "package", path)
    asked = _poetry_asked(packages, markers)
    pins: dict[str, Pin] = {}
    blind: list[NotJudged] = []
    for package in packages:
        name = canonical_name(package["name"])
        condition = package.get("markers")
        if isinstance(condition, dict):  # by group
            condition = condition.get("main") or next(iter(condition.values()), None)
        installed = fits_python(text_of(package, "python-versions") or None, markers) and asked.get(name, True)
        if not installed or not holds(condition, markers):
            continue
        source = package.get("source")
        kind = text_of(source, "type") if isinstance(source, dict) else ""
        if kind in ("git", "directory", "file", "url"):
            blind.append(NotJudged(name, f"{path.name} installs it from a {kind}"))
        else:
            pins.setdefault(name, Pin(name, version=text_of(package, "version") or None))
    return PinFile(path=path, kind="poetry.lock", pins=tuple(pins.values()), lock=True, blind=tuple(blind))


def _poetry_asked(packages: list[dict[str, Any]], markers: Mapping[str, str]) -> dict[str, bool]:
    """Name → whether some other package asks for it on this target; names that nobody asks for (the project's own
    requirements) are left out. Locks before poetry 2 say it only so."""
    asked: dict[str, bool] = {}
    for package in packages:
        requirements = package.get("dependencies")
        for name, condition in requirements.items() if isinstance(requirements, dict) else ():
            alternatives = condition if isinstance(condition, list) else [condition]
            met = any(not isinstance(one, dict) or holds(one.get("markers"), markers) for one in alternatives)
            key = canonical_name(str(name))
            asked[key] = asked.get(key, False) or met
    return asked


def read_pylock(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a pylock.toml (PEP 751), as installed without extras and with its default groups.

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read, is broken or of a newer format.
    """
    content = read_toml(path)
    version = text_of(content, "lock-version")
    if not version.startswith("1."):
        raise TargetError(f"{path} is of lock-version {version or 'unknown'!r}; 1.x is read")
    if not fits_python(text_of(content, "requires-python") or None, markers):
        raise TargetError(
            f"{path} is locked for Python {text_of(content, 'requires-python')}, not {markers['python_version']}",
            hint="Give the right --python-version.",
        )
    groups = content.get("default-groups")
    names = frozenset(canonical_name(str(group)) for group in groups) if isinstance(groups, list) else frozenset()
    pins: dict[str, Pin] = {}
    blind: list[NotJudged] = []
    for package in packages_of(content, "packages", path):
        name = canonical_name(package["name"])
        fits = fits_python(text_of(package, "requires-python") or None, markers)
        if not fits or not _pylock_holds(package.get("marker"), markers, names):
            continue
        exact = text_of(package, "version")
        if any(key in package for key in ("vcs", "directory", "archive")) or not exact:
            blind.append(NotJudged(name, f"{path.name} installs it from a repository, folder or archive"))
        elif name in pins and pins[name].version != exact:
            raise TargetError(f"{path} installs {name} in two versions on this target")
        else:
            pins[name] = Pin(name, version=exact, hashes=frozenset(_hashes(package)))
    return PinFile(path=path, kind="pylock.toml", pins=tuple(pins.values()), lock=True, blind=tuple(blind))


def _pylock_holds(marker: object, markers: Mapping[str, str], groups: frozenset[str]) -> bool:
    """A marker that may also ask for extras and dependency_groups, which only the newest packaging understands."""

    def settled(match: re.Match[str]) -> str:
        there = match[4] == "dependency_groups" and canonical_name(match[2]) in groups
        return "python_version >= '0'" if there is not bool(match[3]) else "python_version < '0'"

    return holds(_MEMBERSHIP.sub(settled, marker) if isinstance(marker, str) else None, markers)


def _hashes(package: Mapping[str, Any]) -> Iterator[str]:
    wheels, sdist = package.get("wheels"), package.get("sdist")
    for file in [*(wheels if isinstance(wheels, list) else ()), sdist]:
        found = file.get("hashes") if isinstance(file, dict) else None
        digest = found.get("sha256") if isinstance(found, dict) else None
        if isinstance(digest, str):
            yield digest.lower()
