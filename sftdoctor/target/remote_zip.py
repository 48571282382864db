"""A zip archive on a host as a seekable file: only the bytes that are read are fetched, neighbours in one request."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from sftdoctor.target.remote import Fetcher, FetchError

_GAP = 1 << 18
"""Two wanted stretches that are closer than this (bytes) are fetched as one: a request costs about that much."""
_PIECE = 4 << 20
"""A stretch is fetched in pieces of this many bytes, several at a time."""
_THREADS = 4
_READ_AHEAD = 1 << 16
_MOST = 1 << 29
"""Most bytes to fetch of one archive."""
_NO_SUFFIX = (400, 405, 416, 501)
"""How hosts answer that do not know "the last N bytes"."""


class RemoteFile(io.RawIOBase):
    """A remote file; what was fetched once stays in memory.

    Args:
        fetcher: Does the fetching.
        url: Where the file is.
        tail: Bytes at the end to fetch at once (a zip's directory is there; a small file is then whole).
        limit: Most bytes to download where the host knows no ranges.

    Raises:
        FetchError: It is not there, or too large for a host that knows no ranges.
    """

    def __init__(self, fetcher: Fetcher, url: str, *, tail: int, limit: int) -> None:
        super().__init__()
        self._fetcher = fetcher
        self._url = url
        self._limit = limit
        self._position = 0
        self._pieces: list[tuple[int, bytes]] = []
        self.size = 0
        try:
            answer = fetcher.get_range(url, -tail, 0, limit=limit)
        except FetchError as error:
            if error.status not in _NO_SUFFIX:
                raise
            answer = fetcher.get(url, limit=limit)
        self.size = answer.total
        self._add(answer.total - len(answer.data), answer.data)

    @property
    def whole(self) -> bytes | None:
        """The whole content where all of it was fetched, else None."""
        return self._held(0, self.size)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, as in io.IOBase."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, fetching them first where they are not there yet."""
        stop = self.size if size is None or size < 0 else min(self.size, self._position + size)
        if stop <= self._position:
            return b""
        held = self._held(self._position, stop)
        if held is None:
            self.fetch([(self._position, min(self.size, max(stop, self._position + _READ_AHEAD)))])
            held = self._held(self._position, stop)
        if held is None:
            raise OSError(f"{self._url}: bytes {self._position}-{stop} could not be fetched")
        self._position = stop
        return held

    def fetch(self, stretches: Iterable[tuple[int, int]]) -> None:
        """Fetch stretches [start, stop) that are not there yet, in few requests.

        Raises:
            FetchError: One of them could not be fetched.
        """
        runs = merged((part for stretch in stretches for part in self._missing(*stretch)), _GAP)
        cuts = [(at, min(at + _PIECE, stop)) for start, stop in runs for at in range(start, stop, _PIECE)]

        def one(cut: tuple[int, int]) -> bytes:
            data = self._fetcher.get_range(self._url, *cut, limit=max(self._limit, _PIECE)).data
            # a host may know ranges for one request and not for the next
            return data[cut[0] : cut[1]] if len(data) == self.size else data

        if len(cuts) > 1:
            with ThreadPoolExecutor(_THREADS) as pool:
                answers = list(pool.map(one, cuts))
        else:
            answers = [one(cut) for cut in cuts]
        for run in runs:
            data = b"".join(data for cut, data in zip(cuts, answers, strict=True) if run[0] <= cut[0] < run[1])
            self._add(run[0], data)

    def _missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The parts of a stretch that are not there yet."""
        for at, data in sorted(self._pieces, key=lambda piece: piece[0]):
            if at >= stop:
                break
            if start < at:
                yield start, at
            start = max(start, at + len(data))
        if start < stop:
            yield start, stop

    def _held(self, start: int, stop: int) -> bytes | None:
        for at, data in self._pieces:
            if at <= start and stop <= at + len(data):
                return data[start - at : stop - at]
        return self._joined(start, stop)

    def _joined(self, start: int, stop: int) -> bytes | None:
        """A stretch that lies across pieces which touch."""
        parts, position = [], start
        while position < stop:
            piece = next(((at, data) for at, data in self._pieces if at <= position < at + len(data)), None)
            if piece is None:
                return None
            part = piece[1][position - piece[0] : stop - piece[0]]
            parts.append(part)
            position += len(part)
        return b"".join(parts)

    def _add(self, start: int, data: bytes) -> None:
        if data:
            self._pieces.append((start, data))


def merged(stretches: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Join stretches [start, stop) that overlap or are less than `gap` bytes apart."""
    runs: list[tuple[int, int]] = []
    for start, stop in sorted(stretches):
        if runs and start - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
        else:
            runs.append((start, stop))
    return runs


def prefetch(archive: zipfile.ZipFile, file: RemoteFile, wanted: Callable[[str], bool]) -> None:
    """Fetch the members that are wanted, all of them in few requests; the whole file where that is hardly more.

    Args:
        archive: A zip opened over `file`.
        file: The remote file.
        wanted: Says of a member's name whether it will be read.

    Raises:
        FetchError: They could not be fetched.
    """
    members = sorted(archive.infolist(), key=lambda member: member.header_offset)
    # a member ends where the next begins: the length of its local header is not in the directory
    ends = [*(member.header_offset for member in members[1:]), archive.start_dir]
    stretches = [
        (member.header_offset, end) for member, end in zip(members, ends, strict=True) if wanted(member.filename)
    ]
    runs = merged(stretches, _GAP)
    if sum(stop - start for start, stop in runs) > 0.7 * file.size:
        runs = [(0, file.size)]
    if sum(stop - start for start, stop in runs) > _MOST:
        raise FetchError(f"more than {_MOST:,} bytes would have to be fetched", 413)
    file.fetch(runs)
