"""A model's own code (remote code), as far as gradient checkpointing goes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from sftdoctor.flow import Ref, Value
from sftdoctor.flow.classes import CodeFiles, OwnClass, read_code
from sftdoctor.model import ModelFolder


class RemoteModel:
    """The class of a model's own code that is trained.

    Args:
        code: The files.
        class_: The language model in them.
    """

    MODULE = "remote code"
    """Name of the module that the code is evaluated as."""

    def __init__(self, code: CodeFiles, class_: OwnClass) -> None:
        self.code = code
        self.class_ = class_
        self.class_name = class_.name
        self.reentrant = code.checkpoint_reentrant()
        self.has_attribute = code.sets_attribute("gradient_checkpointing")
        method = code.method(class_, "_set_gradient_checkpointing")
        self.override: ast.FunctionDef | None = method.node if method is not None else None

    @property
    def supports_checkpointing(self) -> bool:
        """supports_gradient_checkpointing, which transformers' base class sets to False."""
        return self.code.class_attribute(self.class_, "supports_gradient_checkpointing") is True

    def name(self, name: str) -> Value:
        """A class that the code defines; None for every other name."""
        return Ref(f"{self.MODULE}.{name}") if name in self.code.classes else None

    def defines(self, method: Value) -> bool:
        """Whether the code overrides a method."""
        return isinstance(method, str) and self.code.method(self.class_, method) is not None

    def is_instance(self, class_: str, *, inner: bool) -> bool:
        """isinstance(module, class_), for the model itself or the module in it that holds the layers."""
        if class_ not in self.code.classes:
            return False
        return inner or any(own.name == class_ for own in self.code.lineage(self.class_))


def remote_model(folder: ModelFolder | None) -> RemoteModel | None:
    """The code of a model folder.

    Args:
        folder: The folder as the workload read it.

    Returns:
        None where the model has no code of its own, or none that is a language model.
    """
    if folder is None or not folder.code:
        return None
    auto_map = folder.config.get("auto_map")
    return remote_model_of(folder.code, auto_map if isinstance(auto_map, dict) else {})


def remote_model_of(files: Sequence[str], auto_map: dict[str, object]) -> RemoteModel | None:
    """The same from the paths of the files.

    Args:
        files: Python files of the model.
        auto_map: What its config says about them.

    Returns:
        The model; None where the files hold no language model.
    """
    code = read_code(files)
    class_ = code.language_model(auto_map)
    return RemoteModel(code, class_) if class_ is not None else None
