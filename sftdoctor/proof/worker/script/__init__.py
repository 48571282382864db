"""The job "script": the user's own script, run unmodified for a step or two with the outside world made small."""

from .job import main

__all__ = ["main"]
