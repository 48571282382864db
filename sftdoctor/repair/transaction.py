"""Carrying out a Plan so that nothing can be lost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from sftdoctor.errors import RepairError, SftDoctorError
from sftdoctor.model import Environment, FixResult, JournalEntry, Plan, Proof, Report
from sftdoctor.repair import compare
from sftdoctor.repair.durable import digest_file, replace_file
from sftdoctor.repair.installed import find_installed, same_version, versions_in
from sftdoctor.repair.interrupts import as_interrupts, put_off
from sftdoctor.repair.journal import Journal
from sftdoctor.repair.lock import locked
from sftdoctor.repair.packages import Installer, choose_installer
from sftdoctor.repair.prepare import Work, begin, prepare, survey
from sftdoctor.repair.progress import Event, Listener, silent
from sftdoctor.repair.retention import let_go
from sftdoctor.repair.way_back import (
    UndoResult,
    go_back,
    half_done,
    journals,
    recover,
    take_back_half_done,
    undo,
)

__all__ = ["JournalEntry", "UndoResult", "apply", "half_done", "journals", "recover", "undo"]


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
        The result: "applied", "undone" (with the reason; all is as before) or "nothing-to-do".

    Raises:
        RepairError: It cannot be begun (locked, read-only, externally managed, no space), nothing was changed;
            or, with the journal's folder named, the way back failed.
        OfflineError: A wheel cannot be fetched; nothing was changed.
        KeyboardInterrupt: Interrupted or terminated; all is as before.
    """
    if not plan.actions:
        return FixResult("nothing-to-do", plan, before)
    folder = _lock_folder(plan, environment)
    with as_interrupts(), locked(folder) as lock:
        for result in take_back_half_done(folder, on_event):
            on_event(Event("undone", result.said))
        work = survey(plan, environment, folder)
        journal = begin(work, environment)
        installer = choose_installer(environment, journal.folder) if work.packages else None
        prepare(journal, work, installer, lock, on_event)
        return _change(journal, work, installer, lock, FixResult("applied", plan, before), check, prove, on_event)


def _lock_folder(plan: Plan, environment: Environment) -> Path:
    prefix = environment.target.prefix
    if prefix is not None:
        return Path(os.path.realpath(prefix))
    if any(action.kind == "package" for action in plan.actions):
        raise RepairError("nothing is installed in this target", "give an environment with --python to apply a fix")
    return Path(os.path.realpath(plan.actions[0].name)).parent


def _change(
    journal: Journal,
    work: Work,
    installer: Installer | None,
    lock: int,
    result: FixResult,
    check: Callable[[], Report],
    prove: Callable[[], Proof] | None,
    on_event: Listener,
) -> FixResult:
    """From here on every way out leads through "committed" or through go_back."""
    result = replace(result, journal=journal.record.id)
    reason = ""
    with _back_on_failure(journal, on_event):
        journal.enter("applying")
        on_event(Event("applying", journal.summary()))
        _install(journal, work, installer, lock)
        for path, _, new in work.scripts:
            replace_file(path, new)
        _note_what_is_left(journal, work)
        journal.enter("checking")
        on_event(Event("checking", "checking again"))
        after = check()
        result = replace(result, after=after)
        reason = _worse(result.plan, result.before, after)
        if not reason and prove is not None:
            journal.enter("proving")
            on_event(Event("proving", "training a real step"))
            proof = prove()
            result = replace(result, proof=proof)
            reason = _refuted(proof)
        if not reason:
            journal.enter("committed")
    if reason:
        _return(journal, reason, on_event)
        return replace(result, outcome="undone", reason=reason)
    journal.forget()
    let_go(journal)
    on_event(Event("committed", f"done; `sftdoctor undo {journal.record.id}` takes it back"))
    return result


def _install(journal: Journal, work: Work, installer: Installer | None, lock: int) -> None:
    if installer is None:
        return
    if work.removals:
        installer.remove(work.removals, lock, journal.log)
    if work.pins:
        installer.install(work.pins, journal.folder, lock, journal.log)
    now = versions_in(work.place.roots if work.place else ())
    for change in work.packages:
        if not same_version(now.get(change.name), change.new):
            raise RepairError(f"{installer.kind} left {change.name} {now.get(change.name)}, not {change.new}")


def _note_what_is_left(journal: Journal, work: Work) -> None:
    left = {}
    for change in work.packages:
        found = find_installed(change.name, work.place) if work.place else None
        if found is not None:
            left[change.name] = digest_file(found.metadata / "RECORD")
    journal.record = replace(journal.record, left=left)


def _worse(plan: Plan, before: Report, after: Report) -> str:
    ids = {identity for action in plan.actions for identity in action.findings}
    ids -= {finding.id for finding in plan.foreseen}
    foreseen = replace(before, findings=(*before.findings, *plan.foreseen))
    remaining = compare.remained(before, after, ids)
    if remaining:
        return f"{remaining[0].id} is still there after the change: {remaining[0].message}"
    new = compare.came(foreseen, after)
    return f"the change would bring {new[0].id}: {new[0].message}" if new else ""


def _refuted(proof: Proof) -> str:
    if proof.verdict != "failed":
        return ""
    failure = proof.failure
    return (
        f"the proof failed in {failure.stage}: {failure.exception}: {failure.message}"
        if failure
        else "the proof failed"
    )


@contextlib.contextmanager
def _back_on_failure(journal: Journal, on_event: Listener) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        said = error.message if isinstance(error, SftDoctorError) else str(error)
        _return(journal, f"{type(error).__name__}: {said}"[:2000], on_event)
        if isinstance(error, SftDoctorError):
            raise type(error)(f"{error.message}\nEverything was put back as it was.", error.hint) from error
        if isinstance(error, OSError):
            raise RepairError(
                f"{error}\nEverything was put back as it was.", "free some space and try again"
            ) from error
        raise


def _return(journal: Journal, reason: str, on_event: Listener) -> None:
    with put_off() as arrived:
        on_event(Event("undoing", f"putting everything back: {reason.splitlines()[0] if reason else ''}"))
        try:
            go_back(journal, reason, on_event)
        except (OSError, SftDoctorError) as error:
            said = error.message if isinstance(error, SftDoctorError) else str(error)
            raise RepairError(
                f"the way back failed: {said}; the copies are in {journal.folder}",
                f"free some space or make the folder writable, then: sftdoctor undo {journal.record.id}",
            ) from error
    if arrived:
        raise KeyboardInterrupt
