"""How the slow parts of a repair say what they are doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One thing that began, went on or ended."""

    stage: str
    """solving, linking, editing, or the state that the journal entered: preparing, applying, checking, …"""
    text: str
    """One line for the user; what others wrote in it (package names, paths) is not escaped."""
    done: int | None = None
    total: int | None = None


Listener = Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener that ignores every Event."""
