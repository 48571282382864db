"""The World of the libraries' functions: what lies outside the one that is evaluated."""

from __future__ import annotations

import ast
import re

from sftdoctor import nodes
from sftdoctor.flow import (
    MISSING,
    UNKNOWN,
    Arguments,
    Function,
    Machine,
    Method,
    Obj,
    RaisedError,
    Ref,
    Value,
    call_builtin,
)
from sftdoctor.flow.builtins import builtin
from sftdoctor.model import Environment
from sftdoctor.predicates.gradient import model as models
from sftdoctor.predicates.gradient.arguments import make_arguments
from sftdoctor.predicates.gradient.library_calls import CALLS
from sftdoctor.predicates.gradient.remote import RemoteModel
from sftdoctor.predicates.gradient.sources import Sources, absolute

_RELEVANT = re.compile(r"checkpointing|require_grads|requires_grad|peft_model|prepare_model|PeftModel")
_ABSENT = re.compile(r"is_(deepspeed|fsdp|sagemaker|torch_xla|peft_mixed)\w*")
_DISTRIBUTED = ("deepspeed_plugin", "fsdp_plugin", "is_deepspeed_enabled", "is_fsdp_enabled")
"""Nothing distributed is assumed: such runs need a configuration that the workload would show."""
MODELS = "transformers.modeling_utils.PreTrainedModel"


class LibraryWorld:
    """Evaluates library functions over models.

    Args:
        environment: The target.
        sources: Its packages.
        remote: The model's own code, where it has some.
    """

    def __init__(self, environment: Environment, sources: Sources, remote: RemoteModel | None = None) -> None:
        self.environment = environment
        self.sources = sources
        self.remote = remote
        self.trained: tuple[Value, Value] | None = None
        """(model, arguments) that the last trainer gave to transformers' Trainer."""
        self.torch_default = self._torch_default()

    def _torch_default(self) -> Value:
        """use_reentrant of torch.utils.checkpoint.checkpoint where nothing is passed, read from its source."""
        module = self.sources.module("torch.utils.checkpoint")
        if module is None:
            return True
        self.sources.asked.add(("torch.utils.checkpoint", "checkpoint"))
        function = module.function("checkpoint")
        for node in nodes.walk(function) if function is not None else ():
            constant = _constant(node, "use_reentrant")
            if constant is not None:
                return bool(constant.value)
        return True

    # Names and attributes

    def name(self, machine: Machine, name: str, module: str) -> Value:
        if module == RemoteModel.MODULE and self.remote is not None:
            return self.remote.name(name) or builtin(name)
        found = self.sources.module(module)
        if found is None:
            return builtin(name)
        function = found.function(name)
        self.sources.asked.add((module, name))
        if function is not None:
            return Function(function, module)
        if found.bases(name) is not None:
            return Ref(f"{module}.{name}")
        imported = found.imports.get(name)
        return Ref(imported) if imported is not None else builtin(name)

    def attribute(self, machine: Machine, value: Value, name: str, node: ast.AST) -> Value:
        if isinstance(value, Ref):
            return self._ref_attribute(value, name)
        if isinstance(value, Method):
            return Method(value.receiver, f"{value.name}.{name}")
        if not isinstance(value, Obj):
            return UNKNOWN
        if value.kind in ("model", "module"):
            return self._model_attribute(machine, value, name)
        if value.kind == "parameter":
            return self._parameter_attribute(machine, value, name)
        if value.kind == "embeddings":
            return value if name == "weight" else Method(value, name)
        if name in _DISTRIBUTED:
            return None
        class_ = machine.heap.get(value, "^class", None)
        if isinstance(class_, Ref) and value.kind == "instance":
            return self._member(class_, name, value, machine)
        return Method(value, name)

    def _ref_attribute(self, value: Ref, name: str) -> Value:
        if name == "__version__":
            version = self.environment.version(value.name.partition(".")[0])
            return version if version is not None else UNKNOWN
        return value.last if name == "__name__" else Ref(f"{value.name}.{name}")

    def _model_attribute(self, machine: Machine, value: Obj, name: str) -> Value:
        if name in ("supports_gradient_checkpointing", "_set_gradient_checkpointing", "__class__"):
            special = self._checkpointing_member(machine, value, name)
            if special is not MISSING:
                return special
        if name in (
            "gradient_checkpointing_enable",
            "gradient_checkpointing_disable",
            "activation_checkpointing_enable",
            "_activation_checkpointing_enable",
            "activation_checkpointing_disable",
            "_activation_checkpointing_disable",
        ):
            found = self.sources.method(MODELS, name)
            core = models.core_of(machine, value)
            if found is not None and core is not None:
                return Function(found[1], found[0].name, None, models.view(machine, core, False), True)
        return models.attribute(machine, value, name)

    def _checkpointing_member(self, machine: Machine, value: Obj, name: str) -> Value:
        if name == "__class__":
            return Ref(f"{RemoteModel.MODULE}.{self.remote.class_name if self.remote else 'model'}")
        if name == "supports_gradient_checkpointing":
            return self.remote.supports_checkpointing if self.remote is not None else True
        override = self.remote.override if self.remote is not None else None
        if override is not None:
            return Function(override, RemoteModel.MODULE, None, value, True)
        found = self.sources.method(MODELS, name)
        if found is not None:
            return Function(found[1], found[0].name, None, value, True)
        if self.remote is not None:
            raise RaisedError("AttributeError", f"'{self.remote.class_name}' object has no attribute '{name}'")
        return MISSING

    def _parameter_attribute(self, machine: Machine, value: Obj, name: str) -> Value:
        if name == "__class__":
            class_name = machine.heap.get(value, "class name")
            return machine.heap.add(Obj("class"), {"__name__": class_name})
        if name == "data":
            return value
        if name == "device":
            return machine.heap.add(Obj("device"), {"type": self._device()})
        return UNKNOWN if name == "requires_grad" else Method(value, name)

    def _device(self) -> Value:
        """Where weights lie: cpu on a machine that is known to have no GPU, else cuda, as such runs are meant for."""
        return "cpu" if self.environment.accelerators == () else "cuda"

    def _member(self, class_: Ref, name: str, receiver: Obj, machine: Machine) -> Value:
        found = self.sources.method(class_.name, name)
        if found is not None:
            return Function(found[1], found[0].name, None, receiver, True)
        return UNKNOWN if machine.heap.has(receiver, name) is None else self._default(class_, name, receiver)

    def _default(self, class_: Ref, name: str, receiver: Obj) -> Value:
        """The default of a field, as far as it is a constant that no __post_init__ changes."""
        value = self.sources.field(class_.name, name)
        if isinstance(value, ast.Call):
            value = next((keyword.value for keyword in value.keywords if keyword.arg == "default"), None)
        lasts = "gradient_checkpointing" in name or not self.sources.changes(class_.name, name)
        return value.value if isinstance(value, ast.Constant) and lasts else Method(receiver, name)

    def set_attribute(self, machine: Machine, value: Value, name: str, new: Value, node: ast.AST) -> None:
        if models.core_of(machine, value) is not None:
            models.set_attribute(machine, value, name, new, self.checkpoint_default())
        elif isinstance(value, Obj):
            machine.heap.set(value, name, new)

    def checkpoint_default(self) -> Value:
        """use_reentrant of the layers' checkpoint calls where transformers hands them no function."""
        own = self.remote.reentrant if self.remote is not None else "none"
        return own if isinstance(own, bool) else self.torch_default

    def has_attribute(self, machine: Machine, value: Value, name: str) -> bool | None:
        if isinstance(value, Obj) and value.kind in ("model", "module"):
            if name == "gradient_checkpointing":
                inside = self.remote.has_attribute if self.remote is not None else True
                return inside and value.kind == "module"
            if name == "activation_checkpointing_enable":
                return self.sources.method(MODELS, name) is not None
            return models.has_attribute(machine, value, name)
        if isinstance(value, Obj):
            if machine.heap.has(value, name):
                return True
            class_ = machine.heap.get(value, "^class", None)
            if isinstance(class_, Ref):
                defined = self.sources.field(class_.name, name) is not None
                return True if defined or self.sources.method(class_.name, name) is not None else None
        return None

    def item(self, machine: Machine, value: Value, key: Value) -> Value:
        return UNKNOWN

    def elements(self, machine: Machine, value: Value) -> tuple[Value, ...] | None:
        if not isinstance(value, Method) or not isinstance(value.receiver, Obj):
            return None
        core = models.core_of(machine, value.receiver)
        if core is None:
            return None
        if value.name in ("parameters", "named_parameters"):
            found = models.parameters(machine, core)
            return found if value.name == "parameters" else tuple((UNKNOWN, item) for item in found)
        if value.name in ("modules", "named_modules"):
            inside = models.modules(machine, value.receiver)
            return inside if value.name == "modules" else tuple((UNKNOWN, item) for item in inside)
        return None

    def resolve(self, module: str, imported: str, level: int) -> str:
        found = self.sources.module(module)
        return absolute(module, found.package if found is not None else False, "." * level + imported)

    def imported(self, machine: Machine, module: str, name: str, level: int) -> Obj | None:
        return None

    # Calls

    def decorated(self, machine: Machine, function: Function) -> Value:
        return function

    def inline(self, machine: Machine, function: Function, given: Arguments) -> bool:
        if function.module == RemoteModel.MODULE or (function.bound and models.core_of(machine, function.receiver)):
            return True
        node = function.node
        relevant = self.sources.concerned.get(node)
        if relevant is None:
            relevant = self.sources.concerned[node] = any(_RELEVANT.search(word) for word in _words(node))
        concerned = (
            any(models.core_of(machine, value) is not None for value in given.all()) or function.name == "__init__"
        )
        return relevant and (concerned or function.name == "__post_init__" or function.scope is not None)

    def call(self, machine: Machine, function: Value, given: Arguments, node: ast.AST) -> Value:
        found = call_builtin(machine, function, given, node)
        if found is not MISSING:
            return found
        if isinstance(function, Method):
            return self._call_method(machine, function, given, node)
        if not isinstance(function, Ref):
            return UNKNOWN
        known = CALLS.get(function.last)
        if known is not None:
            return known(self, machine, given, node)
        if _ABSENT.fullmatch(function.last):
            return False
        if function.last.startswith("is_") and function.last.endswith("_available"):
            return self._available(function.last)
        return self._call_source(machine, function, given, node)

    def _available(self, name: str) -> Value:
        distribution = name.removeprefix("is_").removesuffix("_available").replace("_", "-")
        if distribution in ("peft", "bitsandbytes", "accelerate", "liger-kernel", "deepspeed"):
            return self.environment.version(distribution) is not None
        return UNKNOWN

    def _call_source(self, machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value:
        located = self.sources.locate(function.name)
        if located is None:
            return self._fresh(machine, function)
        module, name = located
        definition = module.function(name)
        if definition is not None:
            return machine.call(Function(definition, module.name), given, node)
        if name.endswith(("Config", "Arguments")):
            return make_arguments(self, machine, f"{module.name}.{name}", given, node)
        return UNKNOWN

    def _fresh(self, machine: Machine, function: Ref) -> Value:
        if function.last == "from_pretrained" and "Model" in function.name:
            return models.new_model(machine, UNKNOWN)
        return UNKNOWN

    def _call_method(self, machine: Machine, method: Method, given: Arguments, node: ast.AST) -> Value:
        receiver, name = method.receiver, method.name
        if not isinstance(receiver, Obj):
            return UNKNOWN
        if receiver.kind in ("model", "module"):
            if name == "_is_overridden":
                return self.remote.defines(given.get(0, "")) if self.remote is not None else False
            return models.call_method(machine, receiver, name, given, node)
        if receiver.kind == "embeddings":
            core = models.core_of(machine, receiver)
            if core is not None and name == "register_forward_hook":
                machine.heap.set(core, "inputs", True)
            return UNKNOWN
        if receiver.kind == "super" and name == "__init__":
            return self._super_init(machine, receiver, given, node)
        if receiver.kind == "instance" and name == "to_dict":
            record = machine.heap.record(receiver)
            return machine.make_dict({key: value for key, value in record.slots.items() if key != "^class"}, open=True)
        return UNKNOWN

    def _super_init(self, machine: Machine, receiver: Obj, given: Arguments, node: ast.AST) -> Value:
        """super().__init__(…): the trainer's next base; transformers' own Trainer just keeps model and arguments."""
        instance = machine.heap.get(receiver, "self")
        model, args = given.get(0, "model", UNKNOWN), given.get(1, "args", UNKNOWN)
        if isinstance(instance, Obj):
            machine.heap.set(instance, "model", model)
            machine.heap.set(instance, "args", args)
        self.trained = (model, args)
        return None


def _words(node: ast.AST) -> list[str]:
    found = []
    for child in nodes.walk(node):
        if isinstance(child, ast.Name):
            found.append(child.id)
        elif isinstance(child, ast.Attribute):
            found.append(child.attr)
    return found


def _constant(node: ast.AST, name: str) -> ast.Constant | None:
    """The constant that a statement assigns to a name."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
        return None
    named = any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return node.value if named else None
