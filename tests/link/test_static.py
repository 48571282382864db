"""Libraries that are looked up name by name, and what the Library says of any module."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("static"))
def test_static(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


SOURCES = {
    "lib": """
        from .deep import *
        from .deep import f as g
        from nowhere import other
        try:
            import json
        except ImportError:
            json = None
    """,
    "lib.deep": """
        from dataclasses import dataclass
        def f(a, /, b, c=1, *args, d, e=2, **kwargs): ...
        class A:
            def __init__(self, x, *, y=1): ...
            def m(self, z): ...
            @staticmethod
            def s(z): ...
        class B(A): ...
        @dataclass
        class D:
            x: int
            y: int = 1
        def deco(f): return f
        @deco
        def h(x): ...
        value = 1
    """,
    "dynamic": "def __getattr__(name): ...\nx = 1",
    "starred": "from elsewhere import *",
}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(World(SOURCES).environment(tmp_path))


@pytest.mark.parametrize(
    ("module", "name", "answer"),
    [
        ("lib", "f", True),
        ("lib", "g", True),
        ("lib", "json", True),
        ("lib", "deep", True),
        ("lib", "value", True),
        ("lib", "gone", False),
        ("lib.deep", "A", True),
        ("lib.deep", "gone", False),
        ("dynamic", "x", True),
        ("dynamic", "y", None),
        ("starred", "y", None),
        ("nowhere", "x", None),
        ("lib.nowhere", "x", None),
        ("not a name", "x", None),
    ],
)
def test_offers(library: Library, module: str, name: str, answer: bool | None) -> None:
    assert library.offers(module, name) is answer


@pytest.mark.parametrize(
    ("callable_", "names"),
    [
        ("lib.deep:f", ["a", "b", "c", "args", "d", "e", "kwargs"]),
        ("lib:g", ["a", "b", "c", "args", "d", "e", "kwargs"]),
        ("lib.deep:A", ["x", "y"]),
        ("lib.deep:B", ["x", "y"]),
        ("lib.deep:D", ["x", "y"]),
        ("lib.deep:A.m", ["z"]),
        ("lib.deep:B.m", ["z"]),
        ("lib.deep:h", None),
        ("lib.deep:gone", None),
        ("lib.deep:A.gone", None),
        ("lib.deep:value", None),
        ("lib.deep", None),
        ("nowhere:f", None),
        ("dynamic:f", None),
    ],
)
def test_signature(library: Library, callable_: str, names: list[str] | None) -> None:
    found = library.signature(callable_)
    assert (found and [parameter.name for parameter in found.parameters]) == names


def test_what_a_signature_accepts(library: Library) -> None:
    found, narrow = library.signature("lib.deep:f"), library.signature("lib.deep:A")
    assert found is not None and narrow is not None
    assert found.accepts("anything") and found.open and not found.has("anything")
    assert narrow.accepts("y") and not narrow.accepts("z") and not narrow.open


def test_where_a_module_lies(library: Library, tmp_path: Path) -> None:
    assert library.path("lib.deep") == tmp_path / "site-packages" / "lib" / "deep.py"
    assert library.path("nowhere") is None
