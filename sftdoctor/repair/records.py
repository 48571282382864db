"""What a journal says, in its two parts, and reading them back: every part of the kind that it has to be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftdoctor.errors import RepairError

SCHEMA = 1
UNTOUCHED = frozenset({"planned", "preparing"})
"""States in which nothing of the environment has been changed yet."""
HALF_DONE = frozenset({"applying", "checking", "proving", "undoing"})
"""States that a killed fix leaves behind: it has to be taken back."""
OVER = frozenset({"committed", "settled", "undone"})
"""States that nothing has to be finished in; "settled" is a committed fix whose copies were let go of."""
LIMIT = 512 * 1024 * 1024
"""Bytes of the largest journal part that is read."""


@dataclass(frozen=True)
class Kept:
    """One path as it was before the first change."""

    path: str
    backup: str | None = None
    """File of the journal folder that holds its bytes; None for a link or a folder."""
    sha256: str = ""
    link: str | None = None
    """Where it leads, where it is a link."""
    folder: bool = False
    mode: int = 0
    mtime_ns: int = 0
    uid: int = -1
    gid: int = -1


@dataclass(frozen=True)
class PackageChange:
    """One distribution that the fix changes."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class ScriptChange:
    """One script that the fix edits."""

    path: str
    """Real path."""
    sha256: str
    """Of what the edit leaves; the bytes before are among the kept files."""


@dataclass(frozen=True)
class Record:
    """What journal.json says."""

    id: str
    state: str
    created: str
    """ISO time, UTC."""
    prefix: str = ""
    roots: tuple[str, ...] = ()
    python: str = ""
    packages: tuple[PackageChange, ...] = ()
    scripts: tuple[ScriptChange, ...] = ()
    freeze: Mapping[str, str] = field(default_factory=dict)
    """Every distribution of the environment and its version, before."""
    left: Mapping[str, str] = field(default_factory=dict)
    """Name → SHA-256 of the RECORD that the fix left, to tell drift."""
    contents: str = ""
    """SHA-256 of contents.json."""
    note: str = ""
    """Why it was undone."""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Contents:
    """What contents.json says: the way back."""

    kept: tuple[Kept, ...] = ()
    tree: frozenset[str] = frozenset()
    """Every path below the import roots and the scripts folder, before."""
    expected: frozenset[str] = frozenset()
    """Every path that the new versions bring, and the folders that they make."""


def record_of(folder: Path) -> Record:
    """What journal.json says, every part of the kind that it has to be.

    Raises:
        RepairError: It cannot be read, was changed, or is another folder's.
    """
    body = _sealed(folder / "journal.json")
    try:
        packages = tuple(PackageChange(**one) for one in body["packages"])
        scripts = tuple(ScriptChange(**one) for one in body["scripts"])
        record = Record(**{**body, "packages": packages, "scripts": scripts, "roots": tuple(body["roots"])})
        texts = [record.id, record.state, record.created, record.prefix, record.python, record.contents, record.note]
        texts += [*record.roots, *(part for one in scripts for part in (one.path, one.sha256))]
        texts += [*(one.name for one in packages), *record.left, *record.left.values()]
        texts += [part for one in packages for part in (one.old, one.new) if part is not None]
        sound = all(isinstance(one, str) for one in texts) and record.id == folder.name
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RepairError(f"the journal {folder.name} cannot be read: {error!r}") from error
    if not sound or record.state not in UNTOUCHED | HALF_DONE | OVER or not Path(record.prefix).is_absolute():
        raise RepairError(f"the journal {folder.name} is not as it was written and is not trusted")
    return record


def kept_of(plain: Any) -> Kept:
    """One entry of contents.json, every part of the kind that it has to be.

    Raises:
        TypeError: It is not.
    """
    one = Kept(**plain)
    texts = [one.path, one.sha256, *(part for part in (one.backup, one.link) if part is not None)]
    numbers = [one.mode, one.mtime_ns, one.uid, one.gid]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
        raise TypeError(f"{plain!r}"[:200])
    return one


def seal_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of what a journal says; it has no key (see repair.bounds for what that is worth)."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _sealed(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_part(path))
        body = document["journal"]
        if document["seal"] != seal_of(body) or body["schema"] != SCHEMA:
            raise RepairError(f"the journal {path.parent.name} was changed since it was written and is not trusted")
        return dict(body)
    except (ValueError, KeyError, TypeError) as error:
        raise RepairError(f"the journal {path.parent.name} cannot be read: {error!r}") from error


def read_part(path: Path) -> bytes:
    """A file of a journal.

    Raises:
        RepairError: It is a link, too large, or cannot be read.
    """
    try:
        if path.is_symlink() or path.stat().st_size > LIMIT:
            raise RepairError(f"{path} is no journal")
        return path.read_bytes()
    except OSError as error:
        raise RepairError(f"{path} cannot be read: {error.strerror or error}") from error
