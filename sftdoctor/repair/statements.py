"""Edit operations on whole statements: code above or below one, a parameter of a function."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.tree import Splice, Tree, find_statement


def insert_before(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Put `code` on its own line(s) above the statement, with its indentation."""
    statement = find_statement(tree, location)
    begin, _ = tree.line_of(_first(tree, statement))
    block = block_at(tree, statement, arguments.get("code", ""))
    if tree.text[:begin].endswith(block):
        return ()
    return (Splice(begin, begin, block),)


def insert_after(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Put `code` on its own line(s) below the statement, with its indentation."""
    statement = find_statement(tree, location)
    end = end_of_statement(tree, statement)
    block = block_at(tree, statement, arguments.get("code", ""))
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        return (Splice(end, end, tree.newline + block.removesuffix(tree.newline)),)
    if tree.text[end:].startswith(block) or tree.text[end:] + tree.newline == block:
        return ()
    return (Splice(end, end, block),)


def end_of_statement(tree: Tree, statement: cst.BaseStatement) -> int:
    """Offset of the line below a statement, or of the end of the text."""
    end = tree.line_of(max(tree.span(statement)[0], tree.span(statement)[1] - 1))[1]
    if end == len(tree.text):
        return end
    return end + (2 if tree.text[end : end + 2] == "\r\n" else 1)


def add_parameter(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`def f(self, a):` → `def f(self, a, name=default):`, for the method that stands at the line."""
    name, default = operands.name(arguments, "name"), operands.expression(arguments, "default")
    found = [one for one in tree.every(cst.FunctionDef) if tree.range(one).start.line == location.line]
    if len(found) != 1:
        raise RepairError(f"{tree.path}:{location.line}: there is not one function", "make the change by hand")
    parameters = found[0].params
    there = [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]
    if any(one.name.value == name for one in there) or parameters.star_kwarg is not None:
        return ()
    before = parameters.kwonly_params or parameters.params
    if not before or (not parameters.kwonly_params and isinstance(parameters.star_arg, cst.Param)):
        raise RepairError(f"{tree.path}:{location.line}: no place for {name} in its parameters", "edit it by hand")
    return (_behind(tree, found[0], before[-1], f"{name}={default}"),)


def take_keywords(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`def f(self, a):` → `def f(self, a, **kwargs):`, for the method that stands at the line."""
    found = [one for one in tree.every(cst.FunctionDef) if tree.range(one).start.line == location.line]
    if len(found) != 1:
        raise RepairError(f"{tree.path}:{location.line}: there is not one function", "make the change by hand")
    parameters = found[0].params
    star = [parameters.star_arg] if isinstance(parameters.star_arg, cst.Param) else []
    there = [*parameters.posonly_params, *parameters.params, *star, *parameters.kwonly_params]
    if parameters.star_kwarg is not None:
        return ()
    if not there or any(one.name.value == "kwargs" for one in there):
        raise RepairError(f"{tree.path}:{location.line}: no place for **kwargs in its parameters", "edit it by hand")
    return (_behind(tree, found[0], there[-1], "**kwargs"),)


def _behind(tree: Tree, function: cst.FunctionDef, last: cst.Param, text: str) -> Splice:
    """A parameter put behind the last one, on a line of its own where that has one."""
    end = max(tree.span(part)[1] for part in (last, last.name, last.annotation, last.default) if part is not None)
    start, line = tree.span(last)[0], tree.line_of(tree.span(last)[0])[0]
    indent = tree.text[line:start]
    if not indent.strip() and line > tree.span(function)[0]:
        return Splice(end, end, f",{tree.newline}{indent}{text}")
    return Splice(end, end, f", {text}")


def _first(tree: Tree, statement: cst.BaseStatement) -> int:
    decorators = getattr(statement, "decorators", ())
    return min([tree.span(statement)[0], *(tree.span(one)[0] for one in decorators)])


def above(tree: Tree, node: cst.CSTNode, code: str) -> Splice:
    """Lines above the statement that a node is in."""
    statement = tree.statement_of(node)
    begin, _ = tree.line_of(tree.span(statement)[0])
    return Splice(begin, begin, block_at(tree, statement, code))


def block_at(tree: Tree, statement: cst.BaseStatement, code: str) -> str:
    """Code as lines with the indentation of a statement.

    Raises:
        RepairError: There is no code, or the statement does not begin its line.
    """
    code = textwrap.dedent(code).strip("\n")
    if not code.strip():
        raise RepairError(f"{tree.path}: the edit does not say what to insert")
    first = _first(tree, statement)
    begin, _ = tree.line_of(first)
    indent = tree.text[begin:first]
    if indent.strip():
        raise RepairError(f"{tree.path}: the statement shares its line with another", "make the change by hand")
    return "".join((indent + line if line.strip() else "") + tree.newline for line in code.splitlines())
