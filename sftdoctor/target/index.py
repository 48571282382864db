"""A package-index client: which files does a project have (PEP 503 HTML and PEP 691 JSON), kept on disk."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from sftdoctor.errors import OfflineError, TargetError
from sftdoctor.folders import cache_folder
from sftdoctor.target.dist_info import is_name
from sftdoctor.target.index_page import IndexFile, parse_page
from sftdoctor.target.index_settings import IndexSettings, read_index_settings
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.remote import Fetcher, FetchError, without_credentials
from sftdoctor.target.store import read_json, write_json

if TYPE_CHECKING:
    from packaging.version import Version

_PAGE_LIMIT = 64 << 20
_row = attrgetter(*(one.name for one in fields(IndexFile)))
_PAGES = 4
"""Pages that stay in memory: a large project has 15,000 files."""
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SCHEMA = 2
FRESH = 600.0
"""Seconds for which a project's page is taken to be up to date."""


@dataclass
class Index:
    """The configured indexes, as one.

    Safe to use from several threads; pages are kept in the cache.
    """

    settings: IndexSettings = field(default_factory=read_index_settings)
    cache: Path = field(default_factory=cache_folder)
    offline: bool = False
    fetcher: Fetcher = field(default_factory=Fetcher)
    _pages: dict[str, tuple[float, tuple[IndexFile, ...]]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def files(self, name: str, *, fresh: float = FRESH) -> tuple[IndexFile, ...]:
        """Every file of a project, over all indexes; an earlier index wins where two have the same file name.

        Args:
            name: The project.
            fresh: Seconds for which a kept page will do; any age does when offline.

        Returns:
            Empty where no index knows the project.

        Raises:
            OfflineError: Nothing is kept and the network is off or does not answer.
            TargetError: That is no project name, or an index answers what is no index page.
        """
        project = canonical_name(name)
        if not is_name(project):
            raise TargetError(f"{name!r} is no name of a package")
        with self._lock:
            fetched, files = self._pages.get(project, (0.0, ()))
        if fetched and (self.offline or time.time() - fetched < fresh):
            return files
        oldest = time.time()
        found: dict[str, IndexFile] = {}
        for url in self.settings.find_links:
            for file in self._flat(url, fresh):
                if file.version(project) is not None:
                    found.setdefault(file.filename, file)
        for url in self.settings.urls:
            fetched, page = self._page(f"{url}/{project}/", fresh)
            oldest = min(oldest, fetched)
            for file in page:
                found.setdefault(file.filename, file)
        files = tuple(found.values())
        with self._lock:
            while len(self._pages) >= _PAGES:
                del self._pages[next(iter(self._pages))]
            self._pages[project] = (oldest, files)
        return files

    def versions(self, name: str, *, prereleases: bool = False, yanked: bool = False) -> list[Version]:
        """The versions of a project, oldest first.

        Args:
            name: The project.
            prereleases: Also alphas, betas, candidates and development releases.
            yanked: Also versions all of whose files were yanked.

        Raises:
            OfflineError: Nothing is kept and the network is off or does not answer.
            TargetError: That is no project name, or an index answers what is no index page.
        """
        project = canonical_name(name)
        found = {file.version(project) for file in self.files(project) if yanked or not file.yanked}
        return sorted(version for version in found if version and (prereleases or not version.is_prerelease))

    def _flat(self, url: str, fresh: float) -> Iterable[IndexFile]:
        path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(url)
        if "://" not in url or url.startswith("file:"):
            try:
                return [
                    IndexFile(file.name, file.resolve().as_uri()) for file in sorted(path.iterdir()) if file.is_file()
                ]
            except OSError:
                return ()
        return self._page(url, fresh)[1]

    def _page(self, url: str, fresh: float) -> tuple[float, tuple[IndexFile, ...]]:
        kept = self.cache / "index" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
        fetched, old = _kept(kept)
        if fetched and (self.offline or 0 <= time.time() - fetched < fresh):
            return fetched, old
        if self.offline and not url.startswith("file:"):
            raise OfflineError(
                f"{without_credentials(url)} was never fetched, and the network is off",
                hint="Run once without --offline; what it fetches is kept.",
            )
        try:
            answer = self.fetcher.get(url, limit=_PAGE_LIMIT, accept=_ACCEPT)
        except FetchError as error:
            if error.missing:
                return time.time(), ()
            if fetched:  # stale is better than nothing: published files do not change
                return time.time(), old
            raise OfflineError(
                f"the package index cannot be reached: {error}",
                hint="Check the network and the index (PIP_INDEX_URL), or use --offline with a filled cache.",
            ) from None
        files = parse_page(answer.data, answer.content_type, answer.url or url)
        if not url.startswith("file:"):
            write_json(
                kept,
                _SCHEMA,
                {"url": without_credentials(url), "fetched": time.time(), "files": [_row(file) for file in files]},
            )
        return time.time(), files


def _kept(path: Path) -> tuple[float, tuple[IndexFile, ...]]:
    """When a page was fetched and what it listed; 0 where it is not kept, or damaged."""
    page = read_json(path, _SCHEMA)
    try:
        return (float(page["fetched"]), tuple(IndexFile(*row) for row in page["files"])) if page else (0.0, ())
    except (KeyError, TypeError, ValueError):
        return 0.0, ()


def best_file(
    files: Iterable[IndexFile],
    name: str,
    version: Version,
    markers: dict[str, str],
    hashes: frozenset[str] = frozenset(),
) -> IndexFile | None:
    """The file of that version that an installer would take for the target: its best wheel, else its source archive.

    Args:
        files: All files of the project.
        name: The project's canonical name.
        version: The exact version, with its local part.
        markers: The target's PEP 508 marker environment.
        hashes: SHA-256 digests, one of which the file must have; empty for any.

    Returns:
        None where no file of that version fits.
    """
    from packaging.tags import parse_tag

    from sftdoctor.target.platforms import fits_python, wheel_tags

    ranks = wheel_tags(markers)
    ranked: list[tuple[int, int, IndexFile]] = []
    for order, file in enumerate(files):
        if file.version(name) != version or not fits_python(file.requires_python, markers):
            continue
        if hashes and file.sha256 and file.sha256 not in hashes:
            continue
        if not file.is_wheel:
            ranked.append((len(ranks), order, file))
            continue
        fitting = [ranks[tag] for tag in parse_tag("-".join(file.filename[:-4].split("-")[-3:])) if tag in ranks]
        if fitting:
            ranked.append((min(fitting), order, file))
    return min(ranked)[2] if ranked else None


def with_settings(index: Index, urls: Iterable[str]) -> Index:
    """The same index with further URLs behind its own."""
    return replace(index, settings=index.settings.with_urls(urls), _pages={})
