"""What is seen of a training from inside: gradients, passes, what is computed twice, in what precision."""

import time

from . import sharding
from .events import number
from .operators import Operators
from .plan import STEPS

WATCHED = 4
"""Steps that are looked at from inside, one after another; they show what the others would."""


class Watching:
    """Hooks and a callback; the run brings trainer, stack, emit and subject."""

    def observer(self):
        """A callback that watches the steps."""
        run = self
        operators = Operators(self.torch)

        class Observer(self.stack.transformers.TrainerCallback):
            def on_train_begin(self, args, state, control, **kwargs):
                run.watch(kwargs.get("optimizer"))

            def on_step_begin(self, args, state, control, **kwargs):
                if state.global_step == WATCHED:
                    operators.begin()
                run.step_started = time.perf_counter()

            def on_pre_optimizer_step(self, args, state, control, **kwargs):
                run.look_at_parts()

            def on_step_end(self, args, state, control, **kwargs):
                if run.stack.cuda:
                    run.torch.cuda.synchronize()
                run.step_seconds.append(time.perf_counter() - run.step_started)
                if state.global_step == WATCHED:
                    run.look_away()
                if state.global_step == WATCHED + 1:
                    run.emit("figure", name="operators", value=operators.end())
                    run.step_seconds = []

            def on_log(self, args, state, control, logs=None, **kwargs):
                if logs and "loss" in logs and state.global_step % 10 in (0, 1):
                    run.emit("step", step=state.global_step, steps=STEPS, loss=number(logs["loss"]))

        return Observer()

    def watch(self, optimizer):
        """Looks at the optimizer and hooks the model, when training is about to begin."""
        held = {id(p) for p in sharding.held_by(optimizer)} if optimizer else set()
        lora = {id(p) for p in self.lora_parameters().values()}
        value = f"{len(lora & held)} of {len(lora)} parameters and {len(held - lora)} others"
        self.optimizer_holds = (lora == held and bool(lora), value)
        self.frozen_before = {name: sharding.part(p).cpu().clone() for name, p in self.frozen_parameters().items()}
        for name, parameter in self.lora_parameters().items():
            if parameter.requires_grad and not hasattr(parameter, "full_tensor"):
                self.hooks.append(
                    parameter.register_hook(lambda gradient, name=name: self.saw_gradient(name, gradient))
                )
        model = self.trainer.model
        self.hooks.append(model.register_forward_pre_hook(lambda *_: self.saw_pass(True)))
        self.hooks.append(model.register_forward_hook(lambda *_: self.saw_pass(False)))
        for name, module in model.named_modules():
            if "lora_" not in name and not any(True for _ in module.children()) and inside_blocks(name):
                seen = module.register_forward_hook(lambda _, given, result, name=name: self.saw_layer(name, result))
                self.hooks.append(seen)

    def look_at_parts(self):
        """The gradients of parameters that are shared out: these come by no hook, and are put together by all ranks."""
        for name, parameter in self.lora_parameters().items() if self.hooks else ():
            if hasattr(parameter, "full_tensor") and parameter.grad is not None:
                self.saw_gradient(name, parameter.grad.full_tensor())

    def look_away(self):
        """Takes the hooks out again: the rest of the training runs, and is timed, as it would without them."""
        for hook in self.hooks:
            hook.remove()
        self.hooks = []
        self.step_seconds = []

    def saw_gradient(self, name, gradient):
        finite = bool(self.torch.isfinite(gradient).all())
        self.grad_finite[name] = finite
        if finite:
            self.gradients[name] = max(self.gradients.get(name, 0.0), float(gradient.detach().abs().max()))

    def saw_pass(self, begins):
        self.passing = begins
        if self.trainer.model.training:
            self.passes += begins

    def saw_layer(self, name, result):
        """A layer of a block ran: in a pass of the model, or once more after it, for the backward pass."""
        if not self.trainer.model.training:
            return
        if not self.passing:
            self.again[name] = self.again.get(name, 0) + 1
            return
        self.without_graph = self.without_graph or not self.torch.is_grad_enabled()
        if self.torch.is_tensor(result) and result.is_floating_point():
            self.dtypes.add(str(result.dtype).replace("torch.", ""))


def inside_blocks(name):
    """Whether a module belongs to one of the blocks that follow each other, which have numbers for names."""
    return any(part.isdigit() for part in name.split("."))
