"""A second reading of an environment: what pip itself lists in it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sftdoctor.model import Environment, TargetKind
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.process import ask_program

_TIMEOUT = 20.0


@dataclass(frozen=True)
class PipView:
    """What pip lists."""

    version: str
    """Of pip."""
    distributions: Mapping[str, str]
    """Canonical name → version."""


def ask_pip(environment: Environment) -> PipView | None:
    """What the pip beside sftdoctor lists in the target; nothing of the target is run.

    Args:
        environment: The target's facts.

    Returns:
        Its list; None where there is no pip or no answer, and for targets that are not installed.
    """
    if environment.target.kind is not TargetKind.INTERPRETER or not environment.paths:
        return None
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIPAPI", "PIP_"))}
    # pip runs as a module: neither the present folder nor this one may lend it modules
    variables |= {"PYTHONSAFEPATH": "1", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, str(Path(__file__).with_name("ask_pip.py")), *environment.paths]
    try:
        with tempfile.TemporaryDirectory(prefix="sftdoctor-pip-") as folder:
            answer = ask_program(command, timeout=_TIMEOUT, environment=variables, folder=folder)
        said = json.loads(answer.output)
        listed = {canonical_name(str(name)): str(version) for name, version in said["distributions"].items()}
        return PipView(str(said["version"]), listed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
