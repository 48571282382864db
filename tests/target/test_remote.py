"""Fetching: ranges, retries, limits, hostile answers; from a real server on this machine and from files."""

from __future__ import annotations

import io
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.target import remote_zip
from sftdoctor.target.remote import Fetcher, FetchError, without_credentials
from sftdoctor.target.remote_zip import RemoteFile, merged, prefetch
from tests.target.tiny_index import TinyIndex

FETCHER = Fetcher(timeout=5, pause=0.001)
BIG = bytes(range(256)) * 4000


def url_of(tiny: TinyIndex, content: bytes) -> str:
    filename = tiny.add("demo", "1.0", content)
    return f"{tiny.url}/files/demo/{filename}"


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (5, 6), (1000, 5000), (-100, 0), (-(10**9), 0)])
def test_a_range_is_what_was_asked_for(tiny: TinyIndex, start: int, stop: int) -> None:
    answer = FETCHER.get_range(url_of(tiny, BIG), start, stop, limit=1 << 20)
    assert answer.total == len(BIG)
    assert answer.data == (BIG[start:] if start < 0 else BIG[start:stop])


def test_a_host_without_ranges_sends_the_whole(tiny: TinyIndex) -> None:
    tiny.ranges = False
    answer = FETCHER.get_range(url_of(tiny, BIG), 5, 10, limit=2 << 20)
    assert answer.data == BIG
    with pytest.raises(FetchError, match="more than"):
        FETCHER.get_range(url_of(tiny, BIG), 5, 10, limit=1000)


@pytest.mark.parametrize(("cut", "broken"), [(2, 0), (0, 2), (1, 1)])
def test_what_breaks_off_is_tried_again(tiny: TinyIndex, cut: int, broken: int) -> None:
    tiny.cut, tiny.broken = cut, broken
    assert FETCHER.get(url_of(tiny, BIG), limit=1 << 21).data == BIG
    assert len(tiny.log) == 3


def test_pages_may_be_compressed(tiny: TinyIndex) -> None:
    tiny.encoding = "gzip"
    tiny.add("demo", "1.0")
    assert b"demo-1.0" in FETCHER.get(f"{tiny.url}/simple/demo/", limit=1000, accept="text/html").data
    with pytest.raises(FetchError, match="more than"):
        FETCHER.get(f"{tiny.url}/simple/demo/", limit=150, accept="text/html")
    tiny.encoding = "damaged"
    with pytest.raises(FetchError, match="damaged"):
        FETCHER.get(f"{tiny.url}/simple/demo/", limit=1000, accept="text/html")


def test_what_always_breaks_off_is_an_error(tiny: TinyIndex) -> None:
    tiny.cut = 100
    with pytest.raises(FetchError, match=r"cut off|IncompleteRead"):
        FETCHER.get(url_of(tiny, BIG), limit=1 << 21)


def test_a_dead_host_is_asked_once(tiny: TinyIndex) -> None:
    fetcher = Fetcher(timeout=1, pause=0.001)
    for _ in range(2):
        with pytest.raises(FetchError) as caught:
            fetcher.get("http://127.0.0.1:9/simple/x/", limit=10)
        assert not caught.value.status
    assert "does not answer" in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://host/x", "gopher://x", "data:,x", "http://host name/x", "http://h\r\nX: y/"])
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(FetchError):
        FETCHER.get(url, limit=10)


def test_files_are_read_like_hosts(tmp_path: Path) -> None:
    file = tmp_path / "a.whl"
    file.write_bytes(BIG)
    assert FETCHER.get_range(file.as_uri(), -7, 0, limit=100).data == BIG[-7:]
    assert FETCHER.get_range(file.as_uri(), 3, 9, limit=100).data == BIG[3:9]
    with pytest.raises(FetchError) as caught:
        FETCHER.get((tmp_path / "b").as_uri(), limit=10)
    assert caught.value.missing


def test_credentials_are_not_shown() -> None:
    assert without_credentials("https://me:secret@host:1/x") == "https://***@host:1/x"
    assert without_credentials("https://host/a@b") == "https://host/a@b"


def archive(members: int, size: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as out:
        for number in range(members):
            out.writestr(f"pkg/m{number}.{'py' if number % 10 < 5 else 'so'}", bytes([number % 251]) * size)
    return data.getvalue()


@pytest.mark.parametrize("suffixes", [True, False])
def test_members_come_in_few_requests(tiny: TinyIndex, suffixes: bool) -> None:
    tiny.suffixes = suffixes
    content = archive(400, 20_000)
    url = url_of(tiny, content)
    file = RemoteFile(FETCHER, url, tail=1 << 16, limit=1 << 26)
    with zipfile.ZipFile(file) as opened:
        prefetch(opened, file, lambda name: name.endswith(".py") and name < "pkg/m2")
        before = len(tiny.log)
        for number in (0, 1, 100, 104, 110, 194):
            assert opened.read(f"pkg/m{number}.py") == bytes([number % 251]) * 20_000
    assert len(tiny.log) == before <= 12
    assert not suffixes or tiny.sent < 0.8 * len(content)


def test_a_damaged_directory_is_no_endless_read(tiny: TinyIndex) -> None:
    content = archive(20, 100)
    damaged = content[:-30] + b"\xff" * 30
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(RemoteFile(FETCHER, url_of(tiny, damaged), tail=100, limit=1 << 20))


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50))), st.integers(0, 100))
def test_merged_covers_everything_and_is_apart(raw: list[tuple[int, int]], gap: int) -> None:
    stretches = [(start, start + length) for start, length in raw]
    runs = merged(stretches, gap)
    assert all(any(run[0] <= start and stop <= run[1] for run in runs) for start, stop in stretches)
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(runs))


STRETCHES = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), min_size=1, max_size=8)


@given(STRETCHES, st.integers(1, 60))
def test_any_stretch_can_be_read_whatever_was_fetched_before(wanted: list[tuple[int, int]], tail: int) -> None:
    content = bytes(range(250))
    # what is close is fetched as one: without that, stretches touch and overlap in all ways
    with (
        tempfile.NamedTemporaryFile(suffix=".bin") as held,
        mock.patch.object(remote_zip, "_GAP", 0),
        mock.patch.object(remote_zip, "_READ_AHEAD", 0),
    ):
        held.write(content)
        held.flush()
        file = RemoteFile(FETCHER, Path(held.name).as_uri(), tail=tail, limit=1 << 20)
        for start, size in wanted:
            file.fetch([(start, min(start + size, len(content)))])
            file.seek(start)
            assert file.read(size) == content[start : start + size]
