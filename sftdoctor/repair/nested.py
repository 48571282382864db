"""The edit operation that moves a keyword of a call into a dictionary which an object that the call is given holds."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.keywords import find_given, removal
from sftdoctor.repair.statements import above
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call


def nest_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(args=a, name=1)` → `a.into = {**(a.into or {}), "name": 1}` above, and `f(args=a)`."""
    name, into = operands.name(arguments, "name"), operands.name(arguments, "into")
    call = find_call(tree, location, name)
    given = find_given(tree, call, name)
    if given is None:
        return ()
    holder = find_argument(call, operands.name(arguments, "argument"))
    where = f"{tree.path}:{tree.range(call).start.line}"
    if holder is None or not isinstance(holder.value, cst.Name) or holder.value.value == "None":
        raise RepairError(f"{where}: {arguments['argument']} has no name there", "make the change by hand")
    value, owner = given.text(tree), holder.value.value
    if "\n" in value or "\r" in value:
        raise RepairError(f"{where}: {name} has a value of several lines", "make the change by hand")
    code = f'{owner}.{into} = {{**({owner}.{into} or {{}}), "{name}": {value}}}'
    return above(tree, call, code), *removal(tree, given)
