"""What a trainer's model is made of: what is trained, the adapter, dtypes, devices, quantised layers, the optimizer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

MOST_KINDS = 8
"""Kinds of modules with an adapter that are named."""
Values = dict[str, Any]
"""Measured facts by their name in predicates.live.LIVE."""


@dataclass(frozen=True)
class Adapter:
    """The tensors that an adapter brought, by identity."""

    active: frozenset[int] = frozenset()
    """Those of the active adapters."""
    others: frozenset[int] = frozenset()
    """Those of adapters that are not active, and whole copies of modules that are saved with the adapter."""
    modules: tuple[str, ...] = ()
    """Modules that got an adapter."""

    def kinds(self) -> str:
        """ "28 × q_proj, 28 × v_proj": the modules that got one, by the last part of their name."""
        counted = Counter(name.rsplit(".", 1)[-1] for name in self.modules)
        more = ", …" if len(counted) > MOST_KINDS else ""
        return ", ".join(f"{number} × {name}" for name, number in counted.most_common(MOST_KINDS)) + more


def measure(trainer: Any, adapter: Adapter) -> Values:
    """Look at the model's tensors and at the optimizer.

    Args:
        trainer: The trainer.
        adapter: What find_adapter found in its model.

    Returns:
        The facts.
    """
    model = trainer.model
    named = list(model.named_parameters())
    trained = [(name, tensor) for name, tensor in named if tensor.requires_grad]
    values: Values = {
        "trained_in": _types(tensor for _, tensor in trained),
        "kept_in": _types(tensor for _, tensor in named if not tensor.requires_grad),
        "devices": ", ".join(sorted({str(tensor.device) for _, tensor in named})),
        "trainable": sum(weights(tensor) for _, tensor in trained),
        "parameters": sum(weights(tensor) for _, tensor in named),
        "trained_tensors": len(trained),
        "adapter": bool(adapter.active or adapter.others),
        "adapter_tensors": len(adapter.active),
        "adapter_trainable": sum(id(tensor) in adapter.active for _, tensor in trained),
        "trainable_float16": sum(weights(t) for _, t in trained if t.dtype == torch.float16),
        "trainable_bfloat16": sum(weights(t) for _, t in trained if t.dtype == torch.bfloat16),
        "mixed_precision": str(getattr(getattr(trainer, "accelerator", None), "mixed_precision", "no")),
    }
    return {
        **values,
        **_base(model, trained, adapter),
        **_devices(named),
        **_quantization(model, adapter),
        **_optimizer(trainer, trained),
    }


def _types(tensors: Iterable[Any]) -> str:
    """ "float32, uint8": the types of some tensors, the one with most weights first."""
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[str(tensor.dtype).removeprefix("torch.")] += weights(tensor)
    return ", ".join(name for name, _ in sizes.most_common())


def find_adapter(model: Any) -> Adapter:
    """The adapter that peft has put into a model.

    Args:
        model: Any model; recognised are the layers of peft's tuners, copies of modules and virtual tokens.

    Returns:
        Its tensors; nothing where there is none.
    """
    active: set[int] = set()
    every: set[int] = set()
    modules = []
    for name, module in model.named_modules():
        if hasattr(module, "modules_to_save") and hasattr(module, "original_module"):
            every.update(id(tensor) for _, tensor in _entries([module.modules_to_save]))
            continue
        if hasattr(module, "adapter_layer_names") and hasattr(module, "base_layer"):
            modules.append(name)
            holders = [getattr(module, part, None) for part in module.adapter_layer_names]
        elif hasattr(module, "prompt_encoder") and hasattr(module, "peft_config"):
            holders = [module.prompt_encoder]
        else:
            if _brings_its_own(module):
                every.update(map(id, module.parameters()))
            continue
        chosen = _active(module)
        for key, tensor in _entries(holders):
            every.add(id(tensor))
            if chosen is None or key in chosen:
                active.add(id(tensor))
    return Adapter(frozenset(active), frozenset(every - active), tuple(modules))


def _brings_its_own(module: Any) -> bool:
    """Whether it is a module of peft's that wraps nothing, such as the classifier of an X-LoRA."""
    wraps = ("base_layer", "original_module", "base_model", "model")
    return type(module).__module__.startswith("peft.") and not any(hasattr(module, name) for name in wraps)


def _active(module: Any) -> set[str] | None:
    """Names of a module's active adapters; None where it does not say."""
    said = getattr(module, "active_adapters", getattr(module, "active_adapter", None))
    return {said} if isinstance(said, str) else set(said) if isinstance(said, (list, tuple, set)) else None


def _entries(holders: list[Any]) -> Iterator[tuple[str, Any]]:
    """Adapter's name and tensor, of all tensors in dictionaries of modules and of tensors."""
    for holder in holders:
        if isinstance(holder, (torch.nn.ModuleDict, torch.nn.ParameterDict, Mapping)):
            for key, value in holder.items():
                tensors = value.parameters() if isinstance(value, torch.nn.Module) else [value]
                yield from ((key, tensor) for tensor in tensors if isinstance(tensor, torch.nn.Parameter))


def weights(tensor: Any) -> int:
    """Number of weights of a tensor: those that a quantised or divided one stands for."""
    state = getattr(tensor, "quant_state", None)
    if state is not None and getattr(state, "shape", None) is not None:
        return prod(state.shape)
    return int(getattr(tensor, "ds_numel", 0) or tensor.numel())


def _base(model: Any, trained: list[tuple[str, Any]], adapter: Adapter) -> Values:
    """Weights of the base that are trained although peft did not mean them to be."""
    if not adapter.active:
        return {}
    known = adapter.active | adapter.others
    configs = getattr(model, "peft_config", None) or {}
    configs = list(configs.values()) if isinstance(configs, Mapping) else []
    biases = any(getattr(config, "bias", "none") != "none" for config in configs)
    found = [(n, t) for n, t in trained if id(t) not in known and not (biases and n.endswith("bias"))]
    values: Values = {"base_trained": sum(weights(tensor) for _, tensor in found)}
    return {**values, "base_trained_example": found[0][0]} if found else values


def _devices(named: list[tuple[str, Any]]) -> Values:
    meta = [name for name, tensor in named if tensor.device.type == "meta"]
    kinds = {tensor.device.type for _, tensor in named} - {"cpu", "meta"}
    values: Values = {
        "meta": len(meta),
        "offloaded": sum(weights(t) for _, t in named if t.device.type == "cpu") if kinds else 0,
    }
    return {**values, "meta_example": meta[0]} if meta else values


def _quantization(model: Any, adapter: Adapter) -> Values:
    """How much of the layers is quantised, where bitsandbytes was asked for."""
    config = getattr(getattr(model, "config", None), "quantization_config", None)
    said: Mapping[str, Any] = config if isinstance(config, Mapping) else config.to_dict() if config else {}
    if not (said.get("load_in_4bit") or said.get("load_in_8bit")):
        return {"quantization": "none"}
    kind = str(said.get("bnb_4bit_quant_type") or "nf4") if said.get("load_in_4bit") else "int8"
    skipped = tuple(said.get("llm_int8_skip_modules") or ())
    total = quantized = 0
    for name, tensor in _layer_weights(model, adapter):
        if not any(re.search(rf"(^|\.){re.escape(part)}(\.|$)", name) for part in skipped):
            total += weights(tensor)
            quantized += weights(tensor) if _is_quantized(tensor) else 0
    return {"quantization": kind, "quantized_percent": percent(quantized, total)} if total else {"quantization": kind}


def _layer_weights(model: Any, adapter: Adapter) -> Iterator[tuple[str, Any]]:
    """The matrices of the base's layers (what stands in lists of modules), without embeddings, head and adapter."""
    own = adapter.active | adapter.others
    for prefix, layers in layer_lists(model):
        for name, tensor in layers.named_parameters(prefix):
            # a 4-bit weight is a column of bytes, (n, 1)
            if tensor.ndim >= 2 and id(tensor) not in own:
                yield name, tensor


def layer_lists(model: Any) -> list[tuple[str, Any]]:
    """The lists of layers of a model by name: lists of modules that lie in no other such list (as experts do)."""
    found: list[tuple[str, Any]] = []
    for name, module in model.named_modules():  # outer ones first
        if isinstance(module, torch.nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer, _ in found):
            found.append((name, module))
    return found


def _is_quantized(tensor: Any) -> bool:
    four = getattr(tensor, "quant_state", None) is not None
    return four or (type(tensor).__name__ == "Int8Params" and tensor.dtype == torch.int8)


def _optimizer(trainer: Any, trained: list[tuple[str, Any]]) -> Values:
    """Whether the optimizer that there is already holds what is trained."""
    optimizer = getattr(trainer, "optimizer", None)
    if optimizer is None or not hasattr(optimizer, "param_groups") or is_divided(trainer):
        return {}
    held = {id(tensor) for group in optimizer.param_groups for tensor in group["params"]}
    missing = [name for name, tensor in trained if id(tensor) not in held]
    values: Values = {"optimizer_held": len(trained) - len(missing), "optimizer_missing": len(missing)}
    return {**values, "optimizer_example": missing[0]} if missing else values


def is_divided(trainer: Any) -> bool:
    """Whether the weights are divided among processes (FSDP, DeepSpeed), so that none of them can be tried alone."""
    return bool(getattr(trainer, "is_fsdp_enabled", False) or getattr(trainer, "is_deepspeed_enabled", False))


def percent(part: float, whole: float) -> int:
    """A share in percent, rounded down, so that 100 means all; 0 of nothing."""
    return int(100 * part / whole) if whole else 0
