"""The certificate of a proof: what was proved, when, and the fingerprint of the environment that it holds for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sftdoctor.model import Environment, Proof

CORE = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers", "safetensors")
"""Distributions whose installed files count, not their version alone: people edit these in place and rebuild them."""
_PLATFORM = ("sys_platform", "platform_machine", "implementation_name")
_LARGEST_RECORD = 64 * 1024 * 1024


def fingerprint(environment: Environment) -> str:
    """What a proof depends on, as one hash.

    Args:
        environment: The target.

    Returns:
        "sha256:…" over every distribution's name and version, the RECORD of the core ones, Python, the platform,
        torch's build and the accelerators (where the hardware was looked at).
    """
    build = environment.torch_build
    facts = {
        "python": environment.python,
        "platform": {name: environment.markers.get(name) for name in _PLATFORM},
        "distributions": sorted(f"{d.name}=={d.version}" for d in environment.distributions.values()),
        "records": {name: _record(environment, name) for name in CORE if name in environment.distributions},
        "torch": [build.version, build.cuda, build.hip] if build else None,
        "accelerators": [[a.kind, a.name, a.memory] for a in environment.accelerators or ()],
        "driver": environment.driver,
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def certify(proof: Proof, environment: Environment, stack: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the certificate of a proof, whatever its verdict.

    Args:
        proof: The proof, without a certificate.
        environment: The target that it ran in.
        stack: What the worker said of the libraries and the device.

    Returns:
        Plain data for JSON.
    """
    return {
        "fingerprint": fingerprint(environment),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": environment.python,
        "versions": dict(stack.get("versions") or {}),
        "device": stack.get("device_name") or proof.device,
        "compute_dtype": stack.get("compute_dtype"),
        "verdict": proof.verdict,
        "runs": [
            {
                "quantization": run.quantization,
                "verdict": run.verdict,
                "checks": [check.name for check in run.checks if check.passed],
                "failed": [check.name for check in run.checks if not check.passed],
                "seconds_per_step": run.seconds_per_step,
                "peak_memory_bytes": run.peak_memory_bytes,
            }
            for run in proof.runs or (proof,)
        ],
        "not_settled": list(proof.not_settled),
    }


def verify(certificate: Mapping[str, Any], environment: Environment) -> bool:
    """Whether a certificate says that this very environment passed.

    Args:
        certificate: As read from JSON; hostile.
        environment: The environment as it is now, its hardware looked at as it was then.
    """
    return certificate.get("verdict") == "passed" and certificate.get("fingerprint") == fingerprint(environment)


def _record(environment: Environment, name: str) -> str | None:
    """Hash of the list of installed files and their hashes; None where the installer left none."""
    metadata = environment.distributions[name].metadata
    if metadata is None:
        return None
    try:
        record = Path(metadata, "RECORD")
        if record.stat().st_size > _LARGEST_RECORD:
            return None
        return hashlib.sha256(record.read_bytes()).hexdigest()
    except OSError:
        return None
