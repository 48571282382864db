"""Files that a package finds in its own folder and loads by their path: what it has for each backend or device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.link import paths
from sftdoctor.link.locate import Found
from sftdoctor.link.values import (
    FALSE,
    NONE,
    UNKNOWN,
    Arguments,
    Const,
    Instance,
    Module,
    Native,
    Seq,
    Value,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

PLACE = "^place"
"""Attribute of a module's spec that no program can set: its file."""


def list_folder(machine: Machine, args: Arguments) -> Value:
    """os.listdir(…) of a folder of the package that asks."""
    folder = _own(machine, args)
    if folder is None or not folder.is_dir():
        return UNKNOWN
    machine.read.add(str(folder))
    return Seq("list", [Const(name) for name in sorted(path.name for path in folder.iterdir())])


def is_folder(machine: Machine, args: Arguments) -> Value:
    """os.path.isdir(…) of what lies in the package that asks; of pins no more than the sources are here."""
    path = _own(machine, args)
    if path is None:
        return UNKNOWN
    return Const(True) if path.is_dir() else FALSE if path.is_file() else UNKNOWN


def spec_from_file(machine: Machine, args: Arguments) -> Value:
    """importlib.util.spec_from_file_location(…) of a source in the package that asks."""
    path = _own(machine, Arguments([args.get(1, "location") or UNKNOWN]))
    if path is None or path.suffix != ".py" or not path.is_file():
        return UNKNOWN
    loader = Instance(machine.anything("SourceFileLoader"), {"exec_module": Native("exec_module", _execute)}, True)
    return Instance(machine.anything("ModuleSpec"), {PLACE: Const(str(path)), "loader": loader}, True)


def module_from_spec(machine: Machine, args: Arguments) -> Value:
    """importlib.util.module_from_spec(…)."""
    spec = strip(args.get(0, "spec") or UNKNOWN)
    place = paths.path_text(spec.attrs.get(PLACE)) if isinstance(spec, Instance) else None
    if place is None:
        return UNKNOWN
    asking = machine.frame.module
    above = Path(place).relative_to(_folder(asking))
    name = ".".join([asking.name, *above.with_suffix("").parts])
    return Module(name, {}, place, False, "running", True, asking.distribution)


def _execute(machine: Machine, args: Arguments) -> Value:
    """spec.loader.exec_module(…)."""
    module = strip(args.get(0, "module") or UNKNOWN)
    if not isinstance(module, Module) or module.path is None:
        return UNKNOWN
    machine.read.add(module.path)
    root = str(_folder(machine.frame.module))
    found = Found(module.name, Path(module.path), False, module.distribution, root)
    executed = machine.run_module(found, machine.frame, None)
    machine.modules.pop(module.name, None)  # nobody else can import it
    if isinstance(executed, Module):
        module.ns, module.open, module.state = executed.ns, executed.open, executed.state
    return NONE


def _own(machine: Machine, args: Arguments) -> Path | None:
    """A path that lies in the folder of the package that asks; None for any other."""
    asking = machine.frame.module
    given = paths.path_text(args.get(0, "path"))
    if given is None or asking.path is None or machine.is_script(asking):
        return None
    path = Path(given)
    return path if ".." not in path.parts and path.is_relative_to(_folder(asking)) else None


def _folder(module: Module) -> Path:
    return Path(str(module.path)).parent
