"""Writing so that a crash leaves either the old file or the new one, on the disk and not in a buffer."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sftdoctor.errors import RepairError

CHUNK = 1024 * 1024
TEMPORARY = ".sftdoctor-"
"""How the names of files begin that are being written; one that is found is what a crash left."""
_FICLONE = 0x40049409
"""Linux: share the blocks of another file, copied on write."""


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file of the user in one step, keeping its mode and owner.

    Args:
        path: The file; where it is a link, the file that it leads to is replaced and the link stays.
        data: Its new content.

    Raises:
        RepairError: It is read-only, or its folder cannot be written, or there is no space; the file is as before.
    """
    real = path.resolve()
    try:
        status = real.stat()
        if not os.access(real, os.W_OK) or not status.st_mode & 0o222:
            raise RepairError(f"{path} is read-only", f"chmod u+w {path}, or make the change by hand")
        write_file(real, data, like=status)
    except OSError as error:
        raise RepairError(f"{path} cannot be written: {error.strerror or error}") from error


def write_file(path: Path, data: bytes, *, like: os.stat_result | None = None, mode: int = 0o600) -> None:
    """Write a file through a temporary one in the same folder, fsync, rename, fsync the folder.

    Args:
        path: Where to.
        data: What.
        like: Whose mode and owner the file gets; None for `mode` and the present user.
        mode: Permission bits where there is no `like`.

    Raises:
        OSError: As the system says; the old file is then untouched and the temporary one gone.
    """
    with _replacing(path) as stream:
        stream.write(data)
        _dress(stream.fileno(), stat.S_IMODE(like.st_mode) if like else mode, like)
    sync_folder(path.parent)


def copy_file(source: Path, target: Path, *, sync: bool = True) -> str:
    """Copy a file's content to a new inode, sharing blocks where the file system can.

    Args:
        source: A plain file.
        target: Where to; replaced atomically where it is there. Gets mode 0600.
        sync: Whether to fsync (the folder is left to the caller).

    Returns:
        SHA-256 of what was read, in hexadecimal.

    Raises:
        OSError: As the system says.
    """
    digest = hashlib.sha256()
    with source.open("rb") as reading, _replacing(target, sync=sync) as writing:
        shared = _share_blocks(reading.fileno(), writing.fileno())
        while chunk := reading.read(CHUNK):
            digest.update(chunk)
            if not shared:
                writing.write(chunk)
    return digest.hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sync_folder(path: Path) -> None:
    """Make renames and removals in a folder durable; a file system that cannot is left alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its place when the block ends well."""
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _dress(descriptor: int, mode: int, like: os.stat_result | None) -> None:
    if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
        # A file of somebody else: only root may keep the owner; others become the owner, as any editor's user.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, mode)


def _share_blocks(source: int, target: int) -> bool:
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
    except (OSError, ImportError):
        return False
    return True
