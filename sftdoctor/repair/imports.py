"""Edit operations on imported names: another name, another module, code in its place, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.keywords import adding, find_given, removal, whole_line
from sftdoctor.repair.statements import block_at, end_of_statement
from sftdoctor.repair.tree import Splice, Tree


def replace_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import old` → `from new_module import new`, and every use of the name with it.

    Where the name is bound otherwise too, it is kept: `import new as old`. Calls of it get the keywords of `keep` that
    they have not, and lose those of `drop`.
    """
    module, old, new = operands.dotted(arguments, "module"), _old(arguments), operands.name(arguments, "new")
    new_module = operands.dotted(arguments, "new_module") if arguments.get("new_module") else module
    found = _find(tree, location, module, old)
    if found is None:
        if _imports_of(tree, new_module, new):
            return ()
        raise RepairError(f"{tree.path}: no `from {module} import {old}` there")
    statement, alias = found
    bound = bound_by(alias)
    uses = _uses(tree, statement, bound) if bound == old != new else None
    text = new if uses is not None or bound == new else f"{new} as {bound}"
    renamed = tuple(Splice(*tree.span(use), new) for use in uses or ())
    renamed += _recalled(tree, statement, bound, arguments)
    there = _imports_of(tree, new_module, new) if text == new else []
    if any(bound_by(one) == new for _, one in there):
        return (*_without(tree, statement, alias), *renamed)  # it is imported already
    if new_module == module:
        return (Splice(*_alias_span(tree, alias), text), *renamed)
    if len(_names(statement)) == 1:
        return (Splice(*tree.span(statement), f"from {new_module} import {text}"), *renamed)
    line = _line_above(tree, statement, f"from {new_module} import {text}")
    return (*_without(tree, statement, alias), line, *renamed)


def redirect_imports(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import a, b` → an import of what `to` says each of them is now: "a=pkg.A b=pkg.mod.b".

    For a module that is gone: every name must have its place.
    """
    module = operands.dotted(arguments, "module")
    places = dict(pair.split("=", 1) for pair in arguments["to"].split())
    found = [one for one in tree.every(cst.ImportFrom) if _is_from(tree, one, module)]
    statement = next((one for one in found if location.line is None or _covers(tree, one, location.line)), None)
    if statement is None:
        return ()
    where = f"{tree.path}:{tree.range(statement).start.line}"
    if "#" in tree.code(statement):
        raise RepairError(f"{where}: the import holds a comment", "make the change by hand")
    by_module: dict[str, list[str]] = {}
    renamed: list[Splice] = []
    for alias in _names(statement):
        old = tree.code(alias.name)
        if old not in places:
            raise RepairError(f"{where}: nothing is known to replace {module}.{old}", "make the change by hand")
        new_module, _, new = places[old].rpartition(".")
        bound = bound_by(alias)
        uses = _uses(tree, statement, bound) if bound == old != new else None
        renamed += [Splice(*tree.span(use), new) for use in uses or ()]
        by_module.setdefault(new_module, []).append(new if uses is not None or bound == new else f"{new} as {bound}")
    begin = _indented(tree, tree.statement_of(statement))
    indent = tree.text[begin : tree.span(statement)[0]]
    lines = [f"from {where_to} import {', '.join(names)}" for where_to, names in by_module.items()]
    return (Splice(*tree.span(statement), f"{tree.newline}{indent}".join(lines)), *renamed)


def _recalled(tree: Tree, statement: cst.ImportFrom, bound: str, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Calls of a name under which something else stands now: with what it had by default, without what it lacks."""
    keep, drop = operands.keywords(arguments, "keep"), arguments.get("drop", "").split()
    if not keep and not drop:
        return ()
    splices: list[Splice] = []
    for use in _uses(tree, statement, bound) or ():
        call = tree.parent(use)
        if not isinstance(call, cst.Call) or call.func is not use:
            raise RepairError(
                f"{tree.path}:{tree.range(use).start.line}: {bound} is not called there", "edit it by hand"
            )
        gone = [given for name in drop if (given := find_given(tree, call, name))]
        new = [f"{name}={value}" for name, value in keep.items() if not find_given(tree, call, name)]
        if gone and new:  # one takes the place of the other
            splices.append(Splice(*tree.span(gone.pop().element), ", ".join(new)))
            new = []
        splices += [splice for given in gone for splice in removal(tree, given)]
        splices += adding(tree, call, *new)
    return tuple(splices)


def remove_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import a, name` → `from module import a`, where nothing uses the name."""
    module, old = operands.dotted(arguments, "module"), _old(arguments)
    found = _find(tree, location, module, old)
    if found is None:
        return ()
    statement, alias = found
    uses = _uses(tree, statement, bound_by(alias))
    if uses is None or uses:
        raise RepairError(f"{tree.path}:{location.line}: {bound_by(alias)} is used", "make the change by hand")
    return _without(tree, statement, alias)


def define_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import a, name` → `from module import a` and, below it, the `code` that defines the name."""
    module, old = operands.dotted(arguments, "module"), _old(arguments)
    found = _find(tree, location, module, old)
    if found is None:
        return ()
    statement, alias = found
    if bound_by(alias) != old:
        raise RepairError(f"{tree.path}:{location.line}: {old} is imported under another name", "edit it by hand")
    line = tree.statement_of(statement)
    block = block_at(tree, line, arguments.get("code", ""))
    end = end_of_statement(tree, line)
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        block = tree.newline + block.removesuffix(tree.newline)
    if len(_names(statement)) == 1:
        return (Splice(_indented(tree, line), end, block),)
    return (*_without(tree, statement, alias), Splice(end, end, block))


def importing(tree: Tree, at: cst.CSTNode, module: str, name: str) -> tuple[Splice, ...]:
    """The splices that import a name where it is not bound yet, beside what else is imported from its module.

    Raises:
        RepairError: The name stands for something else at that place.
    """
    if not module:
        return ()
    bound = tree.assignments(at, name)
    if bound:
        if any(node is statement for node in bound for statement, _ in _imports_of(tree, module, name)):
            return ()
        raise RepairError(f"{tree.path}:{tree.range(at).start.line}: {name} stands for something else there")
    body = [one for one in tree.module.body if isinstance(one, cst.SimpleStatementLine)]
    before = [one for one in body if tree.range(one).start.line < tree.range(at).start.line]
    statements = [(line, one) for line in before for one in line.body if isinstance(one, (cst.ImportFrom, cst.Import))]
    for _, one in statements:
        if (
            isinstance(one, cst.ImportFrom)
            and not isinstance(one.names, cst.ImportStar)
            and _is_from(tree, one, module)
        ):
            return _appended(tree, one, name)
    if not statements:
        raise RepairError(f"{tree.path}: no place to import {name} from {module}", f"from {module} import {name}")
    line = f"from {module} import {name}{tree.newline}"
    end = end_of_statement(tree, statements[-1][0])
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        line = tree.newline + line.removesuffix(tree.newline)
    return (Splice(end, end, line),)


def _appended(tree: Tree, statement: cst.ImportFrom, name: str) -> tuple[Splice, ...]:
    last = _names(statement)[-1]
    start, end = _alias_span(tree, last)
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


def _old(arguments: Mapping[str, str]) -> str:
    return operands.name(arguments, "old")


def bound_by(alias: cst.ImportAlias) -> str:
    """The name that an import binds."""
    if alias.asname and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return alias.name.value if isinstance(alias.name, cst.Name) else ""


def _alias_span(tree: Tree, alias: cst.ImportAlias) -> tuple[int, int]:
    """An import's name and `as`, without the comma."""
    end = tree.span(alias.asname.name)[1] if alias.asname else tree.span(alias.name)[1]
    return tree.span(alias.name)[0], end


def _find(tree: Tree, location: Location, module: str, name: str) -> tuple[cst.ImportFrom, cst.ImportAlias] | None:
    imports = _imports_of(tree, module, name)
    near = [pair for pair in imports if location.line is None or _covers(tree, pair[0], location.line)]
    return next(iter(near), None)


def _covers(tree: Tree, node: cst.CSTNode, line: int) -> bool:
    return tree.range(node).start.line <= line <= tree.range(node).end.line


def _is_from(tree: Tree, statement: cst.ImportFrom, module: str) -> bool:
    return not statement.relative and statement.module is not None and tree.code(statement.module) == module


def _names(statement: cst.ImportFrom) -> list[cst.ImportAlias]:
    return [] if isinstance(statement.names, cst.ImportStar) else list(statement.names)


def _imports_of(tree: Tree, module: str, name: str) -> list[tuple[cst.ImportFrom, cst.ImportAlias]]:
    found = [
        (statement, alias)
        for statement in tree.every(cst.ImportFrom)
        if _is_from(tree, statement, module)
        for alias in _names(statement)
        if tree.code(alias.name) == name
    ]
    return sorted(found, key=lambda pair: tree.span(pair[0]))


def _uses(tree: Tree, statement: cst.ImportFrom, name: str) -> list[cst.Name] | None:
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


def _without(tree: Tree, statement: cst.ImportFrom, alias: cst.ImportAlias) -> tuple[Splice, ...]:
    """An import without one of its names; without the statement where that was the only one."""
    names = _names(statement)
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
    start, end = _alias_span(tree, alias)
    index = names.index(alias)
    own, before = tree.comma(alias), tree.comma(names[index - 1])
    if own or before is None:
        end = own[1] if own else end
        while end < len(tree.text) and tree.text[end] in " \t":
            end += 1
        return (whole_line(tree, start, end),)
    comma = before[0]
    return Splice(comma, comma + 1, ""), whole_line(tree, start if "\n" in tree.text[comma:start] else comma + 1, end)


def _indented(tree: Tree, line: cst.BaseStatement) -> int:
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


def _line_above(tree: Tree, statement: cst.ImportFrom, text: str) -> Splice:
    begin = _indented(tree, tree.statement_of(statement))
    indent = tree.text[begin : tree.span(statement)[0]]
    return Splice(begin, begin, f"{indent}{text}{tree.newline}")
