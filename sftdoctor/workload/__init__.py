"""What is to run, read from scripts, notebooks, config files and a model folder. Nothing of it is ever executed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sftdoctor.model import NotJudged, Scenario, Script, Workload
from sftdoctor.workload.localmodels import own_model
from sftdoctor.workload.modeldir import read_model_folder
from sftdoctor.workload.script import read_script
from sftdoctor.workload.sources import read_sources
from sftdoctor.workload.vocabulary import VOCABULARY

__all__ = ["VOCABULARY", "read_model_folder", "read_workload"]


def _with(scripts: Sequence[Script], others: Sequence[Script]) -> list[Script]:
    """Scripts with config files and what launch scripts start; that is not judged once more without its arguments."""
    started = {os.path.realpath(one.path) for one in others if one.started_by}
    alone = [one for one in (*scripts, *others) if one.started_by or os.path.realpath(one.path) not in started]
    return list({(one.path, one.arguments, one.places, one.source): one for one in alone}.values())


def read_workload(
    paths: Sequence[Path], *, model: Path | None, scenario: Scenario, arguments: Sequence[str] = ()
) -> Workload:
    """Read what is to run.

    Args:
        paths: Scripts, notebooks, config files, launch scripts, and folders of them.
        model: The model folder, where one was named; else the one that the scripts load, where it is on this machine.
        scenario: What runs where no script says otherwise.
        arguments: The command line that the one script will get.

    Returns:
        The workload; what could not be read inside a folder stands in its not_judged.

    Raises:
        WorkloadError: A path is missing, a named file cannot be read, or the model folder is none.
    """
    found = read_sources(paths)
    scripts: list[Script] = []
    not_judged: list[NotJudged] = list(found.not_judged)
    for source in found.sources:
        script, left_open = read_script(source, arguments)
        scripts.append(script)
        not_judged.extend(left_open)
    scripts = _with(scripts, found.others)
    folder = read_model_folder(model) if model is not None else None
    if model is None:
        folder, left_open = own_model(scripts)
        not_judged.extend(left_open)
    return Workload(scenario, tuple(scripts), folder, tuple(not_judged))
