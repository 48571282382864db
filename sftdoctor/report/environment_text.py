"""Two environments side by side."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Environment
from sftdoctor.report.environment import differences, tidy
from sftdoctor.report.plain import clean, count
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
    grid.add_row(Text(""), as_text(Text(tidy(a[0]), "bold")), as_text(Text(tidy(b[0]), "bold")))
    for one in found:
        grid.add_row(clean(one.what), as_text(Text(clean(one.a), "red")), as_text(Text(clean(one.b), "green")))
    console.print(grid)
    console.print()
    console.print(Text(count(len(found), "difference"), "dim"))
