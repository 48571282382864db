"""An Environment as a file that can be sent to someone else, and back.

The home folder stands as "~" in it. Paths are kept because the same machine can read the packages again through them;
on any other machine the folders that are not the recorded ones are forgotten when the file is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import TargetError
from sftdoctor.model import Distribution, Environment, Target, TargetKind
from sftdoctor.target.codec import BadValueError, from_dict, to_dict
from sftdoctor.target.files import read_bytes
from sftdoctor.target.metadata import UnreadableError, read_distribution

SCHEMA = 1
_KIND = "sftdoctor-environment"
_SIZE_LIMIT = 16 << 20
_HINT = "Record it again with `sftdoctor snapshot`."


def save_snapshot(environment: Environment, path: Path) -> None:
    """Write an environment to a file.

    Args:
        environment: The environment as read.
        path: The file; replaced as a whole if it is there.

    Raises:
        TargetError: It cannot be written.
    """
    text = json.dumps(snapshot_dict(environment), indent=1, ensure_ascii=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text + "\n", encoding="ascii")
        beside.replace(path)
    except (OSError, ValueError) as why:
        beside.unlink(missing_ok=True)
        raise TargetError(f"The snapshot {path} cannot be written: {why}.", "Choose another file.") from why


def snapshot_dict(environment: Environment) -> dict[str, Any]:
    """What a snapshot says, as JSON values."""
    return {"schema": SCHEMA, "kind": _KIND, "environment": to_dict(environment)}


def load_snapshot(path: Path) -> Environment:
    """Read an environment that was recorded here or elsewhere.

    Args:
        path: The file. Nothing in it is trusted.

    Returns:
        The environment, its target being the snapshot. Folders that are not on this machine are left out.

    Raises:
        TargetError: It is no snapshot, of a newer schema, or damaged.
    """
    return _without_foreign_folders(read_recorded(path)[0])


def read_recorded(path: Path) -> tuple[Environment, Mapping[str, Any]]:
    """Read what was recorded, as it was: its folders may be those of another machine.

    Args:
        path: The file. Nothing in it is trusted.

    Returns:
        The environment, its target being the snapshot; and all that the file says beside it.

    Raises:
        TargetError: It is no snapshot, of a newer schema, or damaged.
    """
    data = read_bytes(str(path), _SIZE_LIMIT + 1)
    if data is None:
        raise TargetError(f"There is no snapshot {path} that can be read.", "Is the path right?")
    if len(data) > _SIZE_LIMIT:
        raise TargetError(f"{path} is too large for a snapshot.", _HINT)
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as why:
        raise TargetError(f"{path} is no snapshot: it is no JSON.", _HINT) from why
    if not isinstance(said, dict) or said.get("kind") != _KIND:
        raise TargetError(f"{path} is no snapshot of sftdoctor's.", _HINT)
    if said.get("schema") != SCHEMA:
        shown = repr(said.get("schema"))[:20]
        hint = "Update sftdoctor, or record it again."
        raise TargetError(f"{path} has schema {shown}; this sftdoctor reads {SCHEMA}.", hint)
    try:
        environment = from_dict(said.get("environment"))
    except (BadValueError, RecursionError) as why:
        raise TargetError(f"{path} is damaged: {why}.", _HINT) from why
    target = Target(TargetKind.SNAPSHOT, str(path), environment.python)
    return replace(environment, target=target), said


def _without_foreign_folders(environment: Environment) -> Environment:
    """Keep the folders that hold what was recorded; a folder of that name on another machine holds something else."""
    distributions = {
        name: each if _is_here(each) else replace(each, root=None, metadata=None)
        for name, each in environment.distributions.items()
    }
    kept = {each.root for each in distributions.values() if each.root}
    kept |= {str(Path(each.metadata).parent) for each in distributions.values() if each.metadata}
    stdlib = environment.stdlib if environment.stdlib and Path(environment.stdlib, "os.py").is_file() else None
    return replace(
        environment,
        distributions=distributions,
        paths=tuple(path for path in environment.paths if path in kept),
        modules={name: path for name, path in environment.modules.items() if str(Path(path).parent) in kept},
        owners={name: root for name, root in environment.owners.items() if root in kept or not root},
        stdlib=stdlib,
    )


def _is_here(distribution: Distribution) -> bool:
    """Whether that very distribution lies where it was recorded: name and version are read again."""
    if not distribution.metadata or not distribution.root or not Path(distribution.metadata).is_absolute():
        return False
    try:
        found = read_distribution(distribution.metadata, distribution.root)
    except UnreadableError:
        return False
    return (found.name, found.version) == (distribution.name, distribution.version)
