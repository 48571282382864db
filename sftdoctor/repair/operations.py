"""The edit operations: each finds its node with libcst and says which spans of the text to replace by what."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Mapping, Sequence

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call, find_statement

Operation = Callable[[Tree, Location, Mapping[str, str]], tuple[Splice, ...]]


# --- keywords of a call -------------------------------------------------------------------------------------------


def rename_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(old=1)` → `f(new=1)`."""
    old, new = _name(arguments, "old"), _name(arguments, "new")
    call = find_call(tree, location, old, new)
    found, already = find_argument(call, old), find_argument(call, new)
    if found is None and already is not None:
        return ()
    if found is None or found.keyword is None:
        raise RepairError(f"{tree.path}:{location.line}: the call has no argument {old}")
    if already is not None:
        raise RepairError(f"{tree.path}:{location.line}: the call has {old} and {new}", "remove one of them by hand")
    return (Splice(*tree.span(found.keyword), new),)


def remove_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(a=1, name=2)` → `f(a=1)`; a comment on its line stays."""
    name = _name(arguments, "name")
    call = find_call(tree, location, name)
    found = find_argument(call, name)
    return () if found is None else _removal(tree, call, found)


def set_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(a=1)` → `f(a=1, name=value)`; an argument that is there gets the new value."""
    name, value = _name(arguments, "name"), _expression(arguments, "value")
    return _setting(tree, find_call(tree, location, name), name, value)


def move_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`a(); b(name=1)` → `a(name=1); b()`: to the call at to_line (and to_column), under `new` where that is given."""
    name = _name(arguments, "name")
    new = _name(arguments, "new") if "new" in arguments else name
    column = arguments.get("to_column")
    goal = Location(tree.path, int(arguments["to_line"]), int(column) if column else None)
    giver = find_call(tree, location, name)
    found = find_argument(giver, name)
    if found is None:
        return ()
    taker = find_call(tree, goal, new)
    if taker is giver:
        raise RepairError(f"{tree.path}:{location.line}: {name} cannot be moved to the call that it is in")
    return _removal(tree, giver, found) + _setting(tree, taker, new, _value(tree, found))


def _removal(tree: Tree, call: cst.Call, arg: cst.Arg) -> tuple[Splice, ...]:
    start, end = tree.span(arg)
    index = call.args.index(arg)
    own = tree.comma(arg)
    if own:
        after = own[1]
        while after < len(tree.text) and tree.text[after] in " \t":
            after += 1
        return (_whole_line(tree, start, after),)
    before = tree.comma(call.args[index - 1]) if index else None
    if before is None:
        return (_whole_line(tree, start, end),)
    # The last argument without a trailing comma: the comma before it goes too, as it was not there after the last.
    comma = before[0]
    between = tree.text[comma + 1 : start]
    if between.strip() == "" and "\n" not in between and "\r" not in between:
        return (Splice(comma, end, ""),)
    return Splice(comma, comma + 1, ""), _whole_line(tree, start, end)


def _value_span(tree: Tree, arg: cst.Arg) -> tuple[int, int]:
    """Span of an argument's value with its own parentheses, which libcst leaves out of a node's position."""
    start = tree.span(arg.equal)[1] if isinstance(arg.equal, cst.AssignEqual) else tree.span(arg)[0]
    while tree.text[start] in " \t":
        start += 1
    return start, tree.span(arg)[1]


def _value(tree: Tree, arg: cst.Arg) -> str:
    start, end = _value_span(tree, arg)
    return tree.text[start:end]


def _whole_line(tree: Tree, start: int, end: int) -> Splice:
    """Remove a span, and its line too where nothing else is on it."""
    begin, stop = tree.line_of(start)
    if tree.text[begin:start].strip() == "" and tree.text[end : tree.line_of(end)[1]].strip() == "":
        stop = tree.line_of(end)[1]
        if tree.text[stop : stop + 2] == "\r\n":
            stop += 2
        elif stop < len(tree.text):
            stop += 1
        return Splice(begin, stop, "")
    return Splice(start, end, "")


def _setting(tree: Tree, call: cst.Call, name: str, value: str) -> tuple[Splice, ...]:
    found = find_argument(call, name)
    if found is not None:
        return () if _value(tree, found) == value else (Splice(*_value_span(tree, found), value),)
    if any(arg.star == "**" for arg in call.args):
        line = tree.range(call).start.line
        raise RepairError(f"{tree.path}:{line}: {name} may be among the ** arguments", "make the change by hand")
    if not call.args:
        open_ = tree.span(call)[1] - 1
        return (Splice(open_, open_, f"{name}={value}"),)
    return _append(tree, call, f"{name}={value}")


def _append(tree: Tree, call: cst.Call, text: str) -> tuple[Splice, ...]:
    last = call.args[-1]
    start, end = tree.span(last)
    comma = tree.comma(last)
    after = comma[1] if comma else end
    begin, _ = tree.line_of(start)
    indent = tree.text[begin:start]
    if indent.strip() == "" and begin > tree.span(call)[0]:
        # One argument a line: the new one gets its own, below the comment of the last one.
        stop = tree.line_of(after)[1]
        rest = tree.text[after:stop].lstrip()
        stop = stop if rest == "" or rest.startswith("#") else after
        new = f"{tree.newline}{indent}{text}" + ("," if comma else "")
        return (Splice(stop, stop, new),) if comma else _join(Splice(end, end, ","), Splice(stop, stop, new))
    if comma:
        return (Splice(after, after, f" {text},"),)
    return (Splice(end, end, f", {text}"),)


def _join(first: Splice, second: Splice) -> tuple[Splice, ...]:
    if first.start == second.start:
        return (Splice(first.start, first.end, first.text + second.text),)
    return first, second


# --- statements ---------------------------------------------------------------------------------------------------


def insert_before(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Put `code` on its own line(s) above the statement, with its indentation."""
    statement = find_statement(tree, location)
    begin, _ = tree.line_of(_first(tree, statement))
    block = _block(tree, statement, arguments)
    if tree.text[:begin].endswith(block):
        return ()
    return (Splice(begin, begin, block),)


def insert_after(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """Put `code` on its own line(s) below the statement, with its indentation."""
    statement = find_statement(tree, location)
    end = tree.line_of(max(tree.span(statement)[0], tree.span(statement)[1] - 1))[1]
    block = _block(tree, statement, arguments)
    if end == len(tree.text):
        return (Splice(end, end, tree.newline + block.removesuffix(tree.newline)),)
    end += 2 if tree.text[end : end + 2] == "\r\n" else 1
    if tree.text[end:].startswith(block) or tree.text[end:] + tree.newline == block:
        return ()
    return (Splice(end, end, block),)


def _first(tree: Tree, statement: cst.BaseStatement) -> int:
    decorators = getattr(statement, "decorators", ())
    return min([tree.span(statement)[0], *(tree.span(one)[0] for one in decorators)])


def _block(tree: Tree, statement: cst.BaseStatement, arguments: Mapping[str, str]) -> str:
    code = textwrap.dedent(arguments.get("code", "")).strip("\n")
    if not code.strip():
        raise RepairError(f"{tree.path}: the edit does not say what to insert")
    first = _first(tree, statement)
    begin, _ = tree.line_of(first)
    indent = tree.text[begin:first]
    if indent.strip():
        raise RepairError(f"{tree.path}: the statement shares its line with another", "make the change by hand")
    return "".join((indent + line if line.strip() else "") + tree.newline for line in code.splitlines())


# --- imports ------------------------------------------------------------------------------------------------------


def replace_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from module import old` → `from new_module import new as old`, so that every use of the name stays good."""
    module, old, new = _dotted(arguments, "module"), _name(arguments, "old"), _name(arguments, "new")
    new_module = _dotted(arguments, "new_module") if arguments.get("new_module") else module
    imports = _imports_of(tree, module, old)
    if not imports:
        if _imports_of(tree, new_module, new):
            return ()
        raise RepairError(f"{tree.path}: no `from {module} import {old}` there")
    statement, alias = next((pair for pair in imports if tree.range(pair[0]).start.line == location.line), imports[0])
    bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else old
    text = new if bound == new else f"{new} as {bound}"
    if new_module == module:
        return (Splice(*tree.span(alias), text),)
    names = [] if isinstance(statement.names, cst.ImportStar) else list(statement.names)
    if len(names) == 1:
        return (Splice(*tree.span(statement), f"from {new_module} import {text}"),)
    return (*_drop_alias(tree, names, alias), *_new_line(tree, statement, f"from {new_module} import {text}"))


def _imports_of(tree: Tree, module: str, name: str) -> list[tuple[cst.ImportFrom, cst.ImportAlias]]:
    found = []
    for statement in tree.every(cst.ImportFrom):
        if isinstance(statement.names, cst.ImportStar) or statement.relative or statement.module is None:
            continue
        if tree.code(statement.module) == module:
            found += [(statement, alias) for alias in statement.names if tree.code(alias.name) == name]
    return sorted(found, key=lambda pair: tree.span(pair[0]))


def _drop_alias(tree: Tree, names: Sequence[cst.ImportAlias], alias: cst.ImportAlias) -> tuple[Splice, ...]:
    start, end = tree.span(alias)
    index = names.index(alias)
    own, before = tree.comma(alias), tree.comma(names[index - 1])
    if own or before is None:
        end = own[1] if own else end
        while end < len(tree.text) and tree.text[end] in " \t":
            end += 1
        return (_whole_line(tree, start, end),)
    comma = before[0]
    return Splice(comma, comma + 1, ""), _whole_line(tree, start if "\n" in tree.text[comma:start] else comma + 1, end)


def _new_line(tree: Tree, statement: cst.ImportFrom, text: str) -> tuple[Splice, ...]:
    begin, _ = tree.line_of(tree.span(statement)[0])
    indent = tree.text[begin : tree.span(statement)[0]]
    if indent.strip():
        raise RepairError(f"{tree.path}: the import shares its line with another statement", "edit it by hand")
    return (Splice(begin, begin, f"{indent}{text}{tree.newline}"),)


# --- arguments of operations --------------------------------------------------------------------------------------


def _name(arguments: Mapping[str, str], key: str) -> str:
    value = arguments.get(key, "")
    if not value.isidentifier():
        raise RepairError(f"the edit needs a name as {key}, not {value!r}")
    return value


def _dotted(arguments: Mapping[str, str], key: str) -> str:
    value = arguments.get(key, "")
    if not all(part.isidentifier() for part in value.split(".")):
        raise RepairError(f"the edit needs a module as {key}, not {value!r}")
    return value


def _expression(arguments: Mapping[str, str], key: str) -> str:
    value = arguments.get(key, "").strip()
    try:
        ast.parse(value, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise RepairError(f"the edit needs an expression as {key}, not {value!r}") from error
    return value


FUNCTIONS: Mapping[str, Operation] = {
    "rename_keyword": rename_keyword,
    "remove_keyword": remove_keyword,
    "set_keyword": set_keyword,
    "move_keyword": move_keyword,
    "insert_before": insert_before,
    "insert_after": insert_after,
    "replace_import": replace_import,
}
