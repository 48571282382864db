"""What a fix and its way back may touch, checked anew against the disk each time, whatever a journal says.

A journal's seal has no key: it tells a journal that was cut off, mixed up or edited by hand, and no more. Whoever can
write the user's state folder (mode 0700, another owner is refused) can write a journal with a sound seal; but they can
as well write the environment itself, or the user's shell profile, so a key kept beside the journal would only look like
protection. What has to hold all the same is that a journal, whoever wrote it, leads nowhere else: what it names must
lie inside an environment that is there, below folders that are no links, or be a file of the kinds that a fix edits;
copies are read from the journal's own folder alone; and each path is looked at again right before it is written.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.configs import SUFFIXES
from sftdoctor.errors import RepairError
from sftdoctor.model import SHELL
from sftdoctor.repair.installed import Place, is_root
from sftdoctor.repair.records import Contents, Kept, Record

EDITED = frozenset({".py", ".pyw", ".ipynb", ".toml", ".txt", ".in", ".pip", *SUFFIXES, *SHELL})
"""Suffixes of the files that fixes edit: scripts and notebooks, configs, launch scripts, lists of requirements."""
BACKUP = re.compile(r"files/\d{6,}")


@dataclass(frozen=True)
class Bounds:
    """What the way back of one fix may touch."""

    place: Place
    scripts: frozenset[str]

    def allow(self, path: Path) -> bool:
        """Whether a path may be written or removed, by what the disk looks like now."""
        if not path.is_absolute() or ".." in path.parts:
            return False
        if str(path) in self.scripts:
            return os.path.realpath(path) == str(path)
        return bool(self.place.roots) and self.place.holds(path)


def bounds_of(record: Record) -> Bounds:
    """What the way back of a fix may touch.

    Raises:
        RepairError: The environment is gone, what the record calls one is none, or a script is no file that is edited.
    """
    prefix = Path(record.prefix)
    if not prefix.is_dir():
        raise RepairError(f"{prefix} is gone, there is nothing to put back into")
    if not prefix.is_absolute() or os.path.realpath(prefix) != str(prefix):
        raise _distrusted(record, f"{prefix} is reached through a link")
    place = Place(prefix, tuple(Path(root) for root in record.roots))
    if record.packages and not place.roots:
        raise _distrusted(record, "it names packages and no folder that holds them")
    for root in place.roots:
        if os.path.realpath(root) != str(root) or not is_root(root, prefix):
            raise _distrusted(record, f"{root} is no folder of packages of {prefix}")
    for script in record.scripts:
        _look_at_script(record, Path(script.path))
    return Bounds(place, frozenset(one.path for one in record.scripts))


def look_at(record: Record, contents: Contents, bounds: Bounds) -> None:
    """Refuse a way back that leads out: before anything is written.

    Raises:
        RepairError: It names a path that is not allowed, or a copy outside of its own folder.
    """
    for one in contents.kept:
        if not bounds.allow(Path(one.path)):
            raise _distrusted(record, f"it names {one.path}, outside of what it may change")
        if not _is_whole(one) or (one.path in bounds.scripts and one.backup is None):
            raise _distrusted(record, f"what it says of {one.path} cannot be")


def is_edited(path: Path) -> bool:
    """Whether a file is of the kinds that are edited, by its name: a hidden one is a setting of something else."""
    return path.suffix.lower() in EDITED and not path.name.startswith(".")


def _is_whole(one: Kept) -> bool:
    kinds = [one.backup is not None, one.link is not None, one.folder]
    return sum(kinds) == 1 and (one.backup is None or BACKUP.fullmatch(one.backup) is not None)


def _look_at_script(record: Record, path: Path) -> None:
    if not path.is_absolute() or os.path.realpath(path) != str(path):
        raise _distrusted(record, f"{path} is reached through a link")
    if not is_edited(path):
        raise _distrusted(record, f"{path} is no kind of file that a fix edits")
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # it is gone: that is told as a change
    if not stat.S_ISREG(mode):
        raise _distrusted(record, f"{path} is no file")


def _distrusted(record: Record, why: str) -> RepairError:
    return RepairError(f"the journal {record.id} is not trusted, and nothing was put back: {why}")
