"""prove(): runs the worker in the target, follows it, survives its death, and makes one Proof of what it said."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import ProofError
from sftdoctor.model import Check, Environment, Failure, Finding, Proof, TargetKind
from sftdoctor.proof.certificate import certify
from sftdoctor.proof.process import WORKER, End, WorkerProcess

NEEDED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
"""Distributions without which no SFT run can begin; bitsandbytes alone may be missing."""
FOUR_BIT = ("nf4", "fp4")
QUANTIZATIONS = (*FOUR_BIT, "int8", "none")
_LONGEST_MESSAGE = 4000

Event = Mapping[str, Any]
"""What the worker reports: `event` is stage, progress, stack, plan, started, check, figure, step, passed, failure,
not_possible or finished; `quantization` says which run it belongs to, None for all."""


@dataclass
class _Run:
    """What was heard about one quantisation."""

    quantization: str
    stage: str = "load"
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    verdict: str = ""
    failure: Failure | None = None
    reason: str = ""


@dataclass
class _Story:
    """What was heard at all, over one worker or, where one died, several."""

    runs: dict[str, _Run] = field(default_factory=dict)
    planned: tuple[str, ...] = ()
    stage: str = "import"
    stack: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    """A failure of all runs, such as an import."""
    reason: str = ""
    finished: bool = False


def prove(
    environment: Environment,
    *,
    quantizations: Sequence[str] | None = None,
    device: str | None = None,
    timeout: float = 600.0,
    memory_limit: int | None = None,
    on_event: Callable[[Event], None] | None = None,
    match: Callable[[Failure], tuple[Finding, ...]] | None = None,
    worker: Path = WORKER,
) -> Proof:
    """Trains a tiny model in the target as a 4-bit LoRA SFT run would, and checks that it learns.

    Args:
        environment: The target; it must be an interpreter.
        quantizations: nf4, fp4, int8 or none, in that order of running; None for nf4 on a GPU, nf4 and int8 on a CPU.
        device: cpu or cuda; None for the GPU where torch sees one.
        timeout: Seconds for all of it.
        memory_limit: Bytes of resident memory at which the run is killed; None for no limit.
        on_event: Called with every event as it comes, for progress.
        match: Finds the findings that explain a failure.
        worker: Another worker file; for tests.

    Returns:
        The proof. Failed if any run failed; passed if a 4-bit run (or, where none was asked for, every run) passed;
        not possible otherwise, with the reason.

    Raises:
        ProofError: There is nothing that could be run: no interpreter, no torch, no trl.
    """
    require_runnable(environment)
    unknown = [name for name in quantizations or () if name not in QUANTIZATIONS]
    if unknown:
        raise ProofError(f"unknown quantization {unknown[0]!r}", f"One of {', '.join(QUANTIZATIONS)}.")
    begun = time.monotonic()
    story = _Story(planned=tuple(quantizations or ()))
    asked: tuple[str, ...] | None = tuple(quantizations) if quantizations else None
    while True:
        request = {"device": device, "quantizations": asked}
        end = _follow(environment, request, story, begun + timeout, memory_limit, on_event, worker)
        if not story.finished:
            _bury(story, end, timeout)
        asked = tuple(name for name in story.planned if name not in story.runs)
        # One that died takes the next ones with it, unless they get a worker of their own.
        if story.finished or story.failure or not asked or end.kind == "timeout":
            break
    proof = _combine(story, time.monotonic() - begun, match)
    return replace(proof, certificate=certify(proof, environment, story.stack))


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
    story: _Story,
    deadline: float,
    memory_limit: int | None,
    on_event: Callable[[Event], None] | None,
    worker: Path,
) -> End:
    """Runs one worker to its end and notes what it says."""
    with tempfile.TemporaryDirectory(prefix="sftdoctor-proof-", ignore_cleanup_errors=True) as folder:
        with WorkerProcess(environment.target.path, request, Path(folder), worker) as process:
            clock = time.monotonic()
            for event in process.listen(deadline, memory_limit):
                run = story.runs.get(str(event.get("quantization")))
                if run is not None:
                    run.seconds += time.monotonic() - clock
                clock = time.monotonic()
                _note(story, event)
                if on_event is not None:
                    on_event(event)
        end = process.end or End("exit", 0)
        story.stack["output"] = process.tail
        return end


def _note(story: _Story, event: Event) -> None:
    """Files one event."""
    kind, name = event["event"], event.get("quantization")
    if kind == "started" and isinstance(name, str):
        story.runs[name] = _Run(name)
    run = story.runs.get(name) if isinstance(name, str) else None
    if kind == "plan":
        story.planned = story.planned or tuple(map(str, event.get("quantizations") or ()))
    elif kind == "stack":
        story.stack.update({key: value for key, value in event.items() if key not in ("event", "quantization")})
    elif kind == "stage":
        story.stage = str(event.get("stage"))
        if run is not None:
            run.stage = story.stage
    elif kind == "finished":
        story.finished = True
    elif kind in ("failure", "not_possible") and run is None:
        story.failure = _failure(event) if kind == "failure" else None
        story.reason = str(event.get("reason", ""))
        story.finished = True
    elif run is not None:
        _note_run(run, kind, event)


def _note_run(run: _Run, kind: str, event: Event) -> None:
    if kind == "check":
        run.checks.append(Check(str(event.get("name")), event.get("passed") is True, event.get("value")))
    elif kind == "figure":
        run.figures[str(event.get("name"))] = event.get("value")
    elif kind == "passed":
        run.verdict = "passed"
    elif kind == "not_possible":
        run.verdict, run.reason = "not-possible", str(event.get("reason"))
    elif kind == "failure":
        run.verdict, run.failure = "failed", _failure(event)


def _failure(event: Event) -> Failure:
    return Failure(
        stage=str(event.get("stage")),
        exception=str(event.get("exception")),
        message=str(event.get("message"))[:_LONGEST_MESSAGE],
        traceback=str(event.get("traceback") or ""),
    )


def _bury(story: _Story, end: End, timeout: float) -> None:
    """Makes a failure of a worker that ended without saying why."""
    exception, message = obituary(end, timeout)
    failure = Failure(story.stage, exception, f"{message} in stage {story.stage}", str(story.stack.get("output", "")))
    open_runs = [run for run in story.runs.values() if not run.verdict]
    for run in open_runs:
        run.verdict = "failed"
        run.failure = replace(failure, stage=run.stage)
    if not open_runs:
        story.failure = failure


def obituary(end: End, timeout: float) -> tuple[str, str]:
    """Kind and words of the failure of a worker that ended without saying why.

    Args:
        end: How it ended.
        timeout: Seconds that it had.
    """
    if end.kind == "timeout":
        return "Timeout", f"no end after {timeout:g} s: it hung"
    if end.kind == "memory":
        return "MemoryLimit", "it was ended at its memory limit"
    if end.kind == "signal":
        name = signal.Signals(end.code).name if end.code in set(signal.Signals) else f"signal {end.code}"
        why = " (most often the system's out-of-memory killer)" if end.code == signal.SIGKILL else ""
        return name, f"the process was killed by {name}{why}"
    return "Exit", f"the process ended by itself with exit status {end.code}"


def _combine(story: _Story, seconds: float, match: Callable[[Failure], tuple[Finding, ...]] | None) -> Proof:
    device = str(story.stack.get("device", "cpu"))
    runs = tuple(_proof_of(run, device, match) for run in story.runs.values())
    unrun = tuple(f"{name}: it was not reached" for name in story.planned if name not in story.runs)
    if story.failure is not None or story.reason or not runs:
        failure = _explained(story.failure, match)
        return Proof(
            verdict="failed" if failure else "not-possible",
            device=device,
            quantization=story.planned[0] if story.planned else "nf4",
            seconds=seconds,
            failure=failure,
            reason=story.reason,
            not_settled=() if failure is None or failure.stage == "import" else unrun,
            runs=runs,
        )
    shown = _most_telling(runs)
    return replace(
        shown,
        seconds=seconds,
        not_settled=_not_settled(story, runs) + unrun,
        runs=runs if len(runs) > 1 else (),
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


def _proof_of(run: _Run, device: str, match: Callable[[Failure], tuple[Finding, ...]] | None) -> Proof:
    per_step, peak = run.figures.get("seconds_per_step"), run.figures.get("peak_memory_bytes")
    return Proof(
        verdict=run.verdict,
        device=device,
        quantization=run.quantization,
        checks=tuple(run.checks),
        seconds=run.seconds,
        seconds_per_step=float(per_step) if isinstance(per_step, (int, float)) else None,
        peak_memory_bytes=int(peak) if isinstance(peak, (int, float)) else None,
        failure=_explained(run.failure, match),
        reason=run.reason,
    )


def _explained(failure: Failure | None, match: Callable[[Failure], tuple[Finding, ...]] | None) -> Failure | None:
    if failure is None or match is None:
        return failure
    return replace(failure, findings=match(failure))


def _not_settled(story: _Story, runs: Sequence[Proof]) -> tuple[str, ...]:
    """What these runs leave open, in plain words."""
    found = [f"{run.quantization}: {run.reason}" for run in runs if run.verdict == "not-possible"]
    if any(run.figures.get("marked_as_4bit") for run in story.runs.values()):
        found.append(
            "4-bit layers: the model was left as it is and only marked as 4-bit, so that what trl and peft do to "
            "such a model ran"
        )
    devices = story.stack.get("devices")
    if isinstance(devices, int) and devices > 1:
        found.append(f"more than one GPU: only the first of {devices} was used")
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
