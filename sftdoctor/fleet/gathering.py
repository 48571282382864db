"""Brings what every rank says of itself to rank 0: through torch.distributed, else through files on a shared folder."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor.errors import SftDoctorError, TargetError
from sftdoctor.fleet.members import Member, read_member
from sftdoctor.fleet.ranks import Rank
from sftdoctor.proof.process import WorkerProcess

PAUSE = 0.2
"""Seconds between two looks into the shared folder."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Gathered:
    """What came together at rank 0."""

    members: tuple[Member, ...]
    missing: tuple[int, ...]
    """Ranks that were not heard of."""
    through: str
    """"torch.distributed" or "files"."""
    trouble: str = ""
    """Why torch.distributed could not be used; empty where it was."""


def gather(rank: Rank, said: dict[str, Any], python: str, share: Path, seconds: float, progress: Progress) -> Gathered:
    """Bring all ranks' words to rank 0. Every rank calls it; what it gives back matters on rank 0 alone.

    Args:
        rank: Which this is.
        said: What it says of itself, as member_dict gives it.
        python: The target's interpreter, whose torch is asked.
        share: A folder that all nodes share; used, and cleared again, where torch.distributed cannot be.
        seconds: How long to wait for the others, for each of the two ways.
        progress: Told what takes long.

    Returns:
        What came together.

    Raises:
        TargetError: torch.distributed cannot be used, and the shared folder cannot be written to.
    """
    with tempfile.TemporaryDirectory(prefix="sftdoctor-fleet-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "said").write_text(json.dumps(said), encoding="utf-8")
        progress("gathering through torch.distributed…")
        trouble = _through_torch(folder, python, seconds)
        if not trouble:
            members, missing = _read(folder, rank.size) if rank.rank == 0 else ((), ())
            return Gathered(members, missing, "torch.distributed")
    progress("gathering through files…")
    shared = share / f"sftdoctor-fleet-{re.sub(r'[^A-Za-z0-9._-]+', '-', rank.job)[:80]}"
    try:
        shared.mkdir(parents=True, exist_ok=True)
        _write(shared / f"{rank.rank}.json", json.dumps(said))
    except OSError as error:
        raise TargetError(
            f"{shared} cannot be written to: {error.strerror}", "Name a folder that all nodes share with --share."
        ) from error
    if rank.rank != 0:
        return Gathered((), (), "files", trouble)
    _wait(shared, rank.size, seconds)
    members, missing = _read(shared, rank.size)
    shutil.rmtree(shared, ignore_errors=True)
    return Gathered(members, missing, "files", trouble)


def _through_torch(folder: Path, python: str, seconds: float) -> str:
    """Bring every rank's file to rank 0's folder by the target's torch; says why not, where it cannot."""
    request = {"job": "gather", "said": str(folder / "said"), "into": str(folder), "seconds": seconds}
    trouble = "it ended without a word"
    try:
        with WorkerProcess(python, request, folder, launched=True) as process:
            for event in process.listen(time.monotonic() + 2 * seconds):
                if event["event"] == "gathered":
                    trouble = ""
                elif event["event"] == "failure":
                    trouble = f"{event.get('exception')}: {event.get('message')}"[:300]
    except SftDoctorError as error:
        trouble = error.message
    return trouble


def _wait(folder: Path, size: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and len(list(folder.glob("*.json"))) < size:
        time.sleep(PAUSE)


def _read(folder: Path, size: int) -> tuple[tuple[Member, ...], tuple[int, ...]]:
    members, missing = [], []
    for number in range(size):
        try:
            members.append(read_member(folder / f"{number}.json"))
        except TargetError:
            missing.append(number)
    return tuple(members), tuple(missing)


def _write(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all: the others look while it is written."""
    beside = path.with_suffix(".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
