"""Who says whether a candidate is any good: the same judges that wrote the Report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sftdoctor.model import Environment, Fact, Location, Report, Script, Workload


class Oracle(Protocol):
    """Judges what is not yet there."""

    def environment(self, candidate: Environment) -> Report:
        """Judge the same workload on another environment."""

    def script(self, path: str, source: str) -> Report:
        """Judge the same workload on the same environment with another text of one script."""


class JudgeOracle:
    """The real one: asks the judge that wrote the Report.

    Args:
        report: Its environment and workload are the ones that stay the same.
        judge: Judges a workload on an environment, as Checker.judge does.
    """

    def __init__(self, report: Report, judge: Callable[[Environment, Workload], Report]) -> None:
        self._report = report
        self._judge = judge

    def environment(self, candidate: Environment) -> Report:
        """Judge the same workload on another environment."""
        return self._judge(candidate, self._report.workload)

    def script(self, path: str, source: str) -> Report:
        """Judge the same workload on the same environment with another text of one script."""
        workload = self._report.workload
        scripts = tuple(_reread(one, source, workload) if _same(one.path, path) else one for one in workload.scripts)
        return self._judge(self._report.environment, replace(workload, scripts=scripts))


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _reread(script: Script, source: str, workload: Workload) -> Script:
    """Read the new text as if it stood where the script stands; the script itself is not touched."""
    from sftdoctor.workload import read_workload

    with tempfile.TemporaryDirectory(prefix="sftdoctor-edit-") as folder:
        path = Path(folder, Path(script.path).name)
        path.write_text(source, "utf-8", newline="")
        read = read_workload([path], model=None, scenario=workload.scenario, arguments=script.arguments)
        found = next((one for one in read.scripts if one.path == str(path)), None)
    if found is None:
        return replace(script, source=source, facts=())
    return replace(found, path=script.path, facts=tuple(_moved(fact, str(path), script.path) for fact in found.facts))


def _moved(fact: Fact, old: str, new: str) -> Fact:
    return replace(fact, location=_place(fact.location, old, new))


def _place(location: Location | None, old: str, new: str) -> Location | None:
    return replace(location, path=new) if location and location.path == old else location
