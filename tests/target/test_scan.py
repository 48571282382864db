"""What lies in site-packages: good, odd and broken. Every layout is written to disk and read from there."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path

import pytest

from sftdoctor.target.scan import Scan, scan
from sftdoctor.target.search import find_roots
from tests.target.layouts import METADATA, wheel_info, write


def read(*roots: Path) -> Scan:
    return scan(find_roots([], [str(root) for root in roots]))


def versions(found: Scan) -> dict[str, str]:
    return {name: each.version for name, each in found.distributions.items()}


def problems(found: Scan) -> list[tuple[str, str]]:
    return [(each.kind, each.name) for each in found.problems]


def test_a_wheel(tmp_path: Path) -> None:
    more = "Requires-Python: >=3.9\nRequires-Dist: b>=1\nRequires-Dist: c; extra == 'x'\nProvides-Extra: x\n"
    record = "big_name/__init__.py,,\nbig_name/sub/a.py,,\nbig_ext.cpython-311-x86_64-linux-gnu.so,,\nsingle.py,,\n"
    odd = '../../../bin/tool,,\n"odd, name/x.py",,\nBig_Name-1.0.dist-info/RECORD,,\nbig_name.libs/x.so,,\n'
    write(tmp_path, wheel_info("Big.Name", "1.0", more, RECORD=record + odd, INSTALLER="uv\n"))
    (each,) = read(tmp_path).distributions.values()
    assert (each.name, each.version, each.requires_python) == ("big-name", "1.0", ">=3.9")
    assert each.requires == ("b>=1", "c; extra == 'x'")
    assert (each.extras, each.installer, each.editable) == (("x",), "uv", False)
    assert each.top_level == ("big_ext", "big_name", "single")
    assert each.root == str(tmp_path)
    assert each.metadata == str(tmp_path / "Big.Name-1.0.dist-info")


def egg(name: str, version: str) -> str:
    return METADATA.format(name=name, version=version)


EGGS: dict[str, dict[str, str | bytes]] = {
    "egg-info folder": {"a.egg-info/PKG-INFO": egg("a", "1"), "a.egg-info/requires.txt": "b\n[x]\nc\n"},
    "egg-info file": {"a-1.egg-info": egg("a", "1") + "Requires-Dist: b\n"},
    "unzipped egg": {
        "easy-install.pth": "./a-1-py3.11.egg\n",
        "a-1-py3.11.egg/EGG-INFO/PKG-INFO": egg("a", "1"),
        "a-1-py3.11.egg/EGG-INFO/requires.txt": "b\n",
    },
}


@pytest.mark.parametrize("files", EGGS.values(), ids=EGGS)
def test_eggs(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    found = read(write(tmp_path, files))
    assert versions(found) == {"a": "1"}
    assert found.distributions["a"].requires[0] == "b"
    assert problems(found) == []


def test_a_zipped_egg_is_named(tmp_path: Path) -> None:
    found = read(write(tmp_path, {"easy-install.pth": "./a_b-1.0-py3.11.egg\n", "a_b-1.0-py3.11.egg": b"PK\5\6"}))
    assert versions(found) == {"a-b": "1.0"}
    assert "zipped egg" in found.not_judged[0].reason


BROKEN: dict[str, tuple[dict[str, str | bytes], str]] = {
    "no METADATA": ({"a-1.dist-info/RECORD": ""}, "no METADATA"),
    "METADATA is a folder": ({"a-1.dist-info/METADATA/x": ""}, "no METADATA"),
    "no version": ({"a-1.dist-info/METADATA": "Name: a\n\n"}, "no version"),
    "no name": ({"a-1.dist-info/METADATA": "Version: 1\n\n"}, "no name"),
    "empty": ({"a-1.dist-info/METADATA": ""}, "no name"),
    "binary": ({"a-1.dist-info/METADATA": bytes(range(256)) * 300}, "no name"),
    "bad name": ({"a-1.dist-info/METADATA": "Name: ../../etc\nVersion: 1\n"}, "no valid name"),
    "bad version": ({"a-1.dist-info/METADATA": "Name: a\nVersion: 1 or 2\n"}, "no valid version"),
    "long version": ({"a-1.dist-info/METADATA": f"Name: a\nVersion: {'1' * 200}\n"}, "no valid version"),
    "UTF-16": ({"a-1.dist-info/METADATA": "Name: a\nVersion: 1\n".encode("utf-16")}, "no name"),
    "egg-info without PKG-INFO": ({"a.egg-info/top_level.txt": "a"}, "no PKG-INFO"),
}


@pytest.mark.parametrize(("files", "why"), BROKEN.values(), ids=BROKEN)
def test_broken_metadata_is_said_and_the_rest_read(tmp_path: Path, files: dict[str, str | bytes], why: str) -> None:
    found = read(write(tmp_path, files | wheel_info("good", "2")))
    assert versions(found) == {"good": "2"}
    assert problems(found) == [("unreadable", "a")]
    assert why in found.problems[0].detail
    assert [each.what for each in found.not_judged] == ["a"]


def test_headers_longer_than_the_first_read(tmp_path: Path) -> None:
    licence = "License: " + "words\n        " * 20_000 + "\n"
    found = read(write(tmp_path, wheel_info("a", "1", licence + "Requires-Dist: b\n")))
    assert found.distributions["a"].requires == ("b",)


def test_a_version_that_is_none(tmp_path: Path) -> None:
    found = read(write(tmp_path, wheel_info("a", "2.0-custom.build")))
    assert versions(found) == {"a": "2.0-custom.build"}
    assert problems(found) == [("unreadable", "a")]


def test_leftovers(tmp_path: Path) -> None:
    files = wheel_info("transformers", "4.57.3") | {
        "~ransformers/__init__.py": "",
        "~ransformers-4.40.0.dist-info/METADATA": egg("transformers", "4.40.0"),
    }
    found = read(write(tmp_path, files))
    assert versions(found) == {"transformers": "4.57.3"}
    assert sorted(problems(found)) == [("leftover", "~ransformers"), ("leftover", "~ransformers-4.40.0.dist-info")]


def test_two_versions_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(write(tmp_path, wheel_info("a-b", "1") | wheel_info("a-b", "2")))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert versions(found) == {"a-b": importlib.metadata.version("a-b")}
    assert problems(found) == [("duplicate", "a-b")]
    assert "one folder" in found.problems[0].detail


def test_the_first_root_wins(tmp_path: Path) -> None:
    first, second = write(tmp_path / "1", wheel_info("a", "2")), write(tmp_path / "2", wheel_info("a", "1"))
    found = read(first, second)
    assert versions(found) == {"a": "2"}
    assert problems(found) == [("duplicate", "a")]
    assert found.problems[0].path.startswith(str(second))


def test_the_same_version_twice_is_no_problem(tmp_path: Path) -> None:
    roots = [write(tmp_path / name, wheel_info("a", "1")) for name in ("1", "2")]
    assert problems(read(*roots)) == []


def test_traps_neither_hang_nor_loop(tmp_path: Path) -> None:
    write(tmp_path, wheel_info("good", "1"))
    (tmp_path / "loop-1.dist-info").symlink_to(tmp_path / "loop-1.dist-info")
    (tmp_path / "up-1.dist-info").symlink_to(tmp_path)
    (tmp_path / "pipe-1.dist-info").mkdir()
    os.mkfifo(tmp_path / "pipe-1.dist-info" / "METADATA")
    os.mkfifo(tmp_path / "pipe.pth")
    found = read(tmp_path)
    assert versions(found) == {"good": "1"}
    assert sorted(problems(found)) == [("unreadable", "loop"), ("unreadable", "pipe"), ("unreadable", "up")]


def test_a_folder_that_may_not_be_listed(tmp_path: Path) -> None:
    assert read(tmp_path / "is not there").distributions == {}


EDITABLE = '{{"url": "file://{}", "dir_info": {{"editable": true}}}}'


def editable(tmp_path: Path, files: dict[str, str | bytes], **more: str) -> Scan:
    project = tmp_path / "a project"
    write(project, {"src/my_pkg/__init__.py": "", "src/my_pkg/part/__init__.py": "", "tests/__init__.py": ""})
    url = EDITABLE.format(str(project).replace(" ", "%20"))
    site = write(tmp_path / "site", files | wheel_info("my-pkg", "1", direct_url__json=url, **more))
    return read(site)


def test_editable_by_path(tmp_path: Path) -> None:
    source = tmp_path / "a project" / "src"
    (each,) = editable(tmp_path, {"_my_pkg.pth": f"{source}\n"}).distributions.values()
    assert (each.editable, each.root, each.top_level) == (True, str(source), ("my_pkg",))


FINDERS = {
    "setuptools": (
        "__editable__.my_pkg-1.pth",
        "import __editable___my_pkg_1_finder; __editable___my_pkg_1_finder.install()",
        "__editable___my_pkg_1_finder.py",
        "import sys\nMAPPING: dict[str, str] = {{'my_pkg': {package!r}}}\nNAMESPACES: dict = {{}}\n"
        "def install():\n    raise SystemExit('was run')\n",
    ),
    "scikit-build-core": (
        "_my_pkg_editable.pth",
        "import _my_pkg_editable",
        "_my_pkg_editable.py",
        "raise SystemExit('was run')\n"
        "install({{'my_pkg': {package!r} + '/__init__.py', 'my_pkg.part': '/x'}}, {{}}, None, True)\n",
    ),
}


@pytest.mark.parametrize("make", FINDERS)
def test_editable_by_finder_is_read_as_data(tmp_path: Path, make: str) -> None:
    pth, line, module, source = FINDERS[make]
    package = tmp_path / "a project" / "src" / "my_pkg"
    text = source.format(package=str(package)).replace("' + '", "")
    search = find_roots([], [str(write(tmp_path / "site", {pth: line, module: text}))])
    assert search.modules == {"my_pkg": str(package)}
    assert search.not_judged == []
    (each,) = editable(tmp_path, {pth: line, module: text}).distributions.values()
    assert (each.editable, each.root, each.top_level) == (True, str(package.parent), ("my_pkg",))


def test_develop_install(tmp_path: Path) -> None:
    source = write(tmp_path / "src", {"a.egg-info/PKG-INFO": egg("a", "1"), "a.egg-info/top_level.txt": "a\n"})
    site = write(tmp_path / "site", {"a.egg-link": f"{source}\n.", "easy-install.pth": f"{source}\n"})
    (each,) = read(site).distributions.values()
    assert (each.name, each.editable, each.root) == ("a", True, str(source))


DIRECT_URLS = [
    "",
    "{",
    "[]",
    "[" * 100_000,
    '{"dir_info": {"editable": true}}',
    '{"url": 1, "dir_info": {"editable": true}}',
]


@pytest.mark.parametrize("text", DIRECT_URLS, ids=range(len(DIRECT_URLS)))
def test_a_broken_direct_url_is_none(tmp_path: Path, text: str) -> None:
    (each,) = read(write(tmp_path, wheel_info("a", "1", direct_url__json=text + " editable"))).distributions.values()
    assert not each.editable
