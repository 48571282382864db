"""Follows imports: packages, submodules, lazy packages, compiled and missing modules, module `__getattr__`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.link import calls, finders, lazy, paths, static
from sftdoctor.link.state import POSSIBLE, Frame, Raised, Try
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Function, MaybeUnbound, Module, Seq, Value, strip, text

NEEDED = {"torch.utils.tensorboard": "tensorboard"}
"""Module of a library that is not followed → what it imports first, and that library does not bring (torch 2.13.0)."""
EVERY_MODULE = {"__name__", "__file__", "__path__", "__dict__", "__doc__", "__spec__", "__loader__", "__package__"}

if TYPE_CHECKING:
    from sftdoctor.link.binaries import BinaryProblem
    from sftdoctor.link.locate import Found
    from sftdoctor.link.machine import Machine


def import_statement(machine: Machine, frame: Frame, node: ast.Import) -> None:
    """`import a.b.c [as x]`."""
    for alias in node.names:
        module = load(machine, frame, alias.name, node)
        top = alias.name.partition(".")[0]
        if alias.asname:
            machine.bind(frame, alias.asname, module)
        else:
            machine.bind(frame, top, machine.modules.get(top, UNKNOWN) if top != alias.name else module)


def import_from_statement(machine: Machine, frame: Frame, node: ast.ImportFrom) -> None:
    """`from a.b import c [as d]`, relative or not."""
    if node.module == "__future__":
        frame.future_annotations |= any(alias.name == "annotations" for alias in node.names)
        return
    name = absolute(frame.module, node)
    if name is None:
        for alias in node.names:
            machine.bind(frame, alias.asname or alias.name, UNKNOWN)
        if machine.is_script(frame.module) and "__package__" not in frame.scope:
            _siblings(machine, frame, node)
        return
    module = load(machine, frame, name, node)
    for alias in node.names:
        if alias.name == "*":
            _star(machine, frame, module)
            continue
        machine.bind(frame, alias.asname or alias.name, _from_import(machine, frame, module, alias.name, node))


def _siblings(machine: Machine, frame: Frame, node: ast.ImportFrom) -> None:
    """A relative import in a script that is in no package: however it is started, what is not there is not found."""
    above = Path(frame.module.path or "").absolute().parents
    if frame.module.path is None or node.level > len(above):
        return
    folder, dots = above[node.level - 1], "." * node.level
    if not node.module and (folder / "__init__.py").exists():
        return  # it may bind the names itself
    machine.locator.missed.add(str(folder))  # in_folder remembers no name of the standard library
    asked = [node.module] if node.module else [alias.name for alias in node.names]
    for name in asked:
        if name != "*" and machine.locator.in_folder(folder, name) is None:
            message = "attempted relative import with no known parent package"
            machine.broken("missing-module", "ImportError", message, f"{dots}{name}", frame, node, raising=True)


def _from_import(machine: Machine, frame: Frame, module: Value, name: str, node: ast.stmt) -> Value:
    """What the import binds; in the user's own code every name that is missing is told."""
    if not machine.is_script(frame.module):
        return from_import(machine, frame, module, name, node)
    try:
        return from_import(machine, frame, module, name, node)
    except Raised as raised:
        if machine.catches(raised):
            raise
        machine.note(raised)
        return UNKNOWN


def absolute(module: Module, node: ast.ImportFrom) -> str | None:
    """The absolute name of what a from-import imports from; None where it leads out of the package."""
    if not node.level:
        return node.module
    parts = _dotted(module)
    drop = node.level - 1 if module.package else node.level
    if drop >= len(parts) + (1 if module.package else 0) or (drop and drop >= len(parts)):
        return None
    base = parts[: len(parts) - drop]
    return ".".join([*base, node.module] if node.module else base)


def _dotted(module: Module) -> list[str]:
    """The parts of a module's name; of a script those that it has where it is part of a package (`python -m`)."""
    if not module.name.startswith("__") or module.path is None:
        return module.name.split(".")
    path = Path(module.path).absolute()
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    return parts


def from_import(machine: Machine, frame: Frame, module: Value, name: str, node: ast.stmt) -> Value:
    """What `from module import name` binds."""
    module = strip(module)
    if not isinstance(module, Module):
        return UNKNOWN
    found = member(machine, module, name, frame)
    if found is None and module.package and machine.locator.find(f"{module.name}.{name}") is not None:
        found = load(machine, frame, f"{module.name}.{name}", node)
    if found is None and module.package and finders.provides(machine, f"{module.name}.{name}"):
        return UNKNOWN
    if found is None and module.state == "running":
        return UNKNOWN  # a circular import: what is there by then hangs on an order that is followed too coarsely
    if found is not None:
        return found.value if isinstance(found, MaybeUnbound) else found
    message = f"cannot import name '{name}' from '{module.name}'"
    return machine.broken("missing-name", "ImportError", message, name, frame, node, callee=module, raising=True)


UNLISTED = "(`pip freeze` does not list it before Python 3.12: it may be there all the same.)"
ELSEWHERE = "(It may lie in a folder that is added to sys.path.)"


def load(machine: Machine, frame: Frame | None, name: str, node: ast.AST | None) -> Value:
    """Import a module by its absolute name, its parents first.

    Returns:
        The Module; UNKNOWN where it cannot be known.

    Raises:
        Raised: It is not there, or importing it raises.
    """
    parts = name.split(".")
    if frame is not None and machine.is_script(frame.module):
        machine.imports.append(parts[0])
    module: Value = UNKNOWN
    for count in range(1, len(parts) + 1):
        dotted = ".".join(parts[:count])
        parent = module
        module = _load_one(machine, frame, dotted, node)
        if not isinstance(module, Module):
            return UNKNOWN
        if isinstance(parent, Module) and parent.lazy is None and machine.doubt < POSSIBLE:
            parent.ns.setdefault(parts[count - 1], module)
    return module


def _load_one(machine: Machine, frame: Frame | None, name: str, node: ast.AST | None) -> Value:
    known = machine.modules.get(name)
    if known is not None:
        return known
    if name == "__main__":
        return UNKNOWN
    if machine.locator.is_stdlib(name) and machine.locator.find(name.partition(".")[0]) is None:
        return machine.standard(name)
    found = _found(machine, frame, name)
    if found is None:
        return _absent(machine, frame, name, node)
    if found.path is None:
        return _without_source(machine, frame, name, node)
    if machine.is_opaque(name):
        problem = machine.numpy_problem(found)
        if problem is not None:
            return _unloadable(machine, frame, node, problem)
        needed = NEEDED.get(name)
        if needed is not None and machine.locator.find(needed) is None:
            _absent(machine, frame, needed, node)
    return machine.run_module(found, frame, node)


def _found(machine: Machine, frame: Frame | None, name: str) -> Found | None:
    """Where a module lies; what the user's own code puts first in sys.path stands before what is installed."""
    own = frame is not None and machine.is_script(frame.module)
    return (paths.before_installed(machine, name) if own else None) or machine.locator.find(name)


def _without_source(machine: Machine, frame: Frame | None, name: str, node: ast.AST | None) -> Value:
    found = machine.locator.find(name)
    assert found is not None
    problem = machine.binary_problem(found) if found.compiled else None
    if problem is not None:
        return _unloadable(machine, frame, node, problem)
    # nothing but what lies in a folder of the user's makes a package of it
    module = Module(name, {}, None, found.package, "done", bool(found.compiled) or not found.own, found.distribution)
    machine.modules[name] = module
    return module


def _unloadable(machine: Machine, frame: Frame | None, node: ast.AST | None, problem: BinaryProblem) -> Value:
    return machine.broken(
        problem.kind, "ImportError", problem.message, problem.name, frame, node, raising=True, detail=problem.detail
    )


def _absent(machine: Machine, frame: Frame | None, name: str, node: ast.AST | None) -> Value:
    parent, _, last = name.rpartition(".")
    above = machine.modules.get(parent) if parent else None
    if isinstance(above, Module):
        if last in above.ns and isinstance(strip(above.ns[last]), Module):
            return strip(above.ns[last])
        if above.open and above.path is None:
            return UNKNOWN
    if not machine.is_missing(name):
        return UNKNOWN
    if finders.provides(machine, name):
        machine.modules[name] = UNKNOWN
        return UNKNOWN
    own = frame is not None and machine.is_script(frame.module)
    found, elsewhere = paths.elsewhere(machine, name, own)
    if found is not None:
        return machine.run_module(found, frame, node) if found.path is not None else UNKNOWN
    if elsewhere and not own:
        machine.modules[name] = UNKNOWN  # packages put what they carry along into sys.path, and take it out again
        return UNKNOWN
    detail = UNLISTED if machine.may_be_unlisted(name) else ELSEWHERE if elsewhere else ""
    hedged, machine.hedged = machine.hedged, machine.hedged or elsewhere
    try:
        return machine.broken(
            "missing-module",
            "ModuleNotFoundError",
            f"No module named '{name}'",
            name,
            frame,
            node,
            raising=True,
            detail=detail,
        )
    finally:
        machine.hedged = hedged


def member(machine: Machine, module: Module, name: str, frame: Frame | None = None) -> Value | None:
    """A module's attribute; None where it has none for sure.

    Raises:
        Raised: Getting it imports something that raises.
    """
    found = module.ns.get(name)
    if found is not None:
        return found
    if module.state == "opaque":
        return static.member(machine, module, name)
    if module.lazy is not None:
        return lazy.member(machine, module, name, frame)
    if name in EVERY_MODULE:
        return UNKNOWN if name != "__name__" else Const(module.name)
    getter = strip(module.ns["__getattr__"]) if "__getattr__" in module.ns else None
    if isinstance(getter, Function) and frame is not None:
        return _module_getattr(machine, frame, module, getter, name)
    if getter is not None:
        return UNKNOWN
    if name.startswith("__") and name.endswith("__"):
        return UNKNOWN
    if module.unsure or machine.declares_global(module, name):
        return UNKNOWN
    below = f"{module.name}.{name}"
    if below in machine.modules:
        return machine.modules[below]
    if module.distribution in machine.walkers and module.package and machine.locator.find(below) is not None:
        return UNKNOWN
    return None


def _module_getattr(machine: Machine, frame: Frame, module: Module, getter: Function, name: str) -> Value | None:
    """PEP 562: ask the module's own `__getattr__`."""
    machine.catching.append(Try([("AttributeError",)]))
    try:
        return calls.invoke(machine, frame, getter, Arguments([Const(name)]), None)
    except Raised as raised:
        if "AttributeError" in raised.names() and (raised.event is None or raised.event.kind == "version-gate"):
            return None
        raise
    finally:
        machine.catching.pop()


def offers(machine: Machine, module: Module, name: str) -> bool | None:
    """Whether a module offers a name, without importing anything further; None where that cannot be known."""
    found = module.ns.get(name)
    if found is not None:
        return None if isinstance(found, MaybeUnbound) else True
    if module.state == "opaque":
        inside = static.member(machine, module, name)
        return None if inside is UNKNOWN else inside is not None
    if module.lazy is not None:
        return lazy.offers(machine, module, name)
    if (
        "__getattr__" in module.ns
        or module.unsure
        or module.state == "running"
        or machine.declares_global(module, name)
    ):
        return None
    return f"{module.name}.{name}" in machine.modules


def _star(machine: Machine, frame: Frame, module: Value) -> None:
    module = strip(module)
    if not isinstance(module, Module) or module.state == "opaque" or module.lazy is not None:
        frame.module.open = True
        return
    if module.unsure or module.state == "running":
        frame.module.open = True
    listed = strip(module.ns["__all__"]) if "__all__" in module.ns else None
    if isinstance(listed, Seq):
        names = [found for found in map(text, listed.items) if found]
        frame.module.open |= listed.open
    else:
        names = [found for found in module.ns if not found.startswith("_")]
    for name in names:
        if name in module.ns:
            machine.bind(frame, name, module.ns[name])
        elif module.package and machine.locator.find(f"{module.name}.{name}") is not None:
            machine.bind(frame, name, load(machine, frame, f"{module.name}.{name}", None))
        else:
            machine.bind(frame, name, UNKNOWN)
