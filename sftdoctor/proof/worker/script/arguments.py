"""TrainingArguments: the script's own, but for a step or two, to a temporary folder, and without what is not here."""

import functools
import os
import re
import sys

from .. import sharding
from ..ranks import require_gpus, world_size
from ..stack import version
from .world import is_installed

STEPS = 2
LENGTH = 128
"""Tokens; made-up rows are shorter, and real ones are cut."""
LENGTHS = {
    **dict.fromkeys(("max_length", "max_seq_length"), LENGTH),
    **dict.fromkeys(("max_prompt_length", "max_completion_length", "max_target_length"), LENGTH // 2),
}
"""Length → what it is cut to; what is a part of another stays below it."""
GPU_OPTIMIZERS = re.compile(r"paged|8bit|4bit|bnb|apex")
FUSED_ON_CPU = (2, 4)
"""The torch that brought fused optimizers to the CPU."""


def install(hooks, world):
    """Changes arguments before the library judges them.

    Args:
        hooks: Where changes of modules are asked for.
        world: The run.
    """
    hooks.after("transformers.training_args", functools.partial(_wrap, world))
    if world_size() > 1:
        hooks.after("torch", functools.partial(_count_gpus, world))
        hooks.after("accelerate.state", functools.partial(_let_cpus_take_part, world))


def _count_gpus(world, torch):
    """Fewer GPUs than processes: some would fail and the others wait for them."""
    if world.cuda:
        require_gpus(torch.cuda.device_count())


def _let_cpus_take_part(world, _):
    """Processes on CPUs train together, and share a model out, as those on GPUs do."""
    if not world.cuda:
        os.environ["ACCELERATE_USE_CPU"] = "true"
        sharding.let_cpus_shard()


def _wrap(world, module):
    cls = module.TrainingArguments
    original = cls.__post_init__

    @functools.wraps(original)
    def changed(self):
        make_small(self, world)
        original(self)

    cls.__post_init__ = changed


def make_small(args, world):
    """Makes a run short and keeps it in its folder.

    Args:
        args: TrainingArguments or a subclass, as the script gave them; changed in place.
        world: The run.
    """
    change = _Changes(args, world)
    steps = getattr(args, "max_steps", -1)
    if not isinstance(steps, int) or steps <= 0 or steps > STEPS:
        change("max_steps", STEPS, f"the run's length by {STEPS} steps")
    change("logging_steps", 1)
    if getattr(args, "logging_strategy", None) is not None:
        change("logging_strategy", "steps")
    for name in () if world.pictures else LENGTHS:  # a picture must not be cut in two
        value = getattr(args, name, None)
        if isinstance(value, int) and value > LENGTHS[name]:
            change(name, LENGTHS[name], f"{name}={value} by {LENGTHS[name]}")
    for name in ("output_dir", "logging_dir"):
        if getattr(args, name, None) is not None:
            change(name, world.inside(getattr(args, name)))
    _leave_services(args, change)
    if world_size() == 1:
        _leave_launchers(args, change)
    elif getattr(args, "deepspeed", None) or str(sharding.launched()).startswith("zero"):
        sharding.begin_deepspeed(world.cuda)
    _leave_workers(args, change)
    if not world.cuda:
        _leave_gpu(args, change)


class _Changes:
    """Sets fields that are there, and tells of those that matter."""

    def __init__(self, args, world):
        self._args, self._world = args, world

    def __call__(self, name, value, told=""):
        if hasattr(self._args, name) and getattr(self._args, name) != value:
            setattr(self._args, name, value)
            if told:
                self._world.replaced(told)


def _leave_services(args, change):
    """No logging services, no Hub; a service that is wanted and not installed is left for the library to say so."""
    wanted = getattr(args, "report_to", None)
    named = [wanted] if isinstance(wanted, str) else list(wanted or ())
    services = [name for name in named if name not in ("none", "all")]
    if all(is_installed(name) for name in services):
        told = f"report_to={', '.join(services)} by nothing" if services else ""
        change("report_to", "none", told)
    if getattr(args, "push_to_hub", False):
        change("push_to_hub", False, "push_to_hub=True by nothing")


def _leave_launchers(args, change):
    """One process, without what only several share."""
    if getattr(args, "deepspeed", None):
        change("deepspeed", None, "deepspeed by one process without it")
    if getattr(args, "fsdp", None):
        change("fsdp", "", "fsdp by one process without it")
        change("fsdp_config", None)


def _leave_workers(args, change):
    """No processes besides, and no compiler."""
    change("dataloader_num_workers", 0)
    change("dataloader_prefetch_factor", None)
    change("dataset_num_proc", None)
    if getattr(args, "torch_compile", False):
        change("torch_compile", False, "torch_compile=True by nothing, since it takes minutes")


def _leave_gpu(args, change):
    """Runs on the CPU what wants a GPU."""
    change("use_cpu", True)
    change("no_cuda", True)
    for name in ("fp16", "bf16", "tf32", "fp16_full_eval", "bf16_full_eval"):
        if getattr(args, name, None):
            change(name, None if name == "tf32" else False, f"{name}=True by float32, since there is no GPU here")
    optimizer = str(getattr(args.optim, "value", args.optim)) if getattr(args, "optim", None) else ""
    torch = sys.modules["torch"]  # Trainer's own module has imported it
    if GPU_OPTIMIZERS.search(optimizer) or ("fused" in optimizer and version(torch) < FUSED_ON_CPU):
        change("optim", "adamw_torch", f"optim={optimizer} by adamw_torch, since there is no GPU here")
