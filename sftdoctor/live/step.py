"""One tiny forward and backward through the trainer's own loss, watched."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from sftdoctor.live.labels import ENOUGH, IGNORED, is_own
from sftdoctor.live.parameters import Adapter, Values, is_divided, layer_lists
from sftdoctor.live.restore import eager
from sftdoctor.live.rows import Rows, collate, said, sequences

ROWS = 2
"""Rows of the batch, where the trainer takes as many: two, so that one may be padded."""
FLOAT16_SCALE = 1024.0
"""What the loss is multiplied with in float16, as a gradient scaler does, so that small gradients do not vanish."""
_NO_GRADIENT = re.compile(r"does not require grad and does not have a grad_fn")


@dataclass
class Watch:
    """What was seen while the model ran."""

    backward: bool = False
    ran: set[int] = field(default_factory=set)
    """Modules that ran in the forward, by identity."""
    layers: set[int] = field(default_factory=set)
    recomputed: set[int] = field(default_factory=set)
    norms: dict[int, float] = field(default_factory=dict)
    """Largest absolute entry of each gradient, by the identity of its tensor."""


def why_not(trainer: Any, values: Values) -> str:
    """Why this trainer cannot be tried; empty where it can."""
    if is_divided(trainer):
        return "FSDP or DeepSpeed divides the weights among processes"
    if values.get("meta"):
        return "some tensors have no values (meta device)"
    if values.get("ids_outside"):
        return "the batch holds token ids that the model has no row for"
    if is_own(trainer, "training_step") or is_own(trainer, "get_batch_samples"):
        return "the trainer has a training step of its own"
    if _makes_batches(trainer):
        return f"{type(trainer).__name__} generates its batches while it trains"
    if getattr(trainer.args, "use_liger_kernel", False) and not getattr(trainer, "is_in_train", False):
        return "Liger kernels are put in when the training begins: use SFTDoctorCallback"
    return ""


def _makes_batches(trainer: Any) -> bool:
    """Whether its batches are made during the training (GRPO, RLOO, on-policy distillation)."""
    owner = next((kind for kind in type(trainer).__mro__ if "_prepare_inputs" in vars(kind)), None)
    generating = any("generate" in name for kind in type(trainer).__mro__ for name in vars(kind) if name[0] == "_")
    return (owner is not None and owner.__name__ != "Trainer") or (
        generating and type(trainer).__module__.startswith("trl.")
    )


def measure(trainer: Any, rows: Rows, adapter: Adapter) -> Values:
    """Run one tiny batch forward and backward.

    Args:
        trainer: The trainer, within restore.untouched.
        rows: Its rows.
        adapter: The adapter's tensors.

    Returns:
        The facts. What the run raises is one of them.
    """
    model = trainer.model
    watch = Watch()
    values: Values = {"checkpointing": _checkpointing(trainer)}
    try:
        _enable_checkpointing(trainer)
        with ExitStack() as stack:
            stack.enter_context(eager())
            stack.enter_context(_watched(model, watch))
            loss = _loss(trainer, _batch(trainer, rows))
            values |= {
                "loss": f"{float(loss.detach()):.4g}",
                "loss_finite": bool(torch.isfinite(loss.detach()).all()),
                "loss_has_gradient": bool(loss.requires_grad),
            }
            if loss.requires_grad:
                watch.backward = True
                (loss * _scale(trainer)).backward()
    except Exception as error:
        if not _NO_GRADIENT.search(str(error)):
            return {**values, "step_error": said(error)}
        values["loss_has_gradient"] = False
        error.__traceback__ = None  # it holds the whole graph
    gc.collect(0)
    return {**values, **_gradients(model, watch, adapter, trainer)}


def _checkpointing(trainer: Any) -> bool:
    args = trainer.args
    asked = getattr(args, "activation_checkpointing", None)  # its name since transformers 5.23
    return bool(getattr(args, "gradient_checkpointing", False) if asked is None else asked)


def _enable_checkpointing(trainer: Any) -> None:
    """Switch checkpointing on as train() would, where it has not begun."""
    model, args = trainer.model, trainer.args
    if not _checkpointing(trainer) or any(getattr(m, "gradient_checkpointing", False) for m in model.modules()):
        return
    new = hasattr(args, "activation_checkpointing")
    options = dict(getattr(args, f"{'activation' if new else 'gradient'}_checkpointing_kwargs", None) or {})
    if new and hasattr(model, "activation_checkpointing_enable"):
        own = {name: options.pop(name) for name in ("every_n_layers", "offload") if name in options}
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=options or None, **own)
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options or None)


def _batch(trainer: Any, rows: Rows) -> Any:
    """A batch of the shortest rows that have labels enough."""
    ranked: list[tuple[bool, int, Any]] = []
    for group in rows.groups:
        sizes: dict[int, list[int]] = {}
        for one in sequences(group):
            if one.row is not None:
                counted = int((one.labels != IGNORED).sum()) if one.labels is not None else len(one.ids)
                size = sizes.setdefault(one.row, [0, 0])
                size[0] += counted
                size[1] += int(one.real.sum())
        ranked += [(labels < ENOUGH, length, group.rows[row]) for row, (labels, length) in sizes.items()]
    ranked.sort(key=lambda entry: entry[:2])
    number = min(ROWS, int(getattr(trainer.args, "per_device_train_batch_size", ROWS) or 1))
    chosen = [row for *_, row in ranked[:number]] or list(rows.groups[0].rows[:number])
    return trainer._prepare_inputs(collate(trainer, chosen))


def _loss(trainer: Any, batch: Any) -> Any:
    trainer.model.train()
    accelerator: Any = getattr(trainer, "accelerator", None)
    autocast = accelerator.autocast() if hasattr(accelerator, "autocast") else nullcontext()
    with trainer.compute_loss_context_manager(), autocast:
        loss = trainer.compute_loss(trainer.model, batch)
    return (loss[0] if isinstance(loss, tuple) else loss).mean()


def _scale(trainer: Any) -> float:
    return FLOAT16_SCALE if getattr(getattr(trainer, "accelerator", None), "mixed_precision", "no") == "fp16" else 1.0


@contextmanager
def _watched(model: Any, watch: Watch) -> Iterator[None]:
    """Hooks that note which modules run, which layers run again in the backward, and every gradient."""
    handles = [module.register_forward_pre_hook(_noting(watch, watch.ran)) for module in _holders(model)]
    for layer, leaf in _leaves(model):
        handles.append(leaf.register_forward_pre_hook(_noting_layer(watch, id(layer))))
    for tensor in model.parameters():
        if tensor.requires_grad:
            handles.append(tensor.register_hook(_noting_gradient(watch, id(tensor))))
            if hasattr(tensor, "register_post_accumulate_grad_hook"):
                handles.append(tensor.register_post_accumulate_grad_hook(_drop))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _noting(watch: Watch, seen: set[int]) -> Any:
    def note(module: Any, _: Any) -> None:
        if not watch.backward:
            seen.add(id(module))

    return note


def _noting_layer(watch: Watch, layer: int) -> Any:
    def note(*_: Any) -> None:
        (watch.recomputed if watch.backward else watch.layers).add(layer)

    return note


def _noting_gradient(watch: Watch, tensor: int) -> Any:
    def note(gradient: Any) -> None:
        largest = float(gradient.detach().abs().max()) if gradient.numel() else 0.0
        # max of numbers and NaN would hide the NaN
        known = watch.norms.get(tensor, 0.0)
        watch.norms[tensor] = largest if largest != largest or largest > known else known

    return note


def _drop(tensor: Any) -> None:
    """A gradient that was seen needs no memory any more."""
    tensor.grad = None


def _holders(model: Any) -> list[Any]:
    """Modules with trained tensors of their own."""
    return [
        module
        for module in model.modules()
        if any(tensor is not None and tensor.requires_grad for tensor in module._parameters.values())
    ]


def _leaves(model: Any) -> Iterator[tuple[Any, Any]]:
    """Each layer with the first module in it that has weights."""
    for layer in (layer for _, layers in layer_lists(model) for layer in layers):
        leaf = next((m for m in layer.modules() if m._parameters and not list(m.children())), None)
        if leaf is not None:
            yield layer, leaf


def _gradients(model: Any, watch: Watch, adapter: Adapter, trainer: Any) -> Values:
    trained = [(name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad]
    reached = {id(tensor) for _, tensor in trained if id(tensor) in watch.norms}
    ran = {id(tensor) for m in _holders(model) if id(m) in watch.ran for tensor in m._parameters.values()}
    # an adapter that gets nothing at all is told as that, and not by its parts
    told = adapter.active if not reached & adapter.active else frozenset()
    dead = [name for name, tensor in trained if id(tensor) in ran - reached - told]
    norms = [watch.norms[one] for one in reached]
    finite = all(norm - norm == 0 for norm in norms)
    layers = {id(one) for one, _ in _leaves(model) if reached & {id(tensor) for tensor in one.parameters()}}
    values: Values = {
        "reached": len(reached),
        "adapter_reached": len(reached & adapter.active),
        "nonzero": sum(norm != 0 for norm in norms),
        "dead": len(dead),
        "layers": len(watch.layers & layers),
        "layers_recomputed": len(watch.recomputed & layers),
    }
    if _scale(trainer) == 1.0 or finite:  # a scaler would take a smaller scale, and go on
        values["gradient_finite"] = finite
    return {**values, "dead_example": dead[0]} if dead else values
