"""Compiled files against torch and the GPU: `torch-symbols`, `bitsandbytes-library`, `bitsandbytes-choice`,
`code-for-gpu`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftdoctor.model import Cause, Distribution, Environment, Place, TorchBuild
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    fails,
    predicate,
    unknown,
)
from sftdoctor.predicates.hardware import NO_HARDWARE, each_device, runs_on
from sftdoctor.predicates.versions import in_range
from sftdoctor.target.extensions import UnknownError, bitsandbytes_libraries, code_for_gpus, missing_torch_symbol

FALLS_BACK = ">=0.50"
"""bitsandbytes that takes a library of another minor version of the same major one (0.50.0, cextension.py); before, it
takes the one of torch's very version or none."""


@predicate(
    "torch-symbols",
    {
        "distribution": Argument("text", "canonical name of the distribution", required=True),
        "file": Argument("text", 'its compiled modules below the import root, "torchvision/_C*.so"', required=True),
    },
    values=("file", "missing_symbol"),
)
def torch_symbols(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A compiled module asks the installed torch for a C++ function that it does not have, so it cannot be loaded."""
    name = arguments["distribution"]
    distribution = context.environment.distributions.get(name)
    if distribution is None:
        return HOLDS
    try:
        missing = missing_torch_symbol(context.environment, distribution, arguments["file"])
    except UnknownError as why:
        return unknown(str(why))
    if missing is None:
        return HOLDS
    caller = Place(name, distribution.version, path=missing.file)
    callee = Place("torch", context.environment.version("torch"), symbol=missing.symbol)
    cause = Cause(caller, callee, missing.symbol)
    return fails(Match({"file": missing.file, "missing_symbol": missing.symbol}, cause=cause))


@predicate("bitsandbytes-library", {}, values=("wanted", "libraries"))
def bitsandbytes_library(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The installed bitsandbytes has no library that it would load for the CUDA (or ROCm) of the installed torch."""
    environment = context.environment
    build, distribution = environment.torch_build, environment.distributions.get("bitsandbytes")
    if distribution is None:
        return HOLDS
    if build is None:
        return unknown("what torch was built for cannot be read")
    if not (build.hip or build.cuda) or _choice(environment, build) is not None:
        return HOLDS  # one that a variable chooses is bitsandbytes-choice's business
    try:
        libraries = bitsandbytes_libraries(distribution, "rocm" if build.hip else "cuda")
    except UnknownError as why:
        return unknown(str(why))
    if _chosen(libraries, build, distribution.version) is not None:
        return HOLDS
    wanted = f"ROCm {build.hip}" if build.hip else f"CUDA {build.cuda}"
    cause = Cause(Place("bitsandbytes", distribution.version), Place("torch", environment.version("torch")), wanted)
    return fails(Match({"wanted": wanted, "libraries": _shown(libraries)}, cause=cause))


@predicate("bitsandbytes-choice", {}, values=("variable", "value", "libraries"))
def bitsandbytes_choice(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A variable (BNB_CUDA_VERSION, BNB_ROCM_VERSION) chooses a library that the installed bitsandbytes has not."""
    environment = context.environment
    build, distribution = environment.torch_build, environment.distributions.get("bitsandbytes")
    if distribution is None or build is None or not (build.hip or build.cuda):
        return HOLDS
    choice = _choice(environment, build)
    if choice is None:
        return HOLDS
    try:
        libraries = bitsandbytes_libraries(distribution, "rocm" if build.hip else "cuda")
    except UnknownError as why:
        return unknown(str(why))
    variable, value = choice
    if _named(value, libraries) is not None:
        return HOLDS
    values = {"variable": variable, "value": value, "libraries": _shown(libraries)}
    return fails(Match(values, cause=Cause(Place("bitsandbytes", distribution.version), None, variable)))


@predicate(
    "code-for-gpu",
    {
        "distribution": Argument("text", "canonical name of the distribution", required=True),
        "file": Argument(
            "text", "its compiled modules below the import root; of bitsandbytes the one that it would load"
        ),
    },
    values=("gpu", "capability", "architectures"),
)
def code_for_gpu(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A distribution's compiled modules have no code for a GPU that is there: no binary of its generation, no PTX."""
    environment = context.environment
    distribution = environment.distributions.get(arguments["distribution"])
    devices = environment.accelerators
    if distribution is None or devices == ():
        return HOLDS
    if devices is None:
        return unknown(NO_HARDWARE)
    if distribution.root is None:
        return unknown(f"the files of {distribution.name} are not at hand")
    try:
        built = _architectures(environment, distribution, arguments.get("file"))
    except UnknownError as why:
        return unknown(str(why))
    if not built:
        return HOLDS  # nothing compiled for GPUs: another rule's business
    judged = each_device(
        [device for device in devices if device.kind == "cuda"],
        lambda device: None if device.capability is None else not runs_on(device.capability, built),
    )
    cause = Cause(Place(distribution.name, distribution.version), None, arguments["distribution"])
    extra = Match({"architectures": " ".join(built)}, cause=cause)
    return Judgement(judged.outcome, judged.reason, tuple(match.merge(extra) for match in judged.matches))


def _architectures(environment: Environment, distribution: Distribution, pattern: str | None) -> tuple[str, ...]:
    root = distribution.root or ""
    if pattern is not None:
        return code_for_gpus(root, pattern)
    build = environment.torch_build
    if build is None:
        raise UnknownError("what torch was built for cannot be read")
    if not build.cuda:
        return ()
    libraries = bitsandbytes_libraries(distribution, "cuda")
    choice = _choice(environment, build)
    path = _chosen(libraries, build, distribution.version) if choice is None else _named(choice[1], libraries)
    return code_for_gpus(root, os.path.relpath(path, root).replace(os.sep, "/")) if path is not None else ()


def _choice(environment: Environment, build: TorchBuild) -> tuple[str, str] | None:
    """The variable that chooses bitsandbytes' library for this torch, and its value; None where it is not set."""
    name = "BNB_ROCM_VERSION" if build.hip else "BNB_CUDA_VERSION"
    value = environment.variables.get(name)
    return (name, value) if value else None


def _named(value: str, libraries: Mapping[tuple[int, int], str]) -> str | None:
    """The library that a variable's value names."""
    names = (f"libbitsandbytes_cuda{value}.so", f"libbitsandbytes_rocm{value}.so")
    return next((one for one in libraries.values() if Path(one).name in names), None)


def _shown(libraries: Mapping[tuple[int, int], str]) -> str:
    return ", ".join(f"{one}.{two}" for one, two in libraries) or "none"


def _chosen(libraries: Mapping[tuple[int, int], str], build: TorchBuild, version: str) -> str | None:
    """The library that bitsandbytes loads: torch's very version; from 0.50 on else the nearest below of its major one,
    else the nearest above."""
    major, minor = (int(part) for part in (build.hip or build.cuda or "0.0").split(".")[:2])
    if (major, minor) in libraries or not in_range(version, FALLS_BACK):
        return libraries.get((major, minor))
    same = [has for has in libraries if has[0] == major]
    below = [has for has in same if has < (major, minor)]
    best = max(below) if below else min(same, default=None)
    return libraries[best] if best is not None else None
