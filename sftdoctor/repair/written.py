"""What a plan writes besides packages and scripts: the files that describe the environment, and constraints."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from sftdoctor.errors import RepairError, TargetError
from sftdoctor.model import Action, FixResult, Plan, Safety
from sftdoctor.repair import pinfiles
from sftdoctor.repair.durable import write_file
from sftdoctor.repair.edits import read_script, render_diff
from sftdoctor.repair.pinfiles import Wanted

if TYPE_CHECKING:
    from sftdoctor.target.index import Index


def with_files(plan: Plan, paths: Iterable[str], *, offline: bool = False, cache: Path | None = None) -> Plan:
    """The plan with an action more for each file that has to say something else.

    Args:
        plan: With its packages.
        paths: requirements.txt, pyproject.toml or environment.yml files.
        offline: Ask no index (for the hashes of a file that has some).
        cache: Folder of the cache; None for the user's.

    Raises:
        RepairError: A file cannot be read, or not be changed safely.
    """
    from sftdoctor.target.index import Index

    packages = [one for one in plan.actions if one.kind == "package"]
    wanted = {one.name: Wanted(_public(one.new), not one.along) for one in packages}
    index = Index(offline=offline) if cache is None else Index(cache=cache, offline=offline)
    actions = []
    for name in paths if wanted else ():
        old = read_script(Path(name))
        new = pinfiles.rewrite(Path(name), old, wanted, lambda name, version: _hashes(index, name, version))
        if new != old:
            diff = render_diff(old.decode("utf-8-sig"), new.decode("utf-8-sig"), name)
            ids = tuple(dict.fromkeys(one for action in packages for one in action.findings))
            why = "so that the next install brings the same"
            actions.append(Action("config", name, None, None, Safety.SAFE, why, ids, diff=diff, content=new))
    return replace(plan, actions=(*plan.actions, *actions))


def write_constraints(result: FixResult, path: Path, version: str) -> None:
    """Write the versions of a repaired set; nothing where there is none, or where the repair was undone.

    Args:
        result: Of the fix.
        path: The file; it is replaced.
        version: Of sftdoctor.

    Raises:
        RepairError: It cannot be written.
    """
    if result.outcome in ("undone", "refused"):
        return
    versions = {name: one.version for name, one in result.before.environment.distributions.items() if not one.editable}
    for action in result.plan.actions:
        if action.kind == "package":
            versions.pop(action.name, None)
            versions |= {action.name: action.new} if action.new else {}
    proof = result.proof
    proved = f"proved on {proof.device} ({proof.quantization})" if proof and proof.verdict == "passed" else "not proved"
    python = result.before.environment.python
    heading = f"What sftdoctor {version} found to go together on Python {python}: it links clean, and is {proved}."
    try:
        write_file(Path(os.path.realpath(path)), pinfiles.constraints(versions, heading).encode(), mode=0o644)
    except OSError as error:
        raise RepairError(f"{path} cannot be written: {error.strerror or error}") from error


def _public(version: str | None) -> str | None:
    """A version without its local part, which only its own index has."""
    return version.partition("+")[0] if version else None


def _hashes(index: Index, name: str, version: str) -> tuple[str, ...]:
    try:
        files = index.files(name)
    except TargetError:
        return ()
    return tuple(sorted({one.sha256 for one in files if one.sha256 and one.version(name) == Version(version)}))
