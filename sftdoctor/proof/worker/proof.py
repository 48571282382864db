"""The job "proof": imports the stack, makes a small model, and trains it once for every run that is asked for.

Its request:

    {"device": "cpu"|"cuda"|null, "folder": DIR,
     "runs": [{"name": "nf4", "quantization": "nf4", "settings": {…}}, …] or null for what this device is good at,
     "settings": {…} for the runs where "runs" is null,
     "model": {"name": …, "path": …, "trust_remote_code": …} or null for a tiny Llama}
"""

import gc
from pathlib import Path

from .errors import NotPossibleError, UnknownModelError
from .events import begin
from .model import make_model, make_small
from .plan import Plan
from .ranks import expect, world_size
from .stack import Stack
from .training import Run

SEED = 0
"""The ranks of one job make the same model each."""


def prove(stack, emit, subject, plans, folder, fallback):
    """Carries out every plan in turn; one that fails does not hide the next.

    Args:
        stack: The libraries.
        emit: Where the events go.
        subject: The model.
        plans: What to run.
        folder: Where to work.
        fallback: Whether to run unquantised, marked as 4-bit, where no quantisation is possible on this machine.

    Returns:
        Whether the end was reached: after a failure, ranks may no longer be at the same place, and wait for each other.
    """
    possible = []
    for plan in plans:
        possible.append(run_one(stack, emit, subject, plan, folder))
        if emit.broken and world_size() > 1:
            return False
    if fallback and not any(possible):
        # What this machine can still tell: everything but the 4-bit layers themselves.
        run_one(stack, emit, subject, Plan("none", "none"), folder, marked=True)
    return True


def run_one(stack, emit, subject, plan, folder, marked=False):
    """Carries out one plan in a folder of its own; says whether it was possible."""
    work_folder = Path(folder) / plan.name.replace("/", "_")
    work_folder.mkdir(exist_ok=True)
    emit.run = plan.name
    emit("started", quantization=plan.quantization, settings=plan.settings)
    try:
        return Run(stack, emit, subject, plan, work_folder, marked).run()
    finally:
        emit.run = None
        gc.collect()


def plans_of(request, stack):
    """The plans that a request asks for."""
    settings = request.get("settings") or {}
    runs = request.get("runs")
    if runs is None:
        alone = stack.cuda or any(name.startswith(("bnb_4bit", "sharding")) for name in settings)
        whole = ["nf4"] if alone else ["nf4", "int8"]
        runs = [{"name": name, "quantization": name, "settings": settings} for name in whole]
    return [Plan(run["name"], run["quantization"], run.get("settings")) for run in runs]


def main(request):
    """Imports the stack and proves it.

    Args:
        request: The JSON argument, parsed.

    Returns:
        1 where something failed.
    """
    emit = begin(request)
    stack = Stack(request.get("device"))
    place = Path(request["folder"], f"rank-{emit.rank}") if emit.rank else Path(request["folder"])
    place.mkdir(exist_ok=True)
    emit("stage", stage="import")
    try:
        expect(request.get("ranks", 1))
        stack.load(emit)
        plans = plans_of(request, stack)
        emit("plan", runs=[plan.name for plan in plans])
        emit("stage", stage="load")
        folder = str(place / "model")
        stack.torch.manual_seed(SEED)
        subject = make_small(stack, request["model"], folder) if request.get("model") else make_model(stack, folder)
        emit("subject", model=subject.source, notes=subject.notes)
        if not prove(stack, emit, subject, plans, place, not request.get("runs") and not request.get("settings")):
            return 1  # the runs that are left get processes of their own
    except NotPossibleError as error:
        emit("not_possible", stage="load", reason=str(error))
        return 0
    except UnknownModelError as error:
        emit("unknown_model", message=str(error), near=error.near)
        return 0
    except (Exception, SystemExit) as error:
        emit.failure(emit.stage or "load", error)
        return 1
    emit("finished")
    return 1 if emit.broken else 0
