"""Several processes that train together: whether they came out with the same weights."""

import hashlib
import os

from .errors import NotPossibleError


def world_size():
    """How many processes the launcher started; 1 where there is none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def expect(ranks):
    """Makes sure that the launcher started as many processes as it was asked for.

    Args:
        ranks: How many.

    Raises:
        NotPossibleError: It did not.
    """
    if world_size() != ranks:
        raise NotPossibleError(
            f"the launcher started {world_size()} of {ranks} processes: accelerate starts several for CPUs "
            "(distributed_type: MULTI_CPU, NO) through MPI alone"
        )


def require_gpus(count):
    """Makes sure that there is a GPU for each process of this machine; every process must come to the same answer,
    else those that go on wait for the others.

    Args:
        count: How many GPUs torch sees.

    Raises:
        NotPossibleError: There are fewer.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if here > count:
        raise NotPossibleError(f"each of {here} processes wants a GPU of its own, and torch sees {count}")


def compare(torch, parameters):
    """Compares parameters over all ranks, each of which must call this.

    Args:
        torch: The module.
        parameters: Tensors, the same ones on every rank.

    Returns:
        (whether all ranks have the same, "2 processes" or what is wrong with them).
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return False, "torch.distributed was not started: each process trained alone"
    digest = hashlib.sha256()
    for parameter in parameters:
        digest.update(parameter.detach().float().cpu().numpy().tobytes())
    found = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, digest.hexdigest())
    if len(found) != world_size():
        return False, f"{len(found)} of {world_size()} processes trained together"
    return len(set(found)) == 1, f"{len(found)} processes"
