"""Which process of a job this one is, as its launcher says."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"),
)
"""Variables of torchrun and accelerate launch, srun, Open MPI, and MPICH or Intel MPI: rank, number of ranks, rank on
the node."""
JOBS = ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid")
"""Variables that are the same for all ranks of one job, and of no other."""


@dataclass(frozen=True)
class Rank:
    """One process of a job."""

    rank: int
    size: int
    """How many there are."""
    local: int
    """Its number on its node."""
    host: str
    job: str
    """A name that the ranks of one job share."""


def rank_of(variables: Mapping[str, str], host: str | None = None) -> Rank | None:
    """Which process this is.

    Args:
        variables: The environment variables.
        host: The node's name; this machine's where None.

    Returns:
        Its rank; None where no launcher says one.
    """
    for rank, size, local in LAUNCHERS:
        numbers = [variables.get(name, "") for name in (rank, size)]
        if all(number.isdigit() for number in numbers) and int(numbers[0]) < int(numbers[1]):
            here = variables.get(local, "0")
            job = next((variables[name] for name in JOBS if variables.get(name, "none") not in ("", "none")), "")
            where = "-".join(variables[name] for name in ("MASTER_ADDR", "MASTER_PORT") if variables.get(name))
            on_node = int(here) if here.isdigit() else 0
            name = job or where or "job"
            return Rank(int(numbers[0]), int(numbers[1]), on_node, host or socket.gethostname(), name)
    return None
