"""The Python and platform that pins are judged for: marker environment and wheel tags, without running that Python."""

from __future__ import annotations

import platform as running
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from sftdoctor.errors import UsageError

if TYPE_CHECKING:
    from packaging.tags import Tag

_NEWEST_GLIBC = 45
"""Pins name no machine, so every manylinux_2_X up to here is taken to fit: what is too new for one machine is not for
the next, and a wheel that is refused here would be a finding that nobody can act on."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}


def marker_environment(python_version: str) -> dict[str, str]:
    """The PEP 508 marker environment of a CPython of that version on this kind of machine.

    Args:
        python_version: "3.11" or "3.11.7". Where the patch level is not said, python_full_version ends in ".0".

    Returns:
        Every PEP 508 variable; Linux x86-64 where this machine is neither Linux nor a Mac.

    Raises:
        UsageError: That is no version of Python 3.
    """
    if not re.fullmatch(r"3\.\d{1,2}(\.\d{1,3}((a|b|rc)\d{1,3})?)?\+?", python_version):
        raise UsageError(f"{python_version!r} is no version of Python 3", hint='Give it as "3.11" or "3.11.7".')
    python_version = python_version.rstrip("+")
    major, minor = python_version.split(".")[:2]
    full = python_version if python_version.count(".") == 2 else f"{python_version}.0"
    here = {"linux": ("linux", "Linux"), "darwin": ("darwin", "Darwin")}.get(sys.platform)
    sys_platform, system = here or ("linux", "Linux")
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": running.machine() if here else "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": full,
        "python_version": f"{major}.{minor}",
        "sys_platform": sys_platform,
    }


def wheel_tags(markers: Mapping[str, str]) -> Mapping[Tag, int]:
    """The wheel tags that fit an environment, each with its rank (0 fits best).

    Args:
        markers: The PEP 508 marker environment.
    """
    major, minor = markers["python_version"].split(".")[:2]
    return _wheel_tags(int(major), int(minor), markers["sys_platform"], markers["platform_machine"])


@lru_cache(maxsize=16)
def _wheel_tags(major: int, minor: int, sys_platform: str, machine: str) -> Mapping[Tag, int]:
    from packaging import tags

    if sys_platform == "darwin":
        platforms = list(tags.mac_platforms((26, 0), machine))
    elif sys_platform == "win32":
        platforms = ["win_arm64" if machine.lower() == "arm64" else "win_amd64"]
    else:
        platforms = list(_linux_platforms(machine))
    ranks: dict[Tag, int] = {}
    for tag in tags.cpython_tags((major, minor), [f"cp{major}{minor}"], platforms):
        ranks.setdefault(tag, len(ranks))
    for tag in tags.compatible_tags((major, minor), f"cp{major}{minor}", platforms):
        ranks.setdefault(tag, len(ranks))
    return ranks


def _linux_platforms(machine: str) -> Iterator[str]:
    for glibc in range(_NEWEST_GLIBC, _OLDEST_GLIBC.get(machine, 17) - 1, -1):
        yield f"manylinux_2_{glibc}_{machine}"
        if glibc in _LEGACY:
            yield f"{_LEGACY[glibc]}_{machine}"
    yield f"linux_{machine}"


def fits_python(requires_python: str | None, markers: Mapping[str, str]) -> bool:
    """Whether a Requires-Python admits the target; where only "3.11" is known, whether it admits any patch level.

    Args:
        requires_python: The field as published; None or unreadable admits all.
        markers: The PEP 508 marker environment.
    """
    if not requires_python:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        admitted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    full = markers["python_full_version"]
    candidates = [full] if not full.endswith(".0") else [full, f"{markers['python_version']}.99"]
    return any(admitted.contains(candidate, prereleases=True) for candidate in candidates)
