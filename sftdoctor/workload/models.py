"""The model objects of a script: how they are loaded, wrapped, prepared and frozen."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import partial

from sftdoctor.flow import UNKNOWN, Arguments, Machine, Method, Obj, Ref, Value
from sftdoctor.workload.model_configs import EMBEDDINGS, HEAD, adapter, quantization_of_load, reentrant
from sftdoctor.workload.steps import Steps

MODEL_CLASS = re.compile(r"(AutoModel\w*|AutoPeftModel\w*|\w+For\w+|\w+LMHeadModel)")
PEFT_CLASS = re.compile(r"Peft(Mixed)?Model\w*")
_FOREIGN_LOADER = re.compile(r"Fast\w*Model")
_SAME_MODEL = frozenset(
    [
        "to",
        "cuda",
        "cpu",
        "half",
        "float",
        "bfloat16",
        "train",
        "eval",
        "requires_grad_",
        "share_memory",
        "to_bettertransformer",
        "compile",
    ]
)


def load(machine: Machine, loader: Ref, given: Arguments, node: ast.AST) -> Obj:
    """A model that a script loads or builds.

    Args:
        machine: The machine.
        loader: "transformers.AutoModelForCausalLM.from_pretrained", or the class itself.
        given: What it is called with.
        node: The call.

    Returns:
        The model.
    """
    how = loader.last if loader.last in ("from_pretrained", "from_config") else "constructor"
    quantization, config = quantization_of_load(machine, given)
    core = machine.heap.add(
        Obj("core", node),
        {
            "steps": Steps().add("load", how, node=node),
            "loaded_by": how,
            "class": loader.name,
            "quantization": quantization,
            "quantization_config": config,
            "path": given.get(0, "pretrained_model_name_or_path"),
            "resized": False,
            **{name: given.get(None, name, "unset") for name in LOAD_ARGUMENTS},
            "num_labels": given.get(None, "num_labels", "by config" if "config" in given.keywords else "unset"),
        },
    )
    model = machine.heap.add(Obj("model", node), {"core": core, "wrapped": False})
    if PEFT_CLASS.match(loader.name.removesuffix(".from_pretrained").rpartition(".")[2].removeprefix("Auto")):
        return wrap(machine, model, "PeftModel.from_pretrained", None, given.get(None, "is_trainable", False), node)
    return model


LOAD_ARGUMENTS = ("device_map", "attn_implementation", "torch_dtype", "dtype", "trust_remote_code", "num_labels")
"""Arguments of from_pretrained that become facts of their own."""


def is_model(value: Value) -> bool:
    """Whether a value is a model of the script."""
    return isinstance(value, Obj) and value.kind == "model"


def record(machine: Machine, model: Obj, *operation: Value, node: ast.AST) -> None:
    """Write down a step of the model."""
    core = machine.heap.get(model, "core")
    if isinstance(core, Obj):
        plain = tuple("unknown" if part is UNKNOWN else part for part in operation)
        steps = machine.heap.get(core, "steps", Steps())
        machine.heap.set(core, "steps", (steps if isinstance(steps, Steps) else Steps()).add(*plain, node=node))


def wrap(machine: Machine, model: Obj, how: str, config: Value, trainable: Value, node: ast.AST) -> Obj:
    """The model with an adapter around it, or injected into it (how "add_adapter")."""
    kind, head, embeddings = adapter(machine, config)
    record(machine, model, "wrap", how, kind, trainable, head, embeddings, node=node)
    machine.heap.set(machine.heap.get(model, "core"), "adapter_config", config)
    if how in ("add_adapter", "load_adapter"):
        return model
    return machine.heap.add(Obj("model", node), {"core": machine.heap.get(model, "core"), "wrapped": True})


def prepare_kbit(machine: Machine, given: Arguments, node: ast.AST) -> Value:
    """prepare_model_for_kbit_training(model, …)."""
    model = given.get(0, "model")
    if not is_model(model):
        return UNKNOWN
    kwargs = given.get(2, "gradient_checkpointing_kwargs", "unset")
    use = given.get(1, "use_gradient_checkpointing", "unset")
    use = use if isinstance(use, (bool, str)) else UNKNOWN
    passed = kwargs != "unset" if not isinstance(kwargs, Obj) else True
    record(machine, model, "prepare_kbit", use, reentrant(machine, kwargs), passed, node=node)
    return model


def call_method(machine: Machine, model: Obj, path: str, given: Arguments, node: ast.AST) -> Value:
    """model.path(…), where path may go through submodules.

    Args:
        machine: The machine.
        model: The model.
        path: "enable_input_require_grads", "get_input_embeddings.weight.requires_grad_", …
        given: What is passed.
        node: The call.

    Returns:
        The model itself for methods that give it back, a new view of it for those that wrap and unwrap.
    """
    owner, _, name = path.rpartition(".")
    if name == "requires_grad_":
        _grad(machine, model, owner, given.get(0, "requires_grad", True), node)
        return model
    if name in _SAME_MODEL and not owner:
        return model
    known = _METHODS.get(name)
    if known is not None:
        return known(machine, model, given, node)
    if name in ("parameters", "named_parameters", "modules", "named_modules"):
        return Method(model, path)
    return Method(model, path) if name.startswith("get_") else UNKNOWN


def set_grad(machine: Machine, model: Obj, path: str, value: Value, node: ast.AST) -> None:
    """`model.path = value` for an attribute that decides about gradients or quantisation."""
    owner, _, name = path.rpartition(".")
    if name == "requires_grad":
        _grad(machine, model, owner, value, node)
    elif not owner and name in ("is_loaded_in_4bit", "is_loaded_in_8bit", "is_quantized"):
        record(machine, model, "set", name, value, node=node)


def _grad(machine: Machine, model: Obj, path: str, value: Value, node: ast.AST) -> None:
    if EMBEDDINGS.search(path):
        which = "embeddings"
    elif HEAD.search(path):
        which = "head"
    else:
        which = "all" if path in ("", "parameters", "base_model", "model") else "some"
    operation = {True: "unfreeze", False: "freeze"}.get(value) if isinstance(value, bool) else None
    if operation is None:
        which = "some"
    record(machine, model, operation or "freeze", which, node=node)


def _enable(machine: Machine, model: Obj, given: Arguments, node: ast.AST, keyword: str) -> Value:
    kwargs = given.get(0, keyword, "unset")
    record(machine, model, "gc_enable", reentrant(machine, kwargs), kwargs != "unset", node=node)
    return None


def _plain(machine: Machine, model: Obj, given: Arguments, node: ast.AST, operation: str) -> Value:
    record(machine, model, operation, node=node)
    return None


def _unwrap(machine: Machine, model: Obj, given: Arguments, node: ast.AST, how: str) -> Value:
    if how != "get_base_model":
        record(machine, model, "unwrap", how, node=node)
    return machine.heap.add(Obj("model", node), {"core": machine.heap.get(model, "core"), "wrapped": False})


def _add_adapter(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    if machine.heap.get(model, "wrapped") is True:
        return None
    config = next((value for value in given.all() if isinstance(value, Obj)), UNKNOWN)
    return wrap(machine, model, "add_adapter", config, True, node)


def _load_adapter(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    wrap(machine, model, "load_adapter", None, given.get(None, "is_trainable", False), node)
    return None


def touch_embeddings(machine: Machine, model: Obj) -> None:
    """The model's embeddings get another number of rows."""
    core = machine.heap.get(model, "core")
    if isinstance(core, Obj):
        machine.heap.set(core, "resized", True)


def _resize(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    touch_embeddings(machine, model)
    return UNKNOWN


def _hook(machine: Machine, model: Obj, given: Arguments, node: ast.AST) -> Value:
    record(machine, model, "hook", node=node)
    return UNKNOWN


_METHODS: Mapping[str, Callable[[Machine, Obj, Arguments, ast.AST], Value]] = {
    "gradient_checkpointing_enable": partial(_enable, keyword="gradient_checkpointing_kwargs"),
    "activation_checkpointing_enable": partial(_enable, keyword="activation_checkpointing_kwargs"),
    "gradient_checkpointing_disable": partial(_plain, operation="gc_disable"),
    "activation_checkpointing_disable": partial(_plain, operation="gc_disable"),
    "enable_input_require_grads": partial(_plain, operation="input_grads"),
    "merge_and_unload": partial(_unwrap, how="merge_and_unload"),
    "unload": partial(_unwrap, how="unload"),
    "get_base_model": partial(_unwrap, how="get_base_model"),
    "add_adapter": _add_adapter,
    "load_adapter": _load_adapter,
    "register_forward_hook": _hook,
    "resize_token_embeddings": _resize,
}


def call_loader(machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value | None:
    """Calls that make, wrap or prepare a model; None for every other call.

    Args:
        machine: The machine.
        function: What is called.
        given: What is passed.
        node: The call.

    Returns:
        The model, UNKNOWN, or None.
    """
    owner, _, last = function.name.rpartition(".")
    owner_class = owner.rpartition(".")[2]
    first = given.get(0, "model")
    if last == "get_peft_model" and is_model(first):
        config = given.get(1, "peft_config")
        return wrap(machine, first, "get_peft_model", config, True, node)
    if PEFT_CLASS.fullmatch(last) and is_model(first):
        return wrap(machine, first, "PeftModel", given.get(1, "peft_config"), True, node)
    if last == "from_pretrained" and PEFT_CLASS.fullmatch(owner_class) and is_model(first):
        return wrap(machine, first, "PeftModel.from_pretrained", None, given.get(3, "is_trainable", False), node)
    if last in ("prepare_model_for_kbit_training", "prepare_model_for_int8_training"):
        return prepare_kbit(machine, given, node)
    if _FOREIGN_LOADER.fullmatch(owner_class):
        return _foreign(machine, function, given, node)
    if last in ("from_pretrained", "from_config") and MODEL_CLASS.fullmatch(owner_class):
        return load(machine, function, given, node)
    if MODEL_CLASS.fullmatch(last) and function.name.startswith("transformers.") and "Collator" not in last:
        return load(machine, function, given, node)
    return None


def _foreign(machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value:
    """Loaders (unsloth) that patch the libraries: nothing is known of what they do."""
    first = given.get(0, "model")
    if is_model(first):
        record(machine, first, "foreign", function.name, node=node)
        return first
    model = load(machine, function, given, node)
    record(machine, model, "foreign", function.name, node=node)
    return (model, UNKNOWN)
