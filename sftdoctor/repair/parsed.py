"""Objects that an argument parser makes: of which class each is, and where the parser is told so."""

from __future__ import annotations

import libcst as cst

from sftdoctor.repair.tree import Tree

PARSERS = ("HfArgumentParser", "TrlParser")
"""Classes whose objects make others of the dataclasses that they are given, in the same order."""


def class_of(call: cst.Call) -> str:
    """The last part of the name that is called; "" where it has none."""
    func = call.func
    if isinstance(func, cst.Attribute):
        return func.attr.value
    return func.value if isinstance(func, cst.Name) else ""


def is_own_class(tree: Tree, at: cst.CSTNode, name: str) -> bool:
    """Whether a name stands for a class of the script itself."""
    return any(isinstance(one, cst.ClassDef) for one in tree.assignments(at, name))


def own_options(tree: Tree, element: cst.BaseElement) -> frozenset[str]:
    """Fields of the script's own classes among those that a parser is given."""
    kinds = tree.parent(element)
    given = {one.value.value for one in getattr(kinds, "elements", ()) if isinstance(one.value, cst.Name)}
    fields = [one for one in tree.every(cst.AnnAssign) if _class_around(tree, one) in given]
    return frozenset(one.target.value for one in fields if isinstance(one.target, cst.Name))


def _class_around(tree: Tree, node: cst.CSTNode) -> str:
    above = tree.parent(node)
    while above is not None and not isinstance(above, (cst.ClassDef, cst.FunctionDef)):
        above = tree.parent(above)
    return above.name.value if isinstance(above, cst.ClassDef) else ""


def parser_line(tree: Tree, element: cst.BaseElement | None) -> tuple[cst.SimpleStatementLine | None, str]:
    """The statement that makes the parser which is told a class, and the parser's name; "" where it has none."""
    maker = tree.parent(element) if element is not None else None
    while maker is not None and not (isinstance(maker, cst.Call) and class_of(maker) in PARSERS):
        maker = tree.parent(maker)
    line = tree.statement_of(maker) if maker is not None else None
    return (line, _bound_to(line)) if isinstance(line, cst.SimpleStatementLine) else (None, "")


def _bound_to(line: cst.SimpleStatementLine) -> str:
    """The one name that a statement binds; "" where it is not one."""
    only = line.body[0] if len(line.body) == 1 else None
    target = only.targets[0].target if isinstance(only, cst.Assign) and len(only.targets) == 1 else None
    return target.value if isinstance(target, cst.Name) else ""


def parsed_class(tree: Tree, at: cst.CSTNode, name: str) -> str:
    """The class of a name that is unpacked from what an argument parser gives; "" where it is not seen."""
    element = parsed_element(tree, at, name)
    return element.value.value if element is not None and isinstance(element.value, cst.Name) else ""


def parsed_element(tree: Tree, at: cst.CSTNode, name: str) -> cst.BaseElement | None:
    """Where a parser is told the class of a name that is unpacked from what it gives."""
    bound = tree.assignments(at, name)
    element = tree.parent(bound[0]) if len(bound) == 1 else None
    several = tree.parent(element) if isinstance(element, cst.Element) else None
    target = tree.parent(several) if isinstance(several, (cst.Tuple, cst.List)) else None
    assign = tree.parent(target) if isinstance(target, cst.AssignTarget) else None
    if not isinstance(assign, cst.Assign) or not isinstance(assign.value, cst.Call):
        return None
    assert isinstance(several, (cst.Tuple, cst.List))  # what the parents above are made of
    parse = assign.value.func
    if not isinstance(parse, cst.Attribute) or not parse.attr.value.startswith("parse_"):
        return None
    maker = tree.value_of(at, parse.value.value) if isinstance(parse.value, cst.Name) else parse.value
    if not isinstance(maker, cst.Call) or class_of(maker) not in PARSERS or not maker.args:
        return None
    kinds = maker.args[0].value
    index = next(i for i, one in enumerate(several.elements) if one is element)
    if not isinstance(kinds, (cst.Tuple, cst.List)) or index >= len(kinds.elements):
        return None
    return kinds.elements[index]
