"""Edit operations on attributes."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.tree import Splice, Tree, find_argument


def rename_attribute(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`x.old` → `x.new`, at the line and wherever else the same object is read."""
    old, new = operands.name(arguments, "old"), operands.name(arguments, "new")
    return tuple(Splice(*tree.span(node.attr), new) for node in _alike(tree, _at(tree, location, old, new)))


def call_object(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`x.name(…)` → `x(…)`, at the line."""
    name = operands.name(arguments, "name")
    splices = []
    for node in _at(tree, location, name, ""):
        above = tree.parent(node)
        if not isinstance(above, cst.Call) or above.func is not node:
            raise RepairError(f"{tree.path}:{location.line}: {name} is not called there", "make the change by hand")
        splices.append(Splice(tree.span(node.value)[1], tree.span(node)[1], ""))
    return tuple(splices)


def move_attribute(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`x.name` → `y.name`, at the line, where `y` is what the same function gives to a call: `…Trainer(args=y)`."""
    name, call = operands.name(arguments, "name"), operands.name(arguments, "call")
    found = _at(tree, location, name, name)
    splices: list[Splice] = []
    for node in _alike(tree, found):
        given = {_given(one, arguments) for one in _calls_beside(tree, node, call)} - {""}
        if len(given) != 1 and node not in found:
            continue  # another function, which has no such object: its own finding tells of it
        if len(given) != 1:
            raise RepairError(f"{tree.path}:{location.line}: no one object has {name} instead", "edit it by hand")
        splices.append(Splice(*tree.span(node.value), given.pop()))
    return tuple(one for one in splices if tree.text[one.start : one.end] != one.text)


def _alike(tree: Tree, found: list[cst.Attribute]) -> list[cst.Attribute]:
    """With an attribute all that read the same of the same object, since what it lacks here it lacks there."""
    if len(found) != 1 or not isinstance(found[0].value, cst.Name):
        return found
    first, name = found[0], found[0].value.value
    bound = tree.assignments(first, name)
    same = [
        node
        for node in tree.every(cst.Attribute)
        if node.attr.value == first.attr.value
        and isinstance(node.value, cst.Name)
        and node.value.value == name
        and tree.assignments(node, name) == bound
    ]
    is_set = any(isinstance(tree.parent(node), (cst.AssignTarget, cst.AugAssign, cst.AnnAssign)) for node in same)
    return found if is_set or len(bound) != 1 else same


def _calls_beside(tree: Tree, node: cst.CSTNode, name: str) -> list[cst.Call]:
    """Calls in the same function (or at the top of the script) of what has a name that ends like that."""
    home = _function(tree, node)
    return [
        call
        for call in tree.every(cst.Call)
        if tree.code(call.func).rpartition(".")[2].endswith(name) and _function(tree, call) is home
    ]


def _function(tree: Tree, node: cst.CSTNode) -> cst.CSTNode | None:
    above = tree.parent(node)
    while above is not None and not isinstance(above, (cst.FunctionDef, cst.Lambda)):
        above = tree.parent(above)
    return above


def _given(call: cst.Call, arguments: Mapping[str, str]) -> str:
    """The name that a call is given under a keyword, or first."""
    keyword = arguments.get("keyword")
    found = find_argument(call, keyword) if keyword else next(iter(call.args), None)
    return found.value.value if found is not None and isinstance(found.value, cst.Name) else ""


def _at(tree: Tree, location: Location, name: str, new: str) -> list[cst.Attribute]:
    """The attribute of that name at a Location: the one that begins there, else the only one of its lines.

    None where it was made `new` before.
    """
    line = location.line or 1
    lines = range(line, (location.end_line or line) + 1)
    near = [node for node in tree.every(cst.Attribute) if tree.range(node.attr).start.line in lines]
    columns = tree.column_of(location, tree.offset(line, 0)) if near else set()
    exact = [node for node in near if tree.range(node).start.column in columns]
    for group in (exact, near):
        found = [node for node in group if node.attr.value == name]
        if len(found) == 1:
            return found
        if not found and any(node.attr.value == new for node in group):
            return []
    if not any(node.attr.value == name for node in near):
        return []
    raise RepairError(f"{tree.path}:{line}: {name} is there more than once", "make the change by hand")
