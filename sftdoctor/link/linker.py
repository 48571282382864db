"""Links a workload against an environment: the imports of its entry points, its run, its scripts, its model's code."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.link import memory, scripts
from sftdoctor.link.findings import finding, select
from sftdoctor.link.index import Library
from sftdoctor.link.locate import parse
from sftdoctor.link.machine import Machine
from sftdoctor.link.state import Exhausted, Left
from sftdoctor.model import Environment, Finding, NotJudged, Script, Workload

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
    results = [_link(library, environment, _program(workload), None)]
    results += [_link(library, environment, script.source, script) for script in workload.scripts]
    findings: dict[object, Finding] = {}
    not_judged: dict[NotJudged, None] = {}
    for result in results:
        for item in result.findings:
            findings.setdefault((item.id, item.cause, item.location, item.message), item)
        not_judged.update(dict.fromkeys(result.not_judged))
    return LinkResult(tuple(findings.values()), tuple(not_judged))


def _link(library: Library, environment: Environment, source: str, script: Script | None) -> LinkResult:
    """Link one program, from memory where it was linked before."""
    folder = library.cache / "links" if library.cache else None
    said = (source, script.path, repr(script.arguments), _beside(script)) if script else (source,)
    key = memory.key_of(library.identity, *said) if folder else ""
    known = memory.recall(folder, key, library.stamps) if folder else None
    if known is not None:
        return LinkResult(*known)
    machine = library.machine(Path(script.path) if script else None)
    machine.arguments = script.arguments if script else ()
    result, files = _follow(machine, environment, source, script)
    if folder:
        memory.keep(folder, key, result.findings, result.not_judged, files)
    return result


def _follow(
    machine: Machine, environment: Environment, source: str, script: Script | None
) -> tuple[LinkResult, list[str]]:
    """Follow one program; what breaks, and the files that this rests on."""
    name, path = (f"__{script.path}__", script.path) if script else (DRIVER, None)
    not_judged: list[NotJudged] = []
    with _uncollected():
        try:
            tree = parse(source, path or name)
            machine.script(name, tree, path)
            if script:
                scripts.follow_uncalled(machine, tree)
        except ValueError as error:
            not_judged.append(NotJudged(path or name, f"it cannot be parsed: {error}"))
        except Left as left:
            not_judged.append(NotJudged(path or name, f"it has a {left.how} outside of what that could leave"))
        except Exhausted:
            not_judged.append(NotJudged(f"the rest of {path or 'the run'}", "following it took too many steps"))
        except RecursionError:
            not_judged.append(NotJudged(f"the rest of {path or 'the run'}", "it is nested too deeply to be followed"))
        own = {module: file for module, file in machine.scripts.items() if file}
        found = tuple(finding(event, environment, own) for event in select(machine.events, DRIVER, own))
        result = LinkResult(found, (*machine.not_judged.values(), *not_judged)), machine.files()
        machine.release()
    return result


def _beside(script: Script) -> str:
    """The modules and folders beside a script: one that comes may stand before another of its name."""
    try:
        with os.scandir(Path(script.path).parent) as entries:
            return "|".join(sorted(e.name for e in entries if e.name.endswith(".py") or e.is_dir()))
    except OSError:
        return ""


@contextmanager
def _uncollected() -> Iterator[None]:
    """Syntax trees are large and hold no cycles: collecting them costs more than following them."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _program(workload: Workload) -> str:
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
