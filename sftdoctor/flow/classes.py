"""A model's own Python files: classes, bases and methods, from their syntax trees alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor import nodes
from sftdoctor.flow.source import read_source
from sftdoctor.model import Location


@dataclass(frozen=True)
class OwnClass:
    """A class of a model's own code."""

    name: str
    node: ast.ClassDef
    path: Path


@dataclass(frozen=True)
class OwnMethod:
    """A method of such a class."""

    node: ast.FunctionDef
    owner: OwnClass


class CodeFiles:
    """The Python files of a model folder.

    Args:
        trees: File → syntax tree.
    """

    def __init__(self, trees: Mapping[Path, ast.Module]) -> None:
        self.trees = trees
        self.classes: dict[str, OwnClass] = {}
        for path, tree in trees.items():
            for node in tree.body:
                if isinstance(node, ast.ClassDef):
                    self.classes.setdefault(node.name, OwnClass(node.name, node, path))

    def location(self, node: ast.AST) -> Location | None:
        """Where a class or function stands."""
        for path, tree in self.trees.items():
            if any(child is node for child in nodes.walk(tree)):
                line = getattr(node, "lineno", 1)
                return Location(str(path), line, getattr(node, "col_offset", 0) + 1)
        return None

    def language_model(self, auto_map: Mapping[str, Any]) -> OwnClass | None:
        """The class that a causal language model is made of: what auto_map says, else the likeliest name."""
        for key in ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", "AutoModelForImageTextToText", "AutoModel"):
            named = auto_map.get(key)
            if isinstance(named, str) and named.rpartition(".")[2] in self.classes:
                return self.classes[named.rpartition(".")[2]]
        likely = [name for name in self.classes if name.endswith(("ForCausalLM", "LMHeadModel"))]
        return self.classes[likely[0]] if likely else None

    def lineage(self, class_: OwnClass) -> Iterator[OwnClass]:
        """The class and its bases, as far as the files define them, nearest first."""
        seen: set[str] = set()
        waiting = [class_]
        while waiting:
            current = waiting.pop(0)
            if current.name not in seen:
                seen.add(current.name)
                yield current
                names = [base.id for base in current.node.bases if isinstance(base, ast.Name)]
                waiting.extend(self.classes[name] for name in names if name in self.classes)

    def method(self, class_: OwnClass, name: str) -> OwnMethod | None:
        """The method of that name that the class has or inherits from the files."""
        for owner in self.lineage(class_):
            for node in owner.node.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return OwnMethod(node, owner)
        return None

    def class_attribute(self, class_: OwnClass, name: str) -> Any:
        """A constant that the class or a base of it assigns in its body; None where none does."""
        for owner in self.lineage(class_):
            for node in owner.node.body:
                target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
                if isinstance(target, ast.Name) and target.id == name and isinstance(node, (ast.Assign, ast.AnnAssign)):
                    return node.value.value if isinstance(node.value, ast.Constant) else None
        return None

    def sets_attribute(self, name: str) -> bool:
        """Whether an __init__ (or a class body) of any class gives it that attribute."""
        for class_ in self.classes.values():
            for node in class_.node.body:
                if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
                    return True
                if isinstance(node, ast.FunctionDef) and node.name == "__init__" and _assigns_self(node, name):
                    return True
        return False

    def parameters(self, method: OwnMethod) -> str:
        """Its parameters without self, as the source writes them."""
        text = ast.unparse(method.node.args)
        return text.partition(",")[2].strip() if text.startswith("self") else text

    def checkpoint_reentrant(self) -> bool | str:
        """use_reentrant of the code's own checkpoint calls: a bool, "unset", or "none" where it makes no such call."""
        found: bool | str = "none"
        for tree in self.trees.values():
            for node in nodes.walk(tree):
                if isinstance(node, ast.Call) and _is_checkpoint(node.func):
                    values = [keyword.value for keyword in node.keywords if keyword.arg == "use_reentrant"]
                    constant = values[0].value if values and isinstance(values[0], ast.Constant) else None
                    found = constant if isinstance(constant, bool) else "unset"
        return found


def read_code(files: Sequence[Path | str]) -> CodeFiles:
    """Parse a model's own files.

    Args:
        files: Paths of Python files.

    Returns:
        The code.

    Raises:
        WorkloadError: A file cannot be read or parsed.
    """
    return CodeFiles({Path(file): read_source(Path(file)).tree for file in files})


def _assigns_self(function: ast.FunctionDef, name: str) -> bool:
    for node in nodes.walk(function):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr == name and getattr(target.value, "id", "") == "self":
                return True
    return False


def _is_checkpoint(function: ast.expr) -> bool:
    """torch.utils.checkpoint.checkpoint, checkpoint.checkpoint or checkpoint."""
    return ast.unparse(function).endswith("checkpoint") and not ast.unparse(function).startswith("self.")
