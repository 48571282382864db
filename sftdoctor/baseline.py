"""Baselines: the findings that were there when a gate was switched on, so that only new ones fail it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftdoctor.errors import UsageError
from sftdoctor.fingerprint import fingerprints
from sftdoctor.model import Finding

SCHEMA = 1
LARGEST = 20_000_000
"""Bytes."""


def read_baseline(path: Path) -> frozenset[str]:
    """Read a baseline.

    Args:
        path: A file that write_baseline has written.

    Returns:
        The fingerprints of its findings.

    Raises:
        UsageError: It is not there, or is none.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST // 1_000_000} MB, and no baseline")
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no baseline {path}", f"Write it: sftdoctor check --baseline {path} --write-baseline"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no baseline: {error}", "Write it anew with --write-baseline.") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or not isinstance(data.get("findings"), list):
        raise UsageError(f"{path} is no baseline of this version of sftdoctor", "Write it anew with --write-baseline.")
    marks = [one["fingerprint"] for one in data["findings"] if isinstance(one, dict) and "fingerprint" in one]
    if len(marks) != len(data["findings"]) or not all(isinstance(mark, str) for mark in marks):
        raise UsageError(f"{path}: a finding has no fingerprint", "Write it anew with --write-baseline.")
    return frozenset(marks)


def baseline_text(findings: Sequence[Finding]) -> str:
    """A baseline of findings, as JSON that reads well in a review: one line a finding, without line numbers.

    Args:
        findings: Those that are to be lived with, in the order of their report.

    Returns:
        The text of the file.
    """
    lines = sorted(
        json.dumps(
            {
                "id": finding.id,
                "path": finding.location.path if finding.location else None,
                "title": finding.title,
                "fingerprint": mark,
            }
        )
        for finding, mark in zip(findings, fingerprints(findings), strict=True)
    )
    listed = ",\n  ".join(lines)
    return (
        f'{{\n "schema": {SCHEMA},\n "findings": [\n  {listed}\n ]\n}}\n'
        if lines
        else (f'{{\n "schema": {SCHEMA},\n "findings": []\n}}\n')
    )
