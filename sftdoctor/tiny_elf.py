"""Writes the smallest ELF libraries that have dynamic symbols, for cases and tests: nothing can be loaded or run."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_HEADER = 64
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_GLOBAL_FUNCTION = 0x12
_DYNSYM, _STRTAB, _GNU_HASH = 11, 3, 0x6FFFFFF6


def tiny_library(defines: Sequence[str] = (), needs: Sequence[str] = (), code: Sequence[str] = ()) -> bytes:
    """The bytes of a shared library.

    Args:
        defines: Symbols that it offers.
        needs: Symbols that it asks others for.
        code: GPU architectures that it has (empty) code for, "sm_80" or "compute_90".

    Returns:
        A 64-bit little-endian ELF file with .dynsym, .dynstr and .gnu.hash (one bucket), then a fat binary.
    """
    names, offsets = b"\0", []
    for name in (*needs, *defines):
        offsets.append(len(names))
        names += name.encode() + b"\0"
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for number, offset in enumerate(offsets):
        symbols += _SYMBOL.pack(offset, _GLOBAL_FUNCTION, 0, 1 if number >= len(needs) else 0, 0, 0)
    parts = [symbols, names, _hash_table(defines, first=len(needs) + 1)]
    places, body = [], b""
    for part in parts:
        body += b"\0" * (-len(body) % 8)
        places.append((_HEADER + len(body), len(part)))
        body += part
    body += b"\0" * (-len(body) % 8)
    sections = _SECTION.pack(*[0] * 10)
    for (offset, size), (kind, link) in zip(places, ((_DYNSYM, 2), (_STRTAB, 0), (_GNU_HASH, 1)), strict=True):
        sections += _SECTION.pack(0, kind, 0, 0, offset, size, link, 0, 8, 0)
    start = _HEADER + len(body)
    header = (
        b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, start, 0, 64, 0, 0, 64, 4, 0)
    )
    return header + body + sections + (_fat_binary(code) if code else b"")


def _fat_binary(code: Sequence[str]) -> bytes:
    pieces = b""
    for architecture in code:
        kind, _, number = architecture.rpartition("_")
        pieces += struct.pack("<HHIQQII", 2 if kind == "sm" else 1, 0x101, 64, 0, 0, 0, int(number)) + b"\0" * 32
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(pieces)) + pieces


def _hash_table(defines: Sequence[str], first: int) -> bytes:
    """One bucket, one word of a filter that lets all pass, the hashes of what is defined."""
    from sftdoctor.target.elf import gnu_hash

    hashes = [gnu_hash(name.encode()) & ~1 for name in defines]
    if hashes:
        hashes[-1] |= 1
    head = struct.pack("<IIIIQI", 1, first, 1, 0, 0xFFFFFFFFFFFFFFFF, first if hashes else 0)
    return head + struct.pack(f"<{len(hashes)}I", *hashes)
