"""Compiled files against torch and the GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Case, Environment, Target, TargetKind, TorchBuild
from sftdoctor.predicates import Outcome, evaluate
from sftdoctor.predicates.core import Context
from sftdoctor.target.extensions import UnknownError, bitsandbytes_libraries, missing_torch_symbol
from sftdoctor.target.gpus import find_gpu
from sftdoctor.target.scan import scan
from sftdoctor.target.search import find_roots
from sftdoctor.testing import build_workload
from sftdoctor.tiny_elf import tiny_library

ERROR = "_ZN3c105ErrorD1Ev"


def environment(
    site: Path, files: dict[str, bytes], *names: str, cuda: str | None = None, gpu: str = "none"
) -> Environment:
    for name in names:
        info = site / f"{name}-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.50.0\n", encoding="utf-8")
    for path, data in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(data)
    found = scan(find_roots((), (str(site),)))
    return Environment(
        Target(TargetKind.INTERPRETER, "python", "3.11"),
        "3.11",
        distributions=found.distributions,
        accelerators=find_gpu(gpu),
        torch_build=TorchBuild("2.13.0", cuda) if cuda else None,
    )


@pytest.mark.parametrize(
    ("needs", "missing"),
    [
        ([ERROR], None),
        ([ERROR, "_ZN2at4_ops4callEv"], "_ZN2at4_ops4callEv"),
        (["PyInit_x", "cudaMalloc"], None),
        (["_ZNK5torch3jit6ScriptEv"], "_ZNK5torch3jit6ScriptEv"),
        ([], None),
    ],
)
def test_what_torch_has_not(needs: list[str], missing: str | None, tmp_path: Path) -> None:
    files = {
        "torch/lib/libc10.so": tiny_library([ERROR]),
        "torch/lib/libtorch.so": tiny_library(),
        "torchvision/_C.so": tiny_library(["PyInit__C"], needs),
    }
    here = environment(tmp_path, files, "torch", "torchvision")
    found = missing_torch_symbol(here, here.distributions["torchvision"], "torchvision/_C*.so")
    assert (found.symbol if found else None) == missing
    assert missing_torch_symbol(here, here.distributions["torchvision"], "elsewhere/*.so") is None


@pytest.mark.parametrize("path", ["torch/lib/libc10.so", "torchvision/_C.so"])
def test_what_cannot_be_read_is_not_judged(path: str, tmp_path: Path) -> None:
    files = {"torch/lib/libc10.so": tiny_library([ERROR]), "torchvision/_C.so": tiny_library([], [ERROR])}
    here = environment(tmp_path, {**files, path: b"not a library"}, "torch", "torchvision")
    with pytest.raises(UnknownError, match="cannot be read"):
        missing_torch_symbol(here, here.distributions["torchvision"], "torchvision/_C*.so")


def test_the_versions_of_bitsandbytes_libraries(tmp_path: Path) -> None:
    names = ["cuda118", "cuda130", "cuda121_nocublaslt", "rocm64", "rocm714", "cpu", "xpu2025"]
    files = {f"bitsandbytes/libbitsandbytes_{name}.so": b"" for name in names}
    here = environment(tmp_path, files, "bitsandbytes").distributions["bitsandbytes"]
    assert list(bitsandbytes_libraries(here, "cuda")) == [(11, 8), (12, 1), (13, 0)]
    assert list(bitsandbytes_libraries(here, "rocm")) == [(6, 4), (7, 14)]


def test_sources_alone_say_nothing_of_libraries(tmp_path: Path) -> None:
    here = environment(tmp_path, {"bitsandbytes/__init__.py": b""}, "bitsandbytes").distributions["bitsandbytes"]
    with pytest.raises(UnknownError, match="not at hand"):
        bitsandbytes_libraries(here, "cuda")


@pytest.mark.parametrize(
    ("cuda", "gpu", "outcome"),
    [
        ("13.0", "V100", Outcome.FAILS),
        ("13.0", "T4", Outcome.HOLDS),
        ("12.6", "V100", Outcome.HOLDS),
        ("12.9", "V100", Outcome.HOLDS),  # the nearest below of the same major version is 12.6's
        ("13.1", "V100", Outcome.FAILS),
        ("11.8", "V100", Outcome.HOLDS),  # no library at all is another rule's business
        ("13.0", "none", Outcome.HOLDS),
        (None, "V100", Outcome.UNKNOWN),
    ],
)
def test_the_library_that_would_be_loaded(cuda: str | None, gpu: str, outcome: Outcome, tmp_path: Path) -> None:
    files = {
        "bitsandbytes/libbitsandbytes_cuda126.so": tiny_library(code=["sm_60", "sm_70", "sm_90"]),
        "bitsandbytes/libbitsandbytes_cuda130.so": tiny_library(code=["sm_75", "sm_90"]),
    }
    here = environment(tmp_path, files, "bitsandbytes", cuda=cuda, gpu=gpu)
    context = Context(here, build_workload(Case("", ""), tmp_path), None, None)  # type: ignore[arg-type]
    assert evaluate(context, {"probe": "code-for-gpu", "distribution": "bitsandbytes"}).outcome is outcome
