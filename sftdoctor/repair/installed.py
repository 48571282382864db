"""Which files belong to an installed distribution, read from its RECORD without importing anything."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.errors import RepairError
from sftdoctor.model import Environment

_ROOT = re.compile(r"(local/)?lib(64)?/(python|pypy)3(\.\d+)?t?/(site|dist)-packages|Lib/site-packages")
RECORD_LIMIT = 64 * 1024 * 1024
"""Bytes of the largest RECORD that is read; torch's is about 3 MB."""


@dataclass(frozen=True)
class Place:
    """Where a target keeps its packages."""

    prefix: Path
    roots: tuple[Path, ...]
    """Import roots inside the prefix, real paths, in the order of the search path."""

    @property
    def scripts(self) -> Path:
        """Folder of console scripts."""
        return self.prefix / ("Scripts" if os.name == "nt" else "bin")

    def holds(self, path: Path) -> bool:
        """Whether a path lies inside the prefix, links in its folders followed."""
        folder = Path(os.path.realpath(path.parent))
        return folder == self.prefix or self.prefix in folder.parents


@dataclass(frozen=True)
class Installed:
    """One distribution as its .dist-info folder describes it."""

    name: str
    version: str
    metadata: Path
    files: tuple[Path, ...]
    """Everything that belongs to it and may be there: RECORD, byte code, the whole .dist-info folder."""
    installer: str
    editable: bool


def find_place(environment: Environment) -> Place:
    """Where the target keeps its packages.

    Raises:
        RepairError: The target is not installed, or has no import root inside its prefix.
    """
    if environment.target.prefix is None:
        raise RepairError("nothing is installed in this target", "give an environment with --python to apply a fix")
    prefix = Path(os.path.realpath(environment.target.prefix))
    roots: list[Path] = []
    for path in environment.paths:
        real = Path(os.path.realpath(path))
        if real.is_dir() and is_root(real, prefix):
            roots += [real] if real not in roots else []
    if not roots:
        raise RepairError(f"{prefix} has no site-packages folder of its own", "use a virtual environment")
    return Place(prefix, tuple(roots))


def is_root(folder: Path, prefix: Path) -> bool:
    """Whether a folder is where a Python with that prefix keeps packages: lib/python3.11/site-packages and the like."""
    return prefix in folder.parents and _ROOT.fullmatch(folder.relative_to(prefix).as_posix()) is not None


def versions_in(roots: Iterable[Path]) -> dict[str, str]:
    """Canonical name → version of every .dist-info folder; the first root wins."""
    found: dict[str, str] = {}
    for root in roots:
        for folder in sorted(root.glob("*.dist-info")):
            parsed = _name_and_version(folder)
            if parsed and not parsed[0].startswith("~"):
                found.setdefault(canonicalize_name(parsed[0]), parsed[1])
    return found


def find_installed(name: str, place: Place) -> Installed | None:
    """The distribution of that name inside the prefix, or None.

    Raises:
        RepairError: It is there twice, or without a RECORD, or its RECORD names files outside the prefix.
    """
    folders = [
        folder
        for root in place.roots
        for folder in sorted(root.glob("*.dist-info"))
        if (parsed := _name_and_version(folder)) and canonicalize_name(parsed[0]) == name
    ]
    if not folders:
        _refuse_egg(name, place)
        return None
    if len(folders) > 1:
        listed = ", ".join(folder.name for folder in folders)
        raise RepairError(f"{name} is installed more than once ({listed})", f"remove all but one of {listed} first")
    folder = folders[0]
    version = (_name_and_version(folder) or ("", ""))[1]
    files = tuple(sorted({*_recorded(folder, place), *_below(folder)}))
    editable = '"editable": true' in re.sub(
        r'"editable"\s*:\s*true', '"editable": true', _read(folder / "direct_url.json")
    )
    return Installed(name, version, folder, files, _read(folder / "INSTALLER").strip(), editable)


def same_version(one: str | None, other: str | None) -> bool:
    """Whether two version strings mean the same version; None is equal to None alone."""
    if one is None or other is None:
        return one is other
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def byte_code(source: Path) -> list[Path]:
    """The byte-code files that were compiled from a source file and are there."""
    folder = source.parent / "__pycache__"
    try:
        return sorted(path for path in folder.glob(f"{_escape(source.stem)}.*.pyc") if not path.is_dir())
    except OSError:
        return []


def _escape(text: str) -> str:
    return re.sub(r"([*?\[\]])", r"[\1]", text)


def _recorded(folder: Path, place: Place) -> list[Path]:
    record = folder / "RECORD"
    try:
        if record.stat().st_size > RECORD_LIMIT:
            raise RepairError(f"{record} is larger than {RECORD_LIMIT // 2**20} MiB")
        rows = list(csv.reader(record.read_text("utf-8", "surrogateescape").splitlines()))
    except OSError as error:
        raise RepairError(
            f"{folder.name} has no readable RECORD, so what belongs to it cannot be known",
            "reinstall the package by hand first",
        ) from error
    except csv.Error as error:
        raise RepairError(f"{record} cannot be read: {error}", "reinstall the package by hand first") from error
    files: list[Path] = []
    for row in rows:
        if not row or not row[0]:
            continue
        path = Path(os.path.normpath(folder.parent / row[0]))
        if "\0" in row[0] or not place.holds(path):
            raise RepairError(
                f"{record} names {row[0]!r}, which is outside {place.prefix}", "reinstall it by hand first"
            )
        files.append(path)
        if path.suffix == ".py":
            files += byte_code(path)
    return files


def _below(folder: Path) -> list[Path]:
    return [Path(base, name) for base, _, names in os.walk(folder) for name in names]


def _refuse_egg(name: str, place: Place) -> None:
    for root in place.roots:
        for pattern in ("*.egg-info", "*.egg-link", "__editable__*.pth"):
            for path in root.glob(pattern):
                stem = re.sub(r"^__editable__\.", "", path.name)
                if canonicalize_name(re.split(r"-\d|\.egg", stem)[0]) == name:
                    raise RepairError(
                        f"{name} was installed without a RECORD ({path.name}), so it could not be put back exactly",
                        f"reinstall {name} by hand first",
                    )


def _name_and_version(folder: Path) -> tuple[str, str] | None:
    name, dash, version = folder.name.removesuffix(".dist-info").partition("-")
    return (name, version) if dash else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")[:65536]
    except OSError:
        return ""


def listing(place: Place, files: Iterable[Path] = ()) -> frozenset[str]:
    """Every path below the import roots and the scripts folder, files, links and folders, nothing followed.

    Args:
        place: Where the target keeps its packages.
        files: Of packages that are changed. While pip uninstalls, it sets folders aside that begin with "~", beside
            the folders of these or above: they are looked for wherever that may be.
    """
    inside = {parent for file in files for parent in file.parents if place.holds(parent)}
    folders = inside | ({place.prefix} if inside else set())
    stashes = [path for folder in folders for path in folder.glob("~*")]
    found = {str(path) for path in stashes}
    for top in (*place.roots, place.scripts, *stashes):
        for base, names, leaves in os.walk(top):
            found.update(os.path.join(base, name) for name in names)  # noqa: PTH118 - 30,000 of them
            found.update(os.path.join(base, name) for name in leaves)  # noqa: PTH118
    return frozenset(found)
