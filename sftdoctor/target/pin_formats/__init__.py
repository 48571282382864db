"""Files of pins, each format to one PinFile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from sftdoctor.errors import TargetError
from sftdoctor.target.pin_formats.words import Pin, PinFile, holds

__all__ = ["Pin", "PinFile", "holds", "read_pin_file"]


def read_pin_file(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a file of pins for one target; its format is told by its name.

    Args:
        path: requirements.txt, constraints, `pip freeze` output (any name), uv.lock, poetry.lock, pylock.*.toml,
            pyproject.toml or environment.yml.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read, is broken or of a format that is not known.
    """
    name = path.name.lower()
    if name.endswith((".yml", ".yaml")):
        from sftdoctor.target.pin_formats.conda import read_conda

        return read_conda(path, markers)
    if name.endswith("uv.lock"):
        from sftdoctor.target.pin_formats.uv_lock import read_uv_lock

        return read_uv_lock(path, markers)
    if name.endswith("poetry.lock"):
        from sftdoctor.target.pin_formats.locks import read_poetry

        return read_poetry(path, markers)
    if re.fullmatch(r"(.*[._-])?pylock(\.[^.]+)?\.toml", name):
        from sftdoctor.target.pin_formats.locks import read_pylock

        return read_pylock(path, markers)
    if name.endswith("pyproject.toml"):
        from sftdoctor.target.pin_formats.pyproject import read_pyproject

        return read_pyproject(path, markers)
    if name in ("dockerfile", "containerfile") or name.endswith((".dockerfile", ".sh", ".slurm", ".sbatch")):
        raise TargetError(
            f"{path} is no file of pins",
            hint="Give the requirements file that it installs; its own `pip install` lines are not read.",
        )
    if name.endswith((".toml", ".lock", ".json", ".py", ".cfg", ".ipynb", ".whl", ".gz", ".zip")) or name == "pipfile":
        raise TargetError(
            f"{path} is of a format that is not read",
            hint="Read are requirements.txt, `pip freeze` output, uv.lock, poetry.lock, pylock.toml, pyproject.toml "
            "and environment.yml.",
        )
    from sftdoctor.target.pin_formats.requirements import read_requirements

    return read_requirements(path, markers)
