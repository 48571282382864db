"""The page of one project on a package index: PEP 503 HTML or PEP 691 JSON → its files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

from sftdoctor.errors import TargetError
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.remote import without_credentials

if TYPE_CHECKING:
    from packaging.version import Version

_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a project."""

    filename: str
    url: str
    sha256: str | None = None
    requires_python: str | None = None
    yanked: bool = False
    size: int | None = None
    """Bytes, where the index says so."""
    uploaded: str | None = None
    """ISO time of its upload, where the index says so (PEP 700)."""

    @property
    def is_wheel(self) -> bool:
        """Whether it is a wheel (else a source archive)."""
        return self.filename.endswith(".whl")

    def version(self, project: str) -> Version | None:
        """The version that its name carries; None where it is no file of that project.

        Args:
            project: The canonical name.
        """
        if self.is_wheel:
            parts = self.filename[:-4].split("-")
            fits = len(parts) in (5, 6) and canonical_name(parts[0]) == project
            return _version(parts[1]) if fits else None
        stem = next((self.filename[: -len(end)] for end in _SDISTS if self.filename.endswith(end)), "")
        # "a-b-1.0" says by itself not where its name ends; the project's name does
        cuts = (at for at, sign in enumerate(stem) if sign == "-" and canonical_name(stem[:at]) == project)
        cut = next(cuts, None)
        return _version(stem[cut + 1 :]) if cut is not None else None


@lru_cache(maxsize=1 << 14)
def _version(text: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text.replace("_", "-"))
    except InvalidVersion:
        return None


def parse_page(data: bytes, content_type: str, url: str) -> tuple[IndexFile, ...]:
    """Parse the page of a project.

    Args:
        data: HTML (PEP 503) or JSON (PEP 691).
        content_type: The Content-Type header.
        url: Where it came from; its links are relative to that.

    Raises:
        TargetError: It is neither.
    """
    text = data.decode("utf-8", "replace")
    if "json" not in content_type and not text.lstrip().startswith("{"):
        parser = _Links(url)
        parser.feed(text)
        parser.close()
        files: Iterable[IndexFile | None] = parser.files
    else:
        try:
            files = [_from_json(entry, url) for entry in json.loads(text)["files"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise TargetError(f"{without_credentials(url)} is no page of a package index") from None
    return tuple(file for file in files if file and _safe(file, url))


def _from_json(entry: dict[str, Any], url: str) -> IndexFile | None:
    hashes, size = entry.get("hashes") or {}, entry.get("size")
    requires = entry.get("requires-python")
    return IndexFile(
        filename=str(entry["filename"]),
        url=urljoin(url, str(entry["url"])),
        sha256=_sha256(hashes.get("sha256")),
        requires_python=requires if isinstance(requires, str) else None,
        yanked=bool(entry.get("yanked")),
        size=size if isinstance(size, int) else None,
        uploaded=_time(entry.get("upload-time")),
    )


class _Links(HTMLParser):
    """The anchors of a PEP 503 page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.files: list[IndexFile | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        href = said.get("href")
        if tag == "base" and href:
            self.base = urljoin(self.base, href)
        if tag != "a" or not href:
            return
        try:
            # urljoin is dear, and a large project's page has 15,000 absolute links
            whole = href if href.startswith("https://") else urljoin(self.base, href)
        except ValueError:
            return
        url, _, fragment = whole.partition("#")
        algorithm, _, digest = fragment.partition("=")
        self.files.append(
            IndexFile(
                filename=unquote(url.partition("?")[0].rpartition("/")[2]),
                url=url,
                sha256=_sha256(digest) if algorithm == "sha256" else None,
                requires_python=said.get("data-requires-python"),
                yanked="data-yanked" in said,
                uploaded=_time(said.get("data-upload-time")),
            )
        )


def _sha256(digest: object) -> str | None:
    text = str(digest or "").lower()
    return text if len(text) == 64 and set(text) <= set("0123456789abcdef") else None


def _time(text: object) -> str | None:
    return text if isinstance(text, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{5,15}Z?", text) else None


def _safe(file: IndexFile, page: str) -> bool:
    """Whether it is an archive whose name can name a folder, and a page from afar names no file on this machine."""
    name = file.filename
    if not name.endswith((".whl", *_SDISTS)) or "/" in name or "\\" in name or name.startswith(".") or len(name) > 200:
        return False
    if not name.isprintable():
        return False
    return file.url.startswith(("https://", "http://")) or page.startswith("file:")
