"""Bytes from an index or file host: bounded, retried, by range; over https, http or from local files."""

from __future__ import annotations

import base64
import http.client
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from sftdoctor import __version__

_CHUNK = 1 << 18
_ATTEMPTS = 4
"""A host is tried this often before it is given up."""
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class FetchError(Exception):
    """Something could not be fetched.

    Args:
        message: Which URL (without credentials) and why.
        status: The HTTP status, 0 where there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether the host answered that there is no such thing."""
        return self.status in (401, 403, 404, 410)


@dataclass(frozen=True)
class Answer:
    """What a host sent."""

    data: bytes
    total: int
    """Size of the whole file in bytes; of `data` where it is the whole."""
    content_type: str = ""
    url: str = ""
    """Where it really came from, after redirects."""


@dataclass
class Fetcher:
    """Fetches; counts what it fetched. Safe to use from several threads."""

    timeout: float = 20.0
    """Seconds without a byte after which a connection is given up."""
    deadline: float = 600.0
    """Seconds that one request may take in all."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Host (with port) → "user:password", sent to that host alone."""
    pause: float = 0.3
    """Seconds before the second attempt; twice as many before each further one."""
    requests: int = 0
    received: int = 0
    """Bytes."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _alive: set[str] = field(default_factory=set, repr=False)
    _dead: set[str] = field(default_factory=set, repr=False)
    """Hosts that never answered: each of a hundred packages need not find that out anew."""

    def get(self, url: str, *, limit: int, accept: str = "") -> Answer:
        """Fetch a whole file.

        Args:
            url: An https, http or file URL.
            limit: Most bytes that it may have.
            accept: The Accept header; empty for none.

        Raises:
            FetchError: It is not there, too large, or could not be fetched.
        """
        return self._retry(url, {"Accept": accept, "Accept-Encoding": "gzip"} if accept else {}, limit)

    def get_range(self, url: str, start: int, stop: int, *, limit: int) -> Answer:
        """Fetch the bytes start ≤ i < stop, or the last -start bytes where start is negative.

        Args:
            url: An https, http or file URL.
            start: First byte, or minus the number of bytes from the end.
            stop: The byte after the last one; without meaning where start is negative.
            limit: Most bytes of a whole file, where the host ignores the range and sends that.

        Returns:
            The wanted bytes; or the whole file (len(data) == total) from a host that knows no ranges.

        Raises:
            FetchError: It is not there, too large, or could not be fetched.
        """
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{stop - 1}"
        return self._retry(url, {"Range": wanted}, limit)

    def _retry(self, url: str, headers: dict[str, str], limit: int) -> Answer:
        host = urlsplit(url).netloc
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            if host in self._dead:
                raise FetchError(f"{without_credentials(url)}: the host does not answer")
            try:
                answer = self._once(url, headers, limit)
                self._alive.add(host)
                return answer
            except FetchError as error:
                last = error
                if error.status not in _RETRIED and error.status:
                    raise
        if not last.status and host not in self._alive:
            self._dead.add(host)
        raise last

    def _once(self, url: str, headers: dict[str, str], limit: int) -> Answer:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _read_local(url, headers.get("Range"), limit)
        if parts.scheme not in ("https", "http"):
            raise FetchError(f"{without_credentials(url)}: only https, http and file URLs are read", 400)
        request = urllib.request.Request(without_credentials(url, mark=""), headers={"User-Agent": _agent(), **headers})
        secret = unquote(parts.netloc.rpartition("@")[0]) or self.credentials.get(parts.netloc)
        if secret:
            # unredirected: a redirect must not carry the secret to another host
            request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return self._read(response, headers, limit, without_credentials(url))
        except urllib.error.HTTPError as error:
            error.close()
            raise FetchError(f"{without_credentials(url)}: {error.code} {error.reason}", error.code) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise FetchError(f"{without_credentials(url)}: {reason or type(error).__name__}") from None
        except ValueError as error:  # http.client refuses control characters and broken ports with it
            raise FetchError(f"{without_credentials(url)!r}: {error}", 400) from None

    def _read(self, response: http.client.HTTPResponse, headers: Mapping[str, str], limit: int, shown: str) -> Answer:
        length = int(response.headers.get("Content-Length") or -1)
        if length > limit:
            raise FetchError(f"{shown}: {length:,} bytes are more than the {limit:,} that are read", 413)
        pieces, size, end = [], 0, time.monotonic() + self.deadline
        while piece := response.read(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise FetchError(f"{shown}: more than the {limit:,} bytes that are read", 413)
            if time.monotonic() > end:
                raise FetchError(f"{shown}: not finished after {self.deadline:.0f} s", 408)
        with self._lock:
            self.requests += 1
            self.received += size
        if 0 <= length != size:
            raise FetchError(f"{shown}: cut off after {size:,} of {length:,} bytes")
        total = size
        if response.status == 206:
            total = _total(response.headers.get("Content-Range", ""), headers.get("Range", ""), size, shown)
        data = b"".join(pieces)
        if response.headers.get("Content-Encoding") == "gzip":
            data = _gunzip(data, limit, shown)
            total = len(data)
        return Answer(data, total, response.headers.get("Content-Type", ""), response.url)


def _gunzip(data: bytes, limit: int, shown: str) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise FetchError(f"{shown}: damaged") from None
    if len(unpacked) > limit or not unpacker.eof:
        raise FetchError(f"{shown}: damaged, or more than the {limit:,} bytes that are read", 413)
    return unpacked


def _total(content_range: str, wanted: str, size: int, shown: str) -> int:
    """Size of the whole file, from "bytes 0-99/1234"; checks that the piece is the one that was asked for."""
    unit, _, rest = content_range.partition(" ")
    span, _, total = rest.partition("/")
    first, _, last = span.partition("-")
    if unit != "bytes" or not (first.isdigit() and last.isdigit() and total.isdigit()):
        raise FetchError(f"{shown}: no usable Content-Range", 416)
    asked = wanted.removeprefix("bytes=")
    start = max(0, int(total) + int(asked)) if asked.startswith("-") else int(asked.partition("-")[0])
    if int(first) != start or int(last) - int(first) + 1 != size:
        raise FetchError(f"{shown}: sent other bytes than those asked for", 416)
    return int(total)


def _read_local(url: str, wanted: str | None, limit: int) -> Answer:
    path = Path(unquote(urlsplit(url).path))
    try:
        if path.is_dir():
            path = path / "index.html"
        with path.open("rb") as file:
            total = path.stat().st_size
            start, stop = 0, total
            if wanted:
                first, _, last = wanted.removeprefix("bytes=").rpartition("-")
                start, stop = (int(first), int(last) + 1) if first else (max(0, total - int(last)), total)
            if stop - start > limit:
                raise FetchError(f"{path}: more than the {limit:,} bytes that are read", 413)
            file.seek(start)
            kind = "text/html" if path.suffix == ".html" else ""
            return Answer(file.read(stop - start), total, kind, url if path.name != "index.html" else path.as_uri())
    except FileNotFoundError:
        raise FetchError(f"{path}: no such file", 404) from None
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror}", 404) from None


def without_credentials(url: str, mark: str = "***@") -> str:
    """The URL without its user and password, fit for messages.

    Args:
        url: Any URL.
        mark: What stands for them where there were some.
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=mark + parts.netloc.rpartition("@")[2]))


def _agent() -> str:
    return f"sftdoctor/{__version__}"
