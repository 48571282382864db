"""The user's own code, a script and the modules beside it: every break in it is wanted, not the first alone."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor import nodes
from sftdoctor.folders import folders_above, is_project
from sftdoctor.link import calls, expressions, lazy
from sftdoctor.link.locate import Found, Locator
from sftdoctor.link.state import LIKELY, POSSIBLE, Frame, Left, Raised
from sftdoctor.link.values import UNKNOWN, Arguments, Class, Function, Instance, Module, Value, strip

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

SOURCES = "src"
"""The folder of a project that many keep their packages in; it is installed, or put on the search path."""


class Beside(Locator):
    """The modules of a target as a script sees them: those in its own folder come first.

    A package that neither the folder nor the target has, and a folder above the script does, is the project's own:
    the script is started so that it is found (`python -m`, PYTHONPATH).

    Args:
        target: The target's modules.
        folder: The script's folder.
        package: Whether the script is part of a package that the folder is.
    """

    def __init__(self, target: Locator, folder: Path, package: bool = False) -> None:
        self.environment = target.environment
        self.python = target.python
        self._target = target
        self._folders = _folders(folder)
        self._package = package or (folder / "__init__.py").exists()
        self._own: dict[Path, Locator] = {}
        self.missed = target.missed
        self._known: dict[str, Found | None] = {}

    def distribution_of(self, module: str) -> str:
        """As Locator.distribution_of."""
        return self._target.distribution_of(module)

    def find(self, name: str) -> Found | None:
        """As Locator.find; a module of the user's own belongs to no distribution."""
        if name not in self._known:
            self._known[name] = self._look(name)
        return self._known[name]

    def _look(self, name: str) -> Found | None:
        top = name.partition(".")[0]
        first, above = self._folders[0], self._folders[1:]
        if self._package:
            above = [*above, first]  # part of a package is started with -m, and sees the modules beside it as its own
        elif (own := self.in_folder(first, top)) and (own.path is not None or self._target.find(top) is None):
            parts = (self.in_folder(folder, name) for folder in (first, *(above if own.path is None else ())))
            return next((found for found in parts if found is not None), None)
        there = self._target.find(top)
        if there is not None or self.is_stdlib(top):
            home = self._editable_home(there.root, above) if there is not None else None
            return self._target.find(name) if home is None else self.in_folder(home, name)
        for folder in above:
            if self.in_folder(folder, top) is not None:
                return self.in_folder(folder, name)
        return None

    def _editable_home(self, root: str, above: Sequence[Path]) -> Path | None:
        """The folder above the script that an import root is, where the project itself is installed editable."""
        real = os.path.realpath(root)
        home = next((folder for folder in above if os.path.realpath(folder) == real), None)
        return None if home is not None and any(home.glob("*.dist-info")) else home  # that is a site-packages


def _folders(folder: Path) -> list[Path]:
    """A script's folder, then those above it up to the project's own, and the one that this keeps its packages in."""
    above = folders_above(folder)
    # what lies in a package is imported by its full name
    found = [folder, *(one for one in above if not (one / "__init__.py").exists())]
    top = above[-1] if above else folder.absolute()
    packages = top / SOURCES
    if is_project(top) and packages.is_dir() and packages not in found:
        found.append(packages)
    return found


# ---------------------------------------------------------------- statements


def tolerate(machine: Machine, frame: Frame, node: ast.stmt, follow: Callable[..., None]) -> None:
    """Follow a statement of the user's; where it breaks, note that and go on as if it were mended.

    Raises:
        Raised: A try around it takes the exception, or it is one that the code raises itself.
        Left: The block is left.
    """
    try:
        follow(machine, frame, node)
    except Raised as raised:
        if machine.catches(raised) or (raised.event is None and frame.kind == "function"):
            raise
        machine.note(raised)
    else:
        return
    for name in bound(node):
        frame.scope.setdefault(name, UNKNOWN)
    if isinstance(node, ast.Return):
        frame.returned.append(UNKNOWN)
        raise Left("return")


def ends_run(handler: ast.ExceptHandler) -> bool:
    """Whether a handler gives up: it raises again or leaves the program, so that what it takes breaks the run."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return True
    called = last.value.func if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) else None
    name = getattr(called, "attr", None) or getattr(called, "id", None)
    return name in ("exit", "quit", "_exit", "abort")


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds."""
    names = {n.id for n in nodes.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if isinstance(node, ast.Import | ast.ImportFrom):
        names |= {(a.asname or a.name).partition(".")[0] for a in node.names}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.add(node.name)
    return names


def tell_order(machine: Machine) -> None:
    """Say of each name that was missing whether a package that the script imports later would have put it in."""
    for event in machine.events:
        module = machine.modules.get(event.callee.module) if event.callee and event.kind == "missing-name" else None
        if not machine.shims or not isinstance(module, Module) or module.lazy is None:
            continue
        machine.doubt, machine.running = LIKELY, True
        shim = lazy.shim_for(machine, Frame(module, module.ns, "module"), module, event.name)
        if isinstance(shim, Function):
            owner = shim.module.distribution
            event.kind = "import-order"
            event.detail = f"{owner} puts it in when it is imported: import {owner} first."


# ---------------------------------------------------------------- what nobody was seen to call


def follow_uncalled(machine: Machine, tree: ast.Module) -> None:
    """Follow the functions that the run did not come through: callbacks, overrides, what a framework calls.

    Args:
        machine: After the script itself was followed.
        tree: The script, to see which functions it names somewhere.
    """
    named = {node.id for node in nodes.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    named |= {node.attr for node in nodes.walk(tree) if isinstance(node, ast.Attribute)}
    done: set[int] = set()
    while True:
        todo = [f for f in machine.own_functions if id(f) not in done and not machine.was_entered(f)]
        if not todo:
            return
        for function in reversed(todo):  # the last ones call the others, and know what with
            done.add(id(function))
            if _is_wanted(machine, function, named) and not machine.was_entered(function):
                _follow(machine, function, named)


def _is_wanted(machine: Machine, function: Function, named: set[str]) -> bool:
    """Whether a function belongs to what runs: all of the script's own, of other modules what the script uses."""
    if machine.is_main(function.module):
        return True
    used: Value = function.owner or function
    values = [strip(value) for value in machine.main_names()]
    return any(value is used for value in values) or (
        any(value is function.module for value in values) and getattr(used, "name", "") in named
    )


def _follow(machine: Machine, function: Function, named: set[str]) -> None:
    outer = machine.doubt
    expected = (
        function.owner is not None or function.name in named or bool(getattr(function.node, "decorator_list", ()))
    )
    machine.doubt = LIKELY if expected else POSSIBLE
    machine.running = machine.uncalled = True
    try:
        calls.run_function(machine, function, _some_arguments(machine, function))
    except Raised as raised:
        machine.note(raised)
    except Left:
        pass
    finally:
        machine.doubt, machine.uncalled = outer, False


def _some_arguments(machine: Machine, function: Function) -> Arguments:
    """Arguments of which no more is known than what the annotations say."""
    frame = Frame(function.module, function.module.ns, "module")
    spec = function.node.args
    keywords: dict[str, Value] = {}
    for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs):
        known = _annotated(machine, frame, arg.annotation)
        if known is not None:
            keywords[arg.arg] = known
    first = spec.args[0].arg if spec.args else ""
    if function.owner is not None and function.kind == "function" and first:
        keywords[first] = Instance(function.owner, {}, True)
    return Arguments([], keywords, True, True)


def _annotated(machine: Machine, frame: Frame, annotation: ast.expr | None) -> Value | None:
    if not isinstance(annotation, ast.Name | ast.Attribute):
        return None
    try:
        found = strip(expressions.evaluate(machine, frame, annotation))
    except Raised:
        return None
    return Instance(found, {}, True) if isinstance(found, Class) and found.module is not None else None
