"""Opaque modules: large self-consistent libraries (torch, numpy, …), looked up name by name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.link import classes, importing
from sftdoctor.link.native import versions
from sftdoctor.link.state import Frame, Raised
from sftdoctor.link.values import UNKNOWN, Module, Value

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine


def names(machine: Machine, module: Module) -> dict[str, ast.AST]:
    """Where each top-level name of a module is bound; a star import or `__getattr__` leaves the module open."""
    if module.static is None:
        module.static = {}
        tree = machine.tree(module)
        if tree is None:
            module.open = True
        else:
            _collect(module, tree.body, module.static)
            module.tree = None  # what is bound holds what is needed of it
            source = machine.source(module)
            module.open |= "globals()" in source or _sets_own(module, source)
    return module.static


def _sets_own(module: Module, source: str) -> bool:
    """Whether a function of the module sets attributes on the module itself (`setattr(dtypes, …)`)."""
    return f"setattr({module.name.rpartition('.')[2]}," in source


def _collect(module: Module, body: list[ast.stmt], found: dict[str, ast.AST]) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
            if node.name == "__getattr__":
                module.open = True
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    module.stars.append(node)
                else:
                    found[alias.asname or alias.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for item in nodes.walk(target):
                    if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
                        found[item.id] = node
                if isinstance(target, ast.Subscript):
                    _dynamic(module, target)  # sys.modules[__name__] = …
            if isinstance(node.value, ast.Subscript):
                _dynamic(module, node.value)  # this = sys.modules[__name__]
        elif isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
            for part in ("body", "orelse", "finalbody"):
                _collect(module, getattr(node, part, []), found)
            for handler in getattr(node, "handlers", []):
                _collect(module, handler.body, found)
            _dynamic(module, node)
        elif isinstance(node, ast.Expr):
            _dynamic(module, node)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, node)


def _dynamic(module: Module, node: ast.AST) -> None:
    """globals()[…] = …, setattr(module, …), exec and the like may bind anything."""
    for item in nodes.walk(node):
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Name):
            if item.func.id in ("globals", "setattr", "exec", "vars"):
                module.open = True
        elif isinstance(item, ast.Attribute) and item.attr == "modules":
            module.open = True


def member(machine: Machine, module: Module, name: str) -> Value | None:
    """A name of an opaque module: a function or class as defined, UNKNOWN for others, None where it is missing."""
    if name in module.ns:
        return module.ns[name]
    bound = names(machine, module).get(name)
    if bound is None:
        return _not_bound(machine, module, name)
    value: Value = UNKNOWN
    if name == "__version__":
        value = versions.of_package(machine, module.name, module.distribution) or UNKNOWN
    elif copied := versions.copied(name, names(machine, module)):
        value = copied
    elif isinstance(bound, ast.FunctionDef | ast.ClassDef):
        module.ns[name] = UNKNOWN  # while it is being defined
        value = _define(machine, module, bound)
    elif isinstance(bound, ast.ImportFrom) and (module.name.startswith("torch") or not machine.opaque_names):
        module.ns[name] = UNKNOWN  # while it is being looked up: packages import each other in circles
        value = _imported(machine, module, bound, name)
    module.ns[name] = value
    return value


def offers(machine: Machine, module: Module, name: str) -> bool | None:
    """Whether a module offers a name, as its source shows; None where that cannot be known."""
    if name in names(machine, module):
        return True
    return _starred(machine, module, name, {module.name})


def _starred(machine: Machine, module: Module, name: str, seen: set[str]) -> bool | None:
    if module.package and machine.locator.find(f"{module.name}.{name}") is not None:
        return True
    unsure = module.open or (name.startswith("__") and name.endswith("__"))
    for star in module.stars:
        source = importing.absolute(module, star)
        other = machine.opaque(source) if source else None
        if other is None or other.name in seen:
            unsure |= other is None
            continue
        seen.add(other.name)
        answer = True if name in names(machine, other) else _starred(machine, other, name, seen)
        if answer:
            return True
        unsure |= answer is None
    return None if unsure else False


def _not_bound(machine: Machine, module: Module, name: str) -> Value | None:
    if module.package and machine.locator.find(f"{module.name}.{name}") is not None:
        return machine.opaque(f"{module.name}.{name}") or UNKNOWN
    unsure = module.open or (name.startswith("__") and name.endswith("__"))
    for star in module.stars:
        source = importing.absolute(module, star)
        other = machine.opaque(source) if source and _same_package(source, module) else None
        if other is None or other is module:
            unsure = True
            continue
        found = member(machine, other, name)
        if found is not None and found is not UNKNOWN:
            return found
        unsure |= found is UNKNOWN
    return UNKNOWN if unsure else None


def _same_package(name: str, module: Module) -> bool:
    return name.partition(".")[0] == module.name.partition(".")[0]


def _define(machine: Machine, module: Module, node: ast.FunctionDef | ast.ClassDef) -> Value:
    """A definition with its decorators; anything that goes wrong leaves it unknown."""
    frame = Frame(module, module.ns, "module", qualname="", future_annotations=True)
    try:
        if isinstance(node, ast.ClassDef):
            return classes.define_class(machine, frame, node)
        if node.decorator_list:
            return UNKNOWN
        return classes.define_function(machine, frame, node)
    except Raised:
        return UNKNOWN


def _imported(machine: Machine, module: Module, node: ast.ImportFrom, name: str) -> Value:
    source = importing.absolute(module, node)
    original = next((a.name for a in node.names if (a.asname or a.name) == name), name)
    if source is None or not _same_package(source, module):
        return UNKNOWN
    other = machine.opaque(source)
    if other is module and module.package and machine.locator.find(f"{source}.{original}") is not None:
        return machine.opaque(f"{source}.{original}") or UNKNOWN
    if other is None or other is module:
        return UNKNOWN
    found = member(machine, other, original)
    return found if found is not None else UNKNOWN
