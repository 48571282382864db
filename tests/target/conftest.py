"""A package index on this machine, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sftdoctor.target.index import Index
from sftdoctor.target.index_settings import IndexSettings
from sftdoctor.target.remote import Fetcher
from tests.target.tiny_index import TinyIndex, serve


@pytest.fixture
def tiny() -> Iterator[TinyIndex]:
    """An empty index that answers on 127.0.0.1."""
    with serve() as index:
        yield index


@pytest.fixture
def index(tiny: TinyIndex, tmp_path: Path) -> Index:
    """A client that asks that index alone."""
    settings = IndexSettings((f"{tiny.url}/simple",))
    return Index(settings, cache=tmp_path / "cache", fetcher=Fetcher(timeout=5, pause=0.001))


@pytest.fixture
def only_tiny(tiny: TinyIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """The same index, as the one that this user's pip and uv ask."""
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX", "UV_FIND_LINKS", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{tiny.url}/simple")
    return tiny
