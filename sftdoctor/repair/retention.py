"""How long a committed fix can be taken back: its copies take room, and are let go of once there are too many."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.repair.journal import Journal, every_journal
from sftdoctor.repair.lock import locked

FIXES = 20
"""Committed fixes that keep their copies, the last ones."""
SIZE = 10 * 2**30
"""Bytes of all copies together, beyond which the oldest go; those of the last fix stay, however large they are."""
RECORDS = 200
"""Fixes that are still listed."""


def let_go(last: Journal) -> None:
    """Let go of the copies of old fixes, and of what the list need not show any more.

    A fix whose environment is at work stays as it is; one whose copies go is "settled", and `undo --list` says so.

    Args:
        last: The fix that was just committed; its environment's lock is held.
    """
    size = 0
    committed = [one for one in every_journal() if one.record.state == "committed"]
    for number, one in enumerate(committed):
        size += one.size()
        if one.folder != last.folder and (number >= FIXES or size > SIZE):
            _settle(one, last)
    over = [one for one in every_journal() if one.record.state in ("settled", "undone")]
    for one in over[RECORDS:]:
        one.remove()


def _settle(journal: Journal, last: Journal) -> None:
    prefix = Path(journal.record.prefix)
    nobody = str(prefix) == last.record.prefix or not prefix.is_dir()  # ours, or gone
    with contextlib.suppress(RepairError, OSError), contextlib.nullcontext() if nobody else locked(prefix, 0.0):
        now = Journal.open(journal.folder)  # somebody may have taken it back meanwhile
        if now.record.state == "committed":
            now.enter("settled")
            now.forget()
