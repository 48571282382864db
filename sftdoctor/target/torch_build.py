"""What the installed torch was built for, read from its files.

Version, CUDA and HIP stand in torch/version.py. The list of GPU architectures, the one that torch.cuda.get_arch_list()
gives, is a constant in libtorch_python ("sm_75 sm_80 …", between zero bytes); of an ELF file only the section with the
constants is looked at (2 to 3 MB of some 30). So the list is that of the very build which is installed, be it from
PyPI, from PyTorch's own index or from a compiler. Seen so in the Linux wheels of 2.1.2, 2.6.0, 2.13.0 and 2.15.0.
"""

from __future__ import annotations

import ast
import mmap
import os
import re
import stat
import struct
from collections.abc import Iterator

from sftdoctor.model import Environment, TorchBuild
from sftdoctor.target.files import read_text

_VERSION_LIMIT = 1 << 16
_LIBRARIES = ("lib/libtorch_python.so", "lib/libtorch_python.dylib", "lib/torch_python.dll")
_SEARCH_LIMIT = 64 << 20
"""Bytes of a library that are searched at most."""
_ARCHITECTURE = rb"(?:sm_\d{2,3}[af]?|compute_\d{2,3}[af]?|gfx[0-9a-f]{3,5}(?:[:+-][a-z+-]+)*)"
_STARTS = (b"\0sm_", b"\0compute_", b"\0gfx")
_LIST = re.compile(rb"\0(" + _ARCHITECTURE + rb"(?:[ ;]" + _ARCHITECTURE + rb")*)\0")
_SECTIONS_LIMIT = 256


def read_torch_build(environment: Environment) -> TorchBuild | None:
    """What the environment's torch was built for.

    Args:
        environment: Its distributions say where torch lies.

    Returns:
        None where there is no torch, or its files are not on this machine.
    """
    torch = environment.distributions.get("torch")
    if torch is None or torch.root is None:
        return None
    folder = os.path.join(torch.root, "torch")
    text = read_text(os.path.join(folder, "version.py"), _VERSION_LIMIT)
    if text is None:
        return None
    said = _assignments(text)
    cuda, hip = said.get("cuda"), said.get("hip")
    architectures = _architectures(folder) if cuda or hip else ()
    return TorchBuild(said.get("__version__") or torch.version, cuda, hip, architectures)


def has_distributed(environment: Environment) -> bool | None:
    """Whether the environment's torch was built with torch.distributed (USE_DISTRIBUTED).

    Such a build's libtorch_python sets torch._C up for it in a function that Python calls `_c10d_init`
    (torch/distributed/__init__.py asks `hasattr(torch._C, "_c10d_init")`).

    Returns:
        None where its files are not on this machine.
    """
    torch = environment.distributions.get("torch")
    if torch is None or torch.root is None:
        return None
    for name in _LIBRARIES:
        path = os.path.join(torch.root, "torch", name)
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    start, size = _constants(data) or (0, len(data))
                    return data.find(b"\0_c10d_init\0", start, start + min(size, _SEARCH_LIMIT)) >= 0
        except (OSError, ValueError):
            continue
    return None


def _assignments(text: str) -> dict[str, str]:
    """The texts that a module assigns to names at its top, read without running it."""
    try:
        body = ast.parse(text).body
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}
    found = {}
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
            target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            if isinstance(target, ast.Name) and isinstance(statement.value.value, str):
                found[target.id] = statement.value.value
    return found


def _architectures(folder: str) -> tuple[str, ...]:
    for name in _LIBRARIES:
        path = os.path.join(folder, name)
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                return _search(path)
        except (OSError, ValueError):
            continue
    return ()


def _search(path: str) -> tuple[str, ...]:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start, size = _constants(data) or (0, len(data))
        longest = max(_lists(data, start, start + min(size, _SEARCH_LIMIT)), key=len, default=b"")
        return tuple(longest.decode("ascii").replace(";", " ").split())


def _lists(data: mmap.mmap, start: int, end: int) -> Iterator[bytes]:
    """Every constant that is a list of architectures; finding its start first is ten times faster than the pattern."""
    for prefix in _STARTS:
        at = data.find(prefix, start, end)
        while at >= 0:
            if match := _LIST.match(data, at, end):
                yield match[1]
            at = data.find(prefix, at + 1, end)


def _constants(data: mmap.mmap) -> tuple[int, int] | None:
    """Offset and size of the .rodata section of a 64-bit little-endian ELF file; None for anything else."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            return None
        (table,) = struct.unpack_from("<Q", data, 0x28)
        each, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
        headers = [
            struct.unpack_from("<IIQQQQ", data, table + number * each) for number in range(min(count, _SECTIONS_LIMIT))
        ]
        names = headers[names_at][4]
        for name, _, _, _, offset, size in headers:
            if data[names + name : names + name + 8] == b".rodata\0":
                return offset, size
    except (struct.error, IndexError):
        return None
    return None
