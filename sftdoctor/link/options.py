"""The words of a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sftdoctor.link.values import Field, constant
from sftdoctor.model import ANY_WORDS, OPEN_WORD


class Options:
    """The options of a command line: those that the parser knows with their values, the others with their words."""

    def __init__(self) -> None:
        self.known: dict[str, object] = {}
        self.unknown: dict[str, list[str]] = {}
        self.places: dict[str, int] = {}
        """Of each unknown one, which word it is."""
        self.open = False
        """Whether there may be others, that only the shell knows."""


def spellings_of(fields: Mapping[str, Field], *, hyphens: bool) -> dict[str, str]:
    """Option without dashes → field, "!field" for one that switches it off (`--no_x`, of a flag that is on).

    Args:
        fields: What the parser's dataclasses have.
        hyphens: Whether the parser offers every option with hyphens too.
    """
    found = {name: name for name in fields}
    found.update({f"no_{field.name}": f"!{field.name}" for field in fields.values() if constant(field.default) is True})
    if hyphens:
        found.update({name.replace("_", "-"): field for name, field in list(found.items())})
    return found


def read_options(words: Sequence[str], spellings: Mapping[str, str], *, config: bool) -> tuple[Options, str | None]:
    """Read a command line as argparse does.

    Args:
        words: What follows the script's name.
        spellings: Option without dashes → field, "!field" for one that switches it off.
        config: Whether `--config FILE` is taken for the file's name.

    Returns:
        The options, and the config file where one is named.
    """
    found, file = Options(), None
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        found.open |= word.startswith(OPEN_WORD)
        if not word.startswith("--") or len(word) < 3:
            continue  # a word that stands alone is for a parser of the script's own
        name, equals, value = word[2:].partition("=")
        values = [value] if equals else []
        place = position - 1
        while not equals and position < len(words) and not _is_option(words[position]):
            found.open |= words[position].startswith(ANY_WORDS) and (bool(values) or _may_be_many(words[position]))
            values.append(words[position])
            position += 1
        if config and name == "config":
            file = values[0] if values else None
            continue
        field = _meant(name, spellings)
        if field is None:
            found.unknown[name] = [f"--{name}", *(value.lstrip(OPEN_WORD) for value in values)]
            found.places[name] = place
        elif field.startswith("!"):
            found.known[field[1:]] = False
        else:
            found.known[field] = values if len(values) > 1 else values[0] if values else True
    return found, file


def _may_be_many(word: str) -> bool:
    """Whether a word that only the shell knows is a list: `"$@"`, `$*`, `${ARGS[@]}`."""
    return "@" in word or "*" in word


def _is_option(word: str) -> bool:
    return word.startswith("-") and not word[1:2].isdigit() and len(word) > 1


def _meant(name: str, spellings: Mapping[str, str]) -> str | None:
    """The field that an option means: its own, or the only one that starts like it, which argparse accepts."""
    if name in spellings:
        return spellings[name]
    begun = {field for spelling, field in spellings.items() if spelling.startswith(name)}
    return begun.pop() if len(begun) == 1 else None
