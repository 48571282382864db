"""The hardware that a run would have: this machine's, or a GPU that is named and not here."""

from __future__ import annotations

import os
from dataclasses import replace

from sftdoctor.model import Environment
from sftdoctor.target.nvidia import read_nvidia, visible
from sftdoctor.target.others import read_others
from sftdoctor.target.torch_build import read_torch_build


def with_hardware(environment: Environment, *, timeout: float = 2.0) -> Environment:
    """Add this machine's accelerators and driver, and what the installed torch was built for.

    Args:
        environment: The environment as read.
        timeout: Seconds that a driver has for its answer.

    Returns:
        The environment with accelerators as CUDA_VISIBLE_DEVICES leaves them: empty where there is none, None where a
        driver failed to say and nothing else was found. What could not be found out is said in not_judged.
    """
    nvidia = read_nvidia(timeout)
    cuda, hidden = visible(nvidia.gpus, os.environ)
    accelerators = (*cuda, *read_others())
    return replace(
        environment,
        accelerators=accelerators if accelerators or nvidia.known else None,
        driver=nvidia.driver,
        driver_cuda=nvidia.cuda,
        torch_build=environment.torch_build or read_torch_build(environment),
        not_judged=(*environment.not_judged, *nvidia.not_judged, *hidden),
    )


def with_gpu(environment: Environment, name: str) -> Environment:
    """Judge for a GPU that is not here.

    Args:
        environment: The environment as read.
        name: "T4", "NVIDIA H100", "RTX 4090", "A100-80GB", "2x T4"; "none" or "cpu" for no GPU at all.

    Returns:
        The environment with that GPU alone. Its driver is not known.

    Raises:
        UsageError: No GPU of that name is known.
    """
    from sftdoctor.target.gpus import find_gpu  # the table and its reader are for this alone

    return replace(
        environment,
        accelerators=find_gpu(name),
        driver=None,
        driver_cuda=None,
        torch_build=environment.torch_build or read_torch_build(environment),
    )
