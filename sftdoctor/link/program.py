"""What is followed, and what that comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sftdoctor.model import Finding, NotJudged, Script, Workload

DRIVER = "__main__"


@dataclass(frozen=True)
class LinkResult:
    """What linking found.

    Attributes:
        findings: What breaks, one finding a root.
        not_judged: What could not be followed, with the reason.
    """

    findings: tuple[Finding, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()


@dataclass(frozen=True)
class Program:
    """What is followed: the scenario's run, or a script of the user's."""

    source: str
    script: Script | None = None

    @property
    def is_data(self) -> bool:
        """Whether it is a config file or launch script, beside which no modules lie."""
        return self.script is not None and (self.script.config is not None or bool(self.script.launches))

    @property
    def path(self) -> str | None:
        """The script's file."""
        return self.script.path if self.script else None


def program_of(workload: Workload) -> str:
    """A scenario as a program: the imports of its entry points, then what such a run does.

    Scripts that quantise nothing do not run what a quantised scenario stands for: then the imports are all.
    """
    scenario = workload.scenario
    said = {fact.value for script in workload.scripts for fact in script.facts if fact.name == "quantization"}
    other = said == {"none"} and scenario.facts.get("quantization") not in (None, "none")
    return driver(scenario.entry_points) + ("" if other else scenario.run)


def driver(entry_points: Sequence[str]) -> str:
    """The imports of a run as a program."""
    lines = []
    for point in entry_points:
        module, _, name = point.partition(":")
        lines.append(f"from {module} import {name}" if name else f"import {module}")
    return "\n".join(lines) + "\n"
