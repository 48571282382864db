"""Links a workload against an environment: the imports of its entry points, its run, its scripts, its model's code."""

from __future__ import annotations

import ast
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.link.findings import finding, select
from sftdoctor.link.index import Library
from sftdoctor.link.machine import Machine
from sftdoctor.link.state import Exhausted
from sftdoctor.model import Environment, Finding, NotJudged, Scenario, Script, Workload

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


def link(library: Library, environment: Environment, workload: Workload) -> LinkResult:
    """Link a workload against an environment. Nothing of either is executed.

    Args:
        library: The environment's modules.
        environment: The target's facts.
        workload: The entry points, scripts and model folder to link.

    Returns:
        What breaks, and what could not be judged.
    """
    machine = library.machine()
    collecting = gc.isenabled()
    gc.disable()  # syntax trees are large and hold no cycles: collecting them costs more than following them
    scripts: dict[str, str] = {}
    not_judged: list[NotJudged] = []
    try:
        _follow_scenario(machine, workload.scenario)
        for index, script in enumerate(workload.scripts):
            name = f"__script_{index}__"
            scripts[name] = script.path
            _follow_script(machine, name, script, not_judged)
    except Exhausted:
        not_judged.append(NotJudged("the rest of the run", "following it took too many steps"))
    except RecursionError:
        not_judged.append(NotJudged("the rest of the run", "it is nested too deeply to be followed"))
    finally:
        if collecting:
            gc.enable()
    found = tuple(finding(event, environment, scripts) for event in select(machine.events, DRIVER))
    return LinkResult(found, (*machine.not_judged.values(), *not_judged))


def _follow_scenario(machine: Machine, scenario: Scenario) -> None:
    machine.script(DRIVER, ast.parse(driver(scenario.entry_points) + scenario.run), None)


def _follow_script(machine: Machine, name: str, script: Script, not_judged: list[NotJudged]) -> None:
    try:
        tree = ast.parse(script.source)
    except (SyntaxError, ValueError, RecursionError) as error:
        not_judged.append(NotJudged(script.path, f"it cannot be parsed: {error}"))
        return
    machine.script(name, tree, str(Path(script.path)))


def driver(entry_points: Sequence[str]) -> str:
    """The imports of a run as a program."""
    lines = []
    for point in entry_points:
        module, _, name = point.partition(":")
        lines.append(f"from {module} import {name}" if name else f"import {module}")
    return "\n".join(lines) + "\n"
