"""Two environments side by side."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Environment
from sftdoctor.report.environment import NOTHING, alike, differences, tidy
from sftdoctor.report.language import count
from sftdoctor.report.plain import clean
from sftdoctor.report.style import as_text


def render_differences(a: tuple[str, Environment], b: tuple[str, Environment], console: Console) -> None:
    """Print two environments side by side, only where they differ.

    Args:
        a: What to call the one, and its facts.
        b: The same for the other.
        console: Where to.
    """
    found = differences(a[1], b[1])
    if not found:
        console.print(as_text(Text("✓ No difference", "bold green")))
        return
    grid = Table.grid(padding=(0, 3, 0, 0))
    for _ in range(3):
        grid.add_column(overflow="fold")
    grid.add_row(Text(""), *(as_text(Text(tidy(name), "bold")) for name, _ in (a, b)))
    kind = ""
    for one in found:
        if one.kind != kind:
            kind = one.kind
            grid.add_row(Text(""))
            grid.add_row(Text(kind, "bold cyan"))
        grid.add_row(as_text(f"  {clean(one.what)}"), _side(one.a), _side(one.b))
    console.print(grid)
    console.print()
    console.print(Text(f"{count(len(found), 'difference')}; {count(alike(a[1], b[1]), 'package')} alike", "dim"))


def _side(value: str) -> Text:
    """One side of a difference; what is not there steps back."""
    return as_text(Text(clean(value), "dim" if value == NOTHING else ""))
