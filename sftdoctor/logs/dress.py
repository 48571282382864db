"""What launchers and viewers put around a line: ranks, quotation marks, boxes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PREFIX = re.compile(
    r"(?:\s{0,8}>{1,3} ?)?"  # quoted in an issue
    r"(?:\[(?:rank|default|Rank )?(?P<torchrun>\d{1,5}|x)\]: ?"
    r"|\[rank(?P<any>\w{1,5})\]: ?"
    r"|(?P<srun>\d{1,5}): "
    r"|\[\d{1,5},(?P<mpirun>\d{1,5})\]<std(?:err|out)>: ?"
    r"|\((?:\w{1,40} )?pid=(?P<ray>\d{1,9})(?:, ip=[\d.]{7,15})?\) ?"
    r"|rank:? {1,4}(?P<logger>\d{1,5}) \|(?: [^|]{1,60} \|)? ?)?"
)
_BOXED = "│┃|"
_EDGES = "╭╰┌└╮╯┐┘─━"


@dataclass(frozen=True)
class Line:
    """One line of a log, undressed."""

    text: str
    rank: str = ""
    """Of the process that wrote it, where that is said."""
    boxed: bool = False
    """Whether it stood in a box that rich draws."""


def undress(line: str) -> Line:
    """Take off what launchers and viewers put around a line.

    Args:
        line: Without escapes and control characters.

    Returns:
        What the process wrote; its indentation stays.
    """
    found = _PREFIX.match(line)
    rank = ""
    if found is not None and found.end():
        rank = next((value for value in found.groupdict().values() if value), "")
        line = line[found.end() :]
    bare = line.strip()
    if bare[:1] in ("│", "┃"):
        return Line(bare.strip(_BOXED), rank, boxed=True)
    if bare[:1] and bare[0] in _EDGES and bare[-1] in _EDGES:
        return Line(bare.strip(_EDGES), rank, boxed=True)
    return Line(line, rank)
