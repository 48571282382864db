"""The edit operation that moves a keyword from a call to the constructor of an object that the call is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.imported import importing
from sftdoctor.repair.keywords import Given, adding, find_given, removal, same_code
from sftdoctor.repair.statements import block_at
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call

PARSERS = ("HfArgumentParser", "TrlParser")
"""Classes whose objects make others of the dataclasses that they are given, in the same order."""


@dataclass(frozen=True)
class _Move:
    """What is to be moved where."""

    name: str
    """The keyword, as the call has it."""
    new: str
    """The keyword, as the constructor has it."""
    argument: str
    """The argument of the call whose constructor takes it."""
    kind: str
    """Class of that argument."""
    module: str
    """Where the class is imported from; "" where it is a builtin."""
    base: str
    """Class that is replaced by `kind` where the object is made of it; "" where there is none."""
    keep: Mapping[str, str]
    """Values that `base` has by default and `kind` has not: written out where the class is replaced."""
    position: int | None
    """Place of the argument, where it is given without its name."""
    first: str
    """Arguments of a constructor that has to be made; "" where none is needed."""
    switch: bool
    """Whether the object is made only where the value is true."""


def move_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(name=1, arg=C())` → `f(arg=C(name=1))`, or to where `arg`'s object is made; without one, it is made.

    `drop` is a value that means the same as leaving the keyword out: with it, the keyword is only taken out.
    """
    move = _read(arguments)
    giver = find_call(tree, location, move.name)
    given = find_given(tree, giver, move.name)
    if given is None:
        return ()
    if "drop" in arguments and same_code(given.text(tree), arguments["drop"]):
        return removal(tree, given)
    holder = _holder(tree, giver, move)
    if holder is None:
        return _made(tree, giver, given, move)
    if isinstance(holder, cst.Call):
        return _joined(tree, giver, holder, given, move)
    return _attribute(tree, giver, given, move, holder)


def _read(arguments: Mapping[str, str]) -> _Move:
    name = operands.name(arguments, "name")
    return _Move(
        name=name,
        new=operands.name(arguments, "new") if "new" in arguments else name,
        argument=operands.name(arguments, "argument"),
        kind=operands.name(arguments, "class"),
        module=operands.dotted(arguments, "module") if arguments.get("module") else "",
        base=operands.name(arguments, "base") if "base" in arguments else "",
        keep=operands.keywords(arguments, "keep"),
        position=int(arguments["position"]) if "position" in arguments else None,
        first=arguments.get("first", ""),
        switch="switch" in arguments,
    )


def _holder(tree: Tree, giver: cst.Call, move: _Move) -> cst.Call | cst.Name | None:
    """The call that makes the argument, its name where a parser makes it, None where it is not given."""
    arg = find_argument(giver, move.argument)
    if arg is None and move.position is not None and len(giver.args) > move.position:
        at = giver.args[move.position]
        arg = at if at.keyword is None and not at.star else None
    if arg is None:
        if any(one.star for one in giver.args):
            raise _unclear(tree, giver, f"{move.argument} may be among the unpacked arguments")
        return None
    if isinstance(arg.value, cst.Call):
        return arg.value
    if isinstance(arg.value, cst.Name):
        if arg.value.value == "None":
            raise _unclear(tree, giver, f"{move.argument} is None")
        value = tree.value_of(giver, arg.value.value)
        if isinstance(value, cst.Call):
            return value
        if _class_of_name(tree, giver, arg.value.value, move.kind) in (move.kind, move.base or move.kind):
            return arg.value
    raise _unclear(tree, giver, f"it cannot be seen where {move.argument} is made")


def _unclear(tree: Tree, node: cst.CSTNode, what: str) -> RepairError:
    return RepairError(f"{tree.path}:{tree.range(node).start.line}: {what}", "make the change by hand")


def class_of(call: cst.Call) -> str:
    """The last part of the name that is called; "" where it has none."""
    func = call.func
    if isinstance(func, cst.Attribute):
        return func.attr.value
    return func.value if isinstance(func, cst.Name) else ""


def _joined(tree: Tree, giver: cst.Call, holder: cst.Call, given: Given, move: _Move) -> tuple[Splice, ...]:
    """Into a constructor that is there, whose class is changed where it has to be."""
    kind = class_of(holder)
    changed: tuple[Splice, ...] = ()
    if not _means_the_same(tree, giver, holder, given):
        raise _unclear(tree, giver, f"{move.name} is not known yet where {move.argument} is made")
    texts = {move.new: given.text(tree)}
    if kind == move.base and move.base:
        there = {arg.keyword.value for arg in holder.args if arg.keyword}
        if any(arg.star for arg in holder.args):
            raise _unclear(tree, holder, f"{move.base} is made of unpacked arguments")
        texts |= {name: value for name, value in move.keep.items() if name not in there}
        changed = (Splice(*tree.span(holder.func), move.kind), *importing(tree, giver, move.module, move.kind))
    elif kind != move.kind:
        raise _unclear(tree, holder, f"{move.argument} is made by {kind or 'something else'}, not by {move.kind}")
    already = find_given(tree, holder, move.new)
    if already is not None and not same_code(already.text(tree), texts.pop(move.new)):
        raise _unclear(tree, holder, f"{move.new} has another value there")
    joined = adding(tree, holder, *(f"{name}={value}" for name, value in texts.items())) if texts else ()
    return (*removal(tree, given), *joined, *changed)


def _means_the_same(tree: Tree, giver: cst.Call, holder: cst.Call, given: Given) -> bool:
    """Whether the value of a keyword is the same where the constructor stands: its names were bound before."""
    if holder in [arg.value for arg in giver.args]:
        return True
    start, end = given.value(tree)
    used = [node for node in tree.every(cst.Name) if start <= tree.span(node)[0] < end]
    for node in used:
        above = tree.parent(node)
        if isinstance(above, cst.Attribute) and above.attr is node:
            continue
        here, there = tree.assignments(giver, node.value), tree.assignments(holder, node.value)
        if here != there or any(tree.span(one)[0] > tree.span(holder)[0] for one in there):
            return False
    return True


def _made(tree: Tree, giver: cst.Call, given: Given, move: _Move) -> tuple[Splice, ...]:
    """Into a new object of the class, in the place of the keyword."""
    value = given.text(tree)
    depends = move.switch and value != "True"
    inner = ", ".join(filter(None, (move.first, f"{move.new}={'True' if depends else value}")))
    text = f"{move.argument}={move.kind}({inner})" + (f" if {value} else None" if depends else "")
    if isinstance(given.element, cst.DictElement):
        raise _unclear(tree, giver, f"{move.name} is given by a dictionary")
    start, end = given.key(tree)[0], given.value(tree)[1]
    imported = importing(tree, giver, move.module, move.kind) if move.module else ()
    return Splice(start, end, text), *imported


def _attribute(tree: Tree, giver: cst.Call, given: Given, move: _Move, holder: cst.Name) -> tuple[Splice, ...]:
    """Onto an object that a parser made, above the statement; one of the base class becomes one of the class before."""
    statement = tree.statement_of(giver)
    value, name = given.text(tree), holder.value
    if "\n" in value or "\r" in value:
        raise _unclear(tree, giver, f"{move.name} has a value of several lines")
    code = f"{name}.{move.new} = {value}"
    imported: tuple[Splice, ...] = ()
    if _class_of_name(tree, giver, name, move.kind) == move.base:
        code = f"{_converted(name, move.kind)}\n{code}"
        imported = importing(tree, giver, move.module, move.kind)
    begin, _ = tree.line_of(tree.span(statement)[0])
    return Splice(begin, begin, block_at(tree, statement, code)), *removal(tree, given), *imported


def _converted(name: str, kind: str) -> str:
    """Training arguments as another class of them with the same values, as trl's trainers convert them.

    `to_dict` masks what ends in "_token".
    """
    values = f"{{key: value for key, value in {name}.to_dict().items() if not key.endswith('_token')}}"
    return f"{name} = {kind}(**{values}, hub_token={name}.hub_token)"


def _class_of_name(tree: Tree, at: cst.Call, name: str, kind: str) -> str:
    """The class of an object that a parser made, or that was converted since; "" where that is not seen."""
    bound = tree.assignments(at, name)
    for node in bound:
        target = tree.parent(node)
        assign = tree.parent(target) if isinstance(target, cst.AssignTarget) else None
        made = assign.value if isinstance(assign, cst.Assign) else None
        if isinstance(made, cst.Call) and class_of(made) == kind and _follows(tree, assign, at):
            return class_of(made)
    return _parsed_class(tree, at, name)


def _follows(tree: Tree, assign: cst.CSTNode | None, call: cst.Call) -> bool:
    """Whether the statement of a call stands in the same block as an assignment, below it."""
    if assign is None:
        return False
    first, second = tree.statement_of(assign), tree.statement_of(call)
    return tree.parent(first) is tree.parent(second) and tree.span(first)[0] < tree.span(second)[0]


def _parsed_class(tree: Tree, at: cst.CSTNode, name: str) -> str:
    """The class of a name that is unpacked from what an argument parser gives; "" where it is not seen."""
    bound = tree.assignments(at, name)
    element = tree.parent(bound[0]) if len(bound) == 1 else None
    several = tree.parent(element) if isinstance(element, cst.Element) else None
    target = tree.parent(several) if isinstance(several, (cst.Tuple, cst.List)) else None
    assign = tree.parent(target) if isinstance(target, cst.AssignTarget) else None
    if not isinstance(assign, cst.Assign) or not isinstance(assign.value, cst.Call):
        return ""
    assert isinstance(several, (cst.Tuple, cst.List))  # what the parents above are made of
    parse = assign.value.func
    if not isinstance(parse, cst.Attribute) or not parse.attr.value.startswith("parse_"):
        return ""
    maker = tree.value_of(at, parse.value.value) if isinstance(parse.value, cst.Name) else parse.value
    if not isinstance(maker, cst.Call) or class_of(maker) not in PARSERS or not maker.args:
        return ""
    kinds = maker.args[0].value
    index = next(i for i, one in enumerate(several.elements) if one is element)
    if not isinstance(kinds, (cst.Tuple, cst.List)) or index >= len(kinds.elements):
        return ""
    kind = kinds.elements[index].value
    return kind.value if isinstance(kind, cst.Name) else ""
