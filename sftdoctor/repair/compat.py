"""The edits in a form that goes on working where the old name is still there, for scripts that serve two stacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.imported import bound_by, find_import, importing_module, only_name, uses_of, without
from sftdoctor.repair.keywords import Given, find_given
from sftdoctor.repair.statements import add_parameter, block_at, end_of_statement
from sftdoctor.repair.tree import Splice, Tree, find_call

Operation = Callable[[Tree, Location, Mapping[str, str]], tuple[Splice, ...]]


def rename_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(old=1)` → `f(**{"old" if "old" in inspect.signature(f).parameters else "new": 1})`.

    The old name is asked for, since the new one may have been there before with another meaning (warmup_steps).
    """
    old, new = operands.name(arguments, "old"), operands.name(arguments, "new")
    return _asked(tree, location, old, lambda asked, value: f'**{{"{old}" if {asked(old)} else "{new}": {value}}}')


def remove_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(name=1)` → `f(**({"name": 1} if "name" in inspect.signature(f).parameters else {}))`."""
    name = operands.name(arguments, "name")
    return _asked(tree, location, name, lambda asked, value: f'**({{"{name}": {value}}} if {asked(name)} else {{}})')


def translate_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(old=True)` → `f(**({"old": True} if "old" in inspect.signature(f).parameters else {"new": true}))`."""
    old, new = operands.name(arguments, "old"), operands.name(arguments, "new")
    true, false = arguments["true"], arguments.get("false", "None")

    def text(asked: Callable[[str], str], value: str) -> str:
        word = {"True": true, "False": false}.get(value, f"{true} if {value} else {false}")
        return f'**({{"{old}": {value}}} if {asked(old)} else {{"{new}": {word}}})'

    return _asked(tree, location, old, text)


def _asked(
    tree: Tree, location: Location, name: str, text: Callable[[Callable[[str], str], str], str]
) -> tuple[Splice, ...]:
    """A keyword in a form that asks the signature of what is called, with the import of inspect."""
    call = find_call(tree, location, name)
    given = find_given(tree, call, name)
    if given is None:
        return ()
    if isinstance(given.element, cst.DictElement) or given.element not in call.args:
        raise RepairError(f"{tree.path}:{location.line}: {name} is given by a dictionary", "make the change by hand")
    callee = tree.code(call.func)
    if callee.endswith(".from_pretrained"):
        raise RepairError(
            f"{tree.path}:{location.line}: from_pretrained hands its keywords on and cannot be asked for {name}",
            "leave --compat out",
        )
    start, end = _span(tree, given)
    asked = text(lambda word: f'"{word}" in inspect.signature({callee}).parameters', given.text(tree))
    return Splice(start, end, asked), *importing_module(tree, call, "inspect")


def _span(tree: Tree, given: Given) -> tuple[int, int]:
    return given.key(tree)[0], given.value(tree)[1]


def replace_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from a import old` → an import of the new name, or where that is not there, of the old one under the new."""
    if arguments.get("keep") or arguments.get("drop"):
        raise RepairError(f"{tree.path}:{location.line}: no form of this edit works on both stacks")
    module, old, new = operands.dotted(arguments, "module"), operands.name(arguments, "old"), arguments["new"]
    new_module = arguments.get("new_module") or module
    found = find_import(tree, location, module, old)
    if found is None:
        return ()
    bound = bound_by(found[1])
    uses = uses_of(tree, found[0], bound) if bound == old else None
    name = bound if uses is None else new
    first = f"from {new_module} import {new}" + ("" if name == new else f" as {name}")
    second = f"from {module} import {old}" + ("" if name == old else f" as {name}")
    renamed = [Splice(*tree.span(use), name) for use in uses or () if name != bound]
    return *_tried(tree, found, f"try:\n    {first}\nexcept ImportError:\n    {second}"), *renamed


def define_import(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`from a import f` → the same, or where that is not there, the code that defines it."""
    module, old = operands.dotted(arguments, "module"), operands.name(arguments, "old")
    found = find_import(tree, location, module, old)
    if found is None:
        return ()
    code = "\n".join(("    " + line if line.strip() else "") for line in arguments.get("code", "").strip().splitlines())
    return _tried(tree, found, f"try:\n    from {module} import {old}\nexcept ImportError:\n\n{code}\n")


def _tried(tree: Tree, found: tuple[cst.ImportFrom, cst.ImportAlias], code: str) -> tuple[Splice, ...]:
    """An import taken out of its statement and tried below it."""
    statement, alias = found
    line = tree.statement_of(statement)
    above = tree.parent(line)
    if isinstance(tree.parent(above) if above else None, (cst.Try, cst.ExceptHandler)):
        return ()  # it is tried already
    block, end = block_at(tree, line, code), end_of_statement(tree, line)
    if end == len(tree.text) and not tree.text.endswith(("\n", "\r")):
        block = tree.newline + block.removesuffix(tree.newline)
    if only_name(statement):
        return (Splice(tree.line_of(tree.span(line)[0])[0], end, block),)
    return *without(tree, statement, alias), Splice(end, end, block)


COMPATIBLE: Mapping[str, Operation] = {
    "rename_keyword": rename_keyword,
    "remove_keyword": remove_keyword,
    "translate_keyword": translate_keyword,
    "replace_import": replace_import,
    "define_import": define_import,
    "add_parameter": add_parameter,
}
"""The operations that have such a form."""
