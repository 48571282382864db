"""gpu, torch-arch, torch-build, driver."""

from __future__ import annotations

from typing import Any

import pytest

from sftdoctor.model import Accelerator, TorchBuild
from sftdoctor.predicates import Outcome, evaluate
from tests.predicates.contexts import context, distribution, gpu

CU124 = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90")


@pytest.mark.parametrize(
    ("accelerators", "arguments", "outcome"),
    [
        (None, {"present": True}, Outcome.UNKNOWN),
        (None, {"present": False}, Outcome.UNKNOWN),
        ((), {"present": False}, Outcome.FAILS),
        ((), {"present": True}, Outcome.HOLDS),
        ((gpu(),), {"present": True}, Outcome.FAILS),
        ((gpu(),), {"present": False}, Outcome.HOLDS),
        ((gpu(),), {"kind": "cuda"}, Outcome.FAILS),
        ((gpu(),), {"kind": ["rocm", "xpu"]}, Outcome.HOLDS),
        ((gpu((7, 5)),), {"capability": "<8.0"}, Outcome.FAILS),
        ((gpu((8, 0)),), {"capability": "<8.0"}, Outcome.HOLDS),
        ((gpu((12, 0)),), {"capability": ">=10.0"}, Outcome.FAILS),
        ((gpu((9, 0)), gpu((7, 5))), {"capability": "<8.0"}, Outcome.FAILS),
        ((gpu(None),), {"capability": "<8.0"}, Outcome.UNKNOWN),
        ((gpu(None), gpu((7, 5))), {"capability": "<8.0"}, Outcome.FAILS),
        ((gpu(None, kind="rocm"),), {"capability": "<8.0"}, Outcome.HOLDS),
        ((gpu(gib=15.6),), {"memory": "<16"}, Outcome.FAILS),
        ((gpu(gib=80),), {"memory": "<16"}, Outcome.HOLDS),
        ((gpu(gib=None),), {"memory": "<16"}, Outcome.UNKNOWN),
        ((gpu((7, 5)),), {"lacks_dtype": "bfloat16"}, Outcome.FAILS),
        ((gpu((8, 6)),), {"lacks_dtype": "bfloat16"}, Outcome.HOLDS),
        ((gpu((8, 6)),), {"lacks_dtype": "float8"}, Outcome.FAILS),
        ((gpu(None, kind="mps"),), {"lacks_dtype": "bfloat16"}, Outcome.UNKNOWN),
        ((gpu((7, 5), 16),), {"capability": "<8.0", "memory": "<16"}, Outcome.HOLDS),
        ((gpu((7, 5), 15),), {"capability": "<8.0", "memory": "<16"}, Outcome.FAILS),
    ],
)
def test_gpu(accelerators: tuple[Accelerator, ...] | None, arguments: dict[str, Any], outcome: Outcome) -> None:
    assert evaluate(context(accelerators=accelerators), {"probe": "gpu", **arguments}).outcome is outcome


@pytest.mark.parametrize(
    ("capability", "architectures", "outcome"),
    [
        ((8, 0), CU124, Outcome.HOLDS),
        ((8, 9), CU124, Outcome.HOLDS),
        ((12, 0), CU124, Outcome.FAILS),
        ((7, 0), ("sm_75", "sm_80"), Outcome.FAILS),
        ((12, 0), (*CU124, "compute_90"), Outcome.HOLDS),
        ((8, 0), ("sm_90", "compute_90"), Outcome.FAILS),
        ((9, 0), ("sm_90a",), Outcome.HOLDS),
        ((9, 1), ("sm_90a",), Outcome.FAILS),
        ((12, 0), ("sm_90a", "compute_90a"), Outcome.FAILS),
        ((12, 1), ("sm_120f",), Outcome.HOLDS),
        ((10, 3), ("sm_100",), Outcome.HOLDS),
        ((8, 0), ("gfx90a",), Outcome.FAILS),
        ((8, 0), (), Outcome.UNKNOWN),
        (None, CU124, Outcome.UNKNOWN),
    ],
)
def test_torch_arch(capability: tuple[int, int] | None, architectures: tuple[str, ...], outcome: Outcome) -> None:
    asked = context(accelerators=(gpu(capability),), torch_build=TorchBuild("2.6.0", "12.4", None, architectures))
    judgement = evaluate(asked, {"probe": "torch-arch"})
    assert judgement.outcome is outcome
    if outcome is Outcome.FAILS:
        assert judgement.matches[0].values["architectures"] == " ".join(architectures)


@pytest.mark.parametrize(
    ("accelerators", "build", "outcome"),
    [
        ((), None, Outcome.HOLDS),
        (None, TorchBuild("2.6.0", "12.4", None, CU124), Outcome.UNKNOWN),
        ((gpu(),), None, Outcome.UNKNOWN),
        ((gpu(),), TorchBuild("2.6.0+cpu"), Outcome.HOLDS),
        ((gpu(None, kind="rocm"),), TorchBuild("2.6.0", "12.4", None, CU124), Outcome.HOLDS),
    ],
)
def test_torch_arch_without_a_gpu_or_a_build(
    accelerators: tuple[Accelerator, ...] | None, build: TorchBuild | None, outcome: Outcome
) -> None:
    asked = context(accelerators=accelerators, torch_build=build)
    assert evaluate(asked, {"probe": "torch-arch"}).outcome is outcome


@pytest.mark.parametrize(
    ("build", "lacks", "outcome"),
    [
        (TorchBuild("2.6.0+cpu"), "cuda", Outcome.FAILS),
        (TorchBuild("2.6.0", "12.4"), "cuda", Outcome.HOLDS),
        (TorchBuild("2.6.0", None, "6.2"), "hip", Outcome.HOLDS),
        (None, "cuda", Outcome.UNKNOWN),
    ],
)
def test_torch_build(build: TorchBuild | None, lacks: str, outcome: Outcome) -> None:
    assert evaluate(context(torch_build=build), {"probe": "torch-build", "lacks": lacks}).outcome is outcome


@pytest.mark.parametrize(
    ("driver_cuda", "cuda", "outcome"),
    [
        ("12.8", "13.0", Outcome.FAILS),
        ("13.0", "12.4", Outcome.HOLDS),
        ("12.2", "12.8", Outcome.HOLDS),
        (None, "12.8", Outcome.UNKNOWN),
        ("12.8", None, Outcome.HOLDS),
    ],
)
def test_driver(driver_cuda: str | None, cuda: str | None, outcome: Outcome) -> None:
    asked = context(
        distribution("torch", "2.6.0"),
        accelerators=(gpu(),),
        driver_cuda=driver_cuda,
        torch_build=TorchBuild("2.6.0", cuda),
    )
    assert evaluate(asked, {"probe": "driver"}).outcome is outcome


@pytest.mark.parametrize(("accelerators", "outcome"), [((), Outcome.HOLDS), (None, Outcome.UNKNOWN)])
def test_driver_without_a_gpu(accelerators: tuple[Accelerator, ...] | None, outcome: Outcome) -> None:
    asked = context(accelerators=accelerators, torch_build=TorchBuild("2.6.0", "12.4"))
    assert evaluate(asked, {"probe": "driver"}).outcome is outcome
