"""What a script's text says by itself, wherever in it that stands: imports, environment variables, chat templates."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from sftdoctor import nodes
from sftdoctor.model import Fact
from sftdoctor.workload.functions import chat_template_call
from sftdoctor.workload.places import Places

_PATCHED = ("trl", "transformers", "peft")
"""What unsloth patches when it is imported."""
_OF_SCRIPTS = ("unsloth_import", "imports")
"""What modules do not say."""
_TELLING = (ast.Import, ast.ImportFrom, ast.Assign, ast.Attribute, ast.Call)


def source_facts(places: Places, tree: ast.Module, modules: Sequence[ast.Module] = ()) -> Iterator[Fact]:
    """The facts of a script's text.

    Args:
        places: Where nodes stand.
        tree: The script's syntax tree.
        modules: Those of the modules of its project.

    Returns:
        Facts in the order in which they stand, the modules' after the script's.
    """
    seen: dict[str, None] = {}
    yield from _facts(places, tree, seen)
    for module in modules:
        # when a module's imports run, among the script's, is not known here, nor whether it needs what it imports
        yield from (fact for fact in _facts(places, module, seen) if fact.name not in _OF_SCRIPTS)


def _facts(places: Places, tree: ast.Module, seen: dict[str, None]) -> Iterator[Fact]:
    padding = {node.value for node in nodes.walk(tree) if isinstance(node, ast.Assign) and _pads(node.targets[0])}
    for node in _in_order(tree):
        for name in _imported(node):
            if name == "unsloth" and name not in seen:
                late = next((patched for patched in _PATCHED if patched in seen), None)
                yield Fact("unsloth_import", "late" if late else "first", places.of(node))
            if name not in seen:
                yield Fact("imports", name, places.of(node))
                seen[name] = None
        if isinstance(node, ast.Attribute) and node.attr == "eos_token" and node not in padding:
            yield Fact("writes_eos", True, places.of(node))
        variable = _set_variable(node)
        if variable is not None:
            yield Fact("sets_variable", variable, places.of(node))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "apply_chat_template":
            yield Fact("applies_chat_template", chat_template_call(node), places.of(node))
        processor = _processor(node)
        if processor:
            yield Fact("processor_loaded", processor, places.of(node))


def _processor(node: ast.AST) -> str:
    """The class of a call that loads a processor, AutoProcessor or a model's own; "" for every other node."""
    func = node.func if isinstance(node, ast.Call) else None
    if not isinstance(func, ast.Attribute) or func.attr != "from_pretrained":
        return ""
    name = getattr(func.value, "attr", getattr(func.value, "id", ""))
    return name if name.endswith("Processor") and not name.endswith("ImageProcessor") else ""


def _pads(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr.startswith("pad_token")


def _in_order(tree: ast.Module) -> list[ast.stmt | ast.expr]:
    telling = [node for node in nodes.walk(tree) if isinstance(node, _TELLING)]
    return sorted(telling, key=lambda node: (node.lineno, node.col_offset))


def _imported(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Import):
        return tuple(alias.name.partition(".")[0] for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return (node.module.partition(".")[0],)
    return ()


def _set_variable(node: ast.AST) -> str | None:
    """The environment variable that a statement sets: os.environ["X"] = …, os.environ.setdefault("X", …)."""
    key: ast.expr | None = None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
        key = target.slice if _is_environ(target.value) else None
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        sets = node.func.attr == "setdefault" and _is_environ(node.func.value)
        key = node.args[0] if sets else None
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or getattr(node, "id", "") == "environ"
