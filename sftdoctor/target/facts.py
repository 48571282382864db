"""What must be known of an interpreter before its packages can be read: from its files, or by asking it once."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from sftdoctor.errors import TargetError
from sftdoctor.target import ask
from sftdoctor.target.files import read_text
from sftdoctor.target.headers import clean

TIMEOUT = 10.0
"""Seconds that an interpreter has to say what it is."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)((?:a|b|rc)\d+)?")
_HEADER_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
_HEADER_LIMIT = 1 << 16


@dataclass(frozen=True)
class Facts:
    """An interpreter's own words; see ask.facts."""

    version: str
    executable: str
    base_prefix: str
    stdlib: str
    libdirs: tuple[str, ...]
    sites: tuple[str, ...]
    user_site: str | None
    markers: Mapping[str, str]


def from_pyvenv(settings: Mapping[str, str], executable: str, venv: str) -> Facts | None:
    """Work out the facts of a venv without starting its Python.

    Args:
        settings: Its pyvenv.cfg.
        executable: Its link to Python.
        venv: Its folder.

    Returns:
        None unless every piece agrees: a plain CPython on Linux, the base installation where pyvenv.cfg says, its C
        headers of the very version that pyvenv.cfg recorded (an upgraded base makes that stale), no system packages.
    """
    version = settings.get("version_info") or settings.get("version") or ""
    match = re.fullmatch(r"(\d+\.\d+)\.\d+(?:\.final\.0)?", version)
    if match is None or not _is_plain(settings):
        return None
    version, folder = version.removesuffix(".final.0"), f"python{match[1]}"
    home = os.path.realpath(settings.get("home", ""))
    base = os.path.dirname(home)
    stdlib = os.path.join(base, "lib", folder)
    agreed = (
        os.path.islink(executable)
        and os.path.dirname(os.path.realpath(executable)) == home
        and os.path.isfile(os.path.join(stdlib, "os.py"))
        and os.path.isdir(os.path.join(venv, "lib", folder, "site-packages"))
        and _is_one_folder(os.path.join(venv, "lib"), os.path.join(venv, "lib64"))
        and _header_version(base, folder) == version
    )
    if not agreed:
        return None
    markers = ask.markers() | {
        "implementation_version": version,
        "python_full_version": version,
        "python_version": match[1],
    }
    return Facts(version, executable, base, stdlib, ("lib",), (), None, markers)


def ask_interpreter(executable: str) -> Facts:
    """Start an interpreter once, isolated and without its site-packages, and ask it.

    Args:
        executable: What to start.

    Raises:
        TargetError: It cannot be started, is no Python 3, fails, or takes longer than TIMEOUT.
    """
    from sftdoctor.target.process import ask_program  # subprocess is dear to import, and most venvs need none

    try:
        answer = ask_program([executable, "-I", "-S", "-B", ask.__file__], timeout=TIMEOUT)
    except (OSError, ValueError) as why:
        raise TargetError(f"{executable} cannot be started: {why}.", "Is it a Python for this machine?") from why
    if answer.status is None:
        raise TargetError(f"{executable} did not answer within {TIMEOUT:.0f} s.", "Does it start at all?")
    _, mark, line = answer.output.rpartition(ask.MARK)
    if answer.status == 0 and mark:
        try:
            return checked(json.loads(line), executable)
        except (ValueError, RecursionError) as why:
            raise TargetError(f"{executable} gave an answer that makes no sense.", "Is it a Python?") from why
    raise _refusal(executable, answer.status, answer.errors)


def checked(said: object, executable: str) -> Facts:
    """Facts from what an interpreter said, every type checked.

    Raises:
        TargetError: It is no Python 3, or a fact is missing or of the wrong type.
    """
    try:
        if not isinstance(said, dict):
            raise TypeError("no JSON object")
        facts = Facts(
            version=_text(said["version"]),
            executable=_text(said["executable"]) or executable,
            base_prefix=_text(said["base_prefix"]),
            stdlib=_text(said["stdlib"]),
            libdirs=tuple(_text(part) for part in said["libdirs"]),
            sites=tuple(_text(part) for part in said["sites"]),
            user_site=None if said["user_site"] is None else _text(said["user_site"]),
            markers={_text(key): _text(value) for key, value in said["markers"].items()},
        )
    except (KeyError, TypeError, AttributeError) as why:
        raise TargetError(f"{executable} gave an answer that makes no sense.", "Is it a Python?") from why
    match = _VERSION.fullmatch(facts.version)
    if match is None or match[1] != "3":
        raise TargetError(f"{executable} is Python {clean(facts.version)}.", "sftdoctor judges Python 3.")
    return facts


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError("no text")
    return value


def _refusal(executable: str, status: int, errors: str) -> TargetError:
    if re.search(r"unknown option:? -I", errors, re.IGNORECASE):
        return TargetError(f"{executable} is Python 2.", "sftdoctor judges Python 3.")
    lines = [clean(line)[:200] for line in errors.splitlines() if line.strip()]
    if not lines:
        why = f"it did not answer as a Python does (exit status {status})."
    else:
        why = lines[-1] if "Traceback" in errors else lines[0]
    return TargetError(f"{executable} is no working Python: {why}", "Try to start it by hand, then name another one.")


def _is_plain(settings: Mapping[str, str]) -> bool:
    return (
        sys.platform == "linux"
        and sys.implementation.name == "cpython"
        and settings.get("implementation", "CPython") == "CPython"
        and settings.get("include-system-site-packages", "false").lower() == "false"
    )


def _is_one_folder(first: str, second: str) -> bool:
    return not os.path.exists(second) or os.path.samefile(first, second)


def _header_version(base: str, folder: str) -> str | None:
    text = read_text(os.path.join(base, "include", folder, "patchlevel.h"), _HEADER_LIMIT)
    match = _HEADER_VERSION.search(text) if text else None
    return match[1] if match else None
