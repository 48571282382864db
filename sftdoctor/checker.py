"""The glue of check: read, link, judge. What the command line and the API share."""

from __future__ import annotations

import time
from dataclasses import replace

from sftdoctor.engine import judge
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Environment, Report, Workload
from sftdoctor.reading import Progress, cache_of, read_rules, read_target, read_work, silent
from sftdoctor.settings import Settings


class Checker:
    """Judges environments for one request; rules and workload are read once.

    Args:
        settings: The request.
        progress: Told what takes long.
    """

    def __init__(self, settings: Settings, progress: Progress = silent) -> None:
        self.settings = settings
        self.progress = progress
        self.rules = read_rules(settings)
        self.workload = read_work(settings)

    def check(self) -> Report:
        """Read the target and judge it.

        Returns:
            The Report; its seconds count reading too.

        Raises:
            SftDoctorError: The target or the workload cannot be read.
        """
        start = time.perf_counter()
        report = self.judge(read_target(self.settings, self.progress))
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
        links = link(library, environment, workload)
        report = judge(
            environment,
            workload,
            self.rules,
            links,
            library,
            select=self.settings.select,
            ignore=self.settings.ignore,
        )
        return replace(report, seconds=time.perf_counter() - start)
