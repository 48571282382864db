"""The edit operation that moves a keyword from a call to the constructor of an object that the call is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst

from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.copying import copied
from sftdoctor.repair.imported import importing
from sftdoctor.repair.keywords import Given, adding, find_given, removal, same_code
from sftdoctor.repair.parsed import class_of, is_own_class, own_options, parsed_class, parsed_element, parser_line
from sftdoctor.repair.statements import above, block_at, end_of_statement
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call, unclear

MEANT = re.compile(r"\"{3}|'{3}|\\")
"""Text of several lines whose line ends or indentation may mean something."""


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
    options: frozenset[str]
    """Fields of `kind` that become options where a parser makes it; empty for a class that no parser makes."""
    unsaid: str
    """Value of the option of that name where the command line says none; "" for that of `kind`."""


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
    arg = _argument(tree, giver, move)
    if arg is None:
        return _made(tree, giver, given, move)
    return _moved_to(tree, giver, arg, given, move)


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
        options=frozenset(arguments.get("options", "").split()),
        unsaid=operands.expression(arguments, "unsaid") if "unsaid" in arguments else "",
    )


def _argument(tree: Tree, giver: cst.Call, move: _Move) -> cst.Arg | None:
    """How the call is given the argument; None where it is not."""
    arg = find_argument(giver, move.argument)
    if arg is None and move.position is not None and len(giver.args) > move.position:
        at = giver.args[move.position]
        arg = at if at.keyword is None and not at.star else None
    if arg is None and any(one.star for one in giver.args):
        raise unclear(tree, giver, f"{move.argument} may be among the unpacked arguments")
    return arg


def _moved_to(tree: Tree, giver: cst.Call, arg: cst.Arg, given: Given, move: _Move) -> tuple[Splice, ...]:
    """To the object of the argument, by how that comes to be."""
    if isinstance(arg.value, cst.Call):
        return _joined(tree, giver, arg.value, given, move)
    if not isinstance(arg.value, cst.Name):
        raise unclear(tree, giver, f"it cannot be seen where {move.argument} is made")
    name = arg.value.value
    if name == "None":
        raise unclear(tree, giver, f"{move.argument} is None")
    value = tree.value_of(giver, name)
    kind = class_of(value) if isinstance(value, cst.Call) else _class_of_name(tree, giver, name, move.kind)
    known = kind == move.kind or (kind == move.base != "" and not is_own_class(tree, giver, kind))
    if not known and move.options:
        return _copied(tree, giver, arg, given, move)
    if isinstance(value, cst.Call) and not (kind == move.kind and _may_hold(tree, value, move.new)):
        if kind == move.kind and not _means_the_same(tree, giver, value, given):
            return _attribute(tree, giver, given, move, name)
        return _joined(tree, giver, value, given, move)
    if not known:
        raise unclear(tree, giver, f"it cannot be seen where {move.argument} is made")
    element = parsed_element(tree, giver, name)
    if kind == move.base and element is not None and move.options and not own_options(tree, element) & move.options:
        return _parsed(tree, giver, given, move, name, element)
    return _attribute(tree, giver, given, move, name)


def _may_hold(tree: Tree, holder: cst.Call, keyword: str) -> bool:
    """Whether a constructor may be given the keyword by what it unpacks."""
    return any(arg.star for arg in holder.args) and find_given(tree, holder, keyword) is None


def _joined(tree: Tree, giver: cst.Call, holder: cst.Call, given: Given, move: _Move) -> tuple[Splice, ...]:
    """Into a constructor that is there, whose class is changed where it has to be."""
    kind = class_of(holder)
    changed: tuple[Splice, ...] = ()
    if not _means_the_same(tree, giver, holder, given):
        raise unclear(tree, giver, f"{move.name} is not known yet where {move.argument} is made")
    texts = {move.new: given.text(tree)}
    if kind == move.base and move.base:
        there = {arg.keyword.value for arg in holder.args if arg.keyword}
        if any(arg.star for arg in holder.args):
            raise unclear(tree, holder, f"{move.base} is made of unpacked arguments")
        texts |= {name: value for name, value in move.keep.items() if name not in there}
        changed = (Splice(*tree.span(holder.func), move.kind), *importing(tree, giver, move.module, move.kind))
    elif kind != move.kind:
        raise unclear(tree, holder, f"{move.argument} is made by {kind or 'something else'}, not by {move.kind}")
    already = find_given(tree, holder, move.new)
    if already is not None and not same_code(already.text(tree), texts.pop(move.new)):
        raise unclear(tree, holder, f"{move.new} has another value there")
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
    condition = value if value.replace(".", "").isidentifier() else f"({value})"
    text = f"{move.argument}={move.kind}({inner})" + (f" if {condition} else None" if depends else "")
    if isinstance(given.element, cst.DictElement):
        raise unclear(tree, giver, f"{move.name} is given by a dictionary")
    start, end = given.key(tree)[0], given.value(tree)[1]
    imported = importing(tree, giver, move.module, move.kind) if move.module else ()
    return Splice(start, end, text), *imported


def _attribute(tree: Tree, giver: cst.Call, given: Given, move: _Move, name: str) -> tuple[Splice, ...]:
    """Onto an object that is made elsewhere, above the statement; one of the base class is converted before."""
    element = parsed_element(tree, giver, name)
    if element is not None and parsed_class(tree, giver, name) == move.kind and _is_option(tree, giver, given, move):
        return *removal(tree, given), *_defaults(tree, element, _unsaid(tree, given, move, name))
    code = f"{name}.{move.new} = {_line(tree, giver, given, move)}"
    imported: tuple[Splice, ...] = ()
    if _class_of_name(tree, giver, name, move.kind) == move.base:
        code = f"{_converted(name, move.kind)}\n{code}"
        imported = importing(tree, giver, move.module, move.kind)
    return above(tree, giver, code), *removal(tree, given), *imported


def _copied(tree: Tree, giver: cst.Call, arg: cst.Arg, given: Given, move: _Move) -> tuple[Splice, ...]:
    """Onto an object of the class with the values of one that comes from elsewhere: a parameter, say."""
    own, code, changes = copied(tree, giver, arg, move.kind, move.module)
    code += f"\n{own}.{move.new} = {_line(tree, giver, given, move)}"
    return above(tree, giver, code), *changes, *removal(tree, given)


def _parsed(
    tree: Tree, giver: cst.Call, given: Given, move: _Move, name: str, element: cst.BaseElement
) -> tuple[Splice, ...]:
    """Onto an object that a parser makes, which is given the class for the base: the options are its fields then."""
    added: tuple[Splice, ...] = ()
    kept = dict(move.keep)
    if _is_option(tree, giver, given, move):
        kept |= _unsaid(tree, given, move, name)
    else:
        added = (above(tree, giver, f"{name}.{move.new} = {_line(tree, giver, given, move)}"),)
    changed = Splice(*tree.span(element.value), move.kind), *_defaults(tree, element, kept)
    return *changed, *added, *removal(tree, given), *importing(tree, giver, move.module, move.kind)


def _defaults(tree: Tree, element: cst.BaseElement, values: Mapping[str, str]) -> tuple[Splice, ...]:
    """Tell the parser of a class what options are where the command line does not say it."""
    line, parser = parser_line(tree, element)
    if line is None or not parser:
        raise unclear(tree, element, "the parser has no name")
    end = end_of_statement(tree, line)
    said = ", ".join(f"{name}={value}" for name, value in values.items())
    return (Splice(end, end, block_at(tree, line, f"{parser}.set_defaults({said})")),) if said else ()


def _unsaid(tree: Tree, given: Given, move: _Move, name: str) -> dict[str, str]:
    """What an option is by default that another class had, and this one has now."""
    of_another = not given.text(tree).startswith(f"{name}.")
    return {move.new: move.unsaid} if move.unsaid and of_another else {}


def _is_option(tree: Tree, giver: cst.Call, given: Given, move: _Move) -> bool:
    """Whether a value is read from what the parser made of the option of that name, which `kind` has now."""
    start, end = given.value(tree)
    value = next((one for one in tree.every(cst.Attribute) if tree.span(one) == (start, end)), None)
    if value is None or not isinstance(value.value, cst.Name) or value.attr.value not in (move.name, move.new):
        return False
    kind = parsed_class(tree, giver, value.value.value)
    return kind != "" and move.options != frozenset() and not is_own_class(tree, giver, kind)


def _line(tree: Tree, giver: cst.Call, given: Given, move: _Move) -> str:
    """The value of a keyword as a statement of its own has it: further lines lose the indentation of the first."""
    first, *others = given.text(tree).splitlines()
    key = given.key(tree)[0]
    head = tree.text[tree.line_of(key)[0] : key]
    indent = head[: len(head) - len(head.lstrip())]
    text = "\n".join((first, *(line.removeprefix(indent) for line in others)))
    if others and (MEANT.search(text) or not _is_statement(f"_ = {text}")):
        raise unclear(tree, giver, f"{move.name} has a value of several lines")
    return text


def _is_statement(code: str) -> bool:
    try:
        return len(ast.parse(code).body) == 1
    except SyntaxError:
        return False


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
    return parsed_class(tree, at, name)


def _follows(tree: Tree, assign: cst.CSTNode | None, call: cst.Call) -> bool:
    """Whether the statement of a call stands in the same block as an assignment, below it."""
    if assign is None:
        return False
    first, second = tree.statement_of(assign), tree.statement_of(call)
    return tree.parent(first) is tree.parent(second) and tree.span(first)[0] < tree.span(second)[0]
