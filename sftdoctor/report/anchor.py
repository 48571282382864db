"""Where a Finding is shown by tools that want a file and line for everything, and what they show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sftdoctor.model import Cause, Finding, Location, Report, Script, Severity, TargetKind, Verdict
from sftdoctor.report import words
from sftdoctor.report.language import say
from sftdoctor.report.plain import clean, short_path

ROOTS = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Variables by which GitHub and GitLab name the folder of the repository."""
LONGEST_PATH = 400
"""Characters."""


class Anchor(NamedTuple):
    """A place in a file; numbers count from 1 and are None where nothing is known."""

    path: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    """One past the last character."""


def shown(report: Report) -> tuple[Finding, ...]:
    """What is wrong, for tools that show findings alone: a required proof that does not hold stands first."""
    return (*words.unproved(report), *report.findings)


def anchor(report: Report, finding: Finding) -> Anchor:
    """The place to show a Finding at.

    Args:
        report: The Report that it is in.
        finding: The Finding.

    Returns:
        Its own location; else the file that names the versions, the script that would break, the line of the library
        that asks for what is not there, or the target itself. Paths are relative to the working directory where
        they lie below it, or to the root of the repository in CI.
    """
    if finding.location is not None:
        return anchor_of(finding.location)
    target = report.environment.target
    if target.kind is not TargetKind.INTERPRETER:
        return Anchor(_path(target.path))
    if report.workload.scripts:
        return Anchor(_path(report.workload.scripts[0].path))
    return next(related(report, finding.cause), Anchor(_path(target.path)))


def anchor_of(location: Location) -> Anchor:
    """A Location; lines of a notebook are those of its code, not of its file."""
    if location.path.endswith(".ipynb"):
        return Anchor(_path(location.path))
    numbers = (location.line, location.column, location.end_line, location.end_column)
    line, column, end_line, end_column = (number if number and number > 0 else None for number in numbers)
    if line is None or end_line is None or (end_line, end_column or 0) < (line, column or 0):
        end_line = end_column = None
    return Anchor(_path(location.path), line, column if line else None, end_line, end_column if column else None)


def _path(path: str) -> str:
    """A path below the root of the repository, as CI systems say which that is, else as people say it."""
    absolute = str(Path.cwd() / path)
    for name in ROOTS:
        root = os.environ.get(name, "").rstrip("/")
        if root and absolute.startswith(f"{root}/"):
            return clean(absolute[len(root) + 1 :], LONGEST_PATH)
    return clean(short_path(path), LONGEST_PATH) or "."


def related(report: Report, cause: Cause | None) -> Iterator[Anchor]:
    """The files of the libraries on both sides of a link, where they are known."""
    for place in (cause.caller, cause.callee) if cause else ():
        found = report.environment.distributions.get(place.distribution) if place else None
        if place and found and found.root and place.path:
            path = _path(str(Path(found.root, place.path)))
            yield Anchor(path, place.line if place.line and place.line > 0 else None)


def cell(report: Report, location: Location | None) -> str:
    """ "cell 3, line 2" of a place in a notebook; empty elsewhere. Cells count from 1."""
    script = _script(report, location)
    if script is None or location is None or location.line is None:
        return ""
    line = location.line
    before = [(index, first) for index, first in script.cells if first <= line]
    return f"cell {before[-1][0] + 1}, line {line - before[-1][1] + 1}" if before else ""


def _script(report: Report, location: Location | None) -> Script | None:
    return next((one for one in report.workload.scripts if location and one.path == location.path), None)


def level(finding: Finding) -> Severity:
    """How bad a Finding counts: an error that is only possible is a warning, as in the exit status."""
    possible = finding.severity is Severity.ERROR and finding.confidence.value == "possible"
    return Severity.WARNING if possible else finding.severity


def told(report: Report, finding: Finding) -> list[str]:
    """A Finding as plain lines: title, why, what one would see, fixes."""
    where = cell(report, finding.location)
    lines = [clean(finding.title) + (f" ({where})" if where else "")]
    for line in words.lines(finding):
        safety = f" ({line.safety})" if line.safety else ""
        place = f"{line.where}  " if line.where else ""
        lines.append(f"{line.label}: {place}{line.text}{safety}")
    return lines


def verdict_line(report: Report) -> str:
    """ "sftdoctor: This run will break: 2 errors; .venv (Python 3.11.7), trl 0.24.0, …"."""
    proof = f"{say(words.UNPROVED)}; " if report.unproved else ""
    return f"sftdoctor: {words.headline(report)}; {proof}{', '.join(words.target_parts(report.environment))}"


def could_be_judged(report: Report) -> bool:
    """Whether the run could be judged at all."""
    return report.verdict is not Verdict.UNKNOWN
