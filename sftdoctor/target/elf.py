"""Symbols of ELF libraries: what one asks for, and whether others have it, found as the loader finds it.

Only what is needed is read: a lookup in a library goes through its GNU hash table, so that libtorch_cpu.so with its
100,000 symbols answers in microseconds. Linux on 64-bit little-endian machines; anything else is not known.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from types import TracebackType

_SYMBOL = struct.Struct("<IBBHQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SECTIONS_LIMIT = 512
_SYMBOLS_LIMIT = 400_000
_NAME_LIMIT = 4096
_DYNSYM, _GNU_HASH = 11, 0x6FFFFFF6
_WEAK = 2
_DAMAGE = (struct.error, IndexError, ZeroDivisionError, OverflowError)
"""What reading at places that a damaged file names raises."""


class Library:
    """The dynamic symbols of one ELF file; a context manager.

    Args:
        path: The file.

    Raises:
        ValueError: It is no ELF file of this kind, or is damaged.
        OSError: It cannot be read.
    """

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read_tables()
        except _DAMAGE as error:
            self._data.close()
            raise ValueError(f"{os.path.basename(path)} is damaged") from error
        except ValueError:
            self._data.close()
            raise

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()

    def _read_tables(self) -> None:
        if self._data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit little-endian ELF file")
        (table,) = struct.unpack_from("<Q", self._data, 0x28)
        each, count = struct.unpack_from("<HH", self._data, 0x3A)
        headers = [
            _SECTION.unpack_from(self._data, table + number * each) for number in range(min(count, _SECTIONS_LIMIT))
        ]
        symbols = next((header for header in headers if header[1] == _DYNSYM), None)
        if symbols is None:
            raise ValueError("it has no dynamic symbols")
        self._symbols, self._count = symbols[4], min(symbols[5] // _SYMBOL.size, _SYMBOLS_LIMIT)
        self._names = headers[symbols[6]][4]
        self._hash = next((header[4] for header in headers if header[1] == _GNU_HASH), None)

    def undefined(self, prefixes: tuple[bytes, ...]) -> Iterator[bytes]:
        """The symbols that it needs from other libraries, those that begin so; weak ones it can do without.

        Raises:
            ValueError: Its table of symbols is damaged.
        """
        for number in range(1, self._count):  # the first is empty by definition
            try:
                name, info, _, section, _, _ = _SYMBOL.unpack_from(self._data, self._symbols + number * _SYMBOL.size)
                text = self._name(name) if section == 0 and info >> 4 != _WEAK else b""
            except _DAMAGE as error:
                raise ValueError("its table of symbols is damaged") from error
            if text and text.startswith(prefixes):
                yield text

    def defines(self, symbol: bytes) -> bool:
        """Whether it offers a symbol.

        Raises:
            ValueError: It has no GNU hash table, or a damaged one.
        """
        if self._hash is None:
            raise ValueError("it has no GNU hash table")
        try:
            return self._lookup(symbol, self._hash)
        except _DAMAGE as error:
            raise ValueError("its hash table is damaged") from error

    def _lookup(self, symbol: bytes, table: int) -> bool:
        hashed = gnu_hash(symbol)
        buckets, offset, bloom_size, shift = struct.unpack_from("<IIII", self._data, table)
        (word,) = struct.unpack_from("<Q", self._data, table + 16 + (hashed // 64) % bloom_size * 8)
        if not (word >> hashed % 64) & (word >> (hashed >> shift) % 64) & 1:
            return False
        start = table + 16 + bloom_size * 8
        chains = start + buckets * 4
        (number,) = struct.unpack_from("<I", self._data, start + hashed % buckets * 4)
        while offset <= number < _SYMBOLS_LIMIT:
            (value,) = struct.unpack_from("<I", self._data, chains + (number - offset) * 4)
            if value | 1 == hashed | 1:
                name, _, _, section, _, _ = _SYMBOL.unpack_from(self._data, self._symbols + number * _SYMBOL.size)
                if section and self._name(name) == symbol:
                    return True
            if value & 1:
                break
            number += 1
        return False

    def _name(self, offset: int) -> bytes:
        start = self._names + offset
        end = self._data.find(b"\0", start, start + _NAME_LIMIT)
        return self._data[start:end] if end >= 0 else b""


def gnu_hash(symbol: bytes) -> int:
    """The hash by which the loader looks a symbol up (DT_GNU_HASH)."""
    value = 5381
    for byte in symbol:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value
