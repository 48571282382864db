"""The job "gather": brings a file of every rank to rank 0 through torch.distributed, by the backend for CPUs.

Its request: {"said": FILE, "into": DIR, "seconds": …, …}. `said` is this rank's file; rank 0 writes all of them to
`into`, as RANK.json. Where the ranks are is what the launcher's variables say (RANK, WORLD_SIZE, MASTER_ADDR …).
"""

import datetime
import os
from pathlib import Path

from .events import begin


def main(request):
    """Gathers.

    Args:
        request: The JSON argument, parsed.
    """
    emit = begin(request)
    try:
        texts = exchange(Path(request["said"]).read_text(encoding="utf-8"), request["seconds"])
        for number, text in enumerate(texts or ()):
            Path(request["into"], f"{number}.json").write_text(text, encoding="utf-8")  # read once this has ended
        emit("gathered")
    except (Exception, SystemExit) as error:
        emit.failure("import", error)


def exchange(text, seconds):
    """Every rank's text, on rank 0; None on the others.

    Args:
        text: This rank's.
        seconds: How long to wait for the others.
    """
    import torch.distributed as dist

    _name_by_slurm()
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=seconds))
    try:
        rank, size = dist.get_rank(), dist.get_world_size()
        texts = [None] * size if rank == 0 else None
        dist.gather_object(text, texts, dst=0)
        dist.barrier()
        return texts
    finally:
        dist.destroy_process_group()


def _name_by_slurm():
    """srun says the rank in its own words; where the first node is must be said by the user (MASTER_ADDR)."""
    for name, other in (("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS")):
        if name not in os.environ and other in os.environ:
            os.environ[name] = os.environ[other]
