"""Making text harmless and spelling it so that a stream can carry it. Standard library only."""

from __future__ import annotations

import re
from pathlib import Path

from sftdoctor.folders import home_folder

LIMIT = 600
"""Characters of one message of others that a report shows."""

# What a terminal obeys or hides: control characters, zero-width and direction marks, lone surrogates.
_HARMFUL: dict[int, str | None] = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
)
_HARMFUL.update(dict.fromkeys(range(0xE0000, 0xE0080)))  # tags: letters that nobody sees
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
    line = tame(str(text)[: 4 * limit].translate(_HARMFUL))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tame(text: str) -> str:
    """Take from a text what a CI runner that reads the output would obey: a line that starts with "::", "##[error]",
    "##vso[…]" (actions/runner, ActionCommand.cs; Azure Pipelines' logging commands)."""
    return re.sub(r"##(?=\w{0,40}\[)", "# #", re.sub(r"^(\s*):(?=:)", r"\1: ", text, flags=re.MULTILINE))


def clean_lines(text: str, limit: int = 400) -> list[str]:
    """The lines of a longer text, each made harmless; indentation stays."""
    lines = text.expandtabs(4).splitlines()
    return [clean(line) for line in lines[:limit]] + (["…"] if len(lines) > limit else [])


def spell(text: str, encoding: str) -> str:
    """Spell a text so that an encoding can carry it: our signs in ASCII, what else it lacks as "?"."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
    except LookupError:
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")
    return text


def can_carry(stream: object, text: str) -> bool:
    """Whether the encoding of a stream has all characters of a text."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def short_path(path: str) -> str:
    """A path as people say it: relative to the working directory, else with ~ for the home folder."""
    for base, prefix in ((Path.cwd(), ""), (home_folder(), "~")):
        try:
            rest = Path(path).relative_to(base)
        except (ValueError, OSError):
            continue
        if str(rest) != ".":
            return str(Path(prefix) / rest) if prefix else str(rest)
    return path
