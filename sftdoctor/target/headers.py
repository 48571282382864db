"""The headers of METADATA and PKG-INFO, and the requires.txt of an .egg-info folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

WANTED = frozenset({"name", "version", "requires-dist", "provides-extra", "requires-python"})
_HEADER = re.compile(r"([!-9;-~]*):(.*)", re.DOTALL)
_SECTION = re.compile(r"\[([^\[\]:]*)(?::([^\[\]]*))?\]")
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]+")


def parse_headers(text: str, wanted: Collection[str] = WANTED) -> dict[str, list[str]]:
    """The headers above the first blank line, as email.parser sees them, in half its time.

    Args:
        text: The file, or its beginning.
        wanted: Names of the headers to keep, in lower case.

    Returns:
        Header name in lower case → its values in order, folded lines joined by one blank, without control characters.
    """
    found: dict[str, list[str]] = {}
    values: list[str] = []  # of the header that a folded line would continue
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            break
        if line[0] in " \t":
            if values:
                values[-1] += line
            continue
        match = _HEADER.fullmatch(line)
        if match is None and not line.startswith("From "):
            break  # the headers end here, as they do for every other reader of the file
        name = match[1].lower() if match else ""
        values = found.setdefault(name, []) if name in wanted else []
        if match and name in wanted:
            values.append(match[2])
    return {name: [clean(value) for value in several] for name, several in found.items()}


def clean(text: str) -> str:
    """One line of printable text: blanks and control characters in a row become one blank."""
    return " ".join(_ODD.sub(" ", text).split())


def parse_requires_txt(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What setuptools wrote before metadata could hold requirements.

    Args:
        text: Content of requires.txt: requirements under [extra], [:marker] or [extra:marker].

    Returns:
        Requirements as Requires-Dist lines, and the names of the extras.
    """
    extras: dict[str, None] = {}
    requires = []
    extra, marker = "", ""
    for line in _lines(text):
        section = _SECTION.fullmatch(line)
        if section is None:
            requires.append(_with_marker(line, extra, marker))
            continue
        extra, marker = section[1].strip(), (section[2] or "").strip()
        if extra:
            extras[extra] = None
    return tuple(requires), tuple(extras)


def _lines(text: str) -> Iterator[str]:
    for raw in text.splitlines():
        line = clean(raw)
        if line and not line.startswith("#"):
            yield line


def _with_marker(requirement: str, extra: str, marker: str) -> str:
    terms = [f"({marker})"] if marker else []
    if extra:
        terms.append(f'extra == "{extra}"')
    if not terms:
        return requirement
    blank = " " if "@" in requirement else ""  # a URL runs up to the next blank
    return f"{requirement}{blank}; {' and '.join(terms)}"
