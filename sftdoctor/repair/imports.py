"""Edit operations on imported names: another name, another module, code in its place, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.imported import (
    alias_span,
    bound_by,
    covers,
    find_import,
    imports_of,
    is_from,
    line_above,
    names_of,
    own_line,
    uses_of,
    without,
)
from sftdoctor.repair.keywords import adding, find_given, removal
from sftdoctor.repair.statements import block_at, end_of_statement
from sftdoctor.repair.tree import Splice, Tree


def replace_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import old` → `from new_module import new`, and every use of the name with it.

    Where the name is bound otherwise too, it is kept: `import new as old`. Calls of it get the keywords of `keep` that
    they have not, and lose those of `drop`.
    """
    module, old, new = operands.dotted(arguments, "module"), _old(arguments), operands.name(arguments, "new")
    new_module = operands.dotted(arguments, "new_module") if arguments.get("new_module") else module
    found = find_import(tree, location, module, old)
    if found is None:
        if imports_of(tree, new_module, new):
            return ()
        raise RepairError(f"{tree.path}: no `from {module} import {old}` there")
    statement, alias = found
    bound = bound_by(alias)
    uses = uses_of(tree, statement, bound) if bound == old != new else None
    text = new if uses is not None or bound == new else f"{new} as {bound}"
    renamed = tuple(Splice(*tree.span(use), new) for use in uses or ())
    renamed += _recalled(tree, statement, bound, arguments)
    there = imports_of(tree, new_module, new) if text == new else []
    if any(bound_by(one) == new for _, one in there):
        return (*without(tree, statement, alias), *renamed)  # it is imported already
    if new_module == module:
        return (Splice(*alias_span(tree, alias), text), *renamed)
    if len(names_of(statement)) == 1:
        return (Splice(*tree.span(statement), f"from {new_module} import {text}"), *renamed)
    line = line_above(tree, statement, f"from {new_module} import {text}")
    return (*without(tree, statement, alias), line, *renamed)


def redirect_imports(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import a, b` → an import of what `to` says each of them is now: "a=pkg.A b=pkg.mod.b".

    For a module that is gone: every name must have its place.
    """
    module = operands.dotted(arguments, "module")
    places = dict(pair.split("=", 1) for pair in arguments["to"].split())
    found = [one for one in tree.every(cst.ImportFrom) if is_from(tree, one, module)]
    statement = next((one for one in found if location.line is None or covers(tree, one, location.line)), None)
    if statement is None:
        return ()
    where = f"{tree.path}:{tree.range(statement).start.line}"
    if "#" in tree.code(statement):
        raise RepairError(f"{where}: the import holds a comment", "make the change by hand")
    by_module: dict[str, list[str]] = {}
    renamed: list[Splice] = []
    for alias in names_of(statement):
        old = tree.code(alias.name)
        if old not in places:
            raise RepairError(f"{where}: nothing is known to replace {module}.{old}", "make the change by hand")
        new_module, _, new = places[old].rpartition(".")
        bound = bound_by(alias)
        uses = uses_of(tree, statement, bound) if bound == old != new else None
        renamed += [Splice(*tree.span(use), new) for use in uses or ()]
        by_module.setdefault(new_module, []).append(new if uses is not None or bound == new else f"{new} as {bound}")
    begin = own_line(tree, tree.statement_of(statement))
    indent = tree.text[begin : tree.span(statement)[0]]
    lines = [f"from {where_to} import {', '.join(names)}" for where_to, names in by_module.items()]
    return (Splice(*tree.span(statement), f"{tree.newline}{indent}".join(lines)), *renamed)


def _recalled(tree: Tree, statement: cst.ImportFrom, bound: str, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Calls of a name under which something else stands now: with what it had by default, without what it lacks."""
    keep, drop = operands.keywords(arguments, "keep"), arguments.get("drop", "").split()
    if not keep and not drop:
        return ()
    splices: list[Splice] = []
    for use in uses_of(tree, statement, bound) or ():
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
    found = find_import(tree, location, module, old)
    if found is None:
        return ()
    statement, alias = found
    uses = uses_of(tree, statement, bound_by(alias))
    if uses is None or uses:
        raise RepairError(f"{tree.path}:{location.line}: {bound_by(alias)} is used", "make the change by hand")
    return without(tree, statement, alias)


def define_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import a, name` → `from module import a` and, below the imports, the `code` that defines the name.

    What the code needs (`needs`, as package.name) is imported with it.
    """
    module, old = operands.dotted(arguments, "module"), _old(arguments)
    found = find_import(tree, location, module, old)
    if found is None:
        return ()
    statement, alias = found
    if bound_by(alias) != old:
        raise RepairError(f"{tree.path}:{location.line}: {old} is imported under another name", "edit it by hand")
    line = tree.statement_of(statement)
    beside = _beside(tree, line)
    last = _last_import(beside, line)
    blank = 2 if isinstance(tree.parent(line), cst.Module) else 1
    needed = _needed(tree, statement, arguments)
    block = block_at(tree, line, needed + "\n" * (blank + 1) * bool(needed) + arguments.get("code", "").lstrip("\n"))
    end = end_of_statement(tree, last)
    alone = len(names_of(statement)) == 1 and last is line
    above = tree.text[: own_line(tree, line) if alone else end] if not alone or beside[0] is not line else ""
    block = _apart(tree, block, above, tree.text[end:] if beside[-1] is not last else "", blank)
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        block = ("" if alone else tree.newline) + block.removesuffix(tree.newline)
    if alone:
        return (Splice(own_line(tree, line), end, block),)
    return (*without(tree, statement, alias), Splice(end, end, block))


def _needed(tree: Tree, at: cst.CSTNode, arguments: Mapping[str, str]) -> str:
    """The import that the code needs; "" where it is there."""
    if "needs" not in arguments:
        return ""
    module, _, name = operands.dotted(arguments, "needs").rpartition(".")
    bound = tree.assignments(at, name)
    if bound and not all(node is one for node in bound for one, _ in imports_of(tree, module, name)):
        raise RepairError(f"{tree.path}: {name} stands for something else there", "edit it by hand")
    return "" if bound else f"from {module} import {name}"


def _beside(tree: Tree, line: cst.BaseStatement) -> Sequence[cst.BaseStatement]:
    """The statements of the block that a statement stands in."""
    block = tree.parent(line)
    return block.body if isinstance(block, (cst.Module, cst.IndentedBlock)) else (line,)


def _last_import(beside: Sequence[cst.BaseStatement], line: cst.BaseStatement) -> cst.BaseStatement:
    """The last of the imports that follow one of them without a break."""
    last = line
    for one in beside[next(i for i, other in enumerate(beside) if other is line) + 1 :]:
        if not isinstance(one, cst.SimpleStatementLine) or len(one.body) != 1:
            break
        if not isinstance(one.body[0], (cst.Import, cst.ImportFrom)):
            break
        last = one
    return last


def _apart(tree: Tree, block: str, above: str, below: str, blank: int) -> str:
    """A definition with blank lines on either side, as far as something stands there."""
    imports = block.lstrip().startswith("from ")
    before = blank + 1 - _newlines(tree, above, above.rstrip("\r\n")) if above.strip() and not imports else 0
    after = blank - _newlines(tree, below, below.lstrip("\r\n")) if below.strip() else 0
    return tree.newline * max(before, 0) + block + tree.newline * max(after, 0)


def _newlines(tree: Tree, text: str, without: str) -> int:
    return (len(text) - len(without)) // len(tree.newline)


def _old(arguments: Mapping[str, str]) -> str:
    return operands.name(arguments, "old")
