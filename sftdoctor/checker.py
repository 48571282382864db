"""The glue of check: read, link, judge. What the command line and the API share."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sftdoctor.baseline import read_baseline
from sftdoctor.engine import Suppress, judge, verdict
from sftdoctor.errors import SftDoctorError
from sftdoctor.fingerprint import fingerprints
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Environment, Finding, NotJudged, Report, Suppressed, Verdict, Workload
from sftdoctor.reading import Progress, cache_of, read_rules, read_target, read_work, silent
from sftdoctor.settings import Settings
from sftdoctor.suppression import ignores_in, suppress


class Checker:
    """Judges environments for one request; rules and workload are read once.

    Args:
        settings: The request.
        progress: Told what takes long.
    """

    def __init__(self, settings: Settings, progress: Progress = silent) -> None:
        self.settings = settings
        self.progress = progress
        self.rules, broken = read_rules(settings)
        self.refused = tuple(NotJudged("a rule of yours", error.message) for error in broken)
        self.workload = read_work(settings)
        compared = settings.baseline if not settings.write_baseline else None
        self.baseline = read_baseline(Path(compared)) if compared else frozenset()

    def check(self) -> Report:
        """Read the target and judge it.

        Returns:
            The Report; its seconds count reading too.

        Raises:
            SftDoctorError: The target or the workload cannot be read.
        """
        start = time.perf_counter()
        self.progress("reading the target…")
        environment = read_target(self.settings, self.progress)
        self.progress("following the run through its packages…")
        report = self.judge(environment)
        return replace(report, seconds=time.perf_counter() - start)

    def judge(self, environment: Environment, workload: Workload | None = None) -> Report:
        """Judge an environment that has been read (or that is only thought of).

        Args:
            environment: Its facts.
            workload: Another workload than the request's.

        Returns:
            The Report.
        """
        workload = workload or self.workload
        start = time.perf_counter()
        library = Library(environment, cache_of(self.settings))
        links = _linked(library, environment, workload)
        report = judge(
            environment,
            workload,
            self.rules,
            links,
            library,
            select=self.settings.select,
            ignore=self.settings.ignore,
            reasons=dict(self.settings.reasons),
            suppress=self._suppress(workload),
        )
        library.remember()
        if self.settings.baseline and not self.settings.write_baseline:
            report = with_baseline(report, self.baseline)
        if (links.crashed or self._foreign(workload)) and report.verdict is not Verdict.BREAKS:
            report = replace(report, verdict=Verdict.UNKNOWN)
        not_judged = (*report.not_judged, *self.refused)
        return replace(report, not_judged=not_judged, seconds=time.perf_counter() - start)

    def _foreign(self, workload: Workload) -> bool:
        """Whether nothing of what was named could be judged: it is another tool's, data, or nothing at all."""
        return bool(self.settings.paths) and not workload.scripts

    def _suppress(self, workload: Workload) -> Suppress | None:
        """What the comments of the scripts suppress; None where there are none."""
        ignores = tuple(one for script in workload.scripts for one in ignores_in(script))
        if not ignores:
            return None
        return lambda findings: suppress(findings, ignores, self.rules, self.settings.select)


def with_baseline(report: Report, baseline: frozenset[str]) -> Report:
    """A report without the findings of a baseline, which it carries as suppressed.

    Args:
        report: What was found.
        baseline: Fingerprints.

    Returns:
        The report, with its verdict on what is new.
    """
    marks = fingerprints(report.findings)
    pairs = list(zip(report.findings, marks, strict=True))
    new = tuple(finding for finding, mark in pairs if mark not in baseline)
    old = tuple(Suppressed(finding, "baseline") for finding, mark in pairs if mark in baseline)
    return replace(
        report,
        findings=new,
        suppressed=(*report.suppressed, *old),
        outlived=len(baseline.difference(marks)),
        verdict=verdict(new, report.core_unread),
    )


@dataclass(frozen=True)
class _Links:
    """What the linker said, if it came to say anything."""

    findings: tuple[Finding, ...]
    not_judged: tuple[NotJudged, ...]
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crashed: bool = False


def _linked(library: Library, environment: Environment, workload: Workload) -> _Links:
    """Link; whatever the linker stumbles over is not judged, and the rules go on."""
    try:
        result = link(library, environment, workload)
    except (SftDoctorError, MemoryError):
        raise
    except Exception as error:
        if os.environ.get("SFTDOCTOR_DEBUG"):
            raise
        reason = f"the linker stumbled (a bug in sftdoctor): {type(error).__name__}: {error}"
        return _Links((), (NotJudged("the links between packages", reason),), crashed=True)
    return _Links(result.findings, result.not_judged, result.modules)
