"""SFTDoctorCallback: preflight as a trainer's callback, when everything is in place and before the first step."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sftdoctor.errors import UsageError
from sftdoctor.live.look import OnError, preflight
from sftdoctor.model import Report

logger = logging.getLogger(__name__)


class SFTDoctorCallback:
    """Looks at the trainer once, when its training begins. Needs no base class: to other events it does nothing.

    Args:
        on_error: As for sftdoctor.preflight: "raise", "warn" or "return".
        select: Only these ids or families of findings.
        ignore: Not these.

    Attributes:
        report: What was found; None before the training.
    """

    def __init__(self, on_error: OnError = "raise", *, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> None:
        self.on_error: OnError = on_error
        self.select = select
        self.ignore = ignore
        self.report: Report | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Called by the trainer with its optimizer made, its model prepared, and no batch drawn."""
        self.report = preflight(_trainer_of(self), on_error=self.on_error, select=self.select, ignore=self.ignore)
        logger.info("preflight: %s; %s", self.report.verdict.value, "; ".join(self.report.environment.notes))

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*_: Any, **__: Any) -> None:
    """The answer to events that are not ours."""


def _trainer_of(callback: SFTDoctorCallback) -> Any:
    """The trainer that is calling: transformers hands callbacks everything but the trainer itself."""
    frame = sys._getframe(1)
    while frame is not None:
        candidate = frame.f_locals.get("self")
        handler = getattr(candidate, "callback_handler", None)
        if handler is not None and callback in getattr(handler, "callbacks", ()):
            return candidate
        frame = frame.f_back  # type: ignore[assignment]
    raise UsageError("no trainer called the callback", "Call `sftdoctor.preflight(trainer)` instead.")
