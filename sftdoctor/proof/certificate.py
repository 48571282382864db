"""The certificate of a proof: what was proved, when, and the fingerprint of the environment that it holds for."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sftdoctor.errors import ProofError
from sftdoctor.model import Environment, Proof

CORE = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets", "tokenizers", "safetensors")
"""Distributions whose installed files count, not their version alone: people edit these in place and rebuild them."""
_PLATFORM = ("sys_platform", "platform_machine", "implementation_name")
_LARGEST_RECORD = 64 * 1024 * 1024
_LARGEST_CERTIFICATE = 16 * 1024 * 1024
_LARGEST_CONFIG = 4 * 1024 * 1024
_NAMES_CONFIG = re.compile(rb"^\s*deepspeed_config_file:\s*[\"']?([^\"'#\n]+?)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
"""Where a config of accelerate names one of DeepSpeed."""
_WRITE = "Write one: sftdoctor prove --format json=proof.json."


def fingerprint(environment: Environment, subject: Mapping[str, Any] | None = None) -> str:
    """What a proof depends on, as one hash.

    Args:
        environment: The target.
        subject: What was trained, see subject_of(); None for the tiny Llama.

    Returns:
        "sha256:…" over every distribution's name and version, the RECORD of the core ones, Python, the platform,
        torch's build, the accelerators (where the hardware was looked at), and the subject.
    """
    return _hash(_facts(environment), subject)


def _facts(environment: Environment) -> dict[str, Any]:
    build = environment.torch_build
    return {
        "python": environment.python,
        "platform": {name: environment.markers.get(name) for name in _PLATFORM},
        "distributions": {d.name: d.version for d in environment.distributions.values()},
        "records": {name: _record(environment, name) for name in CORE if name in environment.distributions},
        "torch": [build.version, build.cuda, build.hip] if build else None,
        "accelerators": [[a.kind, a.name, a.memory] for a in environment.accelerators or ()],
        "driver": environment.driver,
    }


def _hash(facts: Any, subject: Any) -> str:
    text = json.dumps([facts, subject or {}], sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def subject_of(
    model: Path | str | None = None, script: Path | None = None, *, ranks: int = 1, config: Path | None = None
) -> dict[str, Any]:
    """What a proof trains and who starts it, as far as its certificate depends on it.

    Args:
        model: The model's folder or config.json, or the name of an architecture.
        script: The script that is run.
        ranks: Processes that train together; 1 without a launcher.
        config: Of accelerate, which then launches them; None for torchrun.

    Returns:
        {"model": name or hash of the config, "script": hash, "launch": {"launcher", "processes", "config": path or
        None, "digest": hash of that config and of the DeepSpeed config that it names}}; only what there is.
    """
    found: dict[str, Any] = {}
    if model is not None:
        path = Path(model)
        file = path / "config.json" if path.is_dir() else path
        found["model"] = _content(file) or str(model)
    if script is not None:
        found["script"] = _content(script)
    if ranks > 1:
        found["launch"] = {
            "launcher": "torchrun" if config is None else "accelerate launch",
            "processes": ranks,
            "config": None if config is None else str(config),
            "digest": None if config is None else _config_content(config),
        }
    return found


def _content(path: Path) -> str | None:
    try:
        return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None


def _config_content(path: Path) -> str | None:
    """Hash of a config of accelerate and of the DeepSpeed config that it names; None where it cannot be read."""
    text = _small_file(path)
    if text is None:
        return None
    digest = hashlib.sha256(text)
    for name in _NAMES_CONFIG.findall(text)[:1]:  # read from where the launcher is started, as accelerate does
        digest.update(b"\0" + (_small_file(Path(name.decode(errors="replace"))) or b""))
    return "sha256:" + digest.hexdigest()


def _small_file(path: Path) -> bytes | None:
    try:
        if not path.is_file():  # a certificate may name anything, a pipe for one
            return None
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_CONFIG + 1)
    except (OSError, ValueError):
        return None
    return text if len(text) <= _LARGEST_CONFIG else None


def certify(
    proof: Proof, environment: Environment, stack: Mapping[str, Any], subject: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Makes the certificate of a proof, whatever its verdict.

    Args:
        proof: The proof, without a certificate.
        environment: The target that it ran in.
        stack: What the worker said of the libraries and the device.
        subject: What was trained, see subject_of().

    Returns:
        Plain data for JSON.
    """
    return {
        "fingerprint": fingerprint(environment, subject),
        "environment": _facts(environment),
        "subject": dict(subject or {}),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": environment.python,
        "versions": dict(stack.get("versions") or {}),
        "model": proof.model,
        "device": stack.get("device_name") or proof.device,
        "processes": stack.get("processes", 1),
        "compute_dtype": stack.get("compute_dtype"),
        "verdict": proof.verdict,
        "runs": [
            {
                "quantization": run.quantization,
                "settings": dict(run.settings),
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


def verify(
    certificate: Mapping[str, Any], environment: Environment, subject: Mapping[str, Any] | None = None
) -> tuple[str, ...]:
    """Why a certificate does not say that this very environment passed.

    Args:
        certificate: As read from JSON; hostile.
        environment: The environment as it is now, its hardware looked at as it was then.
        subject: What is to be trained now, see subject_of(); only what it names is compared.

    Returns:
        What differs, a sentence each; nothing where the certificate holds.
    """
    if certificate.get("verdict") != "passed":
        return (f"the proof did not pass: it says {certificate.get('verdict')!r}",)
    then, proved = certificate.get("environment"), certificate.get("subject")
    if not isinstance(then, dict) or not isinstance(proved, dict):
        return ("it is none that this version of sftdoctor wrote: prove once more",)
    if certificate.get("fingerprint") != _hash(then, proved):
        return ("its fingerprint is not that of what it says: it has been edited",)
    now = json.loads(json.dumps(_facts(environment)))
    found = [line for name in now for line in _changes(name, then.get(name), now[name])]
    for name, value in (subject or {}).items():
        if proved.get(name) != value:
            known = name in proved
            found.append(f"the {name} has changed" if known else f"the proof trained no {name} of yours")
    return tuple(found)


def verify_launch(certificate: Mapping[str, Any], configs: Sequence[Path] = ()) -> tuple[str, ...]:
    """Why a proof was not launched as the job will be.

    Args:
        certificate: As read from JSON; hostile.
        configs: Of accelerate, with which it will be launched, where that is known; else the one that the certificate
            names is looked at.

    Returns:
        What differs, a sentence each.
    """
    proved = certificate.get("subject")
    launch = proved.get("launch") if isinstance(proved, dict) else None
    if not isinstance(launch, dict):
        return tuple(f"the proof ran one process, not those of {path}" for path in configs)
    name, digest = launch.get("config"), launch.get("digest")
    if not isinstance(name, str):
        return tuple(f"the proof was started by torchrun, not with {path}" for path in configs)
    if configs:
        changed = [path for path in configs if _config_content(path) != digest]
        return tuple(f"{path} is not the config of accelerate that the proof was launched with" for path in changed)
    now = _config_content(Path(name))
    if now == digest:
        return ()
    what = "cannot be read" if now is None else "has changed"
    return (f"{_shown(name)}, the config of accelerate that the proof was launched with, {what}",)


def _changes(name: str, then: Any, now: Any) -> list[str]:
    """What differs in one group of facts."""
    if then == now:
        return []
    if not isinstance(then, dict) or not isinstance(now, dict):
        return [f"{name}: {_shown(then)} → {_shown(now)}"]
    keys = sorted(str(key) for key in {*then, *now} if then.get(key) != now.get(key))
    if name == "records":
        return [f"{key}: its installed files have changed" for key in keys if key in then and key in now]
    return [f"{key}: {_shown(then.get(key))} → {_shown(now.get(key))}" for key in keys]


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:100]


def read_certificate(path: Path) -> dict[str, Any]:
    """Read a certificate.

    Args:
        path: What `prove --format json` or `fix --format json` wrote, or the certificate out of it.

    Raises:
        ProofError: It cannot be read or holds none.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_CERTIFICATE + 1)
        found = json.loads(data) if len(data) <= _LARGEST_CERTIFICATE else None
    except OSError as error:
        raise ProofError(f"{path} cannot be read: {error.strerror}", _WRITE) from error
    except (ValueError, RecursionError) as error:
        raise ProofError(f"{path} is no JSON: {error}", _WRITE) from error
    for key in ("proof", "certificate"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or "fingerprint" not in found:
        raise ProofError(f"{path} holds no certificate of a proof", _WRITE)
    return found


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
