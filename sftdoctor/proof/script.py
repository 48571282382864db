"""prove_script(): runs the user's own script in the target, for a step or two, with the outside world made small."""

from __future__ import annotations

import functools
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import UsageError
from sftdoctor.model import UNKNOWN, Environment, Failure, Proof
from sftdoctor.proof.cells import Cells, read_cells
from sftdoctor.proof.certificate import certify, subject_of
from sftdoctor.proof.copying import Copy, copy_folder
from sftdoctor.proof.process import End, WorkerProcess, launched_by
from sftdoctor.proof.runner import Match, require_runnable
from sftdoctor.proof.story import Event, RunStory, obituary

AS_SCRIPT = ".ipynb.py"
"""What the copy of a notebook's code is called."""
TRIES = 4
"""Runs at most; one that lacked a column or split of a made-up data set is followed by one that has it."""
_COLUMN = re.compile(r"^'?(?:Column )?'?\[?'?([A-Za-z_]\w*)'?\]?'?(?: not in the dataset.*)?$")
_NAMED = re.compile(r"[Cc]olumn(?:s| name)?s?(?: to remove)? \[?'([A-Za-z_]\w*)'")


@dataclass
class _Story(RunStory):
    """What was heard of one run of a script."""

    stage: str = "import"
    stack: dict[str, Any] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    of_made_up: str = ""
    """Why a failure is one of the rows that were made up, and not of the script; empty where it is not."""
    finished: bool = False

    def note(self, kind: str, event: Event) -> None:
        """File one event."""
        if kind == "stage":
            self.stage = str(event.get("stage"))
        elif kind == "stack":
            self.stack.update({key: value for key, value in event.items() if key not in ("event", "run")})
        elif kind == "replaced":
            self.replaced.append(str(event.get("text"))[:500])
        elif kind == "made":
            self.columns = [str(name) for name in event.get("columns") or ()]
        elif kind == "of_made_up":
            self.of_made_up = str(event.get("reason"))
        elif kind == "finished":
            self.finished = True
        else:
            super().note(kind, event)
            self.reason = self.reason[:1000]


def prove_script(
    environment: Environment,
    script: Path,
    arguments: Sequence[str] = (),
    *,
    device: str | None = None,
    ranks: int = 1,
    config: Path | None = None,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    match: Match | None = None,
) -> Proof:
    """Run the user's own script in the target, in a copy of its folder.

    Args:
        environment: The target; it must be an interpreter.
        script: The script, a .py file, or a notebook; it is executed.
        arguments: Its command line.
        device: cpu or cuda; None for the GPU where torch sees one.
        ranks: Processes that run it together; 1 without a launcher.
        config: Of accelerate, which then launches them; None for torchrun.
        timeout: Seconds for all of it.
        memory_limit: Bytes of resident memory at which it is killed; None for no limit.
        on_event: Called with every event as it comes, for progress.
        match: Finds the findings that explain a failure.

    Returns:
        The proof, with what was replaced.

    Raises:
        UsageError: The script is none.
        WorkloadError: The notebook cannot be read.
        ProofError: There is nothing that could be run.
    """
    require_runnable(environment)
    if script.suffix not in (".py", ".ipynb") or not script.is_file():
        raise UsageError(f"{script} is no Python script that could be run", "Give a .py or .ipynb file with --script.")
    cells = read_cells(script) if script.suffix == ".ipynb" else None
    begun = time.monotonic()
    made: dict[str, list[str]] = {"columns": [], "splits": []}
    for _ in range(TRIES):
        request = {"arguments": list(arguments), "device": device, **made}
        start = functools.partial(WorkerProcess, ranks=ranks, config=config)
        story, copy = _run(environment, script, cells, request, start, begun + timeout, memory_limit, on_event)
        kind, missing = _missing(story)
        if missing is None or missing in made[kind]:
            break
        made[kind].append(missing)
    if story.failure is not None and story.of_made_up:
        story.verdict, story.reason, story.failure = "not-possible", story.of_made_up[:1000], None
    proof = _proof(story, copy, script, time.monotonic() - begun, match)
    proof = replace(proof, notes=launched_by(ranks, config))
    if cells is not None:
        failure = proof.failure and cells.placed(proof.failure, script)
        proof = replace(proof, failure=failure, replaced=(*cells.replaced, *proof.replaced))
    subject = subject_of(script=script, ranks=ranks, config=config)
    return replace(proof, certificate=certify(proof, environment, story.stack, subject))


def _run(
    environment: Environment,
    script: Path,
    cells: Cells | None,
    asked: Mapping[str, Any],
    start: Callable[[str, Mapping[str, Any], Path], WorkerProcess],
    deadline: float,
    memory_limit: int | None,
    on_event: Callable[[Event], None] | None,
) -> tuple[_Story, Copy]:
    """One run, to its end."""
    story = _Story("script")
    with tempfile.TemporaryDirectory(prefix="sftdoctor-proof-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        root = folder / "copy"
        root.mkdir()
        copy = copy_folder(script, root)
        if cells is not None:
            (root / copy.script).with_suffix(AS_SCRIPT).write_text(cells.text, encoding="utf-8")
            copy = replace(copy, script=str(Path(copy.script).with_suffix(AS_SCRIPT)))
        where = {"root": str(root), "script": copy.script, "working": copy.working, "cache": _hub_cache()}
        where["home"] = str(copy.root)
        request = {"job": "script", **where, **asked}
        begun = time.monotonic()
        with start(environment.target.path, request, folder) as process:
            for event in process.listen(deadline, memory_limit):
                story.note(event["event"], event)
                if on_event is not None:
                    on_event(event)
        end = process.end or End("exit", 0)
        if not story.finished and not story.verdict:  # of several ranks, one may have told and the first been ended
            exception, message = obituary(end, deadline - begun)
            story.verdict = "failed"
            story.failure = Failure(story.stage, exception, f"{message} in stage {story.stage}", process.tail)
        elif story.failure is not None and not story.failure.traceback:
            story.failure = replace(story.failure, traceback=process.tail[-4000:])
        if story.failure is not None:
            story.failure = _at_home(story.failure, root, copy.root)
    return story, copy


def _missing(story: _Story) -> tuple[str, str | None]:
    """("columns" or "splits", what a made-up data set would have needed); None where that is not what went wrong."""
    failure = story.failure
    if failure is None or not story.columns or failure.exception not in ("KeyError", "ValueError"):
        return "columns", None
    kind = "splits" if "dataset_dict.py" in failure.traceback.rpartition('File "')[2] else "columns"
    found = _NAMED.search(failure.message) or (
        _COLUMN.match(failure.message) if failure.exception == "KeyError" else None
    )
    return kind, found[1] if found and found[1] not in story.columns else None


def _proof(story: _Story, copy: Copy, script: Path, seconds: float, match: Match | None) -> Proof:
    failed = [check for check in story.checks if not check.passed]
    verdict, failure = story.verdict, story.failure
    if verdict == "passed" and failed:
        verdict = "failed"
        names = ", ".join(check.name for check in failed)
        failure = Failure("train", "silence", f"nothing was raised, and it does not hold: {names}", "")
    if failure is not None and match is not None:
        failure = replace(failure, findings=match(failure))
    per_step, peak = story.figures.get("seconds_per_step"), story.figures.get("peak_memory_bytes")
    return Proof(
        verdict=verdict,
        device=str(story.stack.get("device", "cpu")),
        quantization=str(story.figures.get("quantization", UNKNOWN)),
        checks=tuple(story.checks),
        seconds=seconds,
        seconds_per_step=float(per_step) if isinstance(per_step, (int, float)) else None,
        peak_memory_bytes=int(peak) if isinstance(peak, (int, float)) else None,
        failure=failure,
        reason=story.reason,
        not_settled=_not_settled(story),
        script=str(script),
        replaced=(*story.replaced, *(f"not copied: {name}" for name in copy.left_out)),
    )


def _not_settled(story: _Story) -> tuple[str, ...]:
    """What such a run leaves open."""
    found = []
    if story.columns:
        found.append("the real data: their columns, lengths and contents were made up")
    if any("made-up tokenizer" in text for text in story.replaced):
        found.append("the real tokenizer: its special tokens and its chat template")
    if any(text.startswith("the model ") for text in story.replaced):
        found.append("memory and speed, and what the real weights do")
    if not str(story.stack.get("device", "cpu")).startswith("cuda"):
        found.append("what only a GPU runs")
    return tuple(found)


def _at_home(failure: Failure, copied: Path, root: Path) -> Failure:
    """A failure that names the user's own files instead of the copies."""

    def told(text: str) -> str:
        return text.replace(str(copied), str(root)).replace(f'{AS_SCRIPT}"', '.ipynb"')

    return replace(failure, message=told(failure.message), traceback=told(failure.traceback))


def _hub_cache() -> str | None:
    """The folder where huggingface_hub keeps repositories, if it is there; it is read only."""
    variables: Mapping[str, str] = os.environ
    home = variables.get("HF_HOME") or str(Path(variables.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"))
    cache = Path(variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub").expanduser()
    return str(cache) if cache.is_dir() else None
