"""The imports of a script: where a name is imported and used, and the splices that add an import or take it out."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair.keywords import whole_line
from sftdoctor.repair.statements import end_of_statement
from sftdoctor.repair.tree import Splice, Tree


def importing(tree: Tree, at: cst.CSTNode, module: str, name: str) -> tuple[Splice, ...]:
    """The splices that import a name where it is not bound yet, beside what else is imported from its module.

    Raises:
        RepairError: The name stands for something else at that place.
    """
    if not module:
        return ()
    bound = tree.assignments(at, name)
    if bound:
        if any(node is statement for node in bound for statement, _ in imports_of(tree, module, name)):
            return ()
        raise RepairError(f"{tree.path}:{tree.range(at).start.line}: {name} stands for something else there")
    body = [one for one in tree.module.body if isinstance(one, cst.SimpleStatementLine)]
    before = [one for one in body if tree.range(one).start.line < tree.range(at).start.line]
    statements = [(line, one) for line in before for one in line.body if isinstance(one, (cst.ImportFrom, cst.Import))]
    for _, one in statements:
        if isinstance(one, cst.ImportFrom) and not isinstance(one.names, cst.ImportStar) and is_from(tree, one, module):
            return _appended(tree, one, name)
    if not statements:
        raise RepairError(f"{tree.path}: no place to import {name} from {module}", f"from {module} import {name}")
    line = f"from {module} import {name}{tree.newline}"
    end = end_of_statement(tree, statements[-1][0])
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        line = tree.newline + line.removesuffix(tree.newline)
    return (Splice(end, end, line),)


def importing_module(tree: Tree, at: cst.CSTNode, module: str) -> tuple[Splice, ...]:
    """The splices that import a module of the standard library where it is not bound yet.

    Raises:
        RepairError: Its name stands for something else at that place.
    """
    bound = tree.assignments(at, module)
    if any(not isinstance(node, cst.Import) for node in bound):
        raise RepairError(f"{tree.path}:{tree.range(at).start.line}: {module} stands for something else there")
    body = [one for one in tree.module.body if isinstance(one, cst.SimpleStatementLine)]
    first = next(
        (one for one in body if isinstance(one.body[0], (cst.Import, cst.ImportFrom)) and not _future(one)), None
    )
    if bound or first is None:
        return ()
    begin = tree.line_of(tree.span(first)[0])[0]
    return (Splice(begin, begin, f"import {module}{tree.newline}"),)


def _future(line: cst.SimpleStatementLine) -> bool:
    first = line.body[0]
    return (
        isinstance(first, cst.ImportFrom) and isinstance(first.module, cst.Name) and first.module.value == "__future__"
    )


def only_name(statement: cst.ImportFrom) -> bool:
    """Whether an import has one name alone."""
    return len(names_of(statement)) == 1


def _appended(tree: Tree, statement: cst.ImportFrom, name: str) -> tuple[Splice, ...]:
    last = names_of(statement)[-1]
    start, end = alias_span(tree, last)
    comma = tree.comma(last)
    begin, _ = tree.line_of(start)
    indent = tree.text[begin:start]
    own_line = not indent.strip() and begin > tree.span(statement)[0]
    if not own_line:
        return (Splice(end, end, f", {name}"),)
    if comma is None:
        return (Splice(end, end, f",{tree.newline}{indent}{name}"),)
    stop = tree.line_of(comma[1])[1]
    rest = tree.text[comma[1] : stop].lstrip()
    stop = stop if rest == "" or rest.startswith("#") else comma[1]
    return (Splice(stop, stop, f"{tree.newline}{indent}{name},"),)


def bound_by(alias: cst.ImportAlias) -> str:
    """The name that an import binds."""
    if alias.asname and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return alias.name.value if isinstance(alias.name, cst.Name) else ""


def alias_span(tree: Tree, alias: cst.ImportAlias) -> tuple[int, int]:
    """An import's name and `as`, without the comma."""
    end = tree.span(alias.asname.name)[1] if alias.asname else tree.span(alias.name)[1]
    return tree.span(alias.name)[0], end


def find_import(
    tree: Tree, location: Location, module: str, name: str
) -> tuple[cst.ImportFrom, cst.ImportAlias] | None:
    """The import of a name from a module that stands at a Location."""
    imports = imports_of(tree, module, name)
    near = [pair for pair in imports if location.line is None or covers(tree, pair[0], location.line)]
    return next(iter(near), None)


def covers(tree: Tree, node: cst.CSTNode, line: int) -> bool:
    """Whether a node stands on a line."""
    return tree.range(node).start.line <= line <= tree.range(node).end.line


def is_from(tree: Tree, statement: cst.ImportFrom, module: str) -> bool:
    """Whether an import is from that module."""
    return not statement.relative and statement.module is not None and tree.code(statement.module) == module


def names_of(statement: cst.ImportFrom) -> list[cst.ImportAlias]:
    """The names of an import; none of a star."""
    return [] if isinstance(statement.names, cst.ImportStar) else list(statement.names)


def imports_of(tree: Tree, module: str, name: str) -> list[tuple[cst.ImportFrom, cst.ImportAlias]]:
    """Every import of a name from a module, in order."""
    found = [
        (statement, alias)
        for statement in tree.every(cst.ImportFrom)
        if is_from(tree, statement, module)
        for alias in names_of(statement)
        if tree.code(alias.name) == name
    ]
    return sorted(found, key=lambda pair: tree.span(pair[0]))


def uses_of(tree: Tree, statement: cst.ImportFrom, name: str) -> list[cst.Name] | None:
    """Every use of a name that an import binds; None where it may be bound, or meant, otherwise."""
    uses: list[cst.Name] = []
    for text in tree.every(cst.SimpleString):
        if name in text.value and tree.code(text).strip("rbuRBU\"'") == name:
            return None  # __all__, getattr, a forward reference
    for node in tree.every(cst.Name):
        if node.value != name:
            continue
        above = tree.parent(node)
        if isinstance(above, cst.AsName):
            above = tree.parent(above)
        if isinstance(above, cst.ImportAlias):
            continue
        if isinstance(above, cst.Attribute) and above.attr is node:
            continue
        if isinstance(above, cst.Arg) and above.keyword is node:
            continue
        if [*tree.assignments(node, name)] != [statement]:
            return None
        uses.append(node)
    return uses


def without(tree: Tree, statement: cst.ImportFrom, alias: cst.ImportAlias) -> tuple[Splice, ...]:
    """An import without one of its names; without the statement where that was the only one."""
    names = names_of(statement)
    if len(names) == 1:
        return _no_statement(tree, statement)
    return _drop_alias(tree, names, alias)


def _no_statement(tree: Tree, statement: cst.ImportFrom) -> tuple[Splice, ...]:
    line = tree.statement_of(statement)
    above = tree.parent(line)
    alone = isinstance(above, cst.IndentedBlock) and len(above.body) == 1
    if alone or not isinstance(line, cst.SimpleStatementLine) or len(line.body) > 1:
        return (Splice(*tree.span(statement), "pass"),)
    return (whole_line(tree, *tree.span(statement)),)


def _drop_alias(tree: Tree, names: Sequence[cst.ImportAlias], alias: cst.ImportAlias) -> tuple[Splice, ...]:
    start, end = alias_span(tree, alias)
    index = names.index(alias)
    own, before = tree.comma(alias), tree.comma(names[index - 1])
    if own or before is None:
        end = own[1] if own else end
        while end < len(tree.text) and tree.text[end] in " \t":
            end += 1
        return (whole_line(tree, start, end),)
    comma = before[0]
    return Splice(comma, comma + 1, ""), whole_line(tree, start if "\n" in tree.text[comma:start] else comma + 1, end)


def own_line(tree: Tree, line: cst.BaseStatement) -> int:
    """Offset at which the line of a statement begins, which it has for itself.

    Raises:
        RepairError: It shares it.
    """
    begin, _ = tree.line_of(tree.span(line)[0])
    if tree.text[begin : tree.span(line)[0]].strip() or (
        isinstance(line, cst.SimpleStatementLine) and len(line.body) > 1
    ):
        raise RepairError(f"{tree.path}: the import shares its line with another statement", "edit it by hand")
    return begin


def line_above(tree: Tree, statement: cst.ImportFrom, text: str) -> Splice:
    """A line put above an import, with its indentation."""
    begin = own_line(tree, tree.statement_of(statement))
    indent = tree.text[begin : tree.span(statement)[0]]
    return Splice(begin, begin, f"{indent}{text}{tree.newline}")
