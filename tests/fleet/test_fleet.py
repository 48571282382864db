"""Fleets: which rank this is, what a rank says of itself, and how it comes together. Real processes, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sftdoctor.errors import TargetError
from sftdoctor.fleet import Rank, rank_of, read_member
from sftdoctor.fleet.members import links_of, member_dict
from sftdoctor.target.snapshot import snapshot_dict
from tests.predicates.contexts import environment


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Rank(3, 8, 1, "node", "job")),
        (
            {"RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "a", "MASTER_PORT": "1"},
            Rank(0, 2, 0, "node", "a-1"),
        ),
        (
            {"SLURM_PROCID": "5", "SLURM_NTASKS": "16", "SLURM_LOCALID": "2", "SLURM_JOB_ID": "77"},
            Rank(5, 16, 2, "node", "77"),
        ),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Rank(1, 2, 0, "node", "job")),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, Rank(1, 2, 0, "node", "job")),
        ({"RANK": "2", "WORLD_SIZE": "2"}, None),
        ({"RANK": "x", "WORLD_SIZE": "2"}, None),
        ({"RANK": "0"}, None),
        ({}, None),
    ],
)
def test_rank_of(variables: dict[str, str], expected: Rank | None) -> None:
    assert rank_of(variables, "node") == expected


def test_a_member_and_back(tmp_path: Path) -> None:
    machine = {"platform": "Linux", "$NCCL_DEBUG": "INFO", "$RANK": "3", "$CUDA_VISIBLE_DEVICES": "1"}
    said = member_dict(Rank(3, 8, 1, "node-b", "job"), environment(), machine)
    (tmp_path / "3.json").write_text(json.dumps(said))
    member = read_member(tmp_path / "3.json")
    assert member.name == "rank 3 on node-b"
    assert dict(member.machine) == {"platform": "Linux", "$NCCL_DEBUG": "INFO"}


@pytest.mark.parametrize("machine", [None, 3, [], {"a": {"b": 1}}, {str(n): "x" * 9000 for n in range(900)}])
def test_what_a_file_says_beside_its_snapshot_is_bounded(tmp_path: Path, machine: object) -> None:
    said = {**snapshot_dict(environment()), "machine": machine, "rank": "none", "host": 5}
    (tmp_path / "a.json").write_text(json.dumps(said))
    member = read_member(tmp_path / "a.json")
    assert member.name == "a"
    assert sum(map(len, member.machine.values())) <= 80_000


def test_no_member(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(TargetError, match="no snapshot"):
        read_member(tmp_path / "a.json")


def test_links_of(tmp_path: Path) -> None:
    port = tmp_path / "mlx5_0" / "ports" / "1"
    port.mkdir(parents=True)
    (port / "state").write_text("4: ACTIVE\n")
    (port / "rate").write_text("400 Gb/sec (4X NDR)\n")
    assert links_of(tmp_path) == {"InfiniBand": "mlx5_0 ACTIVE 400 Gb/sec"}
    assert links_of(tmp_path / "nowhere") == {}


def start(rank: int, folder: Path, size: int = 2, **variables: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NCCL_", "SLURM_"))}
    said = {"RANK": str(rank), "WORLD_SIZE": str(size), "TORCHELASTIC_RUN_ID": "a job", **variables}
    command = [sys.executable, "-m", "sftdoctor", "fleet", "--share", str(folder), "--wait", "60", "--format", "json"]
    return subprocess.Popen(
        [*command, "--python", sys.executable],
        env={**kept, **said, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ranks_without_torch_meet_in_a_folder(tmp_path: Path) -> None:
    others = [start(1, tmp_path, 3, NCCL_DEBUG="INFO"), start(2, tmp_path, 3)]
    first = start(0, tmp_path, 3)
    out, err = first.communicate(timeout=120)
    for other in others:
        other.communicate(timeout=60)
        assert other.returncode == 0
    assert first.returncode == 1
    assert "torch.distributed could not be used" in err
    said = json.loads(out)
    assert [name.partition(" on ")[0] for name in said["members"]] == ["rank 0", "rank 1", "rank 2"]
    assert [one["what"] for one in said["differences"]] == ["$NCCL_DEBUG"]
    assert [one["member"].partition(" on ")[0] for one in said["odd"]] == ["rank 1"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_launcher_it_says_how_to_start_it(tmp_path: Path) -> None:
    process = start(0, tmp_path, 0)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "torchrun" in err
