"""The numpy that the compiled modules of a wheel load with."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable

from sftdoctor.target.numpy_interface import FIRST, UNRELATED, numpy_range, uses_numpy
from sftdoctor.target.remote_zip import RemoteFile, prefetch

_BUDGET = 4 << 20
_PIECES = 400_000


def numpy_range_of_wheel(
    archive: zipfile.ZipFile, remote: RemoteFile, name: str, requires: Iterable[str]
) -> str | None:
    """The versions of numpy that a wheel's compiled modules load with; looks at its small ones until one says.

    Args:
        archive: A wheel opened over `remote`.
        remote: The remote file; what is not there yet is fetched only from wheels that have to do with numpy.
        name: Canonical name of the distribution.
        requires: Its Requires-Dist lines.
    """
    if name.startswith(UNRELATED):
        return None
    members = [
        one for one in archive.infolist() if one.filename.endswith((".so", ".pyd")) and "/tests/" not in one.filename
    ]
    members.sort(key=lambda one: (FIRST not in one.filename, one.compress_size))
    if remote.whole is None and not uses_numpy(name, requires):
        return None
    batch: list[zipfile.ZipInfo] = []
    spent = 0
    for member in members:
        spent += member.compress_size
        if spent > _BUDGET or member.file_size > 8 * _BUDGET:
            break
        batch.append(member)
        if sum(one.compress_size for one in batch) > _PIECES or member is members[-1]:
            found = _first(archive, remote, batch)
            if found:
                return found
            batch = []
    return _first(archive, remote, batch) if batch else None


def _first(archive: zipfile.ZipFile, remote: RemoteFile, batch: list[zipfile.ZipInfo]) -> str | None:
    names = {one.filename for one in batch}
    prefetch(archive, remote, names.__contains__)
    for one in batch:
        found = numpy_range(archive.read(one))
        if found:
            return found
    return None
