"""Several processes that share one model out among them, by FSDP or DeepSpeed's ZeRO: how it is asked for, what ran."""

import contextlib
import functools
import importlib
import json
import os
import sys
from pathlib import Path

from .errors import NotPossibleError
from .events import some
from .ranks import world_size

FSDP = {"fsdp1": 1, "fsdp2": 2}
"""Setting → version of FSDP."""
ZERO = {"zero2": 2, "zero3": 3}
"""Setting → stage of ZeRO."""
LARGEST_SHARE = 0.75
"""Part of all numbers that one process may hold at most; of two it is a half, with what is padded or not divided."""
DEEPSPEED = {
    "train_micro_batch_size_per_gpu": "auto",
    "train_batch_size": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "bf16": {"enabled": "auto"},
    "fp16": {"enabled": "auto"},
    "zero_allow_untested_optimizer": True,
}
"""What `accelerate config` writes too, with Trainer's own values for "auto"."""


def launched():
    """How the launcher says that the model is shared out: fsdp1, fsdp2, zero1 to zero3; None where it does not.

    Sources: accelerate/utils/launch.py of accelerate 1.15 writes these variables.
    """
    said = os.environ
    if said.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        return "fsdp" + said.get("FSDP_VERSION", "1")
    if said.get("ACCELERATE_USE_DEEPSPEED", "").lower() != "true":
        return None
    stage = said.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        config = json.loads(Path(said.get("ACCELERATE_DEEPSPEED_CONFIG_FILE", "")).read_text(encoding="utf-8"))
        stage = config.get("zero_optimization", {}).get("stage", 0)
    return f"zero{stage}" if str(stage) in "123" else None


def arguments(kind):
    """What TrainingArguments gets, so that Trainer shards.

    Args:
        kind: fsdp1, fsdp2, zero2 or zero3.
    """
    if kind in FSDP:
        config = {"version": FSDP[kind], "state_dict_type": "FULL_STATE_DICT"}
        return {"fsdp": "full_shard auto_wrap", "fsdp_config": config}
    zero = {"stage": ZERO[kind]}
    if kind == "zero3":  # else parameters as small as ours stay whole
        zero.update(stage3_param_persistence_threshold=0, stage3_gather_16bit_weights_on_model_save=True)
    return {"deepspeed": {**DEEPSPEED, "zero_optimization": zero}}


def begin(stack, kind):
    """Gets ready to shard.

    Args:
        stack: The libraries.
        kind: fsdp1, fsdp2, zero2 or zero3.

    Returns:
        Whether accelerate had to be told that CPUs can shard.

    Raises:
        NotPossibleError: DeepSpeed is not installed, or there is one process alone.
    """
    if world_size() < 2:
        raise NotPossibleError("one process alone has nobody to share a model with: start two with --nproc 2")
    if kind not in FSDP:
        begin_deepspeed(stack.cuda)
    if stack.cuda or (kind not in FSDP and launched() != kind):
        return False
    let_cpus_shard()
    return True


def begin_deepspeed(cuda):
    """Makes DeepSpeed ready for this machine.

    Args:
        cuda: Whether there is a GPU.

    Raises:
        NotPossibleError: It is not installed.
    """
    try:
        deepspeed = importlib.import_module("deepspeed")
    except ModuleNotFoundError as error:
        if error.name != "deepspeed":
            raise
        raise NotPossibleError("deepspeed is not installed") from error
    if not cuda:
        # accelerate starts DeepSpeed's own communication on GPUs alone. What it would compile for CPUs (half a
        # minute, with a compiler) only makes it faster there.
        os.environ.pop("ACCELERATE_USE_CPU", None)  # with it accelerate trains without DeepSpeed
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        deepspeed.init_distributed("gloo")


def let_cpus_shard():
    """accelerate looks at FSDP, and at a launcher's DeepSpeed, for GPUs alone; on CPUs it trains without, silently."""
    state = importlib.import_module("accelerate.state")
    original = state.AcceleratorState.__init__
    if getattr(original, "lets_cpus_shard", False):
        return

    @functools.wraps(original)
    def init(self, *args, **kwargs):
        zero = str(launched()).startswith("zero")
        if zero:  # what it does for processes on GPUs
            kwargs["cpu"] = False
            os.environ.pop("ACCELERATE_USE_CPU", None)
        original(self, *args, **kwargs)
        plugin = kwargs.get("fsdp_plugin")
        if plugin is not None and self.distributed_type == state.DistributedType.MULTI_CPU:
            self.fsdp_plugin = plugin
            self.distributed_type = state.PartialState._shared_state["distributed_type"] = state.DistributedType.FSDP

    init.lets_cpus_shard = True
    state.AcceleratorState.__init__ = init


@contextlib.contextmanager
def alone():
    """Within it, models are made and loaded whole by each process, whatever DeepSpeed's config says."""
    module, name = sys.modules.get("transformers.integrations.deepspeed"), "_hf_deepspeed_config_weak_ref"
    kept = getattr(module, name, None)
    if kept is not None:
        setattr(module, name, None)
    try:
        yield
    finally:
        if kept is not None:
            setattr(module, name, kept)


def ran(trainer):
    """What a trainer trains with: fsdp1, fsdp2, zero1 to zero3, or none."""
    wrapped = trainer.model_wrapped
    if hasattr(wrapped, "zero_optimization_stage"):
        return f"zero{wrapped.zero_optimization_stage()}"
    if any(type(module).__name__ == "FullyShardedDataParallel" for module in wrapped.modules()):
        return "fsdp1"
    return "fsdp2" if any(hasattr(p, "full_tensor") for p in wrapped.parameters()) else "none"


def whole(parameter):
    """A parameter with all its numbers, whoever holds them; every rank must call this, in the same order."""
    found = parameter.detach()
    if hasattr(found, "full_tensor"):
        return found.full_tensor().clone()
    if hasattr(parameter, "ds_id"):
        with importlib.import_module("deepspeed").zero.GatheredParameters([parameter]):
            return parameter.detach().clone()
    return found.clone()


def part(parameter):
    """The numbers of a parameter that this rank holds."""
    parameter = getattr(parameter, "ds_tensor", parameter).detach()
    return parameter.to_local() if hasattr(parameter, "to_local") else parameter


def share(trainer, kind):
    """How much of what is shared out this rank holds.

    Args:
        trainer: After its training.
        kind: What ran.

    Returns:
        (whether it is a part alone, words).
    """
    undivided = []
    if kind in ("zero1", "zero2"):  # the model stays whole; of the optimizer each has a part
        inner = _inner(trainer.optimizer)
        own = sum(group.numel() for group in getattr(inner, "single_partition_of_fp32_groups", ()))
        every = sum(p.numel() for group in getattr(inner, "bit16_groups", ()) for p in group)
        what = "of what the optimizer trains"
    else:
        named = list(trainer.model_wrapped.named_parameters())
        own = sum(part(p).numel() for _, p in named)
        every = sum(getattr(p, "ds_numel", None) or p.numel() for _, p in named)
        what = "of the model"
        if kind != "fsdp1":
            undivided = [name for name, p in named if not hasattr(p, "full_tensor") and not hasattr(p, "ds_tensor")]
    if kind == "fsdp1":  # its parameters are the parts themselves
        every = own * world_size()
    held = own / every if every else 1.0
    words = f"{kind}: each of {world_size()} processes holds {held:.0%} {what}"
    if undivided:
        words += f"; undivided: {some(undivided)}"
    return held <= LARGEST_SHARE and not undivided, words


def held_by(optimizer):
    """The parameters that an optimizer trains."""
    inner = _inner(optimizer)
    for name in ("fp16_groups", "bit16_groups"):  # ZeRO 3; ZeRO 1 and 2
        groups = getattr(inner, name, None)
        if groups:
            return [p for group in groups for p in group]
    return [p for group in optimizer.param_groups for p in group["params"]]


def _inner(optimizer):
    """DeepSpeed's optimizer out of what accelerate puts around it; any other as it is."""
    while hasattr(optimizer, "optimizer") and not (
        hasattr(optimizer, "bit16_groups") or hasattr(optimizer, "fp16_groups")
    ):
        optimizer = optimizer.optimizer
    return optimizer
