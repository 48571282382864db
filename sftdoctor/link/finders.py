"""Finders that packages put into sys.meta_path: modules that lie nowhere under the name by which they are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftdoctor.link import calls
from sftdoctor.link.state import CERTAIN, Raised
from sftdoctor.link.values import NONE, UNKNOWN, Arguments, Const, Function, Instance, Module, Seq, Value, strip

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine


def finder_list() -> Value:
    """What sys.meta_path is when the program starts: Python's own finders are of no package's classes."""
    return Seq("list")


def note(machine: Machine, owner: Seq, added: Value) -> None:
    """Keep a finder where the list that it is added to is sys.meta_path."""
    system = machine.modules.get("sys")
    if isinstance(system, Module) and system.ns.get("meta_path") is owner:
        machine.finders.append(strip(added))


def provides(machine: Machine, name: str) -> bool:
    """Whether a finder of the package that a module would belong to says for sure that it has the module.

    Args:
        machine: The run.
        name: Of a module that lies nowhere; sentence-transformers 5.4 finds `sentence_transformers.losses` elsewhere.
    """
    return any(_has(machine, finder, name) for finder in machine.finders)


def _has(machine: Machine, finder: Value, name: str) -> bool:
    cls = finder.cls if isinstance(finder, Instance) else None
    method = strip(cls.lookup("find_spec")[0] or UNKNOWN) if cls else UNKNOWN
    if not isinstance(method, Function) or method.module.name.partition(".")[0] != name.partition(".")[0]:
        return False
    outer, running = machine.doubt, machine.running
    machine.doubt, machine.running = CERTAIN, False
    try:
        found = calls.returns(machine, method, Arguments([finder, Const(name), UNKNOWN, NONE]))
    except Raised:
        return False
    finally:
        machine.doubt, machine.running = outer, running
    return bool(found) and not any(isinstance(strip(one), Const) for one in found)  # None: it may not have it
