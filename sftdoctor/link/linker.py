"""Links a workload against an environment: the imports of its entry points, its run, its scripts, its model's code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sftdoctor import folders
from sftdoctor.link import memory
from sftdoctor.link.index import Library
from sftdoctor.link.program import BITSANDBYTES, LinkResult, Program, Run, run_of
from sftdoctor.model import Confidence, Environment, Finding, NotJudged, Severity, Workload


def link(library: Library, environment: Environment, workload: Workload) -> LinkResult:
    """Link a workload against an environment. Nothing of either is executed.

    Args:
        library: The environment's modules.
        environment: The target's facts.
        workload: The entry points, scripts and model folder to link.

    Returns:
        What breaks, and what could not be judged.
    """
    entry_points = workload.scenario.entry_points
    scripts = [Program(script.source, script) for script in workload.scripts]
    followed = _recalled(library, environment, scripts, entry_points)
    run = run_of(workload, followed)
    findings: dict[object, Finding] = {}
    not_judged: dict[NotJudged, None] = {}
    for result in (*_run(library, environment, run, entry_points), *followed):
        for item in result.findings:
            findings.setdefault((item.id, item.cause, item.location, item.message), item)
        not_judged.update(dict.fromkeys(result.not_judged))
    modules: dict[str, tuple[str, ...]] = {}
    for result in followed:
        for path, files in result.modules.items():
            modules[path] = tuple(dict.fromkeys((*modules.get(path, ()), *files)))
    return LinkResult(tuple(findings.values()), tuple(not_judged), modules=modules)


def _run(library: Library, environment: Environment, run: Run, entry_points: Sequence[str]) -> Iterator[LinkResult]:
    """What of the scenario's run breaks, and what would if the model were quantised."""
    programs = [run.program, *([run.quantized] if run.quantized else [])]
    certain, *quantized = _recalled(library, environment, programs, entry_points)
    yield replace(certain, findings=tuple(item for item in certain.findings if not _is_foreign(item, run.foreign)))
    known = {(item.id, item.cause) for item in certain.findings}
    for result in quantized:
        more = (item for item in result.findings if (item.id, item.cause) not in known)
        yield LinkResult(tuple(_doubted(item) for item in more if not _is_foreign(item, run.foreign - {BITSANDBYTES})))


def _is_foreign(item: Finding, foreign: frozenset[str]) -> bool:
    """Whether a package breaks that the scripts have nothing to do with."""
    caller = item.cause.caller if item.cause else None
    return caller is not None and caller.module.partition(".")[0] in foreign


def _doubted(item: Finding) -> Finding:
    """A finding about quantised models alone, where nobody knows whether the run has one."""
    severity = max(item.severity, Severity.WARNING, key=list(Severity).index)
    end = "" if item.message.endswith(".") else "."
    message = f"{item.message}{end} Only a quantised model needs it; whether this is one shows only when it runs."
    return replace(item, severity=severity, confidence=Confidence.POSSIBLE, message=message)


def _recalled(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> list[LinkResult]:
    """Link programs, from memory where they were linked before."""
    folder = library.cache / "links" if library.cache else None
    if folder is None:
        return [result for result, _ in _followed(library, environment, programs, entry_points)[0]]
    keys = [memory.key_of(library.identity, *_said(library, program)) for program in programs]
    known = {key: memory.recall(folder, key, library.stamps) for key in keys}
    missing = [(key, program) for key, program in zip(keys, programs, strict=True) if known[key] is None]
    if missing:
        followed, shared = _followed(library, environment, [program for _, program in missing], entry_points)
        for (key, program), (result, files) in zip(missing, followed, strict=True):
            known[key] = result
            memory.keep(folder, key, result, files, shared, beside=_beside(program))
        folders.prune(folder, memory.MAX_FILES)
    return [known[key] or LinkResult() for key in keys]


def _followed(
    library: Library, environment: Environment, programs: Sequence[Program], entry_points: Sequence[str]
) -> tuple[list[tuple[LinkResult, list[str]]], list[str]]:
    from sftdoctor.link.follow import follow  # a warm run needs nothing of what follows programs

    return follow(library, environment, programs, entry_points)


def _said(library: Library, program: Program) -> tuple[str, ...]:
    """All that the result hangs on beside the environment."""
    script = program.script
    if script is None:
        return (program.source,)
    given = (script.arguments, script.places, script.launches, script.would_hold, script.config and script.config.sure)
    # a module that comes beside a script may stand before another of its name
    return program.source, script.path, str(Path.cwd()), repr(given), library.stamps.of(_beside(program))


def _beside(program: Program) -> str:
    """The folder of a script, whose modules its result hangs on in any case; empty where there is none."""
    return str(Path(program.script.path).parent) if program.script else ""
