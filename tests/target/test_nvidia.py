"""The NVIDIA driver, played by a module in a real process of its own: what it says, and how it fails."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sftdoctor.model import Accelerator
from sftdoctor.target.nvidia import Gpu, read_nvidia, visible
from tests.target.layouts import write

DRIVER = """
class NVMLError(Exception): pass
class Memory: total = 85520809984
def nvmlInit(): {init}
def nvmlShutdown(): pass
def nvmlSystemGetDriverVersion(): return {driver}
def nvmlSystemGetCudaDriverVersion(): return 12040
def nvmlDeviceGetCount(): return {count}
def nvmlDeviceGetHandleByIndex(number): return number
def nvmlDeviceGetName(handle): return b"NVIDIA H100 80GB HBM3" if handle < 10 else "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
def nvmlDeviceGetMemoryInfo(handle):
    if {no_memory}: raise NVMLError("Not Supported")
    return Memory
def nvmlDeviceGetCudaComputeCapability(handle): return (9, 0)
def nvmlDeviceGetUUID(handle): return "GPU-%d" % handle if handle < 10 else "MIG-%d" % handle
def nvmlDeviceGetMigMode(handle):
    if not {mig}: raise NVMLError("Not Supported")
    return [1, 1]
def nvmlDeviceGetMaxMigDeviceCount(handle): return 3
def nvmlDeviceGetMigDeviceHandleByIndex(handle, number):
    if number > 1: raise NVMLError("Not Found")
    return 10 + number
"""
H100 = Accelerator("cuda", "NVIDIA H100 80GB HBM3", 85520809984, (9, 0))


def driver(tmp_path: Path, **behaviour: object) -> tuple[str, Path]:
    """A pynvml that behaves so, and a root with the devices of a driver."""
    chosen = {"init": "pass", "driver": "'550.54.15'", "count": 1, "no_memory": False, "mig": False} | behaviour
    write(tmp_path, {"library/pynvml.py": DRIVER.format(**chosen), "root/dev/nvidiactl": ""})
    return str(tmp_path / "library"), tmp_path / "root"


def test_what_the_driver_says(tmp_path: Path) -> None:
    library, root = driver(tmp_path, count=2)
    found = read_nvidia(10, library=library, root=root)
    assert [gpu.accelerator for gpu in found.gpus] == [H100, H100]
    assert [gpu.uuid for gpu in found.gpus] == ["GPU-0", "GPU-1"]
    assert (found.driver, found.cuda, found.known, found.not_judged) == ("550.54.15", "12.4", True, ())


def test_memory_that_is_shared_with_the_host(tmp_path: Path) -> None:
    library, root = driver(tmp_path, no_memory=True)
    (gpu,) = read_nvidia(10, library=library, root=root).gpus
    assert gpu.accelerator.memory is None


def test_instances_of_mig(tmp_path: Path) -> None:
    library, root = driver(tmp_path, mig=True)
    (gpu,) = read_nvidia(10, library=library, root=root).gpus
    assert gpu.instances is not None
    assert [(part.uuid, part.accelerator.capability) for part in gpu.instances] == [
        ("MIG-10", (9, 0)),
        ("MIG-11", (9, 0)),
    ]


FAILURES = {
    "library of another version": ("raise NVMLError('Driver/library version mismatch')", "version mismatch"),
    "no library": ("raise OSError('libnvidia-ml.so.1: cannot open')", "cannot open"),
    "it crashes": ("import os; os.abort()", "ended with status"),
    "it prints": ("print('sftdoctor-nvml:[]'); raise SystemExit", "makes no sense"),
    "it prints half": ("print('sftdoctor-nvml:{'); raise SystemExit", "makes no sense"),
    "it prints numbers": ("print('sftdoctor-nvml:{\"devices\": 1}'); raise SystemExit", "makes no sense"),
}


@pytest.mark.parametrize(("init", "reason"), FAILURES.values(), ids=FAILURES)
def test_a_driver_that_fails_is_said(tmp_path: Path, init: str, reason: str) -> None:
    library, root = driver(tmp_path, init=init)
    found = read_nvidia(10, library=library, root=root)
    assert (found.gpus, found.known) == ((), False)
    assert reason in found.not_judged[0].reason


def test_a_driver_that_hangs_costs_its_time_alone(tmp_path: Path) -> None:
    library, root = driver(tmp_path, init="import time; time.sleep(60)")
    start = time.monotonic()
    found = read_nvidia(0.5, library=library, root=root)
    assert time.monotonic() - start < 2
    assert "did not answer within 0.5 s" in found.not_judged[0].reason
    assert not found.known


def test_no_driver(tmp_path: Path) -> None:
    found = read_nvidia(0.0, root=tmp_path)
    assert (found.gpus, found.known, found.not_judged) == ((), True, ())


CARDS = [("0x10de", "0x030200", True), ("0x10de", "0x040300", False), ("0x8086", "0x030000", False)]


@pytest.mark.parametrize(("vendor", "kind", "said"), CARDS)
def test_a_card_without_its_driver(tmp_path: Path, vendor: str, kind: str, said: bool) -> None:
    card = "sys/bus/pci/devices/0000:01:00.0"
    write(tmp_path, {f"{card}/vendor": f"{vendor}\n", f"{card}/class": f"{kind}\n", "sys/bus/pci/devices/bad/x": ""})
    found = read_nvidia(0.0, root=tmp_path)
    assert found.known is not said
    assert len(found.not_judged) == said


def test_the_driver_is_asked_without_importing_anything_of_ours(tmp_path: Path) -> None:
    """The asking file stands alone: it may use nothing that an isolated Python has not got."""
    from sftdoctor.target import nvml

    library, _ = driver(tmp_path)
    said = subprocess.run(
        [sys.executable, "-I", "-S", nvml.__file__, library], capture_output=True, check=True, timeout=60, cwd="/"
    )
    assert said.stdout.startswith(nvml.MARK.encode())
    assert said.stderr == b""


def gpu(number: int, name: str = "A", instances: tuple[Gpu, ...] | None = None) -> Gpu:
    return Gpu(Accelerator("cuda", f"{name}{number}"), f"GPU-{number}{number}-x", instances)


TWO = (gpu(0), gpu(1))
SAME = (Gpu(Accelerator("cuda", "T4"), "GPU-a"), Gpu(Accelerator("cuda", "T4"), "GPU-b"))
PART = Gpu(Accelerator("cuda", "part"), "MIG-77")
CUT = (gpu(0, instances=(PART, Gpu(Accelerator("cuda", "other part"), "MIG-78"))), gpu(1, instances=()))

VISIBLE = {
    "not set": (TWO, None, ["A0", "A1"]),
    "empty": (TWO, "", []),
    "minus one": (TWO, "-1", []),
    "none": (TWO, "NoDevFiles", []),
    "second": (TWO, "1", ["A1"]),
    "other order": (TWO, "1, 0", ["A1", "A0"]),
    "stops at the first that is none": (TWO, "1,7,0", ["A1"]),
    "twice the same": (TWO, "0,0", []),
    "by uuid": (TWO, "GPU-11-x", ["A1"]),
    "by the beginning of its uuid": (TWO, "GPU-1", ["A1"]),
    "by a beginning that several have": (TWO, "GPU-", []),
    "digits of another script": (TWO, "²", []),
    "MIG by default": (CUT, None, ["part"]),
    "MIG by uuid": (CUT, "MIG-78", ["other part"]),
    "none there": ((), "0", []),
}


@pytest.mark.parametrize(("gpus", "chosen", "names"), VISIBLE.values(), ids=VISIBLE)
def test_cuda_visible_devices(gpus: tuple[Gpu, ...], chosen: str | None, names: list[str]) -> None:
    variables = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    shown, said = visible(gpus, variables)
    assert [each.name for each in shown] == names
    assert any("hides all" in each.reason for each in said) == (bool(gpus) and not names)


ORDERS = [(TWO, {}, True), (SAME, {}, False), (TWO, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, False)]


@pytest.mark.parametrize(("gpus", "variables", "said"), ORDERS)
def test_an_order_that_cannot_be_known_is_said(gpus: tuple[Gpu, ...], variables: dict[str, str], said: bool) -> None:
    _, not_judged = visible(gpus, variables | {"CUDA_VISIBLE_DEVICES": "1"})
    assert bool(not_judged) is said
