"""Compiled modules that were built against torch, held against the torch that is there; their code for GPUs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sftdoctor.model import Distribution, Environment
from sftdoctor.target.elf import Library
from sftdoctor.target.fatbin import gpu_architectures

TORCH_NAMES = tuple(
    f"_Z{kind}{space}".encode() for kind in ("N", "NK") for space in ("3c10", "2at", "5torch", "6caffe2")
)
"""How the mangled names of torch's own C++ functions begin (namespaces c10, at, torch, caffe2)."""
_LIBRARY = re.compile(r"lib[\w.+-]+\.so")
_FILES_LIMIT = 16
_ANY_LIBRARY = re.compile(r"libbitsandbytes_\w{1,40}\.(?:so|dll|dylib)")
_BITSANDBYTES = re.compile(r"libbitsandbytes_(cuda|rocm)(\d{2,3})(?:_nocublaslt)?\.(?:so|dll)")


@dataclass(frozen=True)
class MissingSymbol:
    """A compiled module asks torch for a function that torch does not have."""

    file: str
    """Below the import root."""
    symbol: str


class UnknownError(Exception):
    """It cannot be known; the text says why."""


def missing_torch_symbol(environment: Environment, distribution: Distribution, pattern: str) -> MissingSymbol | None:
    """The first function of torch that a distribution's compiled modules ask for and torch has not.

    Args:
        environment: Where torch is.
        distribution: Whose modules.
        pattern: Which of its files, below the import root ("torchvision/_C*.so").

    Returns:
        None where torch has everything, or the distribution has no such file.

    Raises:
        UnknownError: torch's libraries or the modules cannot be read.
    """
    torch = environment.distributions.get("torch")
    if torch is None or torch.root is None or distribution.root is None:
        raise UnknownError("the compiled files are not at hand")
    folder = os.path.join(torch.root, "torch", "lib")
    try:
        libraries = sorted(name for name in os.listdir(folder) if _LIBRARY.fullmatch(name))
        modules = _matching(distribution.root, pattern)
        with ExitStack() as stack:
            offered = [stack.enter_context(Library(os.path.join(folder, name))) for name in libraries]
            if not offered:
                raise UnknownError("torch's libraries are not at hand")
            for module in modules:
                asking = stack.enter_context(Library(os.path.join(distribution.root, module)))
                for symbol in asking.undefined(TORCH_NAMES):
                    if not any(library.defines(symbol) for library in offered):
                        return MissingSymbol(module, symbol.decode("ascii", "replace"))
    except (OSError, ValueError) as error:
        raise UnknownError(f"the compiled files cannot be read: {error}") from error
    return None


def _matching(root: str, pattern: str) -> list[str]:
    """Files whose path below the root fits, in one folder, few."""
    folder, _, name = pattern.rpartition("/")
    try:
        names = os.listdir(os.path.join(root, folder))
    except FileNotFoundError:
        return []
    found = sorted(entry for entry in names if fnmatchcase(entry, name))[:_FILES_LIMIT]
    return [f"{folder}/{entry}" if folder else entry for entry in found]


def bitsandbytes_libraries(distribution: Distribution, kind: str) -> Mapping[tuple[int, int], str]:
    """The CUDA or ROCm versions that an installed bitsandbytes has libraries for.

    Args:
        distribution: bitsandbytes.
        kind: "cuda" or "rocm".

    Returns:
        (major, minor) → path, in order: its file names have two digits of major for CUDA ("cuda128" is 12.8) and one
        for ROCm ("rocm64" is 6.4, "rocm714" is 7.14), as bitsandbytes itself splits them.

    Raises:
        UnknownError: Its files are not at hand.
    """
    if distribution.root is None:
        raise UnknownError("the files of bitsandbytes are not at hand")
    folder = os.path.join(distribution.root, "bitsandbytes")
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UnknownError(f"the files of bitsandbytes cannot be read: {error}") from error
    if not any(_ANY_LIBRARY.fullmatch(name) for name in names):
        raise UnknownError("the libraries of bitsandbytes are not at hand")  # of pins only sources are fetched
    digits = 2 if kind == "cuda" else 1
    found = (match for match in map(_BITSANDBYTES.fullmatch, names) if match and match[1] == kind)
    libraries = {(int(match[2][:digits]), int(match[2][digits:])): os.path.join(folder, match[0]) for match in found}
    return dict(sorted(libraries.items()))


def code_for_gpus(root: str, pattern: str) -> tuple[str, ...]:
    """The GPU architectures that compiled modules have code for.

    Args:
        root: Their import root.
        pattern: Which of the files below it.

    Returns:
        "sm_80", "compute_90", …; empty where there is no such file or it has no code for GPUs.

    Raises:
        UnknownError: A file cannot be read.
    """
    try:
        paths = [os.path.join(root, name) for name in _matching(root, pattern)]
        return tuple(dict.fromkeys(one for path in paths for one in gpu_architectures(path)))
    except (OSError, ValueError) as error:
        raise UnknownError(f"the compiled files cannot be read: {error}") from error
