"""Keeping files so that they can be put back exactly, and putting them back."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.repair.durable import TEMPORARY, copy_file, digest_file
from sftdoctor.repair.installed import Place, byte_code, find_installed, listing
from sftdoctor.repair.journal import Journal
from sftdoctor.repair.records import Contents, Kept

ASIDE = ".before-undo"
"""How the name of a folder ends that stood where a file is put back."""
Tick = Callable[[int, int], None]


def keep_files(paths: Iterable[Path], folder: Path, tick: Tick | None = None) -> tuple[Kept, ...]:
    """Copy files into the journal; what is not there is skipped.

    Args:
        paths: Files, links, and folders (of these their mode alone).
        folder: Of the journal; its "files" folder gets the copies. They are on the disk once the system has synced.
        tick: Told how many of how many are done.

    Raises:
        RepairError: A path is neither a file nor a link, or there is no space.
    """
    wanted = sorted({str(path) for path in paths if path.is_symlink() or path.exists()})
    kept = []
    for number, name in enumerate(wanted):
        try:
            kept.append(_keep(Path(name), folder, f"files/{number:06d}"))
        except OSError as error:
            raise RepairError(
                f"{name} cannot be backed up to {folder}: {error.strerror or error}",
                "free some space, or set SFTDOCTOR_STATE to a folder with space",
            ) from error
        if tick and number % 100 == 99:
            tick(number + 1, len(wanted))
    return tuple(kept)


def _keep(path: Path, folder: Path, backup: str) -> Kept:
    status = path.lstat()
    blank = Kept(str(path), None, "", None, False, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    blank = replace(blank, uid=status.st_uid, gid=status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return replace(blank, link=str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return replace(blank, folder=True)
    if not stat.S_ISREG(status.st_mode):
        raise RepairError(f"{path} is neither a file nor a link, so it could not be put back")
    return replace(blank, backup=backup, sha256=copy_file(path, folder / backup, sync=False))


def verify_backups(kept: Iterable[Kept], folder: Path) -> None:
    """Before anything is put back: every copy is whole.

    Raises:
        RepairError: A copy is missing or was changed.
    """
    for one in kept:
        if one.backup is None:
            continue
        backup = folder / one.backup
        try:
            sound = not backup.is_symlink() and digest_file(backup) == one.sha256
        except OSError:
            sound = False
        if not sound:
            raise RepairError(f"the copy of {one.path} in {folder} was changed or is gone; nothing was put back")


def remove_new(journal: Journal, contents: Contents, place: Place) -> int:
    """Remove what the fix brought: expected files, what the present RECORDs name, byte code, installers' leftovers.

    What somebody else has installed since is none of these and stays.

    Returns:
        The number of files that were removed.
    """
    now = listing(place, [Path(one.path) for one in contents.kept])
    ours = set(contents.expected)
    for change in journal.record.packages:
        # A half-installed package may have no readable RECORD; its files are among the expected ones.
        with contextlib.suppress(RepairError):
            found = find_installed(change.name, place)
            ours |= {str(path) for path in found.files} if found else set()
    for source in contents.expected:
        if source.endswith(".py"):
            ours |= {str(one) for one in byte_code(Path(source))}
    removed = 0
    folders: set[Path] = set()
    for text in sorted((now | ours) - contents.tree, reverse=True):
        path = Path(text)
        if text not in ours and not _is_leftover(path, contents, place):
            continue
        if not place.holds(path):
            continue
        if path.is_dir() and not path.is_symlink():
            folders.add(path)
        elif path.is_symlink() or path.exists():
            path.unlink()
            removed += 1
        folders.update(parent for parent in path.parents if str(parent) in now and str(parent) not in contents.tree)
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with contextlib.suppress(OSError):  # somebody else's file is in it
            folder.rmdir()
    return removed


def _is_leftover(path: Path, contents: Contents, place: Place) -> bool:
    """Byte code of what was there before or of what the fix brought; stashes that a killed pip or uv left."""
    if any(one.name.startswith("~") and str(one) not in contents.tree for one in _up_to(path, place.prefix)):
        return True
    if path.suffix == ".pyc" and path.parent.name == "__pycache__":
        source = str(path.parent.parent / (path.name.split(".")[0] + ".py"))
        return source in contents.tree or source in contents.expected
    if path.name == "__pycache__":
        return True
    for root in place.roots:
        if root in path.parents:
            top = root / path.relative_to(root).parts[0]
            return top.name.startswith((".tmp", TEMPORARY)) and str(top) not in contents.tree
    return False


def _up_to(path: Path, prefix: Path) -> list[Path]:
    """A path and its folders below the prefix."""
    return [one for one in (path, *path.parents) if prefix in one.parents]


def put_back(kept: Iterable[Kept], folder: Path, allow: Callable[[Path], bool], tick: Tick | None = None) -> int:
    """Write every kept file that is no longer as it was; may be repeated after a crash.

    Args:
        kept: What there was.
        folder: Of the journal.
        allow: Whether a path may be written; asked right before, for a link that was put back may have changed that.
        tick: Told how many of how many are done.

    Returns:
        The number of files that were written.

    Raises:
        OSError: There is no space, or a folder cannot be written.
        RepairError: A path leads out.
    """
    files = tuple(kept)
    _sweep(files)
    written = 0
    for number, one in enumerate(files):
        if not is_as_kept(one):
            if not allow(Path(one.path)):
                raise RepairError(f"{one.path} leads out of the environment now: one of its folders is a link")
            _put(one, folder)
            written += 1
        if tick and number % 100 == 99:
            tick(number + 1, len(files))
    return written


def _sweep(kept: Iterable[Kept]) -> None:
    """Remove what an edit or a way back that was killed had only half written, beside the files that it was for."""
    for parent in sorted({Path(one.path).parent for one in kept}):
        for path in parent.glob(f"{TEMPORARY}*"):
            if path.is_file() and not path.is_symlink():
                path.unlink()


def is_as_kept(one: Kept) -> bool:
    """Whether a path is as it was: kind, content, mode and time."""
    path = Path(one.path)
    try:
        status = path.lstat()
        if one.link is not None:
            return stat.S_ISLNK(status.st_mode) and str(path.readlink()) == one.link
        if one.folder:
            return stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == one.mode
        same = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == one.mode
        return same and status.st_mtime_ns == one.mtime_ns and digest_file(path) == one.sha256
    except OSError:
        return False


def _clear(path: Path) -> None:
    """Make way where a file was and a folder is: what somebody else has put into it since is set aside, not removed."""
    try:
        path.rmdir()
    except OSError:
        path.rename(path.with_name(f"{path.name}{ASIDE}-{time.time_ns()}"))


def _put(one: Kept, folder: Path) -> None:
    path = Path(one.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if one.folder:
        if path.is_symlink() or path.is_file():
            path.unlink()
        path.mkdir(exist_ok=True)
        path.chmod(one.mode)
        return
    if path.is_dir() and not path.is_symlink():
        _clear(path)
    if one.link is not None:
        path.unlink(missing_ok=True)
        path.symlink_to(one.link)
        return
    # A new inode: the old one may be shared with the cache of an installer.
    copy_file(folder / str(one.backup), path, sync=False)
    if (one.uid, one.gid) != (os.geteuid(), os.getegid()):
        with contextlib.suppress(PermissionError):
            os.chown(path, one.uid, one.gid)
    path.chmod(one.mode)
    os.utime(path, ns=(one.mtime_ns, one.mtime_ns))
