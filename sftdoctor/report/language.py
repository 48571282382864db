"""The language that reports speak: English, or what a catalogue says in its place. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

_WORDS: ContextVar[Mapping[str, str]] = ContextVar("words", default={})  # noqa: B039  (never written to)


def speak(words: Mapping[str, str]) -> None:
    """Choose the language of everything that is said from now on in this context.

    Args:
        words: English → the other language; what is missing stays English. Empty for English.
    """
    _WORDS.set(words)


def say(text: str, **values: object) -> str:
    """A fixed text of ours in the chosen language.

    Args:
        text: The English text, with `{name}` for what varies.
        values: What stands for the names.

    Returns:
        The text with its values.
    """
    said = _WORDS.get().get(text, text)
    return said.format(**values) if values else said


def count(number: int, noun: str) -> str:
    """ "1 error", "2 errors"; a language without plurals has an entry "{n} error"."""
    said = _WORDS.get().get(f"{{n}} {noun}")
    return said.format(n=number) if said else f"{number} {noun}{'' if number == 1 else 's'}"
