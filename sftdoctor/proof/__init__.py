"""A real, tiny 4-bit LoRA SFT run in the target, checked and certified."""

from __future__ import annotations

from sftdoctor.proof.certificate import fingerprint, verify
from sftdoctor.proof.runner import prove, require_runnable

__all__ = ["fingerprint", "prove", "require_runnable", "verify"]
