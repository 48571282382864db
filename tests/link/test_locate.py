"""Where modules lie: roots in order, wheels unpacked apart, editable installs, compiled modules, RECORD."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.link.locate import MAX_SOURCE, Locator, parse, read_source
from sftdoctor.model import Distribution, Environment
from tests.link.worlds import World, link_program, told


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__slash__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def target(tmp_path: Path, *roots: Path, **fields: object) -> Environment:
    empty = World({}).environment(tmp_path / "empty")
    return replace(empty, paths=tuple(map(str, roots)), **fields)  # type: ignore[arg-type]


def wheel(root: Path, name: str, record: tuple[str, ...] = (), numpy: str | None = None) -> Distribution:
    """A wheel unpacked to a root of its own, of which RECORD may list more than was unpacked."""
    info = root / f"{name}-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in record))
    return Distribution(name, "1.0", str(root), str(info), top_level=(name.replace("-", "_"),), numpy=numpy)


def test_the_first_root_wins_and_packages_win_over_modules(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        (root / "a").mkdir(parents=True)
        (root / "a" / "__init__.py").write_text("")
        (root / "a.py").write_text("")
    (second / "b.py").write_text("")
    locator = Locator(target(tmp_path, first, second))
    found = locator.find("a")
    assert found is not None and (found.path, found.package) == (first / "a" / "__init__.py", True)
    assert found.relative == "a/__init__.py"
    assert locator.find("b") is not None and locator.find("c") is None and locator.find("a.c") is None


def test_a_compiled_module_at_the_top_of_a_wheel_that_was_unpacked_in_part(tmp_path: Path) -> None:
    held = wheel(tmp_path / "cffi", "cffi", ("_backend.cpython-312-x86_64-linux-gnu.so", "cffi/__init__.py"))
    write(tmp_path / "cffi", **{"cffi/__init__.py": ""})
    environment = target(
        tmp_path, tmp_path / "cffi", distributions={"cffi": replace(held, top_level=("_backend", "cffi"))}
    )
    found = Locator(environment).find("_backend")
    assert found is not None and found.compiled == "_backend.cpython-312-x86_64-linux-gnu.so"
    assert Locator(environment).find("_other") is None


@pytest.mark.parametrize("name", ["", ".", "a..b", "a b", "../a", "a/b", "a-b", "1a"])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    assert Locator(target(tmp_path, tmp_path)).find(name) is None


def test_a_package_wins_over_a_namespace_further_ahead(tmp_path: Path) -> None:
    (tmp_path / "one" / "a").mkdir(parents=True)
    (tmp_path / "two" / "a").mkdir(parents=True)
    (tmp_path / "two" / "a" / "__init__.py").write_text("")
    found = Locator(target(tmp_path, tmp_path / "one", tmp_path / "two")).find("a")
    assert found is not None and found.path == tmp_path / "two" / "a" / "__init__.py"


def test_a_namespace_over_several_roots(tmp_path: Path) -> None:
    for root, name in (("one", "x"), ("two", "y")):
        (tmp_path / root / "space" / name).mkdir(parents=True)
        (tmp_path / root / "space" / name / "__init__.py").write_text("value = 1")
    user = tmp_path / "three"
    user.mkdir()
    (user / "user.py").write_text(
        "from space.x import value\nfrom space.y import value as other\nimport space.y, space"
    )
    environment = target(tmp_path, tmp_path / "one", tmp_path / "two", user)
    assert told(link_program(environment, "import user")) == ()
    (user / "broken.py").write_text("from space.y import gone")
    assert told(link_program(environment, "import broken")) == ("API001 gone certain",)


def test_owners_say_which_root_provides_a_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
        (root / "a.py").write_text("")
    plain = target(tmp_path, first, second)
    found = Locator(replace(plain, owners={"a": str(second)})).find("a")
    assert found is not None and found.root == str(second)
    assert Locator(replace(plain, owners={"a": ""})).find("a") is None
    assert told(link_program(replace(plain, owners={"a": ""}), "import b")) == ()
    (second / "user.py").write_text("import a")
    assert told(link_program(replace(plain, owners={"a": ""}), "import user")) == ("API003 a certain",)


def test_editable_modules(tmp_path: Path) -> None:
    source = tmp_path / "checkout" / "src" / "mine"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text("from .deep import x")
    (source / "deep.py").write_text("x = 1")
    (tmp_path / "alone.py").write_text("y = 1")
    site = tmp_path / "site"
    site.mkdir()
    (site / "user.py").write_text(
        "from mine import x\nfrom mine.deep import x\nfrom alone import y\nfrom mine import gone"
    )
    environment = target(tmp_path, site, modules={"mine": str(source), "alone": str(tmp_path / "alone.py")})
    assert told(link_program(environment, "import user")) == ("API001 gone certain",)


def test_compiled_modules_of_record_alone(tmp_path: Path) -> None:
    root = tmp_path / "fast"
    held = wheel(root, "fast", ("fast/__init__.py", "fast/_core.cpython-311-x86_64-linux-gnu.so", "fast/data/x.bin"))
    (root / "fast").mkdir()
    (root / "fast" / "__init__.py").write_text("from ._core import anything\nfrom . import _core")
    (root / "user.py").write_text("import fast._core\nfrom fast import anything\nfast._core.more")
    environment = target(tmp_path, root, distributions={"fast": held}, python="3.11.7")
    assert told(link_program(environment, "import user")) == ()
    other = replace(environment, python="3.12.1")
    assert told(link_program(other, "import user")) == ("ENV011 fast._core certain",)


@pytest.mark.parametrize(
    ("file", "python", "fits"),
    [
        ("m.cpython-311-x86_64-linux-gnu.so", "3.11", True),
        ("m.cpython-310-x86_64-linux-gnu.so", "3.11", False),
        ("m.cpython-39-x86_64-linux-gnu.so", "3.10", False),
        ("m.cp311-win_amd64.pyd", "3.11", True),
        ("m.cp312-win_amd64.pyd", "3.11", False),
        ("m.abi3.so", "3.13", True),
        ("m.so", "3.13", True),
        ("m.pyd", "3.13", True),
        ("m.cpython-310-darwin.so", "3.10", True),
    ],
)
def test_compiled_for_which_python(file: str, python: str, fits: bool, tmp_path: Path) -> None:
    row = World({"lib": "", "user": "from lib import m"}, data={"files": {f"lib/{file}": ""}, "python": python})
    assert told(row.link(tmp_path)) == (() if fits else ("ENV011 lib.m certain",))


@pytest.mark.parametrize(
    ("needs", "numpy", "fits"),
    [
        ("<2", "1.26.4", True),
        ("<2", "2.1.0", False),
        (">=1.23", "2.1.0", True),
        (">=2", "1.26.4", False),
        (None, "2.1.0", True),
    ],
)
def test_compiled_for_which_numpy(needs: str | None, numpy: str, fits: bool, tmp_path: Path) -> None:
    file = "lib/m.cpython-311-x86_64-linux-gnu.so"
    row = World({"lib": "", "numpy": "", "user": "import lib.m"}, data={"files": {file: ""}, "python": "3.11"})
    found = row.environment(tmp_path).distributions
    environment = replace(
        row.environment(tmp_path / "again"),
        distributions={
            **found,
            "lib": replace(found["lib"], numpy=needs, root=str(tmp_path)),
            "numpy": replace(found["numpy"], version=numpy),
        },
    )
    assert told(link_program(environment, "import user")) == (() if fits else ("ENV010 numpy certain",))


def test_the_standard_library_of_another_python(tmp_path: Path) -> None:
    old, new = (Locator(replace(target(tmp_path / p), python=p)) for p in ("3.10.4", "3.13.1"))
    assert (old.is_stdlib("tomllib"), new.is_stdlib("tomllib")) == (False, True)
    assert (old.is_stdlib("distutils.version"), new.is_stdlib("distutils")) == (True, False)
    assert old.is_stdlib("json.decoder") and not old.is_stdlib("numpy")


@pytest.mark.parametrize(
    ("python", "shim", "found"), [("3.13.1", True, True), ("3.13.1", False, False), ("3.11.7", True, False)]
)
def test_distutils_of_setuptools(python: str, shim: bool, found: bool, tmp_path: Path) -> None:
    names = ["setuptools/__init__.py", "setuptools/_distutils/__init__.py", "setuptools/_distutils/errors.py"]
    write(tmp_path / "site", **dict.fromkeys([*names, *["_distutils_hack/__init__.py"] * shim], ""))
    locator = Locator(replace(target(tmp_path, tmp_path / "site"), python=python))
    assert (locator.find("distutils") is not None) is found
    assert (locator.find("distutils.errors") is not None) is found
    assert locator.find("distutils.nothing") is None


def test_which_distribution_a_module_is_of(tmp_path: Path) -> None:
    environment = World({"lib": ""}, data={"distributions": {"flash-attn": "2.0"}}).environment(tmp_path)
    locator = Locator(environment)
    assert locator.distribution_of("flash_attn.bert") == "flash-attn"
    assert locator.distribution_of("yaml.loader") == "pyyaml"
    assert locator.distribution_of("un_known") == "un-known"


def test_reading_and_parsing(tmp_path: Path) -> None:
    write(tmp_path, **{"a.py": "x = 1"})
    assert read_source(tmp_path / "a.py") == "x = 1"
    (tmp_path / "a.py").write_bytes(b"#" * (MAX_SOURCE + 1))
    with pytest.raises(ValueError, match="larger than"):
        read_source(tmp_path / "a.py")
    with pytest.raises(ValueError, match="regular"):
        read_source(tmp_path)
    with pytest.raises(OSError, match="nowhere"):
        read_source(tmp_path / "nowhere.py")
    with pytest.raises(ValueError, match="line 1"):
        parse("x = = 1", "a.py")
    assert parse("'\\d' is 1", "a.py").body  # Python warns of both; that is not shown
