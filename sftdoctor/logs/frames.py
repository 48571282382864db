"""The lines of tracebacks: frames as Python, IPython and rich write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PYTHON = re.compile(r'File "([^"]{1,500})", line (\d{1,9})(?:, in (.{1,200}))?')
_CUT = re.compile(r'\s{0,8}"?([^"\s][^"]{0,500}\.py)", line (\d{1,9}), in (.{1,200})')
_IPYTHON = re.compile(r"File (\S.{0,400}?\.(?:py|pyx|pyi)):(\d{1,9})(?:, in (.{1,200}))?\s*$")
_CELL = re.compile(r"(Cell In ?\[\d{1,6}\]),? line:? ?(\d{1,9})")
_OLD = re.compile(
    r"\[?((?:[~/]|[A-Za-z]:[\\/]|<ipython)[^\s\]]{0,400})\]?(?:\([^)\s]{1,300}\))?"
    r" in ([\w<>.: ]{1,80})(?:\(.{0,300})?\s*$"
)
_RICH = re.compile(r"\s*((?:[~/]|[A-Za-z]:[\\/]|<)\S{0,500}?):(\d{1,9}) in\s{1,3}(\S{1,200})\s*$")
_RICH_START = re.compile(r"\s*(?:[~/]|[A-Za-z]:[\\/])\S{4,500}(?: in)?\s*$")
_ARROW = re.compile(r"\s{0,8}(?:-{2,}>|❱)\s?\[?\s{0,8}(\d{1,9})\]?(?:\(\S{1,300}\))?(?:\s?│)?\s?(.*)$")


@dataclass
class RawFrame:
    """One frame while it is being read."""

    path: str
    line: int | None = None
    function: str = ""
    code: str = ""
    """The source line that it stands at, where the log shows it."""


def frame_in(text: str, boxed: bool) -> RawFrame | None:
    """The frame that a line names, or None.

    Args:
        text: The line, undressed.
        boxed: Whether it stood in one of rich's boxes.
    """
    if boxed:
        found = _RICH.match(text)
        return RawFrame(found[1], int(found[2]), found[3]) if found else None
    found = _PYTHON.search(text) or _CUT.match(text) or _IPYTHON.match(text)
    if found:
        return RawFrame(found[1], int(found[2]), _name(found[3]))
    if found := _CELL.match(text):
        return RawFrame(found[1], int(found[2]), "<module>")
    if " in " in text and (found := _OLD.match(text)):
        return RawFrame(found[1], None, _name(found[2]))
    return None


def starts_boxed_frame(text: str) -> bool:
    """Whether a line of a box holds the beginning of a path that goes on in the next one."""
    return _RICH_START.match(text) is not None


def arrow_in(text: str) -> tuple[int, str] | None:
    """The line number and the source that an arrow (`---->` or `❱`) points at, or None."""
    found = _ARROW.match(text) if "->" in text or "❱" in text else None
    return (int(found[1]), found[2].lstrip("│ ").strip()) if found else None


def _name(text: str | None) -> str:
    """A function's name without the arguments that IPython shows."""
    return (text or "").split("(")[0].strip()
