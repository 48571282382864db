"""The journal of one fix: a folder outside the environment, complete and on the disk before the first change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.folders import state_folder
from sftdoctor.repair.durable import TEMPORARY, sync_folder, write_file
from sftdoctor.repair.records import Contents, Record, kept_of, read_part, record_of, seal_of


class Journal:
    """A journal folder, read or being written."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.record = record

    @property
    def log(self) -> Path:
        """What the installers said."""
        return self.folder / "installer.log"

    @classmethod
    def create(cls, record_of: Record) -> Journal:
        """Make the folder and write the first state.

        Args:
            record_of: All but id and created are taken from it.

        Raises:
            RepairError: The state folder cannot be written.
        """
        now = datetime.now(timezone.utc)
        name = f"{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        folder = journals_folder() / name
        try:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(mode=0o700)
            (folder / "files").mkdir(mode=0o700)
            journal = cls(folder, replace(record_of, id=name, created=now.isoformat(timespec="seconds")))
            journal.save()
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RepairError(
                f"the journal cannot be written to {folder}: {error.strerror or error}",
                "set SFTDOCTOR_STATE to a folder that you can write and that has space",
            ) from error
        return journal

    @classmethod
    def open(cls, folder: Path) -> Journal:
        """Read a journal.

        Raises:
            RepairError: It cannot be read, belongs to somebody else, or its seal is broken.
        """
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise RepairError(f"{folder} can be written by others and is not trusted")
        return cls(folder, record_of(folder))

    def save(self) -> None:
        """Write journal.json durably.

        Raises:
            OSError: There is no space.
        """
        body = asdict(self.record)
        text = json.dumps({"seal": seal_of(body), "journal": body}, indent=1, sort_keys=True)
        write_file(self.folder / "journal.json", text.encode())

    def enter(self, state: str, note: str = "") -> None:
        """Go to the next state, durably."""
        self.record = replace(self.record, state=state, note=note or self.record.note)
        self.save()

    def save_contents(self, contents: Contents) -> None:
        """Write the way back; the record that names its hash is saved with the next state."""
        body = {
            "kept": [asdict(one) for one in contents.kept],
            "tree": sorted(contents.tree),
            "expected": sorted(contents.expected),
        }
        data = json.dumps(body, sort_keys=True).encode("utf-8", "surrogatepass")
        write_file(self.folder / "contents.json", data)
        sync_folder(self.folder / "files")
        self.record = replace(self.record, contents=hashlib.sha256(data).hexdigest())

    def contents(self) -> Contents:
        """Read the way back.

        Raises:
            RepairError: It is missing or was changed.
        """
        data = read_part(self.folder / "contents.json")
        if hashlib.sha256(data).hexdigest() != self.record.contents:
            raise RepairError(f"the journal {self.record.id} was changed since it was written and is not trusted")
        try:
            body = json.loads(data.decode("utf-8", "surrogatepass"))
            kept = tuple(kept_of(one) for one in body["kept"])
            lists = frozenset(map(os.fspath, body["tree"])), frozenset(map(os.fspath, body["expected"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RepairError(f"the journal {self.record.id} cannot be read: {error!r}") from error
        return Contents(kept, *lists)

    def forget(self) -> None:
        """Remove what is needed no longer: downloads, and the way back where nobody goes it any more."""
        names = ["staging", "wheels", "uv-cache"]
        if self.record.state in ("undone", "settled"):
            names.append("files")
            (self.folder / "contents.json").unlink(missing_ok=True)
        for name in names:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for path in self.folder.glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes of its copies."""
        with contextlib.suppress(OSError):
            return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.folder / "files"))
        return 0

    def remove(self) -> None:
        """Remove the whole journal."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lost(self) -> str:
        """Why a committed fix can no longer be taken back; "" where it can."""
        if self.record.state == "settled":
            return "its copies were let go of, to make room for those of later fixes"
        if self.record.state == "committed" and not Path(self.record.prefix).is_dir():
            return f"{self.record.prefix} is gone"
        if self.record.state == "committed" and not (self.folder / "contents.json").is_file():
            return f"its copies are no longer in {self.folder}"
        return ""

    def summary(self) -> str:
        """One line: what the fix changes."""
        packages = [f"{one.name} {one.old or 'absent'} → {one.new or 'removed'}" for one in self.record.packages]
        return ", ".join([*packages, *(Path(one.path).name for one in self.record.scripts)])


def journals_folder() -> Path:
    """Where the journals are."""
    return state_folder() / "journals"


def every_journal() -> Iterator[Journal]:
    """All readable journals, the last one first; those that cannot be read are skipped."""
    return (one for one in _opened() if isinstance(one, Journal))


def damaged_journals() -> dict[str, str]:
    """Id of each journal that cannot be read or is not trusted → why, the last one first."""
    return dict(one for one in _opened() if isinstance(one, tuple))


def _opened() -> Iterator[Journal | tuple[str, str]]:
    try:
        folders = sorted(journals_folder().iterdir(), reverse=True)
    except OSError:
        return
    for folder in folders:
        try:
            yield Journal.open(folder)
        except RepairError as error:
            yield folder.name, error.message
        except OSError as error:
            yield folder.name, str(error)


def find_journal(wanted: str) -> Journal:
    """The journal whose id begins so.

    Raises:
        RepairError: There is none, more than one, or it cannot be trusted.
    """
    folder = journals_folder()
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = [name for name in names if wanted and name.startswith(wanted)]
    if len(found) != 1:
        what = "is more than one fix" if found else "is no fix on record"
        raise RepairError(f"{wanted!r} {what}", "list them with `sftdoctor undo --list`" if names else "")
    return Journal.open(folder / found[0])
