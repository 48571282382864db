from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.errors import UsageError
from sftdoctor.model import Accelerator, Distribution, Environment, NotJudged, Target, TargetKind, TorchBuild
from sftdoctor.target import hardware, with_gpu, with_hardware
from sftdoctor.target.gpus import known_gpus
from sftdoctor.target.nvidia import Gpu, Nvidia
from sftdoctor.target.others import read_others
from sftdoctor.target.torch_build import read_torch_build
from tests.target.layouts import write

GIB = 1 << 30
EMPTY = Environment(Target(TargetKind.INTERPRETER, "/x/bin/python", "3.11.7"), "3.11.7")
T4 = Accelerator("cuda", "Tesla T4", 15 * GIB, (7, 5))


def test_this_machine_can_be_asked() -> None:
    environment = with_hardware(EMPTY, timeout=2.0)
    failed = [each for each in environment.not_judged if "driver" in each.reason]
    assert (environment.accelerators is None) <= bool(failed)


FOUND = {
    "a GPU": (Nvidia((Gpu(T4),), "550.1", "12.4"), {}, (T4,), 0),
    "a hidden GPU": (Nvidia((Gpu(T4),), "550.1", "12.4"), {"CUDA_VISIBLE_DEVICES": ""}, (), 1),
    "nothing": (Nvidia(), {}, (), 0),
    "a driver that fails": (Nvidia(not_judged=(NotJudged("NVIDIA GPUs", "why"),), known=False), {}, None, 1),
}


@pytest.mark.parametrize(("nvidia", "variables", "accelerators", "said"), FOUND.values(), ids=FOUND)
def test_what_the_environment_gets(
    monkeypatch: pytest.MonkeyPatch,
    nvidia: Nvidia,
    variables: dict[str, str],
    accelerators: tuple[Accelerator, ...] | None,
    said: int,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hardware, "read_nvidia", lambda timeout: nvidia)
    monkeypatch.setattr(hardware, "read_others", lambda: ())
    environment = with_hardware(replace(EMPTY, not_judged=(NotJudged("before", "kept"),)))
    assert environment.accelerators == accelerators
    assert (environment.driver, environment.driver_cuda) == (nvidia.driver, nvidia.cuda)
    assert len(environment.not_judged) == 1 + said


def test_amd_and_intel(tmp_path: Path) -> None:
    nodes, drm = "sys/class/kfd/kfd/topology/nodes", "sys/class/drm"
    files: dict[str, str | bytes] = {
        "dev/kfd": "",
        f"{nodes}/0/properties": "cpu_cores_count 64\nsimd_count 0\n",
        f"{nodes}/10/properties": "simd_count 304\ngfx_target_version 90402\n",
        f"{nodes}/10/mem_banks/0/properties": f"heap_type 1\nsize_in_bytes {192 * GIB}\n",
        f"{nodes}/2/properties": "simd_count 440\ngfx_target_version 90010\n",
        f"{nodes}/x/properties": "simd_count 440\n",
        "devices/0000:03:00.0/vendor": "0x8086\n",
        "devices/0000:03:00.0/device": "0x56a0\n",
        "devices/0000:00:02.0/vendor": "0x8086\n",
        "devices/0000:04:00.0/vendor": "0x1002\n",
    }
    write(tmp_path, files)
    for number, card in enumerate(("0000:03:00.0", "0000:00:02.0", "0000:04:00.0")):
        (tmp_path / drm / f"renderD{number}").mkdir(parents=True)
        (tmp_path / drm / f"renderD{number}" / "device").symlink_to(tmp_path / "devices" / card)
    assert read_others(tmp_path) == (
        Accelerator("rocm", "AMD gfx90a"),
        Accelerator("rocm", "AMD gfx942", 192 * GIB),
        Accelerator("xpu", "Intel GPU 0x56a0"),
    )
    (tmp_path / "dev" / "kfd").unlink()
    assert [each.kind for each in read_others(tmp_path)] == ["xpu"]


NAMES = [
    ("T4", "Tesla T4", 15, (7, 5)),
    ("tesla t4", "Tesla T4", 15, (7, 5)),
    ("NVIDIA H100", "NVIDIA H100 80GB HBM3", 79, (9, 0)),
    ("RTX 4090", "NVIDIA GeForce RTX 4090", 23, (8, 9)),
    ("rtx4090", "NVIDIA GeForce RTX 4090", 23, (8, 9)),
    ("V100", "Tesla V100-SXM2-16GB", 16, (7, 0)),
    ("A100-80GB", "NVIDIA A100-SXM4-80GB", 80, (8, 0)),
    ("a100", "NVIDIA A100-SXM4-40GB", 40, (8, 0)),
    ("RTX 5090", "NVIDIA GeForce RTX 5090", 31, (12, 0)),
    ("H200", "NVIDIA H200", 140, (9, 0)),
    ("B200", "NVIDIA B200", 179, (10, 0)),
    ("MI300X", "AMD Instinct MI300X", 192, None),
]


@pytest.mark.parametrize(("name", "full", "gib", "capability"), NAMES)
def test_a_gpu_that_is_not_here(name: str, full: str, gib: int, capability: tuple[int, int] | None) -> None:
    here = replace(EMPTY, accelerators=(T4,), driver="1", driver_cuda="1")
    environment = with_gpu(here, name)
    assert environment.accelerators is not None
    (found,) = environment.accelerators
    assert (found.name, (found.memory or 0) // GIB, found.capability) == (full, gib, capability)
    assert (environment.driver, environment.driver_cuda) == (None, None)


COUNTS = [("2x T4", 2), ("T4 x2", 2), ("8×T4", 8), ("4 * t4", 4), ("t4x2", 2), ("none", 0), ("CPU", 0)]


@pytest.mark.parametrize(("name", "count"), COUNTS)
def test_several_or_none(name: str, count: int) -> None:
    assert with_gpu(EMPTY, name).accelerators == (T4,) * count


UNKNOWN = [("RTX 4091", "RTX 4090"), ("H1000", "H100"), ("A100-60GB", "A100"), ("", "T4"), ("\x1b[31m" * 1000, "T4")]


@pytest.mark.parametrize(("name", "near"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_a_gpu_that_nobody_knows(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_gpu(EMPTY, name)
    assert near in caught.value.hint
    assert len(caught.value.message) < 400
    assert "\x1b" not in caught.value.message


def test_every_row_of_the_table_makes_sense_and_finds_itself() -> None:
    gpus = known_gpus()
    assert len(gpus) >= 60
    for each in gpus:
        assert with_gpu(EMPTY, each.name).accelerators == (each,)
        assert (each.memory is None) == (each.kind in ("mps", "xpu"))  # rows for a whole family
        assert each.memory is None or 4 * GIB <= each.memory <= 512 * GIB
        assert (each.capability is None) == (each.kind != "cuda")


def elf(constants: bytes) -> bytes:
    """A small ELF file with a .rodata section; the same list before it must not be taken."""
    names = b"\0.text\0.rodata\0.shstrtab\0"
    decoy = b"\0sm_10\0"
    body = decoy + constants + names
    at = 64
    rodata, strings = at + len(decoy), at + len(decoy) + len(constants)
    table = at + len(body)
    section = struct.Struct("<IIQQQQIIQQ").pack
    headers = (
        section(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        + section(7, 1, 0, 0, rodata, len(constants), 0, 0, 0, 0)
        + section(15, 3, 0, 0, strings, len(names), 0, 0, 0, 0)
    )
    head = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    )
    return head + body + headers


VERSION = "__version__ = '{}'\ndebug = False\ncuda: Optional[str] = {!r}\nhip = {!r}\nraise SystemExit('was run')\n"
LIST = b"xx\0sm_80 sm_90a compute_90\0yy\0sm_90\0"
BUILDS: dict[str, tuple[dict[str, str | bytes], TorchBuild | None]] = {
    "cuda": (
        {"version.py": VERSION.format("2.6.0+cu124", "12.4", None), "lib/libtorch_python.so": elf(LIST)},
        TorchBuild("2.6.0+cu124", "12.4", None, ("sm_80", "sm_90a", "compute_90")),
    ),
    "rocm": (
        {
            "version.py": VERSION.format("2.6.0+rocm6.2", None, "6.2.41133"),
            "lib/libtorch_python.so": elf(b"\0gfx900 gfx90a gfx1100\0"),
        },
        TorchBuild("2.6.0+rocm6.2", None, "6.2.41133", ("gfx900", "gfx90a", "gfx1100")),
    ),
    "cpu": (
        {"version.py": VERSION.format("2.6.0+cpu", None, None), "lib/libtorch_python.so": elf(LIST)},
        TorchBuild("2.6.0+cpu"),
    ),
    "no ELF file": (
        {"version.py": VERSION.format("2.6.0", "12.4", None), "lib/torch_python.dll": b"MZ" + LIST},
        TorchBuild("2.6.0", "12.4", None, ("sm_80", "sm_90a", "compute_90")),
    ),
    "damaged ELF file": (
        {"version.py": VERSION.format("2.6.0", "12.4", None), "lib/libtorch_python.so": elf(LIST)[:70]},
        TorchBuild("2.6.0", "12.4"),
    ),
    "empty library": (
        {"version.py": VERSION.format("2.6.0", "12.4", None), "lib/libtorch_python.so": b""},
        TorchBuild("2.6.0", "12.4"),
    ),
    "no library": ({"version.py": VERSION.format("2.6.0", "12.4", None)}, TorchBuild("2.6.0", "12.4")),
    "no version.py": ({"__init__.py": ""}, None),
    "broken version.py": ({"version.py": "cuda = ("}, TorchBuild("2.6.0")),
}


@pytest.mark.parametrize(("files", "expected"), BUILDS.values(), ids=BUILDS)
def test_what_torch_was_built_for(tmp_path: Path, files: dict[str, str | bytes], expected: TorchBuild | None) -> None:
    write(tmp_path / "torch", files)
    torch = Distribution("torch", "2.6.0", root=str(tmp_path))
    assert read_torch_build(replace(EMPTY, distributions={"torch": torch})) == expected


def test_no_torch() -> None:
    assert read_torch_build(EMPTY) is None
    assert read_torch_build(replace(EMPTY, distributions={"torch": Distribution("torch", "2.6.0")})) is None
