"""prove(): runs the worker in the target, follows it, survives its death, and makes one Proof of what it said."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import ProofError
from sftdoctor.model import Environment, Failure, Finding, Proof, TargetKind
from sftdoctor.proof.certificate import certify, subject_of
from sftdoctor.proof.options import FOUR_BIT, RunSpec
from sftdoctor.proof.process import WORKER, End, WorkerProcess, launched_by
from sftdoctor.proof.story import Event, RunStory, Story

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
"""Distributions without which no SFT run can begin; bitsandbytes alone may be missing."""
Match = Callable[[Failure], tuple[Finding, ...]]


def prove(
    environment: Environment,
    *,
    runs: Sequence[RunSpec] | None = None,
    settings: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    device: str | None = None,
    ranks: int = 1,
    config: Path | None = None,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    match: Match | None = None,
    worker: Path = WORKER,
) -> Proof:
    """Trains a small model in the target as a LoRA SFT run would, and checks that it learns.

    Args:
        environment: The target; it must be an interpreter.
        runs: What to run, in that order; None for nf4 on a GPU, nf4 and int8 on a CPU.
        settings: For those runs where none are named; see options.OPTIONS.
        model: {"name", "path", "trust_remote_code"} of the architecture to train; None for a tiny Llama.
        device: cpu or cuda; None for the GPU where torch sees one.
        ranks: Processes that train together; 1 without a launcher.
        config: Of accelerate, which then launches them; None for torchrun.
        timeout: Seconds for all of it.
        memory_limit: Bytes of resident memory at which the run is killed; None for no limit.
        on_event: Called with every event as it comes, for progress.
        match: Finds the findings that explain a failure.
        worker: Another worker file; for tests.

    Returns:
        The proof. Failed if any run failed; passed if a 4-bit run (or, where none was asked for, every run) passed;
        not possible otherwise, with the reason.

    Raises:
        ProofError: There is nothing that could be run: no interpreter, no torch, no trl, no such model.
    """
    require_runnable(environment)
    begun = time.monotonic()
    story = Story(planned=tuple(run.name for run in runs or ()))
    asked = None if runs is None else [run.request() for run in runs]
    request: dict[str, Any] = {"device": device, "settings": dict(settings or {}), "model": model}
    while True:
        end = _follow(
            environment,
            {**request, "runs": asked},
            story,
            begun + timeout,
            memory_limit,
            on_event,
            functools.partial(WorkerProcess, worker=worker, ranks=ranks, config=config),
        )
        if not story.finished:
            story.bury(end, timeout)
        # One that died takes the next ones with it, unless they get a worker of their own.
        left = [name for name in story.planned if name not in story.runs]
        if story.finished or story.failure or not left or end.kind == "timeout":
            break
        known = {one["name"]: one for one in asked or ()}
        own = {"settings": request["settings"]}  # where no runs were named, each has the name of its quantization
        asked = [known.get(name, {"name": name, "quantization": name, **own}) for name in left]
    proof = _combine(story, time.monotonic() - begun, match)
    proof = replace(proof, notes=(*launched_by(ranks, config), *proof.notes))
    return replace(proof, certificate=certify(proof, environment, story.stack, _subject(model, ranks, config)))


def _subject(model: Mapping[str, Any] | None, ranks: int, config: Path | None) -> dict[str, Any]:
    named = None if model is None else model.get("path") or model.get("name")
    return subject_of(named, ranks=ranks, config=config)


def require_runnable(environment: Environment) -> None:
    """Raises where no proof could even begin.

    Raises:
        ProofError: The target is no interpreter, has vanished, is too old, or lacks what every run needs.
    """
    target = environment.target
    if target.kind is not TargetKind.INTERPRETER:
        raise ProofError(
            f"{target.path} is no environment that could run: a proof needs an interpreter",
            "Install it somewhere, then: sftdoctor prove --python PATH",
        )
    if not Path(target.path).exists():
        raise ProofError(f"{target.path} is gone", "Give the environment's Python with --python.")
    numbers = tuple(int(part) for part in environment.python.split(".")[:2] if part.isdigit())
    if numbers < (3, 8):
        raise ProofError(
            f"Python {environment.python} is too old for a proof", "The libraries need Python 3.8 at least."
        )
    missing = [name for name in NEEDED if name not in environment.distributions]
    if missing and environment.complete:
        wanted = " ".join(missing)
        raise ProofError(
            f"{target.path} lacks {', '.join(missing)}: there is nothing to prove",
            f"Install it there first: {target.path} -m pip install {wanted}",
        )


def _follow(
    environment: Environment,
    request: Mapping[str, Any],
    story: Story,
    deadline: float,
    memory_limit: int | None,
    on_event: Callable[[Event], None] | None,
    start: Callable[[str, Mapping[str, Any], Path], WorkerProcess],
) -> End:
    """Runs one worker to its end and notes what it says."""
    with tempfile.TemporaryDirectory(prefix="sftdoctor-proof-", ignore_cleanup_errors=True) as folder:
        with start(environment.target.path, request, Path(folder)) as process:
            clock = time.monotonic()
            for event in process.listen(deadline, memory_limit):
                run = story.runs.get(str(event.get("run")))
                if run is not None:
                    run.seconds += time.monotonic() - clock
                clock = time.monotonic()
                story.note(event)
                if on_event is not None:
                    on_event(event)
        end = process.end or End("exit", 0)
        story.stack["output"] = process.tail
        return end


def _combine(story: Story, seconds: float, match: Match | None) -> Proof:
    device = str(story.stack.get("device", "cpu"))
    runs = tuple(_proof_of(run, device, match) for run in story.runs.values())
    unrun = tuple(f"{name}: it was not reached" for name in story.planned if name not in story.runs)
    if story.failure is not None or story.reason or not runs:
        failure = _explained(story.failure, match)
        return Proof(
            verdict="failed" if failure else "not-possible",
            device=device,
            quantization=story.planned[0].partition(" ")[0] if story.planned else "nf4",
            seconds=seconds,
            failure=failure,
            reason=story.reason,
            not_settled=() if failure is None or failure.stage == "import" else unrun,
            runs=runs,
            model=story.model,
            notes=story.notes,
        )
    shown = _most_telling(runs)
    return replace(
        shown,
        seconds=seconds,
        not_settled=_not_settled(story, runs) + unrun,
        runs=runs if len(runs) > 1 else (),
        model=story.model,
        notes=story.notes,
    )


def _most_telling(runs: Sequence[Proof]) -> Proof:
    """The run whose verdict is that of them all: one that failed, else the 4-bit one."""
    failed = [run for run in runs if run.verdict == "failed"]
    four_bit = [run for run in runs if run.quantization in FOUR_BIT]
    if failed:
        return failed[0]
    impossible = [run for run in four_bit or runs if run.verdict != "passed"]
    passed = [run for run in four_bit or runs if run.verdict == "passed"]
    if four_bit:
        return (passed or impossible)[0]
    return (impossible or passed)[0]


def _proof_of(run: RunStory, device: str, match: Match | None) -> Proof:
    per_step, peak = run.figures.get("seconds_per_step"), run.figures.get("peak_memory_bytes")
    operators = run.figures.get("operators")
    return Proof(
        verdict=run.verdict,
        device=device,
        quantization=run.quantization,
        settings=run.settings,
        checks=tuple(run.checks),
        seconds=run.seconds,
        seconds_per_step=float(per_step) if isinstance(per_step, (int, float)) else None,
        peak_memory_bytes=int(peak) if isinstance(peak, (int, float)) else None,
        operators=tuple(map(str, operators)) if isinstance(operators, list) else (),
        failure=_explained(run.failure, match),
        reason=run.reason,
    )


def _explained(failure: Failure | None, match: Match | None) -> Failure | None:
    if failure is None or match is None:
        return failure
    return replace(failure, findings=match(failure))


def _not_settled(story: Story, runs: Sequence[Proof]) -> tuple[str, ...]:
    """What these runs leave open, in plain words."""
    found = [f"{run.name}: {run.reason}" for run in runs if run.verdict == "not-possible"]
    if any(run.figures.get("marked_as_4bit") for run in story.runs.values()):
        found.append(
            "4-bit layers: the model was left as it is and only marked as 4-bit, so that what trl and peft do to "
            "such a model ran"
        )
    if any(run.figures.get("cpus_told_to_shard") for run in story.runs.values()):
        found.append(
            "sharding as it starts on GPUs: on CPUs accelerate trains without it, in silence. Here it was told that "
            "CPUs can shard, so that all the rest of it ran, with gloo in place of NCCL"
        )
    devices, processes = story.stack.get("devices"), story.stack.get("processes", 1)
    if isinstance(devices, int) and isinstance(processes, int) and devices > processes:
        used = "only the first" if processes == 1 else f"only {processes}"
        found.append(f"all {devices} GPUs: {used} took part")
    if not str(story.stack.get("device", "cpu")).startswith("cuda"):
        found.append("bitsandbytes' GPU kernels, bf16 and fp16 training, and GPU memory: only a GPU runs them")
        skipped = [
            run.quantization
            for run in story.runs.values()
            if run.quantization in FOUR_BIT and run.figures.get("kbit_preparation") is False
        ]
        int8 = story.runs.get("int8")
        if skipped and int8 and (int8.figures.get("kbit_preparation") or int8.failure):
            found.append(
                "trl's preparation of 4-bit weights: on a CPU trl takes them for sharded ones and skips it "
                "(the int8 run walked it)"
            )
    return tuple(found)
