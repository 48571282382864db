"""The numpy that compiled modules load with: bytes as the headers of numpy 1 and 2 leave them, and real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Distribution
from sftdoctor.target.numpy_interface import numpy_range, numpy_range_of_installed

OLD = b"\x7fELF numpy.core._multiarray_umath \0 module compiled against ABI version 0x%x but this numpy"
NEW = b"\x7fELF numpy._core._multiarray_umath \0 module was compiled against NumPy C-API version 0x%x (NumPy 1.23) but"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (OLD, "<2"),
        (NEW, ">=1.23"),
        (OLD + b"numpy._core", None),
        (b"numpy.core.multiarray", None),
        (b"", None),
        (b"\x7fELF", None),
    ],
)
def test_what_the_headers_leave(content: bytes, expected: str | None) -> None:
    assert numpy_range(content) == expected


def installed(
    folder: Path, files: dict[str, bytes], *, wheel: str = "false", requires: str = "numpy>=1"
) -> Distribution:
    for name, content in {**files, "x-1.dist-info/WHEEL": f"Root-Is-Purelib: {wheel}\n".encode()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Distribution(
        "x", "1", root=str(folder), metadata=str(folder / "x-1.dist-info"), requires=(requires,), top_level=("x",)
    )


@pytest.mark.parametrize(
    ("files", "data", "expected"),
    [
        ({"x/__init__.py": b"", "x/lib/a.so": b"nothing", "x/lib/b.so": OLD}, {}, "<2"),
        ({"x/lib.cpython-311-x86_64-linux-gnu.so": NEW}, {}, ">=1.23"),
        ({"x/lib.pyd": NEW}, {}, ">=1.23"),
        ({"x/tests/a.so": OLD}, {}, None),
        ({"x/a.so": OLD}, {"wheel": "true"}, None),
        ({"x/a.so": OLD}, {"requires": "numpyro"}, None),
        ({"x/a.so": OLD}, {"requires": "numpy; extra == 'all'"}, None),
        ({"y/a.so": OLD}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_modules_of_an_installed_distribution(
    tmp_path: Path, files: dict[str, bytes], data: dict[str, str], expected: str | None
) -> None:
    assert numpy_range_of_installed(installed(tmp_path, files, **data)) == expected


def test_a_module_that_cannot_be_read(tmp_path: Path) -> None:
    found = installed(tmp_path, {"x/b.so": OLD})
    (tmp_path / "x/a.so").symlink_to(tmp_path / "gone")
    assert numpy_range_of_installed(found) == "<2"
