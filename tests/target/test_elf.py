"""Symbols and GPU code of compiled libraries: those that are written here, those that are really here, damaged ones."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftdoctor.target.elf import Library
from sftdoctor.target.fatbin import gpu_architectures
from sftdoctor.tiny_elf import tiny_library

NAMES = st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,40}", fullmatch=True), unique=True, max_size=30)


@settings(max_examples=30, deadline=None)
@given(defines=NAMES, needs=NAMES)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, defines: list[str], needs: list[str]
) -> None:
    path = tmp_path_factory.mktemp("elf") / "lib.so"
    path.write_bytes(tiny_library(defines, needs))
    with Library(str(path)) as library:
        assert [name.decode() for name in library.undefined((b"",))] == needs
        assert all(library.defines(name.encode()) for name in defines)
        assert not any(library.defines(f"{name}-".encode()) for name in (*defines, *needs))
        assert not any(library.defines(name.encode()) for name in set(needs) - set(defines))


def real_extensions() -> list[Path]:
    folder = Path(sysconfig.get_config_var("DESTSHARED") or "nowhere")
    found = (path for path in sorted(folder.glob("*.so")) if path.read_bytes()[:6] == b"\x7fELF\x02\x01")
    return list(found)[:5]


@pytest.mark.skipif(not real_extensions(), reason="this Python has no compiled modules that are ELF files")
def test_real_modules_ask_python_for_its_functions() -> None:
    for path in real_extensions():
        with Library(str(path)) as library:
            assert any(name.startswith(b"Py") for name in library.undefined((b"Py", b"_Py")))
            assert library.defines(f"PyInit_{path.name.split('.')[0]}".encode())
            assert not library.defines(b"PyInit_no_such_module")


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_anything_else_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("elf") / "lib.so"
    path.write_bytes(b"\x7fELF\x02\x01" + data)
    with pytest.raises((ValueError, OSError)), Library(str(path)) as library:
        library.defines(b"x")
        raise ValueError("sound by chance")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_an_error_and_no_crash(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    whole = bytearray(tiny_library(["_ZN3c105ErrorD1Ev", "b"], ["c"], ["sm_80"]))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("elf") / "lib.so"
    path.write_bytes(bytes(whole[: data.draw(st.integers(1, len(whole)))]))
    gpu_architectures(str(path))
    try:
        with Library(str(path)) as library:
            list(library.undefined((b"",)))
            library.defines(b"b")
    except (ValueError, OSError):
        pass


@pytest.mark.parametrize("code", [[], ["sm_80"], ["sm_75", "sm_90", "compute_90"]])
def test_code_for_gpus(code: list[str], tmp_path: Path) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(tiny_library(["a"], [], code))
    assert gpu_architectures(str(path)) == tuple(code)
