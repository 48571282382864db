from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sftdoctor.target.search import find_roots
from tests.target.layouts import make_venv, write


def test_pth_files_lead_where_python_goes(tmp_path: Path) -> None:
    """The real interpreter, with the same .pth files, is the judge of the order."""
    site = make_venv(tmp_path / "venv")
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
    write(
        site,
        {
            "b.pth": f"{tmp_path}/two\n{tmp_path}/missing\n# {tmp_path}/three\n\n{tmp_path}/one\n",
            "a.pth": f"{tmp_path}/three\r\n{tmp_path}/two\r\nrelative",
            "relative/x.py": "",
            "c.txt": f"{tmp_path}/four\n",
            "d.pth": b"\xff\xfe\x00bad",
        },
    )
    program = "import json, sys; print(json.dumps([p for p in sys.path if p.startswith(sys.argv[1])]))"
    python = str(tmp_path / "venv" / "bin" / "python")
    (site / "d.pth").unlink()  # Python itself does not survive that one
    said = subprocess.run([python, "-I", "-c", program, str(tmp_path)], capture_output=True, check=True, timeout=60)
    write(site, {"d.pth": b"\xff\xfe\x00bad"})
    assert find_roots([], [str(site)]).roots == json.loads(said.stdout)


def test_what_comes_before_is_first_and_its_pth_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"before/x.pth": "../other\n", "other/a.py": "", "site/b.py": ""})
    search = find_roots([str(tmp_path / "before")], [str(tmp_path / "site"), str(tmp_path / "before")])
    assert search.roots == [str(tmp_path / "before"), str(tmp_path / "site")]


CODE = {
    "unknown code": ("hook.pth", "import os; os.abort()", True),
    "an editable without its finder": ("__editable__.a-1.pth", "import __editable___a_1_finder", True),
    "setuptools' own": ("distutils-precedence.pth", "import os; x = 1", False),
    "virtualenv's own": ("_virtualenv.pth", "import _virtualenv", False),
    "a namespace package": ("google-nspkg.pth", "import sys, types, os; x = 1", False),
    "tab": ("hook.pth", "import\tos", True),
    "a folder with import in its name": ("x.pth", "imports", False),
}


@pytest.mark.parametrize(("name", "line", "said"), CODE.values(), ids=CODE)
def test_code_in_pth_files_is_never_run(tmp_path: Path, name: str, line: str, said: bool) -> None:
    search = find_roots([], [str(write(tmp_path, {name: line}))])
    assert [each.what for each in search.not_judged] == ([name] if said else [])


FINDERS = {
    "no code": "x = (",
    "deep": "MAPPING = " + "[" * 5_000,
    "deep dict": "MAPPING = " + "{1:" * 200 + "1" + "}" * 200,
    "a call": "MAPPING = dict(a='/x')",
    "a list": "MAPPING = ['a']",
    "nothing": "",
    "null bytes": "MAPPING = {}\0",
    "tuple target": "a, b = {'a': '/x'}",
}


@pytest.mark.parametrize("source", FINDERS.values(), ids=FINDERS)
def test_a_finder_that_makes_no_sense(tmp_path: Path, source: str) -> None:
    files: dict[str, str | bytes] = {
        "__editable__.a.pth": "import __editable___a_finder",
        "__editable___a_finder.py": source,
    }
    search = find_roots([], [str(write(tmp_path, files))])
    assert search.modules == {}


MAPPINGS = {
    "relative path": {"a": "src/a"},
    "no name": {"a b": "/x/a"},
    "part of another": {"a": "/x/a", "a.b": "/x/a/b"},
}


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_only_top_modules_with_absolute_paths(tmp_path: Path, mapping: dict[str, str]) -> None:
    files: dict[str, str | bytes] = {
        "__editable__.a.pth": "import __editable___a_finder",
        "__editable___a_finder.py": f"MAPPING = {mapping!r}",
    }
    search = find_roots([], [str(write(tmp_path, files))])
    assert search.modules == {name: path for name, path in mapping.items() if (name, path) == ("a", "/x/a")}
