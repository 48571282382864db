"""Taking a fix back: at once when it fails, later when the user asks, and after it was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from sftdoctor.errors import RepairError
from sftdoctor.model import JournalEntry
from sftdoctor.repair.backup import is_as_kept, put_back, remove_new, verify_backups
from sftdoctor.repair.bounds import bounds_of, look_at
from sftdoctor.repair.durable import digest_file
from sftdoctor.repair.forbidden import by_hand
from sftdoctor.repair.installed import Place, find_installed, same_version, versions_in
from sftdoctor.repair.interrupts import put_off
from sftdoctor.repair.journal import Journal, damaged_journals, every_journal, find_journal
from sftdoctor.repair.lock import locked
from sftdoctor.repair.progress import Event, Listener, silent
from sftdoctor.repair.records import HALF_DONE, OVER, UNTOUCHED, Contents


@dataclass(frozen=True)
class UndoResult:
    """What undo did."""

    journal: str
    restored: tuple[str, ...]
    """What is as before again: "peft 0.17.1 → 0.5.0", "train.py"."""
    reason: str = ""
    """Why nothing had to be done (nothing had been changed yet); empty where it was taken back."""
    drift: tuple[str, ...] = ()
    """What had changed since the fix and was overwritten because undo was forced."""
    state: str = "committed"
    """The state that the fix was found in."""

    @property
    def said(self) -> str:
        """What became of a fix that had been cut short, as a sentence."""
        what = f"; put back: {', '.join(self.restored)}" if self.restored else ""
        return f"An earlier fix ({self.journal}) {CUT_SHORT.get(self.state, 'has been taken back')}{what}"


CUT_SHORT = {
    "planned": "was cut short before it had begun: nothing had been changed",
    "preparing": "was cut short while it fetched and kept files: nothing had been changed",
    "applying": "was cut short while it installed and has been taken back",
    "checking": "was cut short before its result was checked and has been taken back",
    "proving": "was cut short before it was proved and has been taken back",
    "undoing": "was cut short on its way back, which has been finished now",
}
"""State in which a fix was found → what it means, and what was done."""


def journals(prefix: str | None = None) -> tuple[JournalEntry, ...]:
    """Fixes on record, the last one first, and journals that cannot be read.

    Args:
        prefix: Only those that changed this environment.
    """
    wanted = os.path.realpath(prefix) if prefix else None
    found = [
        JournalEntry(
            one.record.id,
            one.record.state,
            one.record.created,
            one.record.prefix,
            one.summary(),
            one.record.note,
            one.lost(),
        )
        for one in every_journal()
        if wanted is None or one.record.prefix == wanted
    ]
    if wanted is None:
        found += [JournalEntry(name, "damaged", "", "", "", "", why) for name, why in damaged_journals().items()]
    return tuple(sorted(found, key=lambda one: one.id, reverse=True))


def undo(
    journal: str | None = None, *, prefix: str | None = None, force: bool = False, on_event: Listener = silent
) -> UndoResult:
    """Put back exactly what a fix changed; a fix that was cut short is taken back likewise.

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
    found = find_journal(journal) if journal else _last(prefix)
    if not Path(found.record.prefix).is_dir() and found.record.state != "undone":
        raise RepairError(f"{found.record.prefix} is gone, there is nothing to put back into")
    with locked(Path(found.record.prefix)):
        found = Journal.open(found.folder)  # what another process did while we waited for the lock
        return _undo(found, force, on_event)


def recover(prefix: str, on_event: Listener = silent) -> tuple[UndoResult, ...]:
    """Take back every fix of an environment that was killed half-way.

    Args:
        prefix: Folder of the environment.
        on_event: Told every state.

    Returns:
        What was taken back; empty where there was none.

    Raises:
        RepairError: The environment is locked, or the way back is blocked.
    """
    folder = Path(os.path.realpath(prefix))
    if str(folder) not in half_done():
        return ()
    with locked(folder):
        return take_back_half_done(folder, on_event)


def half_done() -> frozenset[str]:
    """Folders of environments (or of scripts) in which a fix was killed half-way, or is at work."""
    return frozenset(one.record.prefix for one in every_journal() if one.record.state not in OVER)


def take_back_half_done(folder: Path, on_event: Listener) -> tuple[UndoResult, ...]:
    """As recover, where the lock is held already; what a fix left behind that was killed at its very end goes too."""
    here = [one for one in every_journal() if one.record.prefix == str(folder)]
    for one in here:
        if one.record.state in OVER:
            one.forget()
    return tuple(_undo(one, True, on_event) for one in here if one.record.state not in OVER)


def _last(prefix: str | None) -> Journal:
    wanted = os.path.realpath(prefix) if prefix else None
    for one in every_journal():
        if (wanted is None or one.record.prefix == wanted) and one.record.state != "undone":
            return one
    damaged = damaged_journals()
    raise RepairError(
        "there is no fix to take back" + (f" in {prefix}" if prefix else ""),
        f"a journal cannot be read: {next(iter(damaged.values()))}" if damaged else "",
    )


def _undo(journal: Journal, force: bool, on_event: Listener) -> UndoResult:
    record = journal.record
    if record.state == "undone":
        raise RepairError(f"the fix {record.id} is undone already")
    if lost := journal.lost():
        raise RepairError(f"the fix {record.id} can no longer be taken back: {lost}", _by_hand(journal))
    if record.state in UNTOUCHED:
        journal.enter("undone", "cut short before anything had been changed")
        journal.forget()
        return UndoResult(record.id, (), "it was cut short before anything had been changed", (), record.state)
    drift = () if record.state in HALF_DONE else tuple(_drift(journal))
    if drift and not force:
        raise RepairError(
            f"since the fix {record.id} something else has changed: {'; '.join(drift)}",
            f"`sftdoctor undo {record.id} --force` puts everything back as it was before the fix all the same",
        )
    with put_off() as arrived:
        on_event(Event("undoing", f"taking back {journal.summary()}"))
        go_back(journal, "taken back on request" if record.state == "committed" else "it had been cut short", on_event)
    if arrived:
        raise KeyboardInterrupt
    packages = [f"{one.name} {one.new or 'removed'} → {one.old or 'absent'}" for one in record.packages]
    return UndoResult(record.id, (*packages, *(one.path for one in record.scripts)), "", drift, record.state)


def _by_hand(journal: Journal) -> str:
    """What a user can do about a fix that cannot be taken back."""
    record = journal.record
    if not record.packages or not Path(record.prefix).is_dir():
        return ""
    roots = [Path(root) for root in record.roots]
    return f"by hand: {by_hand(record.python, roots, {one.name: one.old for one in record.packages})}"


def _drift(journal: Journal) -> Iterator[str]:
    """What is no longer as the fix left it."""
    record = journal.record
    place = bounds_of(record).place
    now = versions_in(place.roots)
    for change in record.packages:
        if not same_version(now.get(change.name), change.new):
            yield f"{change.name} is {now.get(change.name) or 'absent'}, the fix left {change.new or 'it absent'}"
            continue
        found = find_installed(change.name, place)
        if found and digest_file(found.metadata / "RECORD") != record.left.get(change.name):
            yield f"{change.name} {change.new} was installed anew"
    for script in record.scripts:
        try:
            same = digest_file(Path(script.path)) == script.sha256
        except OSError:
            same = False
        if not same:
            yield f"{script.path} was changed or is gone"


def go_back(journal: Journal, note: str, on_event: Listener) -> None:
    """Put back everything that the journal keeps; may be repeated after a crash.

    Args:
        journal: In any state after "preparing".
        note: Why, for the record.
        on_event: Told every state.

    Raises:
        RepairError: The journal cannot be trusted, or a file is not as before afterwards.
        OSError: Something cannot be written.
    """
    contents = journal.contents()
    bounds = bounds_of(journal.record)
    look_at(journal.record, contents, bounds)
    verify_backups(contents.kept, journal.folder)
    journal.forget()  # the downloads, for there may be no space left
    # Without space not even the journal can be written: removing what is new comes first then, and makes some.
    _try_enter(journal, "undoing", note)
    if journal.record.packages:
        remove_new(journal, contents, bounds.place)
    put_back(
        contents.kept,
        journal.folder,
        bounds.allow,
        lambda n, of: on_event(Event("undoing", "putting files back", n, of)),
    )
    os.sync()
    _verify(journal, contents, bounds.place)
    journal.enter("undone", note)
    journal.forget()
    on_event(Event("undone", f"everything is as before the fix: {journal.summary()}"))


def _try_enter(journal: Journal, state: str, note: str) -> None:
    try:
        journal.enter(state, note)
    except OSError:
        return


def _verify(journal: Journal, contents: Contents, place: Place) -> None:
    wrong = [one.path for one in contents.kept if not is_as_kept(one)]
    if wrong:
        raise RepairError(f"{len(wrong)} files are not as before, {wrong[0]} among them")
    now = versions_in(place.roots)
    for change in journal.record.packages:
        inside = change.old if any(_names(one.path, change.name) for one in contents.kept) else None
        if not same_version(now.get(change.name), inside):
            raise RepairError(
                f"{change.name} is {now.get(change.name) or 'absent'}, not {inside or 'absent'} as before"
            )


def _names(path: str, name: str) -> bool:
    folder = Path(path).parent.name
    return folder.endswith(".dist-info") and versions_in_name(folder) == name


def versions_in_name(folder: str) -> str:
    """Canonical name that a .dist-info folder's name begins with."""

    return canonicalize_name(folder.partition("-")[0])
