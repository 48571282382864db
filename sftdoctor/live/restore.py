"""Everything that a forward and backward may change, put back: gradients, random numbers, buffers, modes, counters."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch

_CONTAINERS = ("_parameters", "_buffers", "_modules")
_PLAIN = (int, float, complex, str, bytes, bool, type(None), torch.device, torch.dtype)
_DEEPEST = 6


@contextmanager
def untouched(trainer: Any) -> Iterator[None]:
    """Within it a trainer may be tried; afterwards it, its models and all random numbers are as they were.

    Args:
        trainer: A transformers or trl trainer.
    """
    models = [model for name in ("model", "ref_model") if isinstance(model := getattr(trainer, name, None), _Module)]
    with ExitStack() as stack:
        stack.enter_context(_random_numbers(trainer))
        stack.enter_context(_counters(trainer))
        for model in models:
            stack.enter_context(_config(model))
            stack.enter_context(_modules(model))
            stack.enter_context(_buffers(model))
            stack.enter_context(_parameters(model))
        yield


_Module = torch.nn.Module


@contextmanager
def _random_numbers(trainer: Any) -> Iterator[None]:
    python, own, generators = random.getstate(), torch.get_rng_state(), _generators(trainer)
    numpy = sys.modules.get("numpy")
    numpys = numpy.random.get_state() if numpy is not None else None
    modules = [torch.cuda, *([torch.xpu] if hasattr(torch, "xpu") else [])]
    devices = [(module, _device_states(module)) for module in modules]
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(own)
        if numpy is not None:
            numpy.random.set_state(numpys)
        for module, states in devices:
            if states:
                module.set_rng_state_all(states)
        for generator, state in generators:
            generator.set_state(state)


def _device_states(module: Any) -> list[Any]:
    """States of a kind of device that is in use already; to ask one that is not would start it."""
    return list(module.get_rng_state_all()) if module.is_initialized() else []


def _generators(trainer: Any) -> list[tuple[Any, Any]]:
    """torch generators that the collator and the dataset hold, with their states."""
    owners = [getattr(trainer, name, None) for name in ("data_collator", "train_dataset")]
    values = [value for owner in owners for value in getattr(owner, "__dict__", {}).values()]
    return [(value, value.get_state()) for value in values if isinstance(value, torch.Generator)]


@contextmanager
def _counters(trainer: Any) -> Iterator[None]:
    """What the trainer, its state and its collator count and collect: numbers, texts, and containers of them."""
    owners = [trainer, *(getattr(trainer, name, None) for name in ("state", "control", "data_collator"))]
    before = [(vars(owner), dict(vars(owner))) for owner in owners if hasattr(owner, "__dict__")]
    copies = [
        (value, copy.deepcopy(value))
        for _, attributes in before
        for value in attributes.values()
        if isinstance(value, (dict, list, set)) and _is_plain(value)
    ]
    try:
        yield
    finally:
        for live, attributes in before:
            _put_back(live, attributes)
        for container, content in copies:
            _refill(container, content)


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a container holds nothing but plain values and containers of them, so that copying it is cheap."""
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, torch.Tensor):
        return bool(value.numel() <= 1)
    if depth > _DEEPEST or not isinstance(value, (dict, list, set, tuple)) or len(value) > 10_000:
        return False
    items = value.values() if isinstance(value, dict) else value
    return all(_is_plain(item, depth + 1) for item in items)


def _put_back(live: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """Gives an object its old attributes back; what did not change is not touched, since others may be reading it."""
    for name in live.keys() - attributes.keys():
        del live[name]
    for name, value in attributes.items():
        if name not in live or live[name] is not value:
            live[name] = value


def _refill(container: Any, content: Any) -> None:
    """Gives a container its old content back; it stays the object that others know."""
    if isinstance(container, list):
        container[:] = content
        return
    container.clear()
    container.update(content)


@contextmanager
def _config(model: Any) -> Iterator[None]:
    """use_cache and its like."""
    configs = [vars(config) for config in (getattr(model, "config", None),) if hasattr(config, "__dict__")]
    before = [dict(config) for config in configs]
    try:
        yield
    finally:
        for config, old in zip(configs, before, strict=True):
            _put_back(config, old)


@contextmanager
def _modules(model: Any) -> Iterator[None]:
    """Attributes and hooks of each module: mode, checkpointing, what a forward caches or counts."""
    before = [(vars(module), _attributes(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for live, (attributes, contents) in before:
            _put_back(live, attributes)
            for name, content in contents.items():
                _refill(live[name], content)


def _attributes(live: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A module's attributes, and the contents of those that are dictionaries (parameters, buffers, hooks)."""
    contents = {
        name: dict(value)
        for name, value in live.items()
        if isinstance(value, dict) and (name in _CONTAINERS or name.endswith(("_hooks", "_hooks_with_kwargs")))
    }
    return dict(live), contents


@contextmanager
def _buffers(model: Any) -> Iterator[None]:
    before = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if buffer.device.type != "meta"]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in before:
                if buffer.shape == old.shape and not torch.equal(buffer, old):
                    buffer.copy_(old)


@contextmanager
def _parameters(model: Any) -> Iterator[None]:
    """Gradients; hooks that an optimizer may have hung on them (which would take a step) rest meanwhile."""
    before = [(p, p.grad, p.requires_grad, _resting(p)) for p in model.parameters()]
    for parameter, *_ in before:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient, needed, hooks in before:
            parameter.grad = gradient
            parameter.requires_grad_(needed)
            accumulated = getattr(parameter, "_post_accumulate_grad_hooks", None)
            if accumulated is not None:
                _refill(accumulated, hooks)


def _resting(parameter: Any) -> dict[int, Any]:
    hooks = getattr(parameter, "_post_accumulate_grad_hooks", None) or {}
    resting = dict(hooks)
    if hooks:
        hooks.clear()
    return resting


@contextmanager
def eager() -> Iterator[None]:
    """Nothing is compiled for the sake of one small batch."""
    with ExitStack() as stack:
        if hasattr(torch.compiler, "set_stance"):  # since torch 2.6
            with suppress(RuntimeError):  # within compiled code
                stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield
