"""GPU, driver and what torch was built for: `gpu`, `torch-arch`, `torch-build`, `driver`, `driver-version`.

Without any accelerator these hold, since nothing of a GPU can fail where none is: rule GPU007 alone says that no GPU
was judged. Where the hardware is not known (pins, a driver tool that hangs) they are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from packaging.specifiers import SpecifierSet

from sftdoctor.model import Accelerator
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    Outcome,
    as_texts,
    fails,
    fails_each,
    fails_if,
    predicate,
    unknown,
)
from sftdoctor.predicates.versions import in_range
from sftdoctor.target.torch_build import has_distributed

NO_HARDWARE = "the hardware is not known; say --gpu NAME to judge for one"
GIB = 2**30
DTYPE_CAPABILITY: Mapping[str, tuple[int, int]] = {
    "float16": (5, 3),
    "bfloat16": (8, 0),
    "tf32": (8, 0),
    "float8": (8, 9),
}
"""First CUDA compute capability whose hardware computes in that type."""
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


@predicate(
    "gpu",
    {
        "present": Argument("flag", "whether there is any accelerator at all"),
        "kind": Argument("texts", "kind of accelerator", choices=("cuda", "rocm", "xpu", "mps")),
        "capability": Argument("specifier", 'range of the CUDA compute capability, "<8.0"'),
        "memory": Argument("specifier", 'range of the memory in GiB, "<16"'),
        "lacks_dtype": Argument("text", "type that it cannot compute in", choices=tuple(DTYPE_CAPABILITY)),
        "name": Argument("texts", 'part of its name, "RTX 40"'),
        "count": Argument("specifier", 'range of the number of those to which all the rest applies, ">=2"'),
    },
    values=("gpu", "capability", "memory", "count"),
    one_of=("present", "kind", "capability", "memory", "lacks_dtype", "name", "count"),
)
def gpu(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """An accelerator is there to which all of it applies."""
    devices = context.environment.accelerators
    if devices is None:
        return unknown(NO_HARDWARE)
    if arguments.get("present") is False:
        return fails_if(not devices)
    tests = [test for name, test in _TESTS.items() if name in arguments]
    judged = each_device(devices, lambda device: _all(test(device, arguments) for test in tests))
    if "count" not in arguments:
        return judged
    fitting = [device for device in devices if _all(test(device, arguments) for test in tests)]
    if not in_range(str(len(fitting)), arguments["count"]):
        return judged if judged.outcome is Outcome.UNKNOWN else HOLDS
    number = Match({"count": str(len(fitting))})
    return fails(_match(fitting[0]).merge(number) if fitting else number)


@predicate("torch-arch", {}, values=("gpu", "capability", "architectures"))
def torch_arch(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The installed torch has no code for a GPU that is there: no binary of its generation and no PTX below it."""
    build = context.environment.torch_build
    devices = context.environment.accelerators
    if devices == ():
        return HOLDS
    if devices is None:
        return unknown(NO_HARDWARE)
    if build is None or (build.cuda and not build.architectures):
        return unknown("what torch was built for cannot be read")
    if not build.cuda:
        return HOLDS
    shown = " ".join(build.architectures)
    judged = each_device(
        [device for device in devices if device.kind == "cuda"],
        lambda device: None if device.capability is None else not runs_on(device.capability, build.architectures),
    )
    extra = Match({"architectures": shown})
    return Judgement(judged.outcome, judged.reason, tuple(match.merge(extra) for match in judged.matches))


@predicate(
    "torch-build",
    {"lacks": Argument("text", "what torch was built without", True, ("cuda", "hip", "xpu", "distributed"))},
)
def torch_build(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The installed torch was built without CUDA, ROCm's HIP, Intel's XPU, or torch.distributed."""
    build, lacks = context.environment.torch_build, arguments["lacks"]
    if build is None:
        return unknown("what torch was built for cannot be read")
    if lacks == "distributed":
        # where its files are not at hand it comes from an index, and all that lie there have it
        return fails_if(has_distributed(context.environment) is False)
    has = {"cuda": build.cuda, "hip": build.hip, "xpu": build.version.partition("+")[2].startswith("xpu")}
    return fails_if(not has[lacks])


@predicate("driver", {}, values=("driver", "driver_cuda", "torch_cuda"))
def driver(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The NVIDIA driver is older than the CUDA generation of the installed torch.

    Within one major version CUDA promises that a newer runtime works on an older driver; across majors it does not.
    """
    environment = context.environment
    build = environment.torch_build
    devices = environment.accelerators
    if devices is None:
        return unknown(NO_HARDWARE)
    if not any(device.kind == "cuda" for device in devices):
        return HOLDS
    if build is None:
        return unknown("what torch was built for cannot be read")
    if not build.cuda:
        return HOLDS
    if environment.driver_cuda is None:
        return unknown("the NVIDIA driver's version is not known")
    values = {"driver": environment.driver or "?", "driver_cuda": environment.driver_cuda, "torch_cuda": build.cuda}
    return fails_if(_major(environment.driver_cuda) < _major(build.cuda), **values)


@predicate(
    "driver-version",
    {"below": Argument("text", 'version of the driver, "550.40.07"', required=True)},
    values=("driver",),
)
def driver_version(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The NVIDIA driver is older than that."""
    found = context.environment.driver
    if context.environment.accelerators == ():
        return HOLDS
    if found is None or not re.match(r"\d", found):
        return unknown("the NVIDIA driver's version is not known")
    return fails_if(_numbers(found) < _numbers(arguments["below"]), driver=found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version)[:4])


def each_device(devices: Iterable[Accelerator], test: Callable[[Accelerator], bool | None]) -> Judgement:
    answers = [(device, test(device)) for device in devices]
    matching = {device.name: _match(device) for device, answer in answers if answer}
    if matching:
        return fails(*matching.values())
    unclear = next((device for device, answer in answers if answer is None), None)
    return unknown(f"too little is known of {unclear.name}") if unclear else fails_each(())


def _match(device: Accelerator) -> Match:
    capability = ".".join(map(str, device.capability)) if device.capability else "?"
    memory = f"{device.memory / GIB:.0f} GiB" if device.memory else "?"
    return Match({"gpu": device.name, "capability": capability, "memory": memory})


def _all(answers: Iterable[bool | None]) -> bool | None:
    known = list(answers)
    if False in known:
        return False
    return None if None in known else True


def _capability_in(device: Accelerator, arguments: Mapping[str, Any]) -> bool | None:
    if device.kind != "cuda":
        return False
    return in_range(".".join(map(str, device.capability)), arguments["capability"]) if device.capability else None


def _memory_in(device: Accelerator, arguments: Mapping[str, Any]) -> bool | None:
    if device.memory is None:
        return None
    return SpecifierSet(arguments["memory"]).contains(f"{device.memory / GIB:.3f}")


def _lacks_dtype(device: Accelerator, arguments: Mapping[str, Any]) -> bool | None:
    if device.kind != "cuda" or device.capability is None:
        return None
    return device.capability < DTYPE_CAPABILITY[arguments["lacks_dtype"]]


_TESTS: Mapping[str, Callable[[Accelerator, Mapping[str, Any]], bool | None]] = {
    "present": lambda device, arguments: True,
    "kind": lambda device, arguments: device.kind in as_texts(arguments["kind"]),
    "capability": _capability_in,
    "memory": _memory_in,
    "lacks_dtype": _lacks_dtype,
    "name": lambda device, arguments: any(part in device.name for part in as_texts(arguments["name"])),
}


def runs_on(capability: tuple[int, int], architectures: Iterable[str]) -> bool:
    """Whether a build has code for a GPU: a binary of the same major up to its minor, or PTX of anything older.

    "sm_90a" binaries run on exactly 9.0; family binaries ("sm_100f") on their major like plain ones.
    """
    for architecture in architectures:
        match = _ARCHITECTURE.fullmatch(architecture)
        if match is None:
            continue
        built = (int(match[2]), int(match[3]))
        if match[4] == "a":
            fits = match[1] == "sm" and built == capability
        elif match[1] == "sm":
            fits = built[0] == capability[0] and built[1] <= capability[1]
        else:
            fits = built <= capability
        if fits:
            return True
    return False


def _major(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits[0]) if digits else 0
