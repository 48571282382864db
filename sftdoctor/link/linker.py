"""Links a workload against an environment: the imports of its entry points, its run, its scripts, its model's code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from sftdoctor.link import memory
from sftdoctor.link.index import Library
from sftdoctor.link.program import LinkResult, Program, program_of
from sftdoctor.model import Environment, Finding, NotJudged, Script, Workload


def link(library: Library, environment: Environment, workload: Workload) -> LinkResult:
    """Link a workload against an environment. Nothing of either is executed.

    Args:
        library: The environment's modules.
        environment: The target's facts.
        workload: The entry points, scripts and model folder to link.

    Returns:
        What breaks, and what could not be judged.
    """
    programs = (Program(program_of(workload)), *(Program(script.source, script) for script in workload.scripts))
    results = _recalled(library, environment, programs, workload.scenario.entry_points)
    findings: dict[object, Finding] = {}
    not_judged: dict[NotJudged, None] = {}
    for result in results:
        for item in result.findings:
            findings.setdefault((item.id, item.cause, item.location, item.message), item)
        not_judged.update(dict.fromkeys(result.not_judged))
    return LinkResult(tuple(findings.values()), tuple(not_judged))


def _recalled(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> list[LinkResult]:
    """Link programs, from memory where they were linked before."""
    folder = library.cache / "links" if library.cache else None
    if folder is None:
        return [result for result, _ in _followed(library, environment, programs, entry_points)[0]]
    keys = [memory.key_of(library.identity, *_said(program)) for program in programs]
    known = {key: memory.recall(folder, key, library.stamps) for key in keys}
    missing = [(key, program) for key, program in zip(keys, programs, strict=True) if known[key] is None]
    if not missing:
        return [LinkResult(*(known[key] or ())) for key in keys]
    followed, shared = _followed(library, environment, [program for _, program in missing], entry_points)
    for (key, _), (result, files) in zip(missing, followed, strict=True):
        known[key] = (result.findings, result.not_judged)
        memory.keep(folder, key, result.findings, result.not_judged, files, shared)
    memory.prune(folder)
    return [LinkResult(*(known[key] or ())) for key in keys]


def _followed(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> tuple[list[tuple[LinkResult, list[str]]], list[str]]:
    from sftdoctor.link.follow import follow  # a warm run needs nothing of what follows programs

    return follow(library, environment, programs, entry_points)


def _said(program: Program) -> tuple[str, ...]:
    """All that the result hangs on beside the environment."""
    script = program.script
    if script is None:
        return (program.source,)
    given = (script.arguments, script.places, script.launches, script.would_hold, script.config and script.config.sure)
    return program.source, script.path, repr(given), _beside(script)


def _beside(script: Script) -> str:
    """The modules and folders beside a script: one that comes may stand before another of its name."""
    folder = Path(script.path).parent
    try:
        return _names_in(folder, folder.stat().st_mtime_ns)
    except OSError:
        return ""


@lru_cache(maxsize=16)
def _names_in(folder: Path, changed: int) -> str:
    """Of a folder as it was at a moment (`changed`, ns): of a folder of scripts each of them asks."""
    with os.scandir(folder) as entries:
        return "|".join(sorted(e.name for e in entries if e.name.endswith(".py") or e.is_dir()))
