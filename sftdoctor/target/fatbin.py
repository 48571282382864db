"""For which GPU generations a compiled CUDA library has code, read from its fat binaries.

nvcc puts the code of all generations into the library, each piece behind a small header that says of what kind it is
and for which architecture. The headers are not documented; seen so in bitsandbytes 0.45.5 to 0.50.2, where they agree
with the architectures that its build script names.
"""

from __future__ import annotations

import mmap
import struct

_MAGIC = b"\x50\xed\x55\xba"
_FILE = struct.Struct("<IHHQ")
"""magic, version, size of this header, bytes that follow it"""
_PIECE = struct.Struct("<HHIQ")
"""kind, version, size of this header, bytes that follow it"""
_ARCHITECTURE_AT = 28
_KINDS = {1: "compute", 2: "sm"}
"""PTX, which any later GPU can compile, and machine code."""
_PIECES_LIMIT = 100_000


def gpu_architectures(path: str) -> tuple[str, ...]:
    """The architectures that a library has code for.

    Args:
        path: The library.

    Returns:
        "sm_80", "compute_90", …, in order; empty where it has no code for GPUs.

    Raises:
        OSError: It cannot be read.
    """
    found: set[tuple[str, int]] = set()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at, left = data.find(_MAGIC), _PIECES_LIMIT
        while at >= 0 and left > 0:
            left -= 1
            found.update(_pieces(data, at))
            at = data.find(_MAGIC, at + 4)
    return tuple(f"{kind}_{number}" for kind, number in sorted(found, key=lambda one: (one[0] == "compute", one[1])))


def _pieces(data: mmap.mmap, start: int) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()
    try:
        _, _, header, size = _FILE.unpack_from(data, start)
        at, end = start + header, start + header + size
        while at < end:
            kind, _, header, size = _PIECE.unpack_from(data, at)
            (architecture,) = struct.unpack_from("<I", data, at + _ARCHITECTURE_AT)
            if kind not in _KINDS or header < _ARCHITECTURE_AT or not 30 <= architecture <= 300:
                break  # a magic number by chance, or a layout of another time
            found.add((_KINDS[kind], architecture))
            at += header + size
    except struct.error:
        pass
    return found
