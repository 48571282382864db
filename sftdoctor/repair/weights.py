"""What it costs to change a package: pure Python is cheap, compiled code is not, torch and CUDA are dear."""

from __future__ import annotations

import os
import re
import sys
from enum import IntEnum
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from sftdoctor.model import Distribution, Environment


class Weight(IntEnum):
    """How much hangs on a package, in the unit of one pure-Python package."""

    PURE = 1
    CORE = 2
    COMPILED = 5
    DEAR = 100


CORE = frozenset({"transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "huggingface-hub"})
"""What a fine-tuning script is written against: changed only where a finding is about it, or nothing else helps."""

_DEAR = re.compile(
    r"torch|torch(vision|audio|text|ao)|pytorch-triton.*|triton|nvidia-.*|cuda-.*|flash-attn|xformers|vllm|deepspeed"
    r"|jax|jaxlib|tensorflow.*|mamba-ssm|causal-conv1d|apex|transformer-engine.*"
)
DOWNGRADE = 1.5
"""Cost of going back, on top."""


def weight_of(name: str, distribution: Distribution | None) -> Weight:
    """Weight of one package.

    Args:
        name: Canonical name.
        distribution: As installed; None where it is new.
    """
    if _DEAR.fullmatch(name):
        return Weight.DEAR
    if distribution is not None and _is_compiled(distribution):
        return Weight.COMPILED
    return Weight.CORE if name in CORE else Weight.PURE


def cost_of(environment: Environment, changes: dict[str, str]) -> float:
    """Cost of bringing some distributions to other versions; less is better."""
    total = 0.0
    for name, version in changes.items():
        old = environment.distributions.get(name)
        total += weight_of(name, old)
        if old is not None:
            total += DOWNGRADE * is_older(version, old.version) + _distance(old.version, version)
    return total


def is_older(one: str, other: str) -> bool:
    """Whether the first version comes before the second."""
    try:
        return Version(one) < Version(other)
    except InvalidVersion:
        return False


def own_requirements(environment: Environment) -> frozenset[str]:
    """What sftdoctor itself runs on, where the target is the Python that it runs in.

    A fix that was cut short there, with one of these half installed, could not be taken back: nothing would start.
    """
    if os.path.realpath(environment.target.prefix or "") != os.path.realpath(sys.prefix):
        return frozenset()
    found: set[str] = set()
    waiting = ["sftdoctor"]
    while waiting:
        name = waiting.pop()
        for line in environment.distributions[name].requires if name in environment.distributions else ():
            need = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0])
            if "extra ==" not in line and need not in found:
                found.add(need)
                waiting.append(need)
    return frozenset(found)


def _distance(one: str, other: str) -> float:
    """Between 0 and 0.5: how far two versions are apart; a major release is far."""
    try:
        left, right = Version(one).release, Version(other).release
    except InvalidVersion:
        return 0.5
    major = abs(left[0] - right[0])
    minor = abs((left[1] if len(left) > 1 else 0) - (right[1] if len(right) > 1 else 0)) if not major else 0
    return min(0.5, 0.1 * major + 0.005 * minor)


def _is_compiled(distribution: Distribution) -> bool:
    if distribution.metadata is None:
        return False
    try:
        text = Path(distribution.metadata, "WHEEL").read_text("utf-8", "replace")[:10000]
    except OSError:
        return False
    # Some wheels are of compiled layout although nothing in them is (their tag says none-any).
    return "Root-Is-Purelib: false" in text and "-none-any" not in text
