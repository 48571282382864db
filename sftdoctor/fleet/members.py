"""One member of a fleet as plain facts, and as a file: a snapshot with its rank, its node and its variables beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor.fleet.ranks import Rank
from sftdoctor.model import Environment
from sftdoctor.target.snapshot import read_recorded, snapshot_dict

OF_ONE_RANK = ("$RANK", "$LOCAL_RANK", "$CUDA_VISIBLE_DEVICES", "$ROCR_VISIBLE_DEVICES", "$HIP_VISIBLE_DEVICES")
"""Variables that differ from rank to rank, and should."""
INFINIBAND = "/sys/class/infiniband"
MOST_FACTS = 200


@dataclass(frozen=True)
class Member:
    """One process, machine or snapshot among many."""

    name: str
    environment: Environment
    machine: Mapping[str, str]
    """Facts of the machine and variables (with a "$") that matter to all ranks alike."""


def member_dict(rank: Rank, environment: Environment, machine: Mapping[str, str]) -> dict[str, Any]:
    """What a rank says of itself, as JSON values.

    Args:
        rank: Which it is.
        environment: What is installed there.
        machine: What target.machine and links_of read.
    """
    kept = {name: value for name, value in machine.items() if name not in OF_ONE_RANK}
    return {**snapshot_dict(environment), "rank": rank.rank, "host": rank.host, "machine": kept}


def read_member(path: Path) -> Member:
    """Read a snapshot, or what a rank said of itself.

    Args:
        path: The file. Nothing in it is trusted.

    Returns:
        The member, named after its rank and node, else after its file.

    Raises:
        TargetError: It is neither.
    """
    environment, said = read_recorded(path)
    machine = said.get("machine")
    facts = machine if isinstance(machine, dict) else {}
    texts = {str(name)[:100]: str(value)[:400] for name, value in list(facts.items())[:MOST_FACTS]}
    rank, host = said.get("rank"), said.get("host")
    name = f"rank {rank} on {str(host)[:100]}" if isinstance(rank, int) and host else path.stem
    return Member(name, environment, texts)


def links_of(folder: Path = Path(INFINIBAND)) -> dict[str, str]:
    """The InfiniBand (or RoCE) ports of this machine with their state and rate, as the kernel tells them."""
    found = []
    for port in sorted(folder.glob("*/ports/*")):
        try:
            state, rate = ((port / name).read_text().strip() for name in ("state", "rate"))
        except OSError:
            continue
        found.append(f"{port.parent.parent.name} {state.rpartition(': ')[2]} {rate.partition(' (')[0]}")
    return {"InfiniBand": ", ".join(found)} if found else {}
