"""A training without Trainer: what is seen of a loop by its optimizer, its loss and its data, which it calls itself."""

import functools
import math
import statistics
import time

from .. import sharding
from ..errors import EnoughError
from ..events import number, some
from ..figures import peak_memory
from ..ranks import compare, world_size
from .training import SAMPLES, quantization_of

STEPS = 2
"""Steps after which loaders of data give one batch at a time."""
MOST = 64
"""Steps after which the script is ended: it asks for a number of steps, however few rows there are."""


class Loop:
    """Looks on while a script trains by itself.

    Args:
        world: The run.
    """

    def __init__(self, world):
        self.world = world
        self.by_trainer = False
        self.steps = 0
        self.losses = []
        self.labels = None
        self._begun, self._seconds = None, []
        self._trainable, self._with_gradient, self._moved, self._compared = {}, set(), set(), set()
        self._before, self._adapted, self._frozen = {}, [], {}

    def install(self, hooks):
        """Wraps what every loop calls.

        Args:
            hooks: Where changes of modules are asked for.
        """
        hooks.after("transformers.trainer", self._leave_to_trainer)
        hooks.after("torch.optim.optimizer", self._watch_steps)
        hooks.after("torch._tensor", self._watch_losses)
        hooks.after("torch.nn.functional", self._watch_labels)
        hooks.after("torch.utils.data.dataloader", self._shorten)
        hooks.after("peft.peft_model", self._watch_adapters)

    def _leave_to_trainer(self, module):
        """Trainer is watched by itself, and closer."""
        train = module.Trainer.train

        @functools.wraps(train)
        def train_(trainer, *args, **kwargs):
            self.by_trainer = True
            return train(trainer, *args, **kwargs)

        module.Trainer.train = train_

    def _watch_steps(self, module):
        before = getattr(module, "register_optimizer_step_pre_hook", None)
        after = getattr(module, "register_optimizer_step_post_hook", None)
        if before and after:  # torch 2.1 on
            before(lambda optimizer, args, kwargs: self._before_step(optimizer))
            after(lambda optimizer, args, kwargs: self._after_step())

    def _watch_losses(self, module):
        backward = module.Tensor.backward

        @functools.wraps(backward)
        def backward_(tensor, *args, **kwargs):
            if not self.by_trainer and tensor.numel() == 1:
                if not self.steps:
                    self.world.emit("stage", stage="train")
                self.losses.append(number(tensor.detach().float()))
            return backward(tensor, *args, **kwargs)

        module.Tensor.backward = backward_

    def _watch_labels(self, module):
        original = module.cross_entropy

        @functools.wraps(original)
        def cross_entropy(given, target, *args, **kwargs):
            if not self.by_trainer and not target.is_floating_point():
                ignored = kwargs.get("ignore_index", args[2] if len(args) > 2 else -100)
                self.labels = max(self.labels or 0, int(target.ne(ignored).sum()))
            return original(given, target, *args, **kwargs)

        module.cross_entropy = cross_entropy

    def _shorten(self, module):
        """Ends a pass over the data early, once there were steps; each later one has a batch."""
        original = module.DataLoader.__iter__

        @functools.wraps(original)
        def iterate(loader):
            batches = original(loader)
            if self.by_trainer:
                return batches
            return self._few(batches)

        module.DataLoader.__iter__ = iterate

    def _few(self, batches):
        for batch in batches:
            yield batch
            if self.steps >= STEPS and not self.by_trainer:
                self.world.replaced(f"passes over the data by their first batches, after {STEPS} steps")
                return

    def _watch_adapters(self, module):
        original = module.PeftModel.__init__

        @functools.wraps(original)
        def init(model, *args, **kwargs):
            original(model, *args, **kwargs)
            self._adapted.append(model)

        module.PeftModel.__init__ = init

    def _before_step(self, optimizer):
        if self.by_trainer:
            return
        if not self.steps:
            frozen = [(n, p) for model in self._adapted for n, p in model.named_parameters() if not p.requires_grad]
            self._frozen = {name: (p, p.detach().clone()) for name, p in frozen[:SAMPLES]}
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        self._trainable.update({id(p): p for p in parameters})
        self._with_gradient.update(
            id(p) for p in parameters if p.grad is not None and bool(p.grad.detach().abs().max() > 0)
        )
        rates = [float(group.get("lr") or 0) for group in optimizer.param_groups]
        kept = parameters[-SAMPLES:] if max(rates, default=0) > 0 else ()
        self._before = {id(p): (p, sharding.whole(p)) for p in kept}

    def _after_step(self):
        if self.by_trainer:
            return
        for key, (parameter, before) in self._before.items():
            self._compared.add(key)
            if not bool((sharding.whole(parameter) == before).all()):
                self._moved.add(key)
        self._before = {}
        now = time.perf_counter()
        if self._begun is not None:
            self._seconds.append(now - self._begun)
        self._begun = now
        self.steps += 1
        if self.steps >= MOST:
            self.world.replaced(f"what comes after its first {MOST} steps by nothing: it goes on for longer")
            raise EnoughError

    def report(self):
        """Tells the checks of what was seen."""
        if self.by_trainer or not self.steps:
            return
        check = functools.partial(check_event, self.world.emit)
        check("trained", True, f"{self.steps} steps of an optimizer, without Trainer")
        if self.losses:
            finite = all(loss is not None and math.isfinite(loss) for loss in self.losses)
            shown = ", ".join("NaN" if loss is None else f"{loss:.3g}" for loss in self.losses[:4])
            check("loss_finite", finite, shown)
        total = len(self._trainable)
        check("gradients", bool(self._with_gradient), f"{len(self._with_gradient)} of {total} trainable parameters")
        if world_size() > 1:
            check("ranks_agree", *compare(self.world.torch, map(sharding.whole, self._trainable.values())))
        if self.labels is not None:
            check("labels_seen", self.labels > 0, f"{self.labels} tokens of a batch count")
        if self._frozen:
            changed = [name for name, (p, before) in self._frozen.items() if changed_since(p, before)]
            check("base_untouched", not changed, some(changed))
        if self._compared:
            check("moved", bool(self._moved), f"{len(self._moved)} of {len(self._compared)} compared")
        figure = functools.partial(self.world.emit, "figure")
        figure(name="quantization", value=quantization_of(self._adapted[-1]) if self._adapted else "none")
        figure(name="peak_memory_bytes", value=peak_memory(self.world))
        if self._seconds:
            figure(name="seconds_per_step", value=statistics.median(self._seconds))


def check_event(emit, name, passed, value):
    """Reports one check."""
    emit("check", name=name, passed=bool(passed), value=value)


def changed_since(parameter, before):
    """Whether a parameter has other numbers than it had; one that was moved or packed anew is not compared."""
    now = parameter.detach()
    if now.shape != before.shape or now.dtype != before.dtype:
        return False
    return not bool((now.to(before.device) == before).all())
