"""Measuring commands against each other: processes of their own that take turns, so that a busy machine is just."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEBI = 1024 if sys.platform != "darwin" else 1024 * 1024
"""Units of ru_maxrss in one MiB."""


@dataclass
class Contestant:
    """A command to be measured.

    Attributes:
        name: For the table.
        command: What runs.
        before: Done before each run, and not measured.
        environment: Variables of its process, over ours.
        seconds, cpu: Seconds of each run.
        peak: MiB resident at most, in each run.
        status: Exit status of the last run.
    """

    name: str
    command: Sequence[str]
    before: Callable[[], object] = lambda: None
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    status: int = 0

    def run(self) -> None:
        """Run it once and note what it took."""
        self.before()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}
        start = time.perf_counter()
        process = subprocess.Popen(
            self.command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        self.status = process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - start)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.peak.append(usage.ru_maxrss / MEBI)

    def forget(self) -> None:
        """Let go of what was noted."""
        self.seconds, self.cpu, self.peak = [], [], []


def compete(contestants: Sequence[Contestant], runs: int) -> None:
    """Let contestants take turns; the first round fills disk and bytecode caches and does not count.

    Args:
        contestants: Who runs.
        runs: Rounds that count.
    """
    for one in contestants:
        one.run()
        one.forget()
    for _ in range(runs):
        for one in contestants:
            one.run()


def ratio(one: Contestant, other: Contestant) -> float:
    """The median, over the rounds, of one contestant's seconds per second of another in the same round."""
    return statistics.median(mine / theirs for mine, theirs in zip(one.seconds, other.seconds, strict=True))
