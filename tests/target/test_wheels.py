"""Wheels and source archives into the cache: what is fetched, what is kept, what is refused."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
import zipfile
from pathlib import Path

import pytest

from sftdoctor.errors import OfflineError
from sftdoctor.target.binaries import numpy_range
from sftdoctor.target.index import Index
from sftdoctor.target.unpack import safe_path
from sftdoctor.target.wheel_cache import prune
from sftdoctor.target.wheels import NoFittingFileError, NoSuchVersionError, UnreadableFileError, fetch_sources
from tests.target.tiny_index import TinyIndex, sdist, wheel

NOISE = os.urandom(3 << 20)
NEW_NUMPY = b"..numpy._core._multiarray_umath..NumPy C-API version 0x%x (NumPy 1.23) but the running.."
OLD_NUMPY = b"..numpy.core._multiarray_umath..module compiled against ABI version 0x%x but this version.."


def files_of(root: str | None) -> set[str]:
    assert root is not None
    return {str(path.relative_to(root)) for path in Path(root).rglob("*") if path.is_file()}


def test_python_files_and_metadata_are_unpacked(tiny: TinyIndex, index: Index) -> None:
    files = {"demo/__init__.py": "a = 1\n", "demo/x.so": b"\x7fELF", "demo/t.json": "{}", "demo/tests/test_a.py": ""}
    content = wheel(
        "Demo", "1.0", files, requires=('b>=2; extra == "x"',), more="Provides-Extra: x\nRequires-Python: >=3.8\n"
    )
    tiny.add("demo", "1.0", content)
    found = fetch_sources("DEMO", "1.0.0", "3.11", index=index)
    assert (found.name, found.version, found.top_level, found.extras) == ("demo", "1.0", ("demo",), ("x",))
    assert found.requires == ('b>=2; extra == "x"',)
    assert found.requires_python == ">=3.8"
    assert {"demo/__init__.py", "Demo-1.0.dist-info/METADATA"} <= files_of(found.root)
    assert not {"demo/x.so", "demo/t.json", "demo/tests/test_a.py"} & files_of(found.root)
    assert "demo/x.so" in Path(found.metadata or "", "RECORD").read_text()


@pytest.mark.parametrize("ranges", [True, False])
def test_only_what_is_read_is_fetched_where_ranges_work(tiny: TinyIndex, index: Index, ranges: bool) -> None:
    tiny.ranges = ranges
    files: dict[str, str | bytes] = {f"demo/m{number}.py": f"x = {number}\n" * 500 for number in range(50)}
    content = wheel("demo", "1.0", {**files, "demo/big.so": NOISE, "demo/end.py": "y = 2\n"})
    tiny.add("demo", "1.0", content)
    found = fetch_sources("demo", "1.0", "3.11", index=index)
    assert "demo/m49.py" in files_of(found.root)
    assert (tiny.sent < 2 << 20) is ranges
    assert len(tiny.log) <= 5


def test_nothing_is_fetched_twice(tiny: TinyIndex, index: Index) -> None:
    tiny.add("demo", "1.0")
    first = fetch_sources("demo", "1.0", "3.11", index=index)
    asked = len(tiny.log)
    later = Index(index.settings, cache=index.cache, fetcher=index.fetcher)
    assert fetch_sources("demo", "1.0", "3.11", index=later) == first
    assert fetch_sources("demo", "1.0", "3.11", index=Index(index.settings, cache=index.cache, offline=True)) == first
    assert len(tiny.log) == asked


def test_threads_and_damage(tiny: TinyIndex, index: Index) -> None:
    tiny.add("demo", "1.0")
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(fetch_sources("demo", "1.0", "3.11", index=index)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(repr, found))) == 1
    root = fetch_sources("demo", "1.0", "3.11", index=index).root
    assert root is not None
    Path(root, ".sftdoctor.json").write_text("{")
    Path(root, "demo/__init__.py").unlink()
    assert "demo/__init__.py" in files_of(fetch_sources("demo", "1.0", "3.11", index=index).root)
    assert [path.name for path in Path(root).parent.iterdir() if path.name.startswith(".")] == []


def test_the_network_is_off(tiny: TinyIndex, index: Index) -> None:
    tiny.add("demo", "1.0")
    index.versions("demo")
    with pytest.raises(OfflineError, match=r"demo-1\.0"):
        fetch_sources("demo", "1.0", "3.11", index=Index(index.settings, cache=index.cache, offline=True))


def test_what_is_not_there_or_does_not_fit(tiny: TinyIndex, index: Index) -> None:
    tiny.add("demo", "1.0", tags="cp310-cp310-manylinux_2_17_x86_64")
    tiny.requires_python[tiny.add("demo", "2.0")] = ">=3.12"
    for version, error, said in [
        ("1.0", NoFittingFileError, r"no file of demo 1\.0 fits Python 3\.11"),
        ("2.0", NoFittingFileError, "fits"),
        ("3.0", NoSuchVersionError, r"no demo 3\.0"),
        ("x", NoSuchVersionError, "no version"),
    ]:
        with pytest.raises(error, match=said):
            fetch_sources("demo", version, "3.11", index=index)
    with pytest.raises(NoSuchVersionError, match="has no nothing"):
        fetch_sources("nothing", "1.0", "3.11", index=index)
    assert fetch_sources("demo", "2.0", "3.12", index=index).version == "2.0"


def test_a_version_published_since_the_page_was_kept(
    tiny: TinyIndex, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.add("demo", "1.0")
    index.versions("demo")
    tiny.add("demo", "2.0")
    later = Index(index.settings, cache=index.cache, fetcher=index.fetcher)
    now = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: now)
    assert fetch_sources("demo", "2.0", "3.11", index=later).version == "2.0"


def test_a_build_that_the_index_lacks(tiny: TinyIndex, index: Index) -> None:
    tiny.add("torch", "2.6.0", requires=("sympy", "nvidia-cublas-cu12==1; platform_system == 'Linux'", "triton==3"))
    found = fetch_sources("torch", "2.6.0+cu124", "3.11", index=index)
    assert (found.version, found.requires) == ("2.6.0+cu124", ("sympy",))
    tiny.add("torch", "2.6.0+cpu", wheel("torch", "2.6.0+cpu"))
    fresh = Index(index.settings, cache=index.cache.parent / "other", fetcher=index.fetcher)
    assert fetch_sources("torch", "2.6.0+cpu", "3.11", index=fresh).root != found.root


def test_the_digest_of_a_whole_file_is_checked(tiny: TinyIndex, index: Index) -> None:
    filename = tiny.add("demo", "1.0")
    tiny.hashes[filename] = "0" * 64
    with pytest.raises(UnreadableFileError, match="SHA-256"):
        fetch_sources("demo", "1.0", "3.11", index=index)
    with pytest.raises(NoFittingFileError, match="hashes that the pins give"):
        fetch_sources("demo", "1.0", "3.11", index=index, hashes=frozenset({"1" * 64}))


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        for number in range(40):
            archive.writestr(f"demo/m{number}.py", bytes(15 << 20))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be"),
        (b"no zip", "not a zip"),
        (wheel("demo", "1.0")[:-40], "not a zip"),
        (wheel("other", "1.0"), "no metadata of demo"),
        (wheel("demo", "1.0", {"demo": "x", "demo/a.py": "", "demo.py": ""}).replace(b"demo.py", b"demo/py"), "|"),
        (bomb(), "bytes come out"),
    ],
    ids=["empty", "no zip", "cut off", "another's", "folders twice", "bomb"],  # the bytes hold the time of day
)
def test_broken_and_hostile_wheels(tiny: TinyIndex, index: Index, content: bytes, said: str) -> None:
    tiny.add("demo", "1.0", content)
    if said == "|":
        fetch_sources("demo", "1.0", "3.11", index=index)
    else:
        with pytest.raises(UnreadableFileError, match=said):
            fetch_sources("demo", "1.0", "3.11", index=index)
    assert not list((index.cache / "wheels").glob(".tmp-*"))


def test_members_that_would_leave_the_folder(tiny: TinyIndex, index: Index, tmp_path: Path) -> None:
    names = [
        "../evil.py",
        "/evil.py",
        "a/../../evil.py",
        "a\\..\\evil.py",
        "C:evil.py",
        "a//evil.py",
        "demo-1.0.data/purelib/../evil.py",
    ]
    files: dict[str, str | bytes] = dict.fromkeys(names, "x")
    tiny.add(
        "demo", "1.0", wheel("demo", "1.0", {**files, "demo/__init__.py": "", "demo-1.0.data/purelib/inner.py": ""})
    )
    found = fetch_sources("demo", "1.0", "3.11", index=index)
    assert not list(tmp_path.rglob("evil.py"))
    assert {path for path in files_of(found.root) if path.endswith(".py")} == {"demo/__init__.py", "inner.py"}
    assert found.top_level == ("demo", "inner")


def test_a_link_in_a_wheel_is_left_out(tiny: TinyIndex, index: Index) -> None:
    data = io.BytesIO(wheel("demo", "1.0"))
    with zipfile.ZipFile(data, "a") as archive:
        entry = zipfile.ZipInfo("demo/link.py")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    tiny.add("demo", "1.0", data.getvalue())
    assert "demo/link.py" not in files_of(fetch_sources("demo", "1.0", "3.11", index=index).root)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.py", "a/b.py"),
        ("x-1.data/platlib/a/b.py", "a/b.py"),
        ("a/", None),
        ("a/./b", None),
        ("", None),
        ("a\x1b[0m", None),
        ("a/" + "b" * 300, None),
    ],
)
def test_safe_paths(name: str, expected: str | None) -> None:
    assert safe_path(name) == expected


PKG = "Metadata-Version: 1.2\nName: demo\nVersion: 1.0\n\nText\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"PKG-INFO": PKG, "demo/__init__.py": "", "setup.py": "x"}, {"demo/__init__.py"}),
        ({"PKG-INFO": PKG, "src/demo/__init__.py": "", "tests/demo/__init__.py": ""}, {"demo/__init__.py"}),
        ({"PKG-INFO": PKG, "demo.py": ""}, {"demo.py"}),
        (
            {"PKG-INFO": PKG, "lib/other/__init__.py": "", "lib/demo.egg-info/top_level.txt": "other\n_c\n"},
            {"other/__init__.py"},
        ),
        ({"PKG-INFO": PKG, "README": ""}, None),
        ({"PKG-INFO": PKG, "../demo/__init__.py": ""}, None),
    ],
)
def test_source_archives(tiny: TinyIndex, index: Index, files: dict[str, str], expected: set[str] | None) -> None:
    tiny.files["demo"] = {"demo-1.0.tar.gz": sdist("demo-1.0", files)}
    if expected is None:
        with pytest.raises(UnreadableFileError, match="cannot be told"):
            fetch_sources("demo", "1.0", "3.11", index=index)
        return
    found = fetch_sources("demo", "1.0", "3.11", index=index)
    assert {path for path in files_of(found.root) if path.endswith(".py")} == expected


def test_requirements_of_an_old_source_archive(tiny: TinyIndex, index: Index) -> None:
    files = {"PKG-INFO": PKG, "demo.py": "", "demo.egg-info/requires.txt": "a>=1\n\n[x]\nb\n"}
    tiny.files["demo"] = {"demo-1.0.tar.gz": sdist("demo-1.0", files)}
    assert fetch_sources("demo", "1.0", "3.11", index=index).requires == ("a>=1", 'b; extra == "x"')


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (NEW_NUMPY, ">=1.23"),
        (OLD_NUMPY, "<2"),
        (OLD_NUMPY + b"numpy._core", None),
        (b"numpy.core.multiarray", None),
        (b"", None),
    ],
)
def test_what_a_module_says_of_numpy(module: bytes, expected: str | None) -> None:
    assert numpy_range(module) == expected


def test_the_numpy_of_a_large_wheel(tiny: TinyIndex, index: Index) -> None:
    files = {"demo/a.so": b"nothing", "demo/big.bin": NOISE, "demo/b.so": OLD_NUMPY + NOISE[:1000], "demo/z.py": ""}
    tiny.add("demo", "1.0", wheel("demo", "1.0", files, requires=("numpy>=1.20",)))
    assert fetch_sources("demo", "1.0", "3.11", index=index).numpy == "<2"
    assert tiny.sent < 2 << 20


def test_the_cache_is_bounded(tiny: TinyIndex, index: Index) -> None:
    for number in range(4):
        tiny.add("demo", f"1.{number}", wheel("demo", f"1.{number}", {"demo.py": "x" * 1000}))
    roots = []
    for number in range(4):
        root = Path(fetch_sources("demo", f"1.{number}", "3.11", index=index).root or "")
        os.utime(root / ".sftdoctor.json", (number, number))
        roots.append(root)
    abandoned = roots[0].with_name(".tmp-abc")
    shutil.copytree(roots[0], abandoned)
    os.utime(abandoned, (0, 0))
    assert prune(index.cache, limit=2500) > 0
    assert [root.exists() for root in roots] == [False, False, True, True]
    assert not abandoned.exists()
