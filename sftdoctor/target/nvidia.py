"""NVIDIA GPUs: what the driver says, and which of them CUDA_VISIBLE_DEVICES leaves to a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sftdoctor.model import Accelerator, NotJudged
from sftdoctor.target.headers import clean

_DRIVER = ("dev/nvidiactl", "dev/nvidia0", "proc/driver/nvidia/version", "dev/dxg")
"""Any of these says that a driver is there; dev/dxg is how Windows lends its GPU to WSL."""
_WHAT = "NVIDIA GPUs"


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance, as the driver counts them."""

    accelerator: Accelerator
    uuid: str = ""
    instances: tuple[Gpu, ...] | None = None
    """Its MIG instances; None where MIG is off."""


@dataclass(frozen=True)
class Nvidia:
    """What the driver says."""

    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    not_judged: tuple[NotJudged, ...] = ()
    known: bool = True
    """Whether there are no other NVIDIA GPUs than these."""


def read_nvidia(timeout: float, *, library: str | None = None, root: Path = Path("/")) -> Nvidia:
    """Ask the NVIDIA driver, if there is one, in a process of its own.

    Args:
        timeout: Seconds that the driver has for its answer.
        library: Folder of pynvml; None finds the one that is installed beside sftdoctor.
        root: Root of the file system whose devices are looked at.

    Returns:
        The GPUs before CUDA_VISIBLE_DEVICES; a driver that fails or hangs is said in not_judged.
    """
    if not any((root / path).exists() for path in _DRIVER):
        return _without_driver(root)
    if library is None:
        found = find_spec("pynvml")
        if found is None or found.origin is None:
            return _unknown("the package nvidia-ml-py, which asks the driver, is not installed beside sftdoctor")
        file = Path(found.origin)  # a module, or the package of that name which was there before
        library = str(file.parent.parent if found.submodule_search_locations else file.parent)
    return _ask(library, timeout)


def visible(gpus: Sequence[Gpu], variables: Mapping[str, str]) -> tuple[tuple[Accelerator, ...], tuple[NotJudged, ...]]:
    """The GPUs that CUDA would show to a run, in its order.

    Args:
        gpus: All of the machine's, as the driver counts them.
        variables: The environment variables of the run.
    """
    chosen = variables.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return tuple(gpu.accelerator for gpu in _by_default(gpus)), ()
    seen: list[Gpu] = []
    for token in chosen.split(","):
        gpu = _pick(gpus, token.strip())
        if gpu is None:
            break  # CUDA looks no further after the first entry that names nothing
        if gpu in seen:
            seen = []
            break
        seen.append(gpu)
    shown = clean(chosen)[:80]
    said = []
    if gpus and not seen:
        said.append(NotJudged(_WHAT, f"CUDA_VISIBLE_DEVICES={shown!r} hides all {len(gpus)} of this machine"))
    elif _order_matters(gpus, chosen, variables):
        reason = f"which GPUs CUDA_VISIBLE_DEVICES={shown!r} means depends on CUDA's own order; set"
        said.append(NotJudged("order of the GPUs", f"{reason} CUDA_DEVICE_ORDER=PCI_BUS_ID to fix it"))
    return tuple(gpu.accelerator for gpu in seen), tuple(said)


def _ask(library: str, timeout: float) -> Nvidia:
    from sftdoctor.target import nvml
    from sftdoctor.target.process import ask_program

    try:
        answer = ask_program([sys.executable, "-I", "-S", nvml.__file__, library], timeout=timeout)
    except (OSError, ValueError) as why:
        return _unknown(f"the driver could not be asked: {why}")
    if answer.status is None:
        return _unknown(f"the NVIDIA driver did not answer within {timeout:g} s; nvidia-smi may hang too")
    _, mark, line = answer.output.rpartition(nvml.MARK)
    if not mark:
        return _unknown(f"asking the NVIDIA driver ended with status {answer.status}")
    try:
        said = json.loads(line)
        if "error" in said:
            return _unknown(f"the NVIDIA driver does not work: {clean(str(said['error']))[:200]}")
        gpus = tuple(_gpu(row, row.get("capability")) for row in said["devices"])
        return Nvidia(gpus, clean(str(said["driver"])), _cuda(said["cuda"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return _unknown("the NVIDIA driver gave an answer that makes no sense")


def _gpu(row: Mapping[str, object], capability: object) -> Gpu:
    """A GPU from the answer; an instance of MIG has the capability of the GPU that it is a part of."""
    memory, instances = row["memory"], row.get("mig")
    able = (int(capability[0]), int(capability[1])) if isinstance(capability, list) and len(capability) == 2 else None
    accelerator = Accelerator("cuda", clean(str(row["name"])), memory if isinstance(memory, int) else None, able)
    parts = tuple(_gpu(part, capability) for part in instances) if isinstance(instances, list) else None
    return Gpu(accelerator, str(row["uuid"]), parts)


def _cuda(number: object) -> str | None:
    return f"{number // 1000}.{number % 1000 // 10}" if isinstance(number, int) else None


def _without_driver(root: Path) -> Nvidia:
    """No driver; where a card is in the machine all the same, that is worth a word."""
    try:
        cards = list((root / "sys/bus/pci/devices").iterdir())
    except OSError:
        return Nvidia()
    if any(_line(card / "vendor") == "0x10de" and _line(card / "class").startswith("0x03") for card in cards):
        return _unknown("an NVIDIA GPU is on the PCI bus, but its driver is not loaded, or not lent to this container")
    return Nvidia()


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _unknown(reason: str) -> Nvidia:
    return Nvidia(not_judged=(NotJudged(_WHAT, reason),), known=False)


def _by_default(gpus: Sequence[Gpu]) -> list[Gpu]:
    """Without a choice CUDA shows every GPU, of one that is cut up by MIG its first instance alone."""
    return [gpu if gpu.instances is None else gpu.instances[0] for gpu in gpus if gpu.instances != ()]


def _pick(gpus: Sequence[Gpu], token: str) -> Gpu | None:
    if token.isascii() and token.isdigit():
        number = int(token)
        return next(iter(_by_default(gpus[number : number + 1])), None)
    every = [part for gpu in gpus for part in (gpu, *(gpu.instances or ()))]
    named = [gpu for gpu in every if token.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(token)]
    return next(iter(_by_default(named)), None) if len(named) == 1 else None


def _order_matters(gpus: Sequence[Gpu], chosen: str, variables: Mapping[str, str]) -> bool:
    """CUDA counts the fastest GPU first, the driver goes by the bus; with GPUs of one kind that is the same."""
    different = len({gpu.accelerator.name for gpu in gpus}) > 1
    by_number = any(token.strip().isdigit() for token in chosen.split(","))
    return different and by_number and variables.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
