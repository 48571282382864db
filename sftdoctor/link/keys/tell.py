"""Notes what is wrong with a key of a config file, at its place in that file."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sftdoctor.link import describe
from sftdoctor.link.state import CERTAIN, LIKELY, Raised, Site
from sftdoctor.link.values import Value

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.link.state import Event
    from sftdoctor.model import Setting


def tell(
    machine: Machine,
    kind: str,
    setting: Setting,
    *,
    exception: str = "",
    message: str = "",
    callee: Value | None = None,
    detail: str = "",
    doubt: int = CERTAIN,
) -> Event:
    """Note something about a key.

    Args:
        machine: Keeps it.
        kind: unknown-key, ignored-key, wrong-value or repeated-key.
        setting: The key.
        exception: Class of what the run would stop with; empty where it goes on.
        message: Its text.
        callee: What reads the file: a class or module of the target.
        detail: What else there is to say.
        doubt: How much doubt there is.

    Returns:
        The event as it is kept.
    """
    where = setting.location
    doubt = max(doubt, LIKELY) if where.path in machine.likely_files else doubt
    module = f"__{where.path}__"
    machine.scripts[module] = where.path
    node = ast.Name(setting.name, ast.Load())
    if where.line is not None:  # else it stands in no file: a command line that was said
        node.lineno, node.col_offset = where.line, (where.column or 1) - 1
        node.end_lineno, node.end_col_offset = where.end_line, (where.end_column or 1) - 1
    event = describe.event(kind, exception, message, setting.keys[-1], None, node, doubt, callee, detail)
    event.caller = Site(module, "", where.path, where.line or 0)
    machine.note(Raised(None, message, event))
    return event


def tell_repeated(machine: Machine, path: str, settings: Iterable[Setting]) -> None:
    """Keys that stand in a file twice: the last one counts, without a word."""
    for setting in settings:
        if setting.repeated and setting.location.path == path:
            tell(machine, "repeated-key", setting)
