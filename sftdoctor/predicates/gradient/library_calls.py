"""Functions of the libraries and builtins that are known by name, and what they do to models."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from sftdoctor.flow import UNKNOWN, Arguments, Function, Machine, Method, Obj, Ref, Value
from sftdoctor.predicates.gradient import model as models
from sftdoctor.predicates.gradient.remote import RemoteModel

if TYPE_CHECKING:
    from sftdoctor.predicates.gradient.world import LibraryWorld

_CLASS_NAMES = {"str": str, "int": int, "float": float, "bool": bool, "tuple": tuple}
PEFT = "peft.peft_model.PeftModel"


def _isinstance(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    value, classes = given.get(0, ""), given.get(1, "")
    listed = machine.items_of(classes) if not isinstance(classes, Ref) else (classes,)
    if listed is None:
        return UNKNOWN
    answers = [_is_instance(world, machine, value, class_) for class_ in listed]
    return True if True in answers else (UNKNOWN if None in answers else False)


def _is_instance(world: LibraryWorld, machine: Machine, value: Value, class_: Value) -> bool | None:
    if not isinstance(class_, Ref) or value is UNKNOWN:
        return None
    name = class_.last
    if value is None or isinstance(value, (str, int, float, tuple)):
        return isinstance(value, _CLASS_NAMES[name]) if name in _CLASS_NAMES else False
    if not isinstance(value, Obj):
        return None
    if value.kind in ("model", "module"):
        return _is_model(world, machine, value, class_)
    if name in ("str", "dict", "list"):
        return value.kind == name
    if value.kind == "adapter config":
        return True if name == "PeftConfig" else machine.heap.get(value, "kind") == name
    own = machine.heap.get(value, "^class", None)
    if isinstance(own, Ref):
        return any(own_name == name for _, own_name in world.sources.lineage(own.name)) or own.last == name
    return None


def _is_model(world: LibraryWorld, machine: Machine, value: Obj, class_: Ref) -> bool | None:
    name = class_.last
    if class_.name.startswith(RemoteModel.MODULE) and world.remote is not None:
        return world.remote.is_instance(name, inner=value.kind == "module")
    if name in ("str", "dict", "list", "tuple"):
        return False
    if name in ("Module", "PreTrainedModel", "PushToHubMixin") and value.kind == "module":
        return True if name == "Module" else None
    wrapped = machine.heap.get(value, "wrapped", None)
    if not isinstance(wrapped, bool):
        return None
    if name.startswith("Peft") and name.endswith("Model") and name != "PeftMixedModel":
        return wrapped
    return {"PeftMixedModel": False, "Module": True, "PreTrainedModel": not wrapped}.get(name)


def _is_peft_model(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    return _isinstance(world, machine, Arguments([given.get(0, "model"), Ref(PEFT)]), node)


def _version(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    try:
        return Version(given.get(0, "version"))
    except (InvalidVersion, TypeError):
        return UNKNOWN


def _replace(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    value = given.get(0, "obj")
    if not isinstance(value, Obj):
        return UNKNOWN
    return machine.heap.add(Obj(value.kind, value.node), {**machine.heap.record(value).slots, **given.keywords})


def _signature(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    names = _parameter_names(world, given.get(0, "obj"))
    return machine.heap.add(Obj("signature"), {"parameters": UNKNOWN if names is None else names})


def _parameter_names(world: LibraryWorld, function: Value) -> tuple[str, ...] | None:
    if isinstance(function, Ref):
        located = world.sources.locate(function.name)
        definition = located[0].function(located[1]) if located is not None else None
        function = Function(definition, "") if definition is not None else function
    if isinstance(function, Method) and function.name == "_set_gradient_checkpointing":
        return ("module", "value")
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
        return None
    spec = function.node.args
    names = [item.arg for item in (*spec.posonlyargs, *spec.args)][1 if function.bound else 0 :]
    extra = [item.arg for item in (spec.vararg, *spec.kwonlyargs, spec.kwarg) if item is not None]
    return (*names, *extra)


def _super(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    return machine.heap.add(Obj("super"), {"self": machine.lookup("self", node)})


def _get_peft_model(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    model, config = given.get(0, "model"), given.get(1, "peft_config")
    if not isinstance(model, Obj) or model.kind != "model":
        return UNKNOWN
    said = [
        machine.heap.get(config, key, UNKNOWN) if isinstance(config, Obj) else UNKNOWN
        for key in ("kind", "head", "embeddings")
    ]
    return wrap(world, machine, model, said[0], True, said[1], said[2], "get_peft_model", node)


def wrap(
    world: LibraryWorld,
    machine: Machine,
    model: Obj,
    kind: Value,
    trainable: Value,
    head: Value,
    embeddings: Value,
    how: str,
    node: ast.AST,
) -> Obj:
    """Wrap a model, and let peft's PeftModel.__init__ do what it does about checkpointing."""
    wrapped = models.wrap(machine, model, kind, trainable, head, embeddings, how)
    core = models.core_of(machine, model)
    found = world.sources.method(PEFT, "__init__") if wrapped is not model else None
    if found is not None and core is not None:
        instance = machine.heap.add(Obj("instance"), {"^class": Ref(PEFT)})
        init = Function(found[1], found[0].name, None, instance, True)
        machine.call(init, Arguments([models.view(machine, core, False), UNKNOWN], {}, True), node)
    return wrapped


def _same_model(world: LibraryWorld, machine: Machine, given: Arguments, node: ast.AST) -> Value:
    """Functions that give back the model that they get, with other things."""
    return (given.get(0, "model"), UNKNOWN, UNKNOWN)


CALLS: Mapping[str, Callable[[LibraryWorld, Machine, Arguments, ast.AST], Value]] = {
    "isinstance": _isinstance,
    "is_peft_model": _is_peft_model,
    "_is_peft_model": _is_peft_model,
    "Version": _version,
    "parse": _version,
    "replace": _replace,
    "signature": _signature,
    "super": _super,
    "get_peft_model": _get_peft_model,
    "clone_chat_template": _same_model,
    "setup_chat_format": _same_model,
}
