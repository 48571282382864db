"""Fingerprints: how a finding is recognised again in a later run, for baselines and for SARIF's partialFingerprints.

Neither line numbers nor versions go into one: a finding stays the same when lines are moved above it, when the
distribution that breaks is exchanged for another version that breaks alike, and when a message is worded anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sftdoctor.model import Finding, Place

VERSION = 1
"""Goes into each fingerprint; a new way to make them gets a new one."""
_MARKERS = (".git", "pyproject.toml")
_NUMBER = re.compile(r"\d+(?:\.\w+)*")


def fingerprints(findings: Sequence[Finding], root: Path | None = None) -> tuple[str, ...]:
    """The fingerprints of the findings of one report.

    Args:
        findings: All findings of the report, in its order: alike ones are told apart by it.
        root: Folder that the paths of locations are relative to; None for project_root() of the working directory.

    Returns:
        One a finding, 32 hexadecimal digits, no two the same.
    """
    base = os.path.realpath(root or project_root(Path.cwd()))
    seen: Counter[str] = Counter()
    result = []
    for finding in findings:
        identity = json.dumps(_identity(finding, base))
        result.append(hashlib.sha256(f"{identity}#{seen[identity]}".encode()).hexdigest()[:32])
        seen[identity] += 1
    return tuple(result)


def project_root(folder: Path) -> Path:
    """The nearest folder upwards that holds a .git or a pyproject.toml; the folder itself where none does."""
    folder = folder.resolve()
    return next((one for one in (folder, *folder.parents) if any((one / name).exists() for name in _MARKERS)), folder)


def _identity(finding: Finding, base: str) -> list[object]:
    where = _relative(finding.location.path, base) if finding.location else ""
    cause = finding.cause
    if cause is not None:
        return [VERSION, finding.id, where, cause.name, _place(cause.caller), _place(cause.callee)]
    # nothing but its words tells a finding of the environment from another one of the same rule
    return [VERSION, finding.id, where, "" if where else _NUMBER.sub("#", finding.title)]


def _place(place: Place | None) -> list[str]:
    return [] if place is None else [place.distribution, place.module, place.symbol or ""]


def _relative(path: str, base: str) -> str:
    """The path as seen from the base, with forward slashes; as it is where it lies outside."""
    try:
        full = os.path.realpath(path)
    except ValueError:  # no name that a file could have: NUL bytes, lone surrogates
        return path
    inside = full.startswith(base.rstrip(os.sep) + os.sep)
    return (os.path.relpath(full, base) if inside else path).replace(os.sep, "/")
