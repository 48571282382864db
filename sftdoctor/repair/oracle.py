"""Who says whether a candidate is any good: the same judges that wrote the Report."""

from __future__ import annotations

from typing import Protocol

from sftdoctor.model import Environment, Report


class Oracle(Protocol):
    """Judges what is not yet there."""

    def environment(self, candidate: Environment) -> Report:
        """Judge the same workload on another environment."""

    def script(self, path: str, source: str) -> Report:
        """Judge the same workload on the same environment with another text of one script."""
