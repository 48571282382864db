"""A real, tiny 4-bit LoRA SFT run in the target, checked and certified."""

from __future__ import annotations

from sftdoctor.proof.certificate import fingerprint, read_certificate, subject_of, verify, verify_launch
from sftdoctor.proof.runner import prove, require_runnable

__all__ = ["fingerprint", "prove", "read_certificate", "require_runnable", "subject_of", "verify", "verify_launch"]
