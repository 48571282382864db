"""GPUs by name, for judging a run on one that is not here: rules/data/gpus.toml."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from sftdoctor.errors import UsageError
from sftdoctor.folders import data_folder
from sftdoctor.model import Accelerator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MIB = 1 << 20
_NONE = frozenset({"none", "cpu", "no"})
_MAKERS = re.compile(r"\b(?:nvidia|geforce|tesla|quadro|amd|instinct|radeon|graphics|gpu)\b")
_ARCHITECTURE = re.compile(r"sm_?(\d{1,2})(\d)")
_FIRST_COUNT = re.compile(r"([1-9]|1[0-6])\s*[x×*]\s*(.+)")
_LAST_COUNT = re.compile(r"(.+?)\s*[x×*]\s*([1-9]|1[0-6])")


def find_gpu(name: str) -> tuple[Accelerator, ...]:
    """The accelerators that a name stands for.

    Args:
        name: A GPU's name in any usual spelling, with a count where there are several ("2x T4", "T4 x2"); or the CUDA
            architecture alone, "sm_75".

    Returns:
        As many as the count says; none for "none" and "cpu".

    Raises:
        UsageError: No such GPU is known; the hint lists the nearest.
    """
    if name.strip().lower() in _NONE:
        return ()
    known = _by_key()
    for wanted, count in _readings(name):
        if architecture := _ARCHITECTURE.fullmatch(wanted.strip()):
            major, minor = int(architecture[1]), int(architecture[2])
            return (Accelerator("cuda", f"a GPU of capability {major}.{minor}", None, (major, minor)),) * count
        found = known.get(_key(wanted))
        if found is not None:
            return (found,) * count
    raise UsageError(f"No GPU named {name[:60]!r} is known.", _nearest(name, known))


def known_gpus() -> tuple[Accelerator, ...]:
    """Every GPU of the table, in its order."""
    return tuple(dict.fromkeys(_by_key().values()))


def _readings(name: str) -> list[tuple[str, int]]:
    text = name.strip().lower()
    readings = [(text, 1)]
    if match := _FIRST_COUNT.fullmatch(text):
        readings.append((match[2], int(match[1])))
    if match := _LAST_COUNT.fullmatch(text):
        readings.append((match[1], int(match[2])))
    return readings


def _key(name: str) -> str:
    """ "NVIDIA A100-SXM4-80GB" and "a100 sxm4 80 GB" are one key."""
    return re.sub(r"[^a-z0-9]", "", _MAKERS.sub(" ", name.lower()))


@cache
def _by_key() -> Mapping[str, Accelerator]:
    table = tomllib.loads((data_folder() / "gpus.toml").read_text(encoding="utf-8"))
    found: dict[str, Accelerator] = {}
    for row in table["gpu"]:
        capability = row.get("capability")
        able = None if capability is None else (int(capability.split(".")[0]), int(capability.split(".")[1]))
        memory = row["memory_mib"] * _MIB if "memory_mib" in row else None
        gpu = Accelerator(row.get("kind", "cuda"), row["name"], memory, able)
        for name in (row["name"], *row.get("aliases", ())):
            found[_key(name)] = gpu
    return found


def _nearest(name: str, known: Mapping[str, Accelerator]) -> str:
    wanted = _key(name)[:60]
    near = [key for key in known if wanted and wanted in key][:6] or get_close_matches(wanted, known, n=6, cutoff=0.5)
    names = dict.fromkeys(known[key].name for key in near) or dict.fromkeys(
        known[key].name for key in ("t4", "a10080gb", "h100", "rtx4090")
    )
    return f"Near ones: {', '.join(names)}."
