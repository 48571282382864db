"""Who says whether a candidate is any good: the same judges that wrote the Report."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sftdoctor.errors import WorkloadError
from sftdoctor.link import forked
from sftdoctor.model import Config, Environment, Fact, Location, Report, Script, Workload

Sources = Mapping[str, bytes]
"""Real path of a script, notebook or config → what it would hold."""


class Oracle(Protocol):
    """Judges what is not yet there."""

    def judge(self, environment: Environment, sources: Sources) -> Report:
        """Judge the same workload on an environment, with other contents of some of its scripts."""

    def foresee(self, environments: Sequence[Environment], sources: Sources) -> None:
        """Judge several environments at a time, so that `judge` has its answers at hand."""


class JudgeOracle:
    """The real one: asks the judge that wrote the Report.

    Args:
        report: Its workload is the one that is judged.
        judge: Judges a workload on an environment, as Checker.judge does.
        remembers: Whether the judge keeps what it linked where other processes find it.
    """

    def __init__(
        self, report: Report, judge: Callable[[Environment, Workload], Report], *, remembers: bool = True
    ) -> None:
        self._remembers = remembers
        self._workload = report.workload
        self._judge = judge
        self._read: dict[tuple[str, tuple[tuple[str, bytes], ...]], Script] = {}

    def judge(self, environment: Environment, sources: Sources) -> Report:
        """Judge the same workload on an environment, with other contents of some of its scripts."""
        workload = self._started(sources)
        own = {os.path.realpath(one.path) for one in workload.scripts}
        beside = tuple((path, source) for path, source in sorted(sources.items()) if path not in own)
        scripts = tuple(replace(self._script(one, sources), would_hold=beside) for one in workload.scripts)
        return self._judge(environment, replace(workload, scripts=scripts))

    def foresee(self, environments: Sequence[Environment], sources: Sources) -> None:
        """Judge several environments in processes of their own: what they link is kept in the cache."""
        if self._remembers and forked.available() and len(environments) > 1:
            forked.each(lambda one: self.judge(one, sources).verdict.value.encode(), environments)

    def _started(self, sources: Sources) -> Workload:
        """The workload with what changed launch scripts start."""
        from sftdoctor.workload.launch_files import parse_launch_file

        scripts: list[Script] = []
        for script in self._workload.scripts:
            source = sources.get(os.path.realpath(script.path)) if script.launches else None
            if source is not None:
                scripts.extend(parse_launch_file(Path(script.path), source).scripts)
            elif os.path.realpath(script.started_by or ".") not in sources:
                scripts.append(script)
        return replace(self._workload, scripts=tuple(scripts))

    def _script(self, script: Script, sources: Sources) -> Script:
        concerned = (script.path, *(path for path, _ in script.modules))
        thought = {real: sources[real] for real in map(os.path.realpath, concerned) if real in sources}
        if not thought or script.launches:
            return script
        key = script.path, tuple(sorted(thought.items()))
        if key not in self._read:
            self._read[key] = _reread(script, thought, self._workload)
        return self._read[key]


def _reread(script: Script, thought: Sources, workload: Workload) -> Script:
    """Read the new contents as if they stood where the script and its modules stand; no file is touched."""
    source = thought.get(os.path.realpath(script.path), b"")
    found = _reread_config(script, source, workload) if script.config else _reread_script(script, thought)
    if found is None:
        return replace(script, source=source.decode(errors="replace"), facts=())
    config = _config(found.config, script)
    return replace(
        script, source=found.source, cells=found.cells, facts=found.facts, config=config, modules=found.modules
    )


def _reread_script(script: Script, thought: Sources) -> Script | None:
    from sftdoctor.flow.source import as_source, read_source
    from sftdoctor.workload.script import read_script

    path, own = Path(script.path), thought.get(os.path.realpath(script.path))
    try:
        source = read_source(path) if own is None else as_source(path, own)
    except WorkloadError:
        return None
    return read_script(source, script.arguments, thought)[0]


def _reread_config(script: Script, source: bytes, workload: Workload) -> Script | None:
    from sftdoctor.workload import read_workload

    with tempfile.TemporaryDirectory(prefix="sftdoctor-edit-") as folder:
        path = Path(folder, Path(script.path).name)
        path.write_bytes(source)
        read = read_workload([path], model=None, scenario=workload.scenario, arguments=script.arguments)
        found = next((one for one in read.scripts if one.path == str(path)), None)
    if found is None:
        return None
    return replace(found, facts=tuple(_moved(fact, str(path), script.path) for fact in found.facts))


def _config(config: Config | None, script: Script) -> Config | None:
    """What a config file says, as of the path of the script, and as it was known before."""
    if config is None or script.config is None:
        return config
    moved = tuple(replace(one, location=replace(one.location, path=script.path)) for one in config.settings)
    return replace(script.config, settings=moved)


def _moved(fact: Fact, old: str, new: str) -> Fact:
    return replace(fact, location=_place(fact.location, old, new))


def _place(location: Location | None, old: str, new: str) -> Location | None:
    return replace(location, path=new) if location and location.path == old else location
