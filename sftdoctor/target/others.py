"""Accelerators that are not NVIDIA's, from what the kernel shows of them."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sftdoctor.model import Accelerator

_INTEGRATED = "0000:00:02.0"
"""Where Intel's processors have their own graphics; torch's XPU builds are for the cards."""


def read_others(root: Path = Path("/")) -> tuple[Accelerator, ...]:
    """AMD GPUs under ROCm's kernel driver, Intel's discrete GPUs, Apple's GPU.

    Args:
        root: Root of the file system whose devices are looked at.
    """
    found = [*_rocm(root), *_xpu(root)]
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(Accelerator("mps", "Apple GPU"))
    return tuple(found)


def _rocm(root: Path) -> Iterator[Accelerator]:
    if not (root / "dev/kfd").exists():
        return
    for node in _numbered(root / "sys/class/kfd/kfd/topology/nodes"):
        said = _properties(node / "properties")
        if said.get("simd_count"):  # a node without is a processor
            banks = [_properties(bank / "properties") for bank in _numbered(node / "mem_banks")]
            memory = sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in (1, 2))
            yield Accelerator("rocm", f"AMD {_gfx(said.get('gfx_target_version', 0))}", memory or None)


def _xpu(root: Path) -> Iterator[Accelerator]:
    for card in sorted(_entries(root / "sys/class/drm")):
        device = card / "device"
        intel = card.name.startswith("renderD") and _text(device / "vendor") == "0x8086"
        if intel and device.resolve().name != _INTEGRATED:
            yield Accelerator("xpu", f"Intel GPU {_text(device / 'device')}".strip())


def _gfx(version: int) -> str:
    """90010 → gfx90a, 110001 → gfx1101."""
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else "GPU"


def _properties(path: Path) -> dict[str, int]:
    return {key: int(value) for key, value in re.findall(r"^(\w+) (\d+)$", _text(path), re.MULTILINE)}


def _numbered(folder: Path) -> list[Path]:
    return sorted((path for path in _entries(folder) if path.name.isdigit()), key=lambda path: int(path.name))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
