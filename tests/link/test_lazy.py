"""Packages that import their submodules when a name is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.lazy import folder_exports
from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("lazy"))
def test_lazy(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_exports_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "qwen").mkdir()
    (tmp_path / "qwen" / "__init__.py").write_text("__all__ = ['Ignored']")
    (tmp_path / "qwen" / "modeling.py").write_text('x = 1\n__all__ = [\n    "Qwen",\n    "QwenModel",\n]\n')
    (tmp_path / "qwen" / "extra.py").write_text('@requires(backends=("torch",))\nclass Asked: ...\n')
    (tmp_path / "qwen" / "bad.py").write_bytes(b"\xff\xfe\x00")
    assert folder_exports(str(tmp_path)) == {
        "Qwen": ["qwen.modeling"],
        "QwenModel": ["qwen.modeling"],
        "Asked": ["qwen.extra"],
    }
    assert folder_exports(str(tmp_path / "nowhere")) == {}


def test_a_name_is_missing_however_much_was_imported_before(tmp_path: Path) -> None:
    getter = "import importlib\ndef __getattr__(name):\n    if name.startswith('m'):\n"
    getter += "        return importlib.import_module(f'lib.{name}')\n    raise AttributeError(name)\n"
    heavy = {f"lib.m{number}": "x = [1]\n" * 9_000 for number in range(6)}
    asked = "".join(f"from lib import m{number}\n" for number in range(6))
    check(
        World({"lib": getter, **heavy, "user": f"{asked}from lib import gone"}, expected=("API001 gone certain",)),
        tmp_path,
    )
