"""The numpy that compiled modules load with, read from the bytes that numpy's headers leave in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from sftdoctor.model import Distribution

_FLOOR = re.compile(rb"NumPy C-API version 0x%x \(NumPy (\d{1,3}\.\d{1,3})\)")
"""Headers of numpy 2 write the oldest numpy that the module was built for into the message of import_array()."""
_BUDGET = 4 << 20
_FOLDERS = 400
_MODULES = 40
UNRELATED = ("numpy", "torch", "triton", "nvidia-")
"""numpy itself, and what is large and has no numpy interface that fails at import (torch only warns)."""
FIRST = "libarrow_python."
"""pyarrow keeps its numpy interface in this library; its twenty smaller modules have none."""


def numpy_range(module: bytes) -> str | None:
    """The versions of numpy that a compiled module loads with.

    Args:
        module: Content of a shared library.

    Returns:
        ">=1.23" for one built with the headers of numpy 2, "<2" for one built with those of numpy 1 (its structures
        have other sizes since); None where it does not use numpy's C interface, or does not say.
    """
    floor = _FLOOR.search(module)
    if floor:
        return f">={floor[1].decode()}"
    old = b"numpy.core._multiarray_umath" in module or b"numpy.core.multiarray" in module
    if old and b"compiled against ABI version" in module and b"numpy._core" not in module:
        return "<2"
    return None


def uses_numpy(name: str, requires: Iterable[str]) -> bool:
    """Whether a distribution may have compiled modules that numpy can break.

    Args:
        name: Its canonical name.
        requires: Its Requires-Dist lines.
    """
    if name.startswith(UNRELATED):
        return False
    return name == "pyarrow" or any(re.match(r"numpy\b", line) and "extra" not in line for line in requires)


def numpy_range_of_installed(distribution: Distribution) -> str | None:
    """The versions of numpy that an installed distribution's compiled modules load with.

    Args:
        distribution: As read from its metadata. One that is marked as pure Python is not looked through, nor is one
            that does not require numpy; of the others, modules are read until one says.
    """
    if distribution.root is None or not uses_numpy(distribution.name, distribution.requires) or _is_pure(distribution):
        return None
    spent = 0
    for count, path in enumerate(_compiled(distribution.root, distribution.top_level)):
        try:
            with open(path, "rb") as file:
                content = file.read(_BUDGET - spent)
        except OSError:
            continue
        found = numpy_range(content)
        spent += len(content)
        if found or spent >= _BUDGET or count >= _MODULES:
            return found
    return None


def _is_pure(distribution: Distribution) -> bool:
    try:
        with open(os.path.join(distribution.metadata or "", "WHEEL"), encoding="utf-8", errors="replace") as file:
            return "root-is-purelib: true" in file.read(4096).lower()
    except OSError:
        return False


def _compiled(root: str, modules: Iterable[str]) -> Iterator[str]:
    """Paths of compiled modules, the likeliest of each folder first."""
    seen = 0
    for module in modules:
        for folder, folders, files in os.walk(os.path.join(root, module)):
            seen += 1
            if seen > _FOLDERS:
                return
            folders[:] = sorted(name for name in folders if name not in ("tests", "__pycache__"))
            compiled = [name for name in files if name.endswith((".so", ".pyd")) or FIRST in name]
            yield from (os.path.join(folder, name) for name in sorted(compiled, key=lambda name: FIRST not in name))
