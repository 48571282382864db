"""Carrying out a Plan so that nothing can be lost, and taking it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sftdoctor.model import Environment, FixResult, Plan, Proof, Report
from sftdoctor.repair.progress import Listener, silent


@dataclass(frozen=True)
class JournalEntry:
    """One earlier fix, for lists."""

    id: str
    state: str
    """planned, preparing, applying, checking, proving, committed, undoing or undone."""
    created: str
    """ISO time, UTC."""
    prefix: str
    """Folder of the environment that it changed; empty where only scripts were edited."""
    summary: str
    """"peft 0.5.0 → 0.17.1, train.py"."""


@dataclass(frozen=True)
class UndoResult:
    """What undo did."""

    journal: str
    restored: tuple[str, ...]
    """What is as before again: "peft 0.17.1 → 0.5.0", "train.py"."""
    reason: str = ""
    """Why nothing was done (it was undone already, nothing had been changed); empty where it was taken back."""
    drift: tuple[str, ...] = ()
    """What had changed since the fix and was overwritten because undo was forced."""


def apply(
    plan: Plan,
    environment: Environment,
    *,
    before: Report,
    check: Callable[[], Report],
    prove: Callable[[], Proof] | None = None,
    on_event: Listener = silent,
) -> FixResult:
    """Carry out the plan: journal, prepare, install and edit, check again, prove; on any failure go back.

    A journal of the same environment that is found half done is taken back first (and on_event told).

    Args:
        plan: From make_plan; an empty one gives "nothing-to-do".
        environment: The target as it was when the plan was made.
        before: The Report that the plan is for.
        check: Reads the target and judges it again; called after the changes.
        prove: Runs the proof in the target; None to skip it.
        on_event: Told every state.

    Returns:
        The result, "applied", "undone" (with the reason, all as before), "refused" or "nothing-to-do".

    Raises:
        RepairError: It cannot be begun (locked, read-only, externally managed, no space), nothing was changed;
            or, with the journal's folder named, the way back failed.
        OfflineError: A wheel cannot be fetched; nothing was changed.
        KeyboardInterrupt: Interrupted or terminated; all is as before.
    """
    raise NotImplementedError


def undo(
    journal: str | None = None, *, prefix: str | None = None, force: bool = False, on_event: Listener = silent
) -> UndoResult:
    """Put back exactly what a fix changed.

    Args:
        journal: Its id or the beginning of it; None for the last fix (of that prefix) that is not undone.
        prefix: Folder of the environment, where only fixes of it are meant.
        force: Go back even though the environment or a script has changed since.
        on_event: Told every state.

    Returns:
        What was put back.

    Raises:
        RepairError: No such journal, it was tampered with, it is locked, or something has drifted and not force.
    """
    raise NotImplementedError


def journals(prefix: str | None = None) -> tuple[JournalEntry, ...]:
    """Fixes on record, the last one first.

    Args:
        prefix: Only those that changed this environment.
    """
    raise NotImplementedError
