"""Many environments as text: who is the odd one, and in what."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.report.crowd import Crowd, Split
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean
from sftdoctor.report.style import as_text, indent

SHOWN = 12
"""Odd ones that are shown one by one."""
SPLITS = 20
"""Facts that are shown of groups, the weightiest first."""
LISTED = 4
"""Names that are listed of a group."""


def render(crowd: Crowd, console: Console) -> None:
    """Print what differs among many environments.

    Args:
        crowd: What was compared.
        console: Where to.
    """
    number = len(crowd.names)
    if number < 2:
        console.print(as_text(Text(f"? {say('there is only one, and nothing to compare it with')}", "bold yellow")))
        return
    if not crowd.splits:
        console.print(as_text(Text(f"✓ {say('all {n} are alike', n=number)}", "bold green")))
        return
    if crowd.odd:
        said = say("{odd} of {n} not like the others", odd=len(crowd.odd), n=number)
    else:
        said = say("the {n} fall into groups, and none is larger", n=number)
    console.print(as_text(Text(f"✗ {said}", "bold red")))
    for name, _ in crowd.odd[:SHOWN]:
        console.print()
        console.print(indent(as_text(Text(clean(name), "bold")), 2))
        console.print(indent(_of_one(name, [split for split in crowd.splits if split.has_majority]), 4))
    if len(crowd.odd) > SHOWN:
        console.print()
        console.print(indent(as_text(say("and {n} more", n=len(crowd.odd) - SHOWN)), 2))
    even = [split for split in crowd.splits if not split.has_majority]
    if even:
        console.print()
        console.print(indent(_of_groups(even[:SPLITS]), 2))
    if len(even) > SPLITS:
        console.print(indent(as_text(say("and {n} more", n=len(even) - SPLITS)), 2))
    console.print()
    console.print(Text(count(len(crowd.splits), "difference"), "dim"))


def _of_one(name: str, splits: Sequence[Split]) -> Table:
    """What one has, and the value that most have."""
    grid = Table.grid(padding=(0, 3, 0, 0))
    for split in splits:
        own = next((value for value, names in split.groups[1:] if name in names), None)
        if own is None:
            continue
        most, others = split.groups[0]
        rest = as_text(Text(say("{n} others: {value}", n=len(others), value=clean(most)), "dim"))
        grid.add_row(as_text(clean(split.what)), as_text(clean(own)), rest)
    return grid


def _of_groups(splits: Sequence[Split]) -> Table:
    grid = Table.grid(padding=(0, 3, 0, 0))
    for split in splits:
        for number, (value, names) in enumerate(split.groups):
            grid.add_row(as_text("" if number else clean(split.what)), as_text(clean(value)), as_text(_names(names)))
    return grid


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(clean(re.sub(r"\s+", " ", name)) for name in names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} {say('and {n} more', n=len(names) - LISTED)}"
