"""Compiled modules: whether this Python and this numpy can load them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

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
    """Whether a distribution's compiled modules were built for another numpy than the installed one.

    Args:
        environment: The target's facts; `Distribution.numpy` is what the compiled modules themselves say.
        name: The distribution whose compiled modules are loaded.
    """
    numpy, distribution = environment.version("numpy"), environment.distributions.get(name)
    if numpy is None or distribution is None or distribution.numpy is None:
        return None
    try:
        fits = SpecifierSet(distribution.numpy).contains(Version(numpy), prereleases=True)
    except (InvalidVersion, InvalidSpecifier):
        return None
    if fits:
        return None
    detail = (
        f"The compiled modules of {name} {distribution.version} load with numpy {distribution.numpy}, not with {numpy}."
    )
    message = "numpy.core.multiarray failed to import / numpy.dtype size changed, may indicate binary incompatibility"
    return BinaryProblem("numpy-binary-interface", message, "numpy", detail)
