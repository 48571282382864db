"""Arguments of one class as an object of another with the same values, made above the call that is given them."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.imported import importing, importing_module
from sftdoctor.repair.parsed import class_of
from sftdoctor.repair.statements import above
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call, unclear

COPY = """
{own} = {kind}(
    **{{
        one.name: getattr({name}, one.name)
        for one in dataclasses.fields({kind})
        if one.init and hasattr({name}, one.name)
    }}
)"""


def copy_argument(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(args=a)` → `own = Class(**{…})` above, which has the values of `a` for its own fields, and `f(args=own)`."""
    argument, kind = operands.name(arguments, "argument"), operands.name(arguments, "class")
    giver = find_call(tree, location, argument)
    arg = find_argument(giver, argument)
    if arg is None and not any(one.star for one in giver.args):
        position = int(arguments["position"])
        there = giver.args[position] if len(giver.args) > position else None
        arg = there if there is not None and there.keyword is None else None
    if arg is None:
        raise unclear(tree, giver, f"it cannot be seen what {argument} is")
    made = tree.value_of(giver, arg.value.value) if isinstance(arg.value, cst.Name) else arg.value
    if isinstance(made, cst.Call) and class_of(made) == kind:
        return ()
    _, code, changes = copied(tree, giver, arg, kind, operands.dotted(arguments, "module"))
    return above(tree, giver, code), *changes


def copied(tree: Tree, giver: cst.Call, arg: cst.Arg, kind: str, module: str) -> tuple[str, str, tuple[Splice, ...]]:
    """How a call is given a copy of an argument.

    Args:
        tree: The script.
        giver: The call.
        arg: Its argument: a name, or what can be written twice.
        kind: The dataclass that the copy is of.
        module: Where that is imported from.

    Returns:
        The name of the copy, the statement that makes it, and what changes in the call and the imports.

    Raises:
        RepairError: The copy's name is taken, or the argument is a call of its own.
    """
    name, own = tree.code(arg.value), f"{kind.removesuffix('Config').lower()}_config"
    if tree.assignments(giver, own) or not isinstance(arg.value, (cst.Name, cst.Attribute)):
        raise unclear(tree, giver, f"it cannot be seen where {name} is made")
    code = COPY.format(own=own, kind=kind, name=name)
    imported = *importing(tree, giver, module, kind), *importing_module(tree, giver, "dataclasses")
    return own, code, (Splice(*tree.span(arg.value), own), *imported)
