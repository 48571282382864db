"""The job "proof": imports the stack, makes a tiny model, and trains it once for every quantisation that is asked for.

Its request: {"device": "cpu"|"cuda"|null, "quantizations": ["nf4", …]|null, "folder": DIR, …}
"""

import faulthandler
import gc
import signal
from pathlib import Path

from .errors import NotPossibleError
from .events import Events, die_with_parent
from .model import make_model
from .stack import Stack
from .training import Run


def prove(stack, emit, quantizations, folder, fallback):
    """Runs every quantisation in turn; one that fails does not hide the next.

    Args:
        stack: The libraries.
        emit: Where the events go.
        quantizations: What to run.
        folder: Where to work.
        fallback: Whether to run unquantised, marked as 4-bit, where no quantisation is possible on this machine.
    """
    emit("stage", stage="load")
    model_folder = Path(folder) / "model"
    if not (model_folder / "config.json").exists():
        make_model(stack, str(model_folder))
    possible = [run_one(stack, emit, name, model_folder) for name in quantizations]
    if fallback and not any(possible):
        # What this machine can still tell: everything but the 4-bit layers themselves.
        run_one(stack, emit, "none", model_folder, marked=True)


def run_one(stack, emit, quantization, model_folder, marked=False):
    """Runs one quantisation in a folder of its own; says whether it was possible."""
    work_folder = model_folder.parent / quantization
    work_folder.mkdir(exist_ok=True)
    emit.quantization = quantization
    emit("started")
    try:
        return Run(stack, emit, quantization, str(model_folder), work_folder, marked).run()
    finally:
        emit.quantization = None
        gc.collect()


def main(request):
    """Imports the stack and proves it.

    Args:
        request: The JSON argument, parsed.
    """
    faulthandler.enable()
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    emit = Events(request["events"])
    die_with_parent(request["lifeline"])
    stack = Stack(request.get("device"))
    emit("stage", stage="import")
    try:
        stack.load(emit)
    except NotPossibleError as error:
        return emit("not_possible", stage="import", reason=str(error))
    except (Exception, SystemExit) as error:
        return emit.failure("import", error)
    quantizations = request.get("quantizations") or (["nf4"] if stack.cuda else ["nf4", "int8"])
    emit("plan", quantizations=quantizations)
    try:
        prove(stack, emit, quantizations, request["folder"], fallback=not request.get("quantizations"))
    except (Exception, SystemExit) as error:
        return emit.failure("load", error)
    return emit("finished")
