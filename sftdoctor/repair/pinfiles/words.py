"""What the files of pins are to say, in the words that all formats share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.errors import RepairError

Hashes = Callable[[str, str], tuple[str, ...]]
"""(name, version) → SHA-256 of every file of that release, in hexadecimal."""


@dataclass(frozen=True)
class Wanted:
    """One package as a file is to have it."""

    version: str | None
    """None where it is removed."""
    add: bool = True
    """Whether a file that does not name it gets it; what only goes along with others is left to the resolver."""


def pins(wanted: Mapping[str, Wanted]) -> list[str]:
    """As one would type them."""
    return [f"{name}=={one.version}" for name, one in wanted.items() if one.version]


def missing(left: Mapping[str, Wanted]) -> list[str]:
    """The pins that a file does not have yet and is to get."""
    return pins({name: one for name, one in left.items() if one.add})


def unsafe(path: Path, wanted: Mapping[str, Wanted]) -> RepairError:
    """What is said where a change would touch more than the requirements."""
    by_hand = f"change it by hand: {', '.join(pins(wanted))}"
    return RepairError(f"{path} is written in a way that cannot be changed safely", by_hand)
