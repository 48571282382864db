"""What the NVIDIA driver says of its GPUs. Runs as a process of its own (`python -I -S nvml.py FOLDER_OF_PYNVML`).

A driver that hangs does so inside the kernel, where neither a thread nor a signal gets out; the process that asked
would then hang at its own end too. So another one asks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

MARK = "sftdoctor-nvml:"


def ask_driver() -> dict[str, Any]:
    """Ask the driver through NVML.

    Returns:
        driver (its version), cuda (newest CUDA version that it supports, as NVML's number, 12040 for 12.4), devices;
        each with name, memory (bytes), capability, uuid and mig (None, or its MIG instances).

    Raises:
        pynvml.NVMLError: The driver cannot be reached, or is not the one that its library belongs to.
    """
    import pynvml

    pynvml.nvmlInit()
    try:
        return {
            "driver": _text(pynvml.nvmlSystemGetDriverVersion()),
            "cuda": _try(pynvml.nvmlSystemGetCudaDriverVersion),
            "devices": [_device(pynvml, number) for number in range(pynvml.nvmlDeviceGetCount())],
        }
    finally:
        pynvml.nvmlShutdown()


def _device(pynvml: Any, number: int) -> dict[str, Any]:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    mode = _try(pynvml.nvmlDeviceGetMigMode, handle)
    return _row(pynvml, handle) | {
        "capability": _try(pynvml.nvmlDeviceGetCudaComputeCapability, handle),
        "mig": list(_instances(pynvml, handle)) if mode and mode[0] == 1 else None,
    }


def _instances(pynvml: Any, handle: Any) -> Iterator[dict[str, Any]]:
    for number in range(_try(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _try(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if instance is not None:
            yield _row(pynvml, instance)


def _row(pynvml: Any, handle: Any) -> dict[str, Any]:
    memory = _try(pynvml.nvmlDeviceGetMemoryInfo, handle)  # not there where the GPU shares the host's memory
    return {
        "name": _text(_try(pynvml.nvmlDeviceGetName, handle) or "NVIDIA GPU"),
        "memory": memory.total if memory else None,
        "uuid": _text(_try(pynvml.nvmlDeviceGetUUID, handle) or ""),
    }


def _try(question: Callable[..., Any], *arguments: Any) -> Any:
    """The answer, or None where this GPU or driver has none; NVMLError cannot be named before pynvml is imported."""
    try:
        return question(*arguments)
    except Exception:
        return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.path.append(sys.argv[1])
    try:
        answer = ask_driver()
    except Exception as why:
        answer = {"error": _text(why)}
    sys.stdout.write(MARK + json.dumps(answer) + "\n")
