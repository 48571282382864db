"""The index client: pages of both kinds, hostile ones too; versions; which file fits; what is kept."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version

from sftdoctor.errors import OfflineError, TargetError, UsageError
from sftdoctor.target.index import Index, best_file
from sftdoctor.target.index_page import IndexFile, parse_page
from sftdoctor.target.platforms import fits_python, marker_environment, wheel_tags
from tests.target.tiny_index import TinyIndex

LINUX = marker_environment("3.11") | {"sys_platform": "linux", "platform_machine": "x86_64"}


@pytest.mark.parametrize("as_json", [False, True])
def test_versions(tiny: TinyIndex, index: Index, as_json: bool) -> None:
    tiny.as_json = as_json
    for version in ("1.10", "1.9", "2.0rc1", "1.11"):
        tiny.add("demo-x", version)
    tiny.yanked.add("demo_x-1.11-py3-none-any.whl")
    tiny.files["demo-x"]["other-9.0-py3-none-any.whl"] = b""
    assert index.versions("Demo_X") == [Version("1.9"), Version("1.10")]
    assert index.versions("demo-x", prereleases=True, yanked=True)[-2:] == [Version("1.11"), Version("2.0rc1")]
    assert len(tiny.log) == 1


def test_a_page_is_kept(tiny: TinyIndex, index: Index) -> None:
    tiny.add("demo", "1.0")
    index.versions("demo")
    again = Index(index.settings, cache=index.cache, offline=True)
    assert again.versions("demo") == [Version("1.0")]
    with pytest.raises(OfflineError, match="never fetched"):
        again.versions("other")
    assert len(tiny.log) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 2}', '{"schema": 2, "fetched": 1, "files": [3]}'])
def test_a_damaged_page_is_fetched_again(tiny: TinyIndex, index: Index, content: str) -> None:
    tiny.add("demo", "1.0")
    index.versions("demo")
    for page in (index.cache / "index").iterdir():
        page.write_text(content)
    assert Index(index.settings, cache=index.cache, fetcher=index.fetcher).versions("demo") == [Version("1.0")]


def test_an_unknown_project_has_no_versions(tiny: TinyIndex, index: Index) -> None:
    assert index.versions("nothing") == []


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", "", "a b", "é", "x" * 300, "-x", "a\n"])
def test_names_that_are_none(index: Index, name: str) -> None:
    with pytest.raises(TargetError):
        index.files(name)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<a href="a-1.0-py3-none-any.whl">x</a>', ["https://host/simple/a/a-1.0-py3-none-any.whl"]),
        ('<A HREF="../../f/a-1.0.tar.gz#sha256=00">', ["https://host/f/a-1.0.tar.gz"]),
        ('<base href="https://files/x/"><a href="a-1.0.zip">', ["https://files/x/a-1.0.zip"]),
        ('<a href="a-1.0%2Bcpu-py3-none-any.whl">', ["https://host/simple/a/a-1.0%2Bcpu-py3-none-any.whl"]),
        ('<a href="file:///etc/passwd.zip">', []),
        ('<a href="https://host/a.exe"><a><a href="">', []),
        ('<a href="https://host/..%2F..%2Fevil-1.0-py3-none-any.whl">', []),
        ('<a href="https://host/.hidden.zip"><a href="http://[bad/a-1.0.zip">', []),
        ("<a href='javascript:a-1.0.zip'>", []),
        ("\0\xff<<<a", []),
    ],
)
def test_html_pages(html: str, expected: list[str]) -> None:
    found = parse_page(html.encode("latin-1"), "text/html", "https://host/simple/a/")
    assert [file.url for file in found] == expected


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": 3}', '{"files": [3]}', '{"files": [{"filename": 1}]}'])
def test_broken_json_pages(text: str) -> None:
    with pytest.raises(TargetError, match="no page"):
        parse_page(text.encode(), "application/vnd.pypi.simple.v1+json", "https://host/simple/a/")


def test_json_page_with_odd_values() -> None:
    entry = {"filename": "a-1.0.zip", "url": "a-1.0.zip", "hashes": None, "yanked": "why", "size": "big"}
    found = parse_page(json.dumps({"files": [entry]}).encode(), "", "https://host/a/")
    assert found == (IndexFile("a-1.0.zip", "https://host/a/a-1.0.zip", yanked=True),)


@pytest.mark.parametrize(
    ("filename", "project", "expected"),
    [
        ("a-1.0-py3-none-any.whl", "a", "1.0"),
        ("A_b.c-1.0-1-py3-none-any.whl", "a-b-c", "1.0"),
        ("a-b-1.0.tar.gz", "a-b", "1.0"),
        ("a-b-1.0.tar.gz", "a", None),
        ("a-1.0-cp311-cp311-linux_x86_64.whl", "b", None),
        ("torch-2.6.0+cu124-cp311-cp311-linux_x86_64.whl", "torch", "2.6.0+cu124"),
        ("a-x-py3-none-any.whl", "a", None),
        ("a.whl", "a", None),
        ("a.zip", "a", None),
    ],
)
def test_the_version_in_a_file_name(filename: str, project: str, expected: str | None) -> None:
    found = IndexFile(filename, "").version(project)
    assert found == (Version(expected) if expected else None)


WHEELS = [
    "a-1.0-cp310-cp310-manylinux_2_17_x86_64.whl",
    "a-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "a-1.0-cp311-cp311-win_amd64.whl",
    "a-1.0-cp39-abi3-manylinux1_x86_64.whl",
    "a-1.0-cp39-abi3-musllinux_1_1_x86_64.whl",
    "a-1.0.tar.gz",
]


@pytest.mark.parametrize(
    ("python", "files", "expected"),
    [
        ("3.10", WHEELS, WHEELS[0]),
        ("3.11", WHEELS, WHEELS[1]),
        ("3.12", WHEELS, WHEELS[3]),
        ("3.8", WHEELS, WHEELS[5]),
        ("3.8", WHEELS[:5], None),
        ("3.11", [WHEELS[2]], None),
        ("3.11", ["a-2.0-py3-none-any.whl"], None),
        ("3.11", ["a-1.0.0-py3-none-any.whl"], "a-1.0.0-py3-none-any.whl"),
    ],
)
def test_the_file_that_fits(python: str, files: list[str], expected: str | None) -> None:
    markers = {**LINUX, "python_version": python, "python_full_version": f"{python}.0"}
    found = best_file([IndexFile(name, "") for name in files], "a", Version("1.0"), markers)
    assert (found and found.filename) == expected


@pytest.mark.parametrize(
    ("requires", "python", "expected"),
    [
        (">=3.9", "3.11", True),
        ("<3.11", "3.11", False),
        (">=3.11.4", "3.11", True),  # some 3.11 will do
        (">=3.11.4", "3.11.2", False),
        ("nonsense", "3.11", True),
        (None, "3.11", True),
    ],
)
def test_requires_python(requires: str | None, python: str, expected: bool) -> None:
    assert fits_python(requires, marker_environment(python)) is expected


@pytest.mark.parametrize("version", ["2.7", "3", "3.x", "../3.11", "3.11.", "3.111", "", "3.11 ; rm"])
def test_versions_of_python_that_are_none(version: str) -> None:
    with pytest.raises(UsageError):
        marker_environment(version)


def test_tags_of_another_python() -> None:
    names = {str(tag) for tag in wheel_tags({**LINUX, "python_version": "3.13"})}
    assert {"cp313-cp313-manylinux_2_28_x86_64", "cp39-abi3-manylinux1_x86_64", "py3-none-any"} <= names
    assert not any("win" in name or "musllinux" in name for name in names)
