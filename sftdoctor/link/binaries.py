"""Compiled modules: whether this Python and this numpy can load them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from packaging.version import InvalidVersion, Version

from sftdoctor.folders import data_folder
from sftdoctor.link.locate import Found
from sftdoctor.model import Environment

TAG = re.compile(r"\.cpython-(\d)(\d+)|\.cp(\d)(\d+)-")


@dataclass(frozen=True)
class BinaryProblem:
    """Why a compiled module cannot be loaded."""

    kind: str
    """numpy-binary-interface or extension-cannot-load."""
    message: str
    name: str
    detail: str = ""


def problem(environment: Environment, python: tuple[int, int], found: Found) -> BinaryProblem | None:
    """Why a compiled module cannot be loaded; None where it can, as far as known."""
    tag = TAG.search(found.compiled or "")
    if tag:
        built = (int(tag[1] or tag[3]), int(tag[2] or tag[4]))
        if built != python and "abi3" not in (found.compiled or ""):
            wanted = f"{built[0]}.{built[1]}"
            return BinaryProblem(
                "extension-cannot-load",
                f"No module named '{found.name}'",
                found.name,
                f"{found.compiled} was built for Python {wanted}, this is {python[0]}.{python[1]}",
            )
    return numpy_problem(environment, found.distribution)


def numpy_problem(environment: Environment, name: str) -> BinaryProblem | None:
    """Whether a distribution's compiled modules were built for another numpy than the installed one."""
    numpy, version = environment.version("numpy"), environment.version(name)
    table = numpy_table()
    if numpy is None or version is None or name not in table:
        return None
    try:
        have, mine = Version(numpy), Version(version)
    except InvalidVersion:
        return None
    first_for_2, needs_2 = table[name]
    if have.major >= 2 and first_for_2 and mine < Version(first_for_2):
        message = "numpy.core.multiarray failed to import (built against numpy 1)"
        detail = f"{name} {version} was compiled against numpy 1 and cannot be loaded with numpy {numpy}; {name} >= {first_for_2} can"
        return BinaryProblem("numpy-binary-interface", message, "numpy", detail)
    if have.major < 2 and needs_2 and mine >= Version(needs_2):
        message = f"{name} requires NumPy 2.0 or newer, found {numpy}"
        return BinaryProblem("numpy-binary-interface", message, "numpy", f"{name} {version} no longer loads with numpy 1")
    return None


@lru_cache(maxsize=1)
def numpy_table() -> dict[str, tuple[str | None, str | None]]:
    """Distribution → first version whose wheels load with numpy 2, first version that no longer loads with numpy 1."""
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = data_folder() / "numpy.toml"
    rows = tomllib.loads(path.read_text("utf-8"))["distribution"]
    return {row["name"]: (row.get("numpy2_since"), row.get("numpy1_until")) for row in rows}
