"""What was heard of the runs of a proof, event by event, over one worker or, where one died, several."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sftdoctor.errors import ProofError
from sftdoctor.model import Check, Failure
from sftdoctor.proof.process import End

_LONGEST_MESSAGE = 4000

Event = Mapping[str, Any]
"""What the worker reports: `event` is stage, progress, stack, plan, subject, started, check, figure, step, passed,
failure, not_possible, unknown_model or finished; `run` says which run it belongs to, None for all."""


@dataclass
class RunStory:
    """What was heard about one run."""

    name: str
    quantization: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    stage: str = "load"
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    verdict: str = ""
    failure: Failure | None = None
    reason: str = ""

    def note(self, kind: str, event: Event) -> None:
        """File one event of this run."""
        if kind == "check":
            self.checks.append(Check(str(event.get("name")), event.get("passed") is True, event.get("value")))
        elif kind == "figure":
            self.figures[str(event.get("name"))] = event.get("value")
        elif kind == "passed":
            self.verdict = "passed"
        elif kind == "not_possible":
            self.verdict, self.reason = "not-possible", str(event.get("reason"))
        elif kind == "failure" and self.failure is None:  # of several ranks, the others fail since one did
            self.verdict, self.failure = "failed", _failure(event)


@dataclass
class Story:
    """What was heard at all."""

    runs: dict[str, RunStory] = field(default_factory=dict)
    planned: tuple[str, ...] = ()
    stage: str = "import"
    stack: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    """A failure of all runs, such as an import."""
    reason: str = ""
    finished: bool = False

    def note(self, event: Event) -> None:
        """File one event.

        Raises:
            ProofError: The model that was asked for is none.
        """
        kind, name = event["event"], event.get("run")
        if kind == "started" and isinstance(name, str):
            settings = event.get("settings")
            given = settings if isinstance(settings, dict) else {}
            self.runs[name] = RunStory(name, str(event.get("quantization") or name), given)
        run = self.runs.get(name) if isinstance(name, str) else None
        if kind == "plan":
            self.planned = self.planned or tuple(map(str, event.get("runs") or ()))
        elif kind == "stack":
            self.stack.update({key: value for key, value in event.items() if key not in ("event", "run")})
        elif kind == "subject":
            self.model, self.notes = str(event.get("model") or ""), tuple(map(str, event.get("notes") or ()))
        elif kind == "unknown_model":
            raise _unknown_model(event)
        elif kind == "stage":
            self.stage = str(event.get("stage"))
            if run is not None:
                run.stage = self.stage
        elif kind == "finished":
            self.finished = True
        elif kind in ("failure", "not_possible") and run is None:
            self.failure = _failure(event) if kind == "failure" else None
            self.reason = str(event.get("reason", ""))
            self.finished = True
        elif run is not None:
            run.note(kind, event)

    def bury(self, end: End, timeout: float) -> None:
        """Make a failure of a worker that ended without saying why.

        Args:
            end: How it ended.
            timeout: Seconds that it had.
        """
        exception, message = obituary(end, timeout)
        output = str(self.stack.get("output", ""))
        failure = Failure(self.stage, exception, f"{message} in stage {self.stage}", output)
        open_runs = [run for run in self.runs.values() if not run.verdict]
        for run in open_runs:
            run.verdict = "failed"
            run.failure = replace(failure, stage=run.stage)
        if not open_runs and not any(run.failure for run in self.runs.values()):
            self.failure = failure


def _failure(event: Event) -> Failure:
    return Failure(
        stage=str(event.get("stage")),
        exception=str(event.get("exception")),
        message=str(event.get("message"))[:_LONGEST_MESSAGE],
        traceback=str(event.get("traceback") or ""),
    )


def _unknown_model(event: Event) -> ProofError:
    near = ", ".join(map(str, event.get("near") or ()))
    hint = "Give a folder with a config.json, a model type such as qwen3, or the name of a class."
    return ProofError(str(event.get("message")), f"Did you mean {near}?" if near else hint)


def obituary(end: End, timeout: float) -> tuple[str, str]:
    """Kind and words of the failure of a worker that ended without saying why.

    Args:
        end: How it ended.
        timeout: Seconds that it had.
    """
    if end.kind == "timeout":
        return "Timeout", f"no end after {timeout:g} s: it hung"
    if end.kind == "memory":
        return "MemoryLimit", f"it and what it started took {end.code / 2**30:.1f} GiB of memory, all that they may"
    if end.kind == "signal":
        name = signal.Signals(end.code).name if end.code in set(signal.Signals) else f"signal {end.code}"
        why = " (most often the system's out-of-memory killer)" if end.code == signal.SIGKILL else ""
        return name, f"the process was killed by {name}{why}"
    return "Exit", f"the process ended by itself with exit status {end.code}"
