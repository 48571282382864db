"""What is to run, read from scripts, notebooks, config files and a model folder. Nothing of it is ever executed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sftdoctor.flow.source import Source
from sftdoctor.model import NotJudged, Scenario, Script, Workload
from sftdoctor.workload.launch_files import Started, launches_beside, read_launch_line
from sftdoctor.workload.localmodels import own_model
from sftdoctor.workload.modeldir import read_model_folder
from sftdoctor.workload.reader import Reader
from sftdoctor.workload.sources import read_sources
from sftdoctor.workload.vocabulary import VOCABULARY

__all__ = ["VOCABULARY", "read_model_folder", "read_workload"]


def _with(scripts: Sequence[Script], others: Sequence[Script]) -> list[Script]:
    """Scripts with config files and what launch scripts start; that is not judged once more without its arguments."""
    started = {os.path.realpath(one.path) for one in others if one.started_by}
    alone = [one for one in (*scripts, *others) if one.started_by or os.path.realpath(one.path) not in started]
    return list({(one.path, one.arguments, one.places, one.source): one for one in alone}.values())


def read_workload(
    paths: Sequence[Path],
    *,
    model: Path | None,
    scenario: Scenario,
    arguments: Sequence[str] = (),
    beside: bool = False,
    cache: Path | None = None,
) -> Workload:
    """Read what is to run.

    Args:
        paths: Scripts, notebooks, config files, launch scripts, and folders of them.
        model: The model folder, where one was named; else the one that the scripts load, where it is on this machine.
        scenario: What runs where no script says otherwise.
        arguments: The command line that the one script will get, or the whole command that launches it.
        beside: Whether launch scripts that start the one script are looked for, where no arguments are said.
        cache: Folder for what was read; None keeps nothing.

    Returns:
        The workload; what could not be read inside a folder stands in its not_judged.

    Raises:
        WorkloadError: A path is missing, a named file cannot be read, or the model folder is none.
    """
    reader = Reader(cache)
    found = read_sources(paths, reader)
    scripts: list[Script] = []
    not_judged: list[NotJudged] = list(found.not_judged)
    line = _launch_line(found.sources, arguments, reader)
    launched = (
        _beside(found.sources, reader) if beside and not arguments and all(path.is_file() for path in paths) else ()
    )
    for source in () if line else found.sources:
        script, left_open = reader.script(source, arguments)
        scripts.append(script)
        not_judged.extend(left_open)
    reader.finish()
    started = (line,) if line else launched
    not_judged.extend(one for more in started for one in more.not_judged)
    scripts = _with(scripts, (*found.others, *(one for more in started for one in more.scripts)))
    folder = read_model_folder(model) if model is not None else None
    if model is None:
        folder, left_open = own_model(scripts)
        not_judged.extend(left_open)
    return Workload(scenario, tuple(scripts), folder, tuple(not_judged), tuple(one.scripts[0].path for one in launched))


def _launch_line(sources: Sequence[Source], arguments: Sequence[str], reader: Reader) -> Started | None:
    """What a whole launch command starts that was said for the one script."""
    path = sources[0].path if len(sources) == 1 else None
    return read_launch_line(arguments, path, reader) if arguments and path and path.suffix == ".py" else None


def _beside(sources: Sequence[Source], reader: Reader) -> tuple[Started, ...]:
    """What launch scripts start that lie beside the one script."""
    path = sources[0].path if len(sources) == 1 else None
    return tuple(launches_beside(path, reader)) if path and path.suffix == ".py" else ()
