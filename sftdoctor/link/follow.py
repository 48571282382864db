"""Follows the programs of a workload, where nothing of what they come to is known from before."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sftdoctor.link import forked, memory, scripts
from sftdoctor.link.findings import finding, select
from sftdoctor.link.index import Library
from sftdoctor.link.keys import judge_config, judge_launches
from sftdoctor.link.locate import parse
from sftdoctor.link.machine import Machine
from sftdoctor.link.program import DRIVER, LinkResult, Program, driver
from sftdoctor.link.state import POSSIBLE, Exhausted, Left
from sftdoctor.model import Environment, NotJudged

MANY = 3
"""Scripts from which on it pays to follow the libraries once for all of them."""
QUANTIZING = re.compile(r"[48]_?bit\b|bits_?and_?bytes|\bbnb|quantiz", re.IGNORECASE)
"""Words of code that may quantise its model."""
Followed = tuple[LinkResult, list[str]]
"""What breaks in one program, and the files that this rests on."""


def follow(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> tuple[list[Followed], list[str]]:
    """Follow programs.

    Args:
        library: The environment's modules.
        environment: The target's facts.
        programs: What to follow.
        entry_points: Those of the scenario, which most scripts import.

    Returns:
        What each gives, in their order, and the files that all of the scripts rest on.
    """
    with _uncollected():
        return _followed(library, environment, programs, entry_points)


def _followed(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> tuple[list[Followed], list[str]]:
    many = [program for program in programs if program.script]
    if len(many) < MANY or not forked.available():
        return _in_turn(library, environment, programs), []
    machine = _prepared(library, entry_points)

    def in_a_process(program: Program) -> bytes:
        if machine is None:
            result, files = _alone(library, environment, program)
        else:
            result, files = _upon(machine, library, environment, program)
        return json.dumps({**memory.plain(result), "files": files}).encode()

    given = iter(forked.each(in_a_process, many))
    shared = machine.files() if machine else []
    results = [
        (_received(next(given)) if program.script else None) or _alone(library, environment, program)
        for program in programs
    ]
    if machine:
        machine.release()
    return results, shared


def _in_turn(library: Library, environment: Environment, programs: Sequence[Program]) -> list[Followed]:
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


def _read(machine: Machine, library: Library, environment: Environment, program: Program) -> Followed:
    """Judge a config file or launch script, with what the machine has followed before."""
    machine.start(library.locator, ())
    return _follow(machine, environment, program)


def _received(data: bytes) -> Followed | None:
    """What another process found; None where it died."""
    if not data:
        return None
    told = json.loads(data)
    return memory.read(told), told["files"]


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


def _upon(machine: Machine, library: Library, environment: Environment, program: Program) -> Followed:
    """Follow a script with what the machine has imported; anew where a module beside the script stands before that."""
    assert program.script
    if program.is_data:
        return _read(machine, library, environment, program)
    beside = library.beside(Path(program.script.path))
    if any("." not in name and (found := beside.find(name)) and found.own for name in machine.modules):
        return _alone(library, environment, program)
    machine.start(beside, program.script.arguments)
    machine.suppose(dict(program.script.would_hold))
    machine.places = program.script.places
    return _follow(machine, environment, program)


def _alone(library: Library, environment: Environment, program: Program) -> Followed:
    """Follow one program from the start."""
    machine = library.machine(Path(program.path) if program.path and not program.is_data else None)
    machine.arguments = program.script.arguments if program.script else ()
    if program.script:
        machine.suppose(dict(program.script.would_hold))
        machine.places = program.script.places
    followed = _follow(machine, environment, program)
    machine.release()
    return followed


def _follow(machine: Machine, environment: Environment, program: Program) -> Followed:
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
    unread = (*machine.not_judged.values(), *not_judged)
    imports = tuple(sorted(set(machine.imports)))
    if program.script is None:
        return LinkResult(found, unread, imports), machine.files()
    modules = tuple(sorted({file for file in own.values() if file != path}))
    speaks = _speaks_of_quantizing(program.source, *map(_text, modules))
    return LinkResult(found, unread, imports, {program.script.path: modules}, speaks), machine.files()


def _speaks_of_quantizing(*texts: str) -> bool:
    """Whether the user's own code, the script or a module beside it, has words of a quantised model."""
    return any(QUANTIZING.search(text) for text in texts)


def _text(file: str) -> str:
    try:
        # a named pipe would be waited for
        return Path(file).read_text("utf-8", errors="replace") if Path(file).is_file() else ""
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
