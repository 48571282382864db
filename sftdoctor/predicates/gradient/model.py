"""A model as far as its gradients go: what is trainable, what is checkpointed, where gradients start."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from sftdoctor.flow import UNKNOWN, Arguments, Machine, Method, Obj, Partial, RaisedError, Value

FOUR_BIT = ("nf4", "fp4")
TRAINABLE = "trainable"
FROZEN = "frozen"
NO_ADAPTER = "none"
PROMPT_LEARNING = ("PromptTuningConfig", "PromptEncoderConfig", "PrefixTuningConfig", "MultitaskPromptTuningConfig")


def new_model(machine: Machine, quantization: Value, *, peft_loaded: bool = False) -> Obj:
    """A freshly loaded model: everything is trainable, nothing is checkpointed.

    Args:
        machine: The machine.
        quantization: "nf4", "int8", …, "none", or UNKNOWN.
        peft_loaded: Whether transformers itself holds an adapter in it.

    Returns:
        The model.
    """
    core = machine.heap.add(
        Obj("core"),
        {
            "quantization": quantization,
            "adapter": NO_ADAPTER,
            "base": True,
            "head": True,
            "embeddings": True,
            "inputs": False,
            "checkpointing": False,
            "reentrant": UNKNOWN,
            "_hf_peft_config_loaded": peft_loaded,
            "frozen_by": "",
            "actor": "the script",
        },
    )
    return machine.heap.add(Obj("model"), {"core": core, "wrapped": False})


def core_of(machine: Machine, value: Value) -> Obj | None:
    """The core that a model, a module or a parameter belongs to."""
    if isinstance(value, Method):
        value = value.receiver
    if isinstance(value, Obj) and value.kind in ("model", "module", "parameter", "embeddings"):
        core = machine.heap.get(value, "core", None)
        return core if isinstance(core, Obj) else None
    return None


def view(machine: Machine, core: Obj, wrapped: bool) -> Obj:
    """The model seen as a PeftModel, or as the base model in it."""
    return machine.heap.add(Obj("model"), {"core": core, "wrapped": wrapped})


def quantized_as(machine: Machine, core: Obj) -> tuple[Value, Value]:
    """(is_loaded_in_4bit, is_loaded_in_8bit)."""
    quantization = machine.heap.get(core, "quantization")
    if not isinstance(quantization, str):
        return UNKNOWN, UNKNOWN
    return quantization in FOUR_BIT, quantization == "int8"


def attribute(machine: Machine, model: Obj, name: str) -> Value:
    """An attribute of a model that is a plain value; a Method for everything else."""
    core = core_of(machine, model)
    if core is None:
        return UNKNOWN
    four, eight = quantized_as(machine, core)
    quantization = machine.heap.get(core, "quantization")
    known: dict[str, Value] = {
        "is_loaded_in_4bit": four,
        "is_loaded_in_8bit": eight,
        "is_quantized": UNKNOWN if quantization is UNKNOWN else quantization != "none",
        "quantization_method": UNKNOWN if quantization is UNKNOWN else _method(quantization),
        "hqq_quantized": UNKNOWN if quantization is UNKNOWN else quantization == "hqq",
        "is_gradient_checkpointing": machine.heap.get(core, "checkpointing"),
        "is_activation_checkpointing": machine.heap.get(core, "checkpointing"),
        "_hf_peft_config_loaded": machine.heap.get(core, "_hf_peft_config_loaded"),
        "main_input_name": "input_ids",
        "gradient_checkpointing": machine.heap.get(core, "checkpointing"),
    }
    if name in known:
        return known[name]
    if name in ("base_model", "model", "module"):
        return view(machine, core, False)
    return Method(model, name)


def _method(quantization: str) -> str | None:
    return None if quantization == "none" else "bitsandbytes" if quantization in (*FOUR_BIT, "int8") else quantization


SOMETIMES = ("is_loaded_in_4bit", "is_loaded_in_8bit", "is_quantized", "quantization_method", "hqq_quantized")
"""Attributes that a model has where they say something."""
ALWAYS = (
    "enable_input_require_grads",
    "gradient_checkpointing_enable",
    "get_input_embeddings",
    "is_gradient_checkpointing",
    "config",
)


def has_attribute(machine: Machine, model: Obj, name: str) -> bool | None:
    """hasattr(model, name)."""
    if name in ALWAYS:
        return True
    if name in SOMETIMES:
        value = attribute(machine, model, name)
        return None if value is UNKNOWN else bool(value)
    if name == "_hf_peft_config_loaded":
        core = core_of(machine, model)
        value = machine.heap.get(core, name) if core is not None else UNKNOWN
        return value if isinstance(value, bool) else None
    return None


def set_grad(machine: Machine, core: Obj, which: str, value: Value) -> None:
    """requires_grad of "all", "embeddings", "head" or "some" parameters becomes value."""
    heap = machine.heap
    if which == "some" or not isinstance(value, bool):
        for name in ("base", "adapter", "head"):
            heap.set(core, name, UNKNOWN)
        return
    if which in ("embeddings", "head"):
        heap.set(core, which, value)
        return
    for name in ("base", "head", "embeddings"):
        heap.set(core, name, value)
    if heap.get(core, "adapter") != NO_ADAPTER:
        if value is False and heap.get(core, "adapter") == TRAINABLE:
            heap.set(core, "frozen_by", heap.get(core, "actor"))
        heap.set(core, "adapter", TRAINABLE if value else FROZEN)


def set_attribute(machine: Machine, owner: Value, name: str, value: Value, torch_default: Value) -> None:
    """`owner.name = value` for a model, a module or a parameter of it.

    Args:
        machine: The machine.
        owner: Whose attribute.
        name: Its name.
        value: The new value.
        torch_default: use_reentrant of torch's checkpoint where nothing is passed.
    """
    core = core_of(machine, owner)
    if core is None:
        return
    if name == "requires_grad":
        set_grad(
            machine, core, "embeddings" if isinstance(owner, Method) or owner.kind == "embeddings" else "all", value
        )
    elif name == "gradient_checkpointing":
        machine.heap.set(core, "checkpointing", value)
        if machine.heap.get(core, "reentrant") is UNKNOWN:
            machine.heap.set(core, "reentrant", torch_default)
    elif name == "_gradient_checkpointing_func":
        machine.heap.set(core, "reentrant", _reentrant(value, torch_default))
    elif name in ("is_loaded_in_4bit", "is_loaded_in_8bit") and value is True:
        machine.heap.set(core, "quantization", "nf4" if name == "is_loaded_in_4bit" else "int8")


def _reentrant(function: Value, torch_default: Value) -> Value:
    if not isinstance(function, Partial):
        return torch_default
    given = dict(function.keywords)
    if "use_reentrant" in given:
        value = given["use_reentrant"]
        return torch_default if value is None else value
    return UNKNOWN if function.open else torch_default


def wrap(machine: Machine, model: Obj, kind: Value, trainable: Value, head: Value, embeddings: Value, how: str) -> Obj:
    """Put an adapter around (or into) a model.

    Args:
        machine: The machine.
        model: The model.
        kind: Class of the adapter's config, "saved" or "unknown".
        trainable: Whether the adapter is trainable.
        head: Whether it trains the output head.
        embeddings: Whether it trains the embeddings.
        how: "get_peft_model", "PeftModel.from_pretrained", "add_adapter", …

    Returns:
        The wrapped model; the same for "add_adapter" and "load_adapter", which inject into it.
    """
    core = core_of(machine, model)
    if core is None:
        return model
    heap = machine.heap
    heap.set(core, "base", False)
    heap.set(core, "head", _plain(head))
    heap.set(core, "embeddings", _plain(embeddings))
    heap.set(
        core, "adapter", {True: TRAINABLE, False: FROZEN}.get(trainable, UNKNOWN) if _known(trainable) else UNKNOWN
    )
    if trainable is False:
        heap.set(core, "frozen_by", how)
    if kind in PROMPT_LEARNING:
        heap.set(core, "inputs", True)
    if how in ("add_adapter", "load_adapter"):
        heap.set(core, "_hf_peft_config_loaded", True)
        return model
    return view(machine, core, True)


def _known(value: Value) -> bool:
    return isinstance(value, bool)


def _plain(value: Value) -> Value:
    return value if isinstance(value, bool) else UNKNOWN


def parameters(machine: Machine, core: Obj) -> tuple[Obj, ...]:
    """One parameter of each class that the model has: plain ones, and 4-bit ones where it is quantised so."""
    four, _ = quantized_as(machine, core)
    classes: tuple[Value, ...] = ("Parameter", "Params4bit") if four is True else ("Parameter",)
    classes = (UNKNOWN,) if four is UNKNOWN else classes
    return tuple(machine.heap.add(Obj("parameter"), {"core": core, "class name": name}) for name in classes)


def modules(machine: Machine, model: Obj) -> tuple[Obj, ...]:
    """The model and the module in it that holds the layers, as nn.Module.modules() yields them."""
    core = core_of(machine, model)
    return (model, machine.heap.add(Obj("module"), {"core": core})) if core is not None else ()


def call_method(machine: Machine, model: Obj, name: str, given: Arguments, node: ast.AST) -> Value:
    """A method of the model whose effect is known without source.

    Args:
        machine: The machine.
        model: The model.
        name: The method.
        given: What is passed.
        node: The call.

    Returns:
        What it gives back; UNKNOWN for methods that do nothing to gradients.
    """
    known = _METHODS.get(name)
    if known is not None:
        return known(machine, model, given, node)
    core = core_of(machine, model)
    if core is None:
        return UNKNOWN
    if name in ("parameters", "modules", "named_parameters", "named_modules"):
        return Method(model, name)
    if name in ("merge_and_unload", "unload", "get_base_model"):
        if name != "get_base_model":
            machine.heap.set(core, "adapter", NO_ADAPTER)
        return view(machine, core, False)
    if name in ("to", "cuda", "cpu", "half", "float", "bfloat16", "train", "eval"):
        return model
    return UNKNOWN


def _input_grads(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    core = core_of(machine, model)
    if core is not None:
        machine.heap.set(core, "inputs", True)
    return None


def _apply(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    """nn.Module.apply: children first, then the model itself."""
    for module in reversed(modules(machine, model)):
        machine.call(given.get(0, "fn"), Arguments([module]), node)
    return model


def _embeddings(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    return machine.heap.add(Obj("embeddings"), {"core": core_of(machine, model)})


def _builtin_override(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    """_set_gradient_checkpointing(module, value) of transformers' own models before 4.35."""
    for keyword in given.keywords:
        if keyword not in ("module", "value"):
            raise RaisedError(
                "TypeError", f"_set_gradient_checkpointing() got an unexpected keyword argument '{keyword}'"
            )
    core = core_of(machine, model)
    if core is not None:
        set_attribute(machine, model, "gradient_checkpointing", given.get(1, "value", False), True)
    return None


_METHODS: Mapping[str, Callable[[Machine, Obj, Arguments, ast.AST], Value]] = {
    "enable_input_require_grads": _input_grads,
    "apply": _apply,
    "get_input_embeddings": _embeddings,
    "_set_gradient_checkpointing": _builtin_override,
}
