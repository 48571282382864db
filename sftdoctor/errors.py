"""What can go wrong with the job itself (exit status 2), each with a hint that says what to do."""

from __future__ import annotations


class SftDoctorError(Exception):
    """The job could not be done.

    Args:
        message: What happened, and to which file or package.
        hint: What the user can do about it; empty where nothing useful can be said.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SftDoctorError):
    """The command line or the configuration asks for something that makes no sense."""


class TargetError(SftDoctorError):
    """The target (an interpreter, a set of pins, a snapshot) cannot be read."""


class WorkloadError(SftDoctorError):
    """A script, notebook, config or model folder cannot be read."""


class RuleError(SftDoctorError):
    """A rule file is broken."""


class RepairError(SftDoctorError):
    """A plan cannot be made, carried out or taken back."""


class ProofError(SftDoctorError):
    """The proof could not be started (a step that fails inside the proof is no error but its result)."""


class OfflineError(SftDoctorError):
    """Something has to be fetched, and the network is off or cannot be reached."""
