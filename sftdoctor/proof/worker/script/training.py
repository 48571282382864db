"""What is seen of the training: that steps were made, finite losses, gradients, what moved and what must not."""

import functools
import math
import statistics
import time

from .. import sharding
from ..events import number, some
from ..figures import peak_memory
from ..ranks import compare, world_size

SAMPLES = 40
"""Parameters of each kind that are compared before and after."""
LEAST_RATE = 1e-6
"""Below it a step may be lost to rounding."""


class Watched:
    """Looks on while Trainer trains.

    Args:
        world: The run.
    """

    def __init__(self, world):
        self.world = world
        self.steps = 0
        self.losses = []
        self.seconds = []
        self.with_gradient = set()
        self.trainable = set()
        self.labels = None
        self.rate = 0.0
        self.together = None
        self._before = {}
        self._models = []

    def install(self, hooks):
        """Wraps Trainer.

        Args:
            hooks: Where changes of modules are asked for.
        """
        hooks.after("transformers.trainer", self._wrap)

    def _wrap(self, module):
        cls = module.Trainer
        train, training_step = cls.train, cls.training_step

        @functools.wraps(train)
        def train_(trainer, *args, **kwargs):
            self.world.emit("stage", stage="train")
            self._begin(trainer)
            given = train(trainer, *args, **kwargs)
            self._end(trainer)
            self.world.emit("stage", stage="save")
            return given

        @functools.wraps(training_step)
        def training_step_(trainer, model, inputs, *args, **kwargs):
            self._look_at(inputs)
            begun = time.perf_counter()
            loss = training_step(trainer, model, inputs, *args, **kwargs)
            self.seconds.append(time.perf_counter() - begun)
            self._step(model, loss)
            return loss

        cls.train, cls.training_step = train_, training_step_

    def _begin(self, trainer):
        named = list(trainer.model.named_parameters())
        self.trainable.update(name for name, p in named if p.requires_grad)
        kept = [(n, p) for n, p in named if p.requires_grad][-SAMPLES:]
        kept += [(n, p) for n, p in named if not p.requires_grad][:SAMPLES] if self._is_peft(trainer.model) else []
        self._before = {name: sharding.whole(p) for name, p in kept if p.device.type != "meta"}
        for name, p in named:
            if p.requires_grad and world_size() > 1:  # DeepSpeed keeps gradients to itself
                p.register_hook(functools.partial(self._saw_gradient, name))

    @staticmethod
    def _is_peft(model):
        return hasattr(model, "peft_config")

    def _look_at(self, inputs):
        labels = inputs.get("labels") if hasattr(inputs, "get") else None
        if labels is not None and hasattr(labels, "ne"):
            self.labels = max(self.labels or 0, int(labels.ne(-100).sum()))

    def _saw_gradient(self, name, gradient):
        if bool(gradient.detach().abs().max() > 0):
            self.with_gradient.add(name)

    def _step(self, model, loss):
        self.losses.append(number(loss.detach().float().mean()) if hasattr(loss, "detach") else None)
        for name, p in model.named_parameters():
            if p.requires_grad and p.grad is not None and bool(p.grad.detach().abs().max() > 0):
                self.with_gradient.add(name.replace("module.", "", 1) if name.startswith("module.") else name)

    def _end(self, trainer):
        self.steps = max(self.steps, int(trainer.state.global_step))
        rates = [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]
        self.rate = max([self.rate, *(float(rate) for rate in rates)])
        now = dict(trainer.model.named_parameters())
        after = {name: sharding.whole(now[name]).to(p.device) for name, p in self._before.items() if name in now}
        moved = {
            name
            for name, p in after.items()
            if p.shape == self._before[name].shape and not bool((self._before[name] == p).all())
        }
        if world_size() > 1:
            trained = [sharding.whole(p) for _, p in sorted(now.items()) if p.requires_grad]
            self.together = compare(self.world.torch, trained)
        self._models.append((trainer.args, trainer.model, moved, set(self._before)))

    def report(self):
        """Tells the checks of what was seen."""
        if not self._models:
            return
        check = self._check
        check("trained", self.steps > 0, f"{self.steps} steps")
        if self.losses:
            finite = all(loss is not None and math.isfinite(loss) for loss in self.losses)
            check(
                "loss_finite", finite, ", ".join("NaN" if loss is None else f"{loss:.3g}" for loss in self.losses[:4])
            )
            without = sorted(self.trainable - self.with_gradient)
            value = f"{len(self.trainable) - len(without)} of {len(self.trainable)} trainable parameters"
            check("gradients", bool(self.with_gradient), value)
        if self.together is not None:
            check("ranks_agree", *self.together)
        if self.labels is not None:
            check("labels_seen", self.labels > 0, f"{self.labels} tokens of a batch count")
        args, model, moved, compared = self._models[-1]
        frozen = sorted(name for name in moved if name not in self.trainable)
        trained = compared & self.trainable
        if self._is_peft(model):
            check("base_untouched", not frozen, some(frozen))
        if trained and self.rate >= LEAST_RATE:
            check("moved", bool(moved & self.trainable), f"{len(moved & trained)} of {len(trained)} compared")
        if getattr(args, "gradient_checkpointing", False):
            check("gradient_checkpointing_on", bool(getattr(model, "is_gradient_checkpointing", True)), "")

        figure = functools.partial(self.world.emit, "figure")
        figure(name="quantization", value=quantization_of(model))
        figure(name="peak_memory_bytes", value=peak_memory(self.world))
        if self.seconds:
            figure(name="seconds_per_step", value=statistics.median(self.seconds))

    def _check(self, name, passed, value):
        self.world.emit("check", name=name, passed=bool(passed), value=value)


def quantization_of(model):
    """How the base of a model is stored: nf4, fp4, int8 or none."""
    config = getattr(getattr(model, "config", None), "quantization_config", None)
    if getattr(model, "is_loaded_in_8bit", False):
        return "int8"
    if getattr(model, "is_loaded_in_4bit", False):
        get = config.get if isinstance(config, dict) else lambda name, other: getattr(config, name, other)
        return str(get("bnb_4bit_quant_type", "fp4"))
    return "none"
