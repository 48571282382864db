"""Runs the script as Python would, with the replacements in place, and says what became of it.

Its request: {"root": DIR, "script": "train.py", "working": ".", "arguments": […], "device": …, "cache": DIR|null,
"columns": […], "splits": […], "folder": DIR, …}. `root` is a copy that may be written to; `script` and `working`
(where it is started) are below it.
"""

import builtins
import os
import re
import runpy
import sys
import traceback

from ..errors import EnoughError, NotPossibleError
from ..events import begin, chain, short
from ..quantization import WANTS_GPU
from ..ranks import expect, world_size
from ..stack import REPORTED
from . import arguments, data, leaving, loops, madeup, models, outside, starting, tokenizers, training
from .hooks import Hooks
from .world import World

ENDED_BY_ITSELF = (None, 0)
SPREAD = (
    "device_map spreads the model over all GPUs in each of the processes, and nothing here refused it: what becomes of "
    "that only several GPUs show"
)
OFFLINE = ("OfflineModeIsEnabled", "LocalEntryNotFoundError")
"""Exceptions of huggingface_hub that say that there is no network."""
NOT_ON_HUB = "doesn't exist on the Hugging Face Hub either"
"""What evaluate and datasets say of a module that they cannot fetch."""
LACKS_PART = re.compile(r"^Can't load (image processor|feature extractor|video processor|processor) for '")
"""What transformers says of a folder without the files of that part."""


def main(request):
    """Runs the script that a request names.

    Args:
        request: The JSON argument, parsed.

    Returns:
        1 where something failed.
    """
    emit = begin(request)
    world = World(request, emit)
    outside.close(world)
    hooks = Hooks()
    watched, loop = training.Watched(world), loops.Loop(world)
    for part in (models.Models(world), tokenizers.Tokenizers(world), data.Data(world), watched, loop):
        part.install(hooks)
    arguments.install(hooks, world)
    leaving.install(hooks, world)
    emit("stage", stage="import")
    try:
        expect(request.get("ranks", 1))
        error = run(request)
    except NotPossibleError as refused:
        error = refused
    _report_stack(emit)
    watched.report()
    loop.report()
    _judge(error, world, watched.steps or loop.steps, len(loop.losses))
    emit("finished")
    return 1 if emit.broken else 0


def run(request):
    """Executes the script as `python script arguments…` (or `python -m`) does; gives back what it raised, or None."""
    script = os.path.join(request["root"], request["script"])
    os.chdir(os.path.join(request["root"], request["working"]))
    sys.argv[:] = [script, *request["arguments"]]
    first, module = starting.module_of(request["root"], script)
    sys.path.insert(0, first)
    if script.endswith(".ipynb.py"):
        builtins.display = lambda *things, **more: None  # what a kernel gives to every cell
    try:
        if module:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
    except EnoughError:
        return None
    except SystemExit as end:
        return None if end.code in ENDED_BY_ITSELF else end
    except BaseException as error:
        return error
    return None


def _report_stack(emit):
    """Tells the versions and the device of what the script imported; nothing more is imported for that."""
    torch = sys.modules.get("torch")
    cuda = torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available()
    versions = {name: str(getattr(sys.modules.get(name), "__version__", None)) for name in REPORTED}
    emit(
        "stack",
        device="cuda:0" if cuda else "cpu",
        device_name=torch.cuda.get_device_name(0) if cuda else None,
        devices=torch.cuda.device_count() if cuda else 0,
        processes=world_size(),
        versions=versions,
    )


def _judge(error, world, steps, losses):
    """Tells how the script ended."""
    emit = world.emit
    if error is None:
        if steps and world.spread:
            emit("not_possible", stage="train", reason=SPREAD)
        elif steps:
            emit("passed")
        else:
            emit("not_possible", stage="train", reason=_without_step(losses))
        return
    if isinstance(error, SystemExit):  # a script that catches an error, tells it and leaves, has failed of it
        error = next((cause for cause in chain(error)[1:] if isinstance(cause, Exception)), error)
    reason = _reason(error, world)
    stage = stage_of(error)
    if reason:
        emit("not_possible", stage=stage, reason=reason)
    elif isinstance(error, SystemExit):
        message = f"the script left with {error.code!r}"
        emit("failure", stage=stage, exception="SystemExit", message=message, traceback="")
    else:
        if madeup.is_of_made_up(error, world):
            emit("of_made_up", reason=f"the rows are made up, and the script wants others: {short(error)}")
        _without_ours(error)
        emit.failure(stage, error)


def _without_step(losses):
    """Why a script that ended proves nothing."""
    if losses:
        return (
            f"no optimizer took a step after {losses} losses: gradients are gathered over more batches than the few "
            "rows of a proof make"
        )
    return "the script ended and no training step was seen"


def _reason(error, world):
    """Why an error says nothing about the script and its stack; empty where it does."""
    for cause in chain(error):
        if isinstance(cause, (NotPossibleError, outside.NoNetworkError, outside.NoAddressError)):
            return str(cause)
        if type(cause).__name__ in OFFLINE or NOT_ON_HUB in str(cause):
            return f"it wants something from the Hub that is not here: {str(cause).splitlines()[0][:300]}"
        if LACKS_PART.search(str(cause)) and str(world.folder) in str(cause):
            return f"no such part was made for the tiny model: {short(cause)}"
        if world.stands_in and madeup.is_of_architecture(cause, world.stands_in):
            return (
                f"the tiny model that stands for the script's is of another architecture ({world.stands_in}), and the "
                f"script wants its own: {short(cause)}"
            )
        if not world.cuda and WANTS_GPU.search(str(cause)):
            return f"it wants a GPU, and torch sees none here: {str(cause).splitlines()[0][:300]}"
        if not world.cuda and _asks_for_accelerator(cause):
            return f"it asks torch for its accelerator, and there is none here: {str(cause).splitlines()[0][:300]}"
    return ""


def _asks_for_accelerator(error):
    """Whether an error comes of `torch.accelerator.current_accelerator()`, which is None without a GPU."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, AttributeError) and bool(frames) and "current_accelerator" in (frames[-1].line or "")


def stage_of(error):
    """Where a script was when it failed: import, load, config, trainer, train or save, by the frames of the error."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [(frame.name, frame.filename.replace("\\", "/")) for frame in frames]
    for name, path in names:
        if "trainer" in path.rsplit("/", 1)[-1]:
            if name in ("train", "_inner_training_loop", "training_step", "compute_loss"):
                return "train"
            if name in ("save_model", "_save", "save_state", "push_to_hub"):
                return "save"
            if name == "__init__":
                return "trainer"
    called = {name for name, _ in names}
    if called & {
        "load_dataset",
        "load_from_disk",
        "from_pretrained",
        "from_config",
        "get_peft_model",
        "prepare_model_for_kbit_training",
    }:
        return "load"
    if any(path.startswith("<frozen importlib") for _, path in names) or isinstance(error, ImportError):
        return "import"
    return "config"


def _without_ours(error):
    """Leaves what Python's own runner and this file did out of a traceback's beginning."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename.endswith((__file__, "runpy.py", "<frozen runpy>")):
        step = step.tb_next
    if step is not None:
        error.__traceback__ = step
