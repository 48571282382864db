"""Files of pins, each format to one PinFile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sftdoctor.target.pin_formats.words import Pin, PinFile, holds

__all__ = ["Pin", "PinFile", "holds", "read_pin_file"]


def read_pin_file(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a file of pins for one target; its format is told by its name.

    Args:
        path: requirements.txt, constraints, `pip freeze` output (any name), uv.lock, poetry.lock, pylock.*.toml or
            environment.yml.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read, is broken or of an unknown format.
    """
    from sftdoctor.target.pin_formats.requirements import read_requirements

    return read_requirements(path, markers)
