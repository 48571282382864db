"""How text reaches a terminal: made harmless, laid out for its width, spelled so that its encoding can carry it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

LIMIT = 600
"""Characters of one message of others that a report shows."""

# What a terminal obeys or hides: control characters, zero-width and direction marks, lone surrogates.
_HARMFUL: dict[int, str | None] = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
)
_HARMFUL.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
_HARMFUL.update(dict.fromkeys(map(ord, "\t\n\r\v\f\x85\u2028\u2029"), " "))

_ASCII = str.maketrans(
    {"✗": "x", "✓": "+", "·": "-", "→": "->", "…": "...", "×": "x", "–": "-", "—": "-", "≤": "<=", "≥": ">=", "•": "*"}
    | {"’": "'", "‘": "'", "“": '"', "”": '"'}
)


def clean(text: object, limit: int = LIMIT) -> str:
    """Take from a string of others all that a terminal would obey, and what is too long.

    Args:
        text: Anything; its str() is used.
        limit: Most characters that are kept.

    Returns:
        One line without control, direction and zero-width characters.
    """
    line = str(text)[: 4 * limit].translate(_HARMFUL)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def clean_lines(text: str, limit: int = 400) -> list[str]:
    """The lines of a longer text, each made harmless; indentation stays."""
    lines = text.expandtabs(4).splitlines()
    return [clean(line) for line in lines[:limit]] + (["…"] if len(lines) > limit else [])


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
    return spell(text, "utf-8" if plain else getattr(stream, "encoding", None) or "utf-8")


def spell(text: str, encoding: str) -> str:
    """Spell a text so that an encoding can carry it: our signs in ASCII, what else it lacks as "?"."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return text


def short_path(path: str) -> str:
    """A path as people say it: relative to the working directory, else with ~ for the home folder."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~")):
        try:
            rest = Path(path).relative_to(base)
        except (ValueError, OSError):
            continue
        if str(rest) != ".":
            return str(Path(prefix) / rest) if prefix else str(rest)
    return path


def count(number: int, noun: str) -> str:
    """ "1 error", "2 errors"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


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


def commands(console: Console, pairs: Sequence[tuple[str, str]], head: str = "Next:") -> RenderableType:
    """What to type next, with what it does.

    Args:
        console: For its width.
        pairs: Command and what it does.
        head: What stands before the first.

    Returns:
        Two columns where they fit, else each command above its explanation.
    """
    pairs = [(clean(command), clean(text)) for command, text in pairs]
    widest = max((len(command) for command, _ in pairs), default=0)
    if widest > (console.width - len(head)) * 5 // 9:
        lines = [Text(head)]
        for command, text in pairs:
            lines += [Text(f"  {command}", "bold", overflow="fold"), Text(f"      {text}", "dim", overflow="fold")]
        return Group(*lines)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for number, (command, text) in enumerate(pairs):
        grid.add_row(Text("" if number else head), Text(command, "bold", no_wrap=True), as_text(text))
    return grid
