"""Puts what breaks into words: sites, expressions, gates, and where a name would have come from."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from sftdoctor import nodes
from sftdoctor.link.state import Event, Frame, Site
from sftdoctor.link.values import Class, Function, Instance, Module, Value, strip

GATE = re.compile(r"_available\b|[Vv]ersion|_installed\b|find_spec|\bis_\w+_greater|\bis_torch_\w+|HAS_|_AVAILABLE")
PACKAGE = re.compile(r"`?\b(?!to\b|version\b)([a-z][\w.-]*?)`?(?:\s+(?:to|version))*\s*(?:[><=!~]=|>|<)\s*\d")
REBUILDS = {"unsloth": "trl"}
"""Package → one whose trainers and configs it replaces, while it is imported, by classes of code that it generates:
they take other arguments too (unsloth, models/rl.py and trainer.py: `exec(f"trl.{name} = …")`)."""
MAX_EXPRESSION = 90
MAX_IMPORT = 400
"""Where a whole module is missing, all that is imported from it is told."""


def site(module: Module, line: int, function: str = "") -> Site:
    """A place in a module."""
    path = module.path
    relative: str | None = None
    if path:
        parts = PurePosixPath(path.replace("\\", "/")).parts
        top = module.name.partition(".")[0]
        relative = "/".join(parts[len(parts) - 1 - parts[::-1].index(top) :]) if top in parts else parts[-1]
    return Site(module.name, module.distribution, relative, line, function)


def here(frame: Frame, node: ast.AST | None) -> Site:
    """The place that a frame is at."""
    line = getattr(node, "lineno", None) or frame.line
    return site(frame.module, line, frame.qualname)


def owner_module(value: Value | None) -> Module | None:
    """The module that a value was defined in."""
    value = strip(value) if value is not None else None
    if isinstance(value, Module):
        return value
    if isinstance(value, Function | Class):
        return value.module
    return value.cls.module if isinstance(value, Instance) else None


def same_distribution(frame: Frame, callee: Value) -> bool:
    """Whether caller and callee belong to one distribution."""
    module = owner_module(callee)
    return module is None or module.distribution == frame.module.distribution


def is_rebuilt(callee: Value, imports: Sequence[str]) -> bool:
    """Whether what is called is a trainer or config, or a method of one, that is not the one in the source.

    Args:
        callee: A class or function.
        imports: The packages that a script has imported, in their order.
    """
    callee, module = strip(callee), owner_module(callee)
    name = callee.name if isinstance(callee, Class) else getattr(callee, "qualname", "").partition(".")[0]
    package = module.name.partition(".")[0] if module else ""
    first = next((one for one in imports if one == package or REBUILDS.get(one) == package), package)
    return first != package and name.endswith(("Trainer", "Config"))


NOT_GIVEN = ("missing-argument", "too-many-positionals")
"""What breaks of calls that do not name the parameter."""
NOT_PASSED = ("missing-module", "missing-distribution", "refused-arguments")
"""What breaks in a call and is no parameter of it."""


def is_override(frame: Frame, callee: Value) -> bool:
    """Whether the call reaches, through self, a method that a class of another package overrides.

    The base class that calls and the subclass that is called then disagree about the method's arguments.
    """
    function = strip(callee)
    if not isinstance(function, Function) or function.owner is None:
        return False
    return any(
        base.module is not None and base.module.distribution == frame.module.distribution and function.name in base.ns
        for base in function.owner.mro[1:]
    )


def event(
    kind: str,
    exception: str,
    message: str,
    name: str,
    frame: Frame | None,
    node: ast.AST | None,
    doubt: int,
    callee: Value | None = None,
    detail: str = "",
) -> Event:
    """What broke, with both places."""
    caller = here(frame, node) if frame is not None else Site("", "", None, 0)
    found = Event(kind, exception, message, name, caller, doubt, detail=detail, node=node)
    asked = kind in NOT_PASSED and isinstance(node, ast.Call)
    given = kind not in NOT_GIVEN and not asked
    found.expression = expression(node, name if given else "")
    module = owner_module(callee)
    if module is not None:
        target = strip(callee) if callee is not None else None
        line = getattr(getattr(target, "node", None), "lineno", 0) or 0
        found.callee = site(module, line)
        found.callee_distribution = module.distribution
        symbol = getattr(target, "qualname", None) or getattr(target, "name", "")
        found.callee_symbol = module.name if isinstance(target, Module) else f"{module.name}.{symbol}"
    return found


def expression(node: ast.AST | None, name: str) -> str:
    """How the caller asks, short: "prepare_model_for_kbit_training(…, gradient_checkpointing_kwargs=…)"."""
    if node is None:
        return ""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        keyword = next((k for k in node.keywords if k.arg == name), None)
        if keyword is not None:
            before = "…, " if len(node.keywords) + len(node.args) > 1 else ""
            return _cut(f"{called}({before}{name}=…)")
        return _cut(f"{called}(…, {name}=…)" if name else f"{called}(…)")
    if isinstance(node, ast.ImportFrom) and name not in {alias.name for alias in node.names}:
        return _cut(ast.unparse(node), MAX_IMPORT)
    if isinstance(node, ast.ImportFrom):
        return f"from {'.' * node.level}{node.module or ''} import {name}"
    if isinstance(node, ast.Import):
        return f"import {name}"
    if isinstance(node, ast.Attribute | ast.Name | ast.Subscript):
        return _cut(ast.unparse(node))
    return ""


def _cut(text: str, most: int = MAX_EXPRESSION) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def is_gate(frame: Frame, node: ast.Raise) -> bool:
    """Whether a raise stands under a condition about versions or what is installed."""
    test = enclosing_test(frame, node)
    return test is not None and GATE.search(test) is not None


def enclosing_test(frame: Frame, node: ast.AST) -> str | None:
    """The source of the innermost condition that a statement stands under."""
    root: ast.AST | None = frame.function.node if frame.function else frame.module.tree
    found: str | None = None
    for item in nodes.walk(root) if root is not None else ():
        if isinstance(item, ast.If) and any(node is inner for part in (item.body, item.orelse) for inner in part):
            found = ast.unparse(item.test)
    return found


def gate_name(frame: Frame, node: ast.Raise, message: str) -> str:
    """The package that a gate is about: the one its message asks for, else the one its condition names."""
    named = PACKAGE.search(message)
    if named:
        return named[1]
    test = enclosing_test(frame, node) or ""
    asked = re.search(r"is_(\w+?)_available", test)
    return asked[1] if asked else ""


def would_bind(module: Module, name: str) -> str:
    """Where a name that is not bound would have come from, and the condition that this stands under."""
    for item in module.tree.body if module.tree else ():
        if not isinstance(item, ast.If | ast.Try):
            continue
        for inner in nodes.walk(item):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                bound = {(alias.asname or alias.name).partition(".")[0] for alias in inner.names}
            elif isinstance(inner, ast.Assign):
                bound = {t.id for t in inner.targets if isinstance(t, ast.Name)}
            else:
                continue
            if name in bound:
                under = f"if {ast.unparse(item.test)}" if isinstance(item, ast.If) else "try"
                source = _cut(ast.unparse(inner))
                return f"`{source}` in line {inner.lineno} stands under `{_cut(under)}`, which does not hold here"
    return ""
