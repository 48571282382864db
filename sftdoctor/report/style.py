"""How text reaches a terminal: made harmless, laid out for its width, spelled so that its encoding can carry it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import IO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sftdoctor.report.language import say
from sftdoctor.report.plain import clean, spell, tame


def rendered(stream: IO[str], draw: Callable[[Console], None], *, plain: bool = False) -> str:
    """Draw for a stream, without writing to it.

    Width and colour are those of the terminal; NO_COLOR, FORCE_COLOR, TERM=dumb and COLUMNS are honoured. Where
    the stream is no terminal there are no escapes, and 80 columns unless COLUMNS says otherwise.

    Args:
        stream: Where the text will go.
        draw: Prints on the console that it is given.
        plain: No escapes whatever the surroundings (for a file).

    Returns:
        The text, in characters that the stream's encoding has.
    """
    console = Console(
        file=stream,
        markup=False,
        emoji=False,
        highlight=False,
        force_jupyter=False,
        color_system=None if plain else "auto",
        force_terminal=False if plain else None,
    )
    with console.capture() as capture:
        draw(console)
    text = re.sub(r"[ ]+$", "", capture.get(), flags=re.MULTILINE)
    return spell(tame(text), "utf-8" if plain else getattr(stream, "encoding", None) or "utf-8")


def rows(pairs: Iterable[tuple[str | Text, str | Text]], label: int = 14) -> Table:
    """Labelled lines: labels in one column, texts wrapped in the other.

    Args:
        pairs: Label and text.
        label: Columns of the label.

    Returns:
        A table without lines, indented by four.
    """
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=label, overflow="fold")
    grid.add_column(overflow="fold")
    for name, text in pairs:
        grid.add_row(name if isinstance(name, Text) else Text(name, "dim"), as_text(text))
    return grid


def titled(title: Text, text: Text) -> Table:
    """A title, and beside it a text whose further lines start where its first one does."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_row(title, as_text(text))
    return grid


def as_text(text: str | Text) -> Text:
    """A Text that breaks within a word rather than losing its end."""
    result = text if isinstance(text, Text) else Text(text)
    result.overflow = "fold"
    return result


def indent(renderable: RenderableType, columns: int = 4) -> Padding:
    """The same, further to the right."""
    return Padding(renderable, (0, 0, 0, columns))


def print_commands(console: Console, pairs: Sequence[tuple[str, str]], head: str = "Next:") -> None:
    """Print what to type next, with what it does: two columns where they fit, else each command above its explanation.

    Args:
        console: Where to.
        pairs: Command and what it does.
        head: What stands before the first.
    """
    pairs = [(clean(command), clean(text)) for command, text in pairs]
    head = say(head)
    widest = max((len(command) for command, _ in pairs), default=0)
    needed = min(38, max((cell_len(text) for _, text in pairs), default=0))
    if console.width - cell_len(head) - widest - 4 < needed:
        console.print(Text(head))
        for command, text in pairs:
            # a command that is broken in two cannot be copied
            console.print(Text(f"  {command}", "bold"), soft_wrap=True)
            console.print(indent(Text(text, "dim", overflow="fold"), 6))
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    for number, (command, text) in enumerate(pairs):
        grid.add_row(Text("" if number else head), Text(command, "bold"), as_text(text))
    console.print(grid)
