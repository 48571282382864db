"""Where the formats of a report go, and in which language. Whatever is heavy is imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from sftdoctor.report.views import Views
    from sftdoctor.settings import Settings


def in_its_language(settings: Settings) -> Settings:
    """Speak the language that is asked for; English where standard output cannot carry it."""
    if settings.lang == "en":
        return settings
    from dataclasses import replace

    from sftdoctor import streams
    from sftdoctor.catalogue import load_catalogue
    from sftdoctor.report.language import speak
    from sftdoctor.report.plain import can_carry

    words = load_catalogue(settings.lang).words
    if any(file is None for _, file in settings.outputs) and not can_carry(sys.stdout, "".join(words.values())):
        streams.say([f"sftdoctor: this output cannot show {settings.lang}: English it is"], sys.stderr)
        return replace(settings, lang="en")
    speak(words)
    return settings


def show(settings: Settings, draw: Callable[[Console], None], make_views: Callable[[], Views] = lambda: {}) -> str:
    """Write the report in the wanted formats where they are wanted; none is written before all are made.

    Returns:
        What went to standard output.
    """
    made = [(_made(name, file, draw, make_views), file) for name, file in settings.outputs]
    for text, file in sorted(made, key=lambda one: one[1] is None):  # stdout last: nothing there if a file fails
        write(text, file)
    return "".join(text for text, file in made if file is None)


def _made(name: str, file: str | None, draw: Callable[[Console], None], make_views: Callable[[], Views]) -> str:
    if name != "text":
        return make_views()[name]()
    from sftdoctor.report.style import rendered

    return rendered(sys.stdout, draw, plain=file is not None)


def write(text: str, output: str | None) -> None:
    """Write a text to a file, or to standard output in characters that it has."""
    from sftdoctor import streams

    if output is not None:
        streams.write_file(text, Path(output))
    else:
        from sftdoctor.report.plain import spell

        streams.write(spell(text, getattr(sys.stdout, "encoding", None) or "utf-8"), sys.stdout)
