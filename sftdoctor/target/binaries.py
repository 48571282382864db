"""The numpy that compiled modules load with, read from the bytes that numpy's headers leave in them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable

from sftdoctor.target.remote_zip import RemoteFile, prefetch

_FLOOR = re.compile(rb"NumPy C-API version 0x%x \(NumPy (\d{1,3}\.\d{1,3})\)")
"""Headers of numpy 2 write the oldest numpy that the module was built for into the message of import_array()."""
_BUDGET = 4 << 20
_PIECES = 400_000
_UNRELATED = ("numpy", "torch", "triton", "nvidia-")
"""numpy itself, and what is large and has no numpy interface that fails at import (torch only warns)."""
_FIRST = "libarrow_python."
"""pyarrow keeps its numpy interface in this library; its twenty smaller modules have none."""


def numpy_range(module: bytes) -> str | None:
    """The versions of numpy that a compiled module loads with.

    Args:
        module: Content of a shared library.

    Returns:
        ">=1.23" for one built with the headers of numpy 2, "<2" for one built with those of numpy 1 (its structures
        have other sizes since); None where it does not use numpy's C interface, or does not say.
    """
    floor = _FLOOR.search(module)
    if floor:
        return f">={floor[1].decode()}"
    old = b"numpy.core._multiarray_umath" in module or b"numpy.core.multiarray" in module
    if old and b"compiled against ABI version" in module and b"numpy._core" not in module:
        return "<2"
    return None


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
    if name.startswith(_UNRELATED):
        return None
    members = [
        one for one in archive.infolist() if one.filename.endswith((".so", ".pyd")) and "/tests/" not in one.filename
    ]
    members.sort(key=lambda one: (_FIRST not in one.filename, one.compress_size))
    related = any(re.match(r"numpy\b", line) and "extra" not in line for line in requires) or name == "pyarrow"
    if remote.whole is None and not related:
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
