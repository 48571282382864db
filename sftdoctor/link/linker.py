"""Links a workload against an environment: the imports of its entry points, its run, its scripts, its model's code."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.link import forked, memory, scripts
from sftdoctor.link.findings import finding, select
from sftdoctor.link.index import Library
from sftdoctor.link.keys import judge_config, judge_launches
from sftdoctor.link.locate import parse
from sftdoctor.link.machine import Machine
from sftdoctor.link.state import POSSIBLE, Exhausted, Left
from sftdoctor.model import Environment, Finding, NotJudged, Script, Workload

DRIVER = "__main__"
MANY = 3
"""Scripts from which on it pays to follow the libraries once for all of them."""


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
    programs = (_Program(_program(workload)), *(_Program(script.source, script) for script in workload.scripts))
    with _uncollected():
        results = _recalled(library, environment, programs, workload.scenario.entry_points)
    findings: dict[object, Finding] = {}
    not_judged: dict[NotJudged, None] = {}
    for result in results:
        for item in result.findings:
            findings.setdefault((item.id, item.cause, item.location, item.message), item)
        not_judged.update(dict.fromkeys(result.not_judged))
    return LinkResult(tuple(findings.values()), tuple(not_judged))


@dataclass(frozen=True)
class _Program:
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


Followed = tuple[LinkResult, list[str]]
"""What breaks in one program, and the files that this rests on."""


def _recalled(
    library: Library, environment: Environment, programs: Sequence[_Program], entry_points: Sequence[str]
) -> list[LinkResult]:
    """Link programs, from memory where they were linked before."""
    folder = library.cache / "links" if library.cache else None
    if folder is None:
        return [result for result, _ in _link(library, environment, programs, entry_points)[0]]
    keys = [memory.key_of(library.identity, *_said(program)) for program in programs]
    known = {key: memory.recall(folder, key, library.stamps) for key in keys}
    missing = [(key, program) for key, program in zip(keys, programs, strict=True) if known[key] is None]
    followed, shared = _link(library, environment, [program for _, program in missing], entry_points)
    for (key, _), (result, files) in zip(missing, followed, strict=True):
        known[key] = (result.findings, result.not_judged)
        memory.keep(folder, key, result.findings, result.not_judged, files, shared)
    if missing:
        memory.prune(folder)
    return [LinkResult(*(known[key] or ())) for key in keys]


def _said(program: _Program) -> tuple[str, ...]:
    """All that the result hangs on beside the environment."""
    script = program.script
    if script is None:
        return (program.source,)
    given = (script.arguments, script.places, script.launches, script.would_hold, script.config and script.config.sure)
    return program.source, script.path, repr(given), _beside(script)


def _link(
    library: Library, environment: Environment, programs: Sequence[_Program], entry_points: Sequence[str]
) -> tuple[list[Followed], list[str]]:
    """Follow programs; what each gives, and the files that all of the scripts rest on."""
    many = [program for program in programs if program.script]
    if len(many) < MANY or not forked.available():
        return _in_turn(library, environment, programs), []
    machine = _prepared(library, entry_points)

    def follow(program: _Program) -> bytes:
        if machine is None:
            result, files = _alone(library, environment, program)
        else:
            result, files = _upon(machine, library, environment, program)
        return json.dumps({**memory.plain(result.findings, result.not_judged), "files": files}).encode()

    given = iter(forked.each(follow, many))
    shared = machine.files() if machine else []
    results = [
        (_received(next(given)) if program.script else None) or _alone(library, environment, program)
        for program in programs
    ]
    if machine:
        machine.release()
    return results, shared


def _in_turn(library: Library, environment: Environment, programs: Sequence[_Program]) -> list[Followed]:
    """Follow programs one after the other in this process."""
    results = []
    reader: Machine | None = None
    for program in programs:
        if program.is_data:
            reader = reader or library.machine()  # what reads one config has been followed for the next
            results.append(_read(reader, library, environment, program))
        else:
            results.append(_alone(library, environment, program))
        if len(programs) > MANY:
            gc.collect()  # classes hold themselves in circles: what many leave behind would add up
    if reader is not None:
        reader.release()
    return results


def _read(machine: Machine, library: Library, environment: Environment, program: _Program) -> Followed:
    """Judge a config file or launch script, with what the machine has followed before."""
    machine.start(library.locator, ())
    return _follow(machine, environment, program)


def _received(data: bytes) -> Followed | None:
    """What another process found; None where it died."""
    if not data:
        return None
    told = json.loads(data)
    return LinkResult(*memory.read(told)), told["files"]


def _prepared(library: Library, entry_points: Sequence[str]) -> Machine | None:
    """A machine that has imported what most scripts do; None where that breaks, so that the order may matter."""
    machine = library.machine()
    last = sorted(entry_points, key=lambda point: point.startswith("trl"))  # it changes what others import after it
    try:
        machine.script(DRIVER, parse(driver(last), DRIVER), None)
        broken = any(event.doubt < POSSIBLE for event in machine.events)
    except (Exhausted, RecursionError):
        broken = True
    if broken:
        machine.release()
    return None if broken else machine


def _upon(machine: Machine, library: Library, environment: Environment, program: _Program) -> Followed:
    """Follow a script with what the machine has imported; anew where a module beside the script stands before that."""
    assert program.script
    beside = library.beside(Path(program.script.path))
    if program.is_data:
        return _read(machine, library, environment, program)
    if any("." not in name and (found := beside.find(name)) and found.own for name in machine.modules):
        return _alone(library, environment, program)
    machine.start(beside, program.script.arguments)
    machine.would_hold, machine.places = dict(program.script.would_hold), program.script.places
    return _follow(machine, environment, program)


def _alone(library: Library, environment: Environment, program: _Program) -> Followed:
    """Follow one program from the start."""
    machine = library.machine(Path(program.path) if program.path and not program.is_data else None)
    machine.arguments = program.script.arguments if program.script else ()
    if program.script:
        machine.would_hold, machine.places = dict(program.script.would_hold), program.script.places
    followed = _follow(machine, environment, program)
    machine.release()
    return followed


def _follow(machine: Machine, environment: Environment, program: _Program) -> Followed:
    """Follow one program; what breaks, and the files that this rests on."""
    path = program.path
    name = f"__{path}__" if path else DRIVER
    not_judged: list[NotJudged] = []
    config = program.script.config if program.script else None
    try:
        if config is not None and path is not None:
            judge_config(machine, path, config)
        elif program.script and program.script.launches:
            judge_launches(machine, program.script.launches)
        else:
            tree = parse(program.source, path or name)
            machine.script(name, tree, path)
            if program.script:
                scripts.follow_uncalled(machine, tree)
                scripts.tell_order(machine)
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
    return LinkResult(found, (*machine.not_judged.values(), *not_judged)), machine.files()


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
