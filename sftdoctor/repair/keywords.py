"""Edit operations on the keywords of one call, whether they stand in it or in a dictionary that it unpacks."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from sftdoctor.errors import RepairError
from sftdoctor.model import Location
from sftdoctor.repair import operands
from sftdoctor.repair.tree import Splice, Tree, find_argument, find_call

Element = cst.Arg | cst.DictElement


@dataclass(frozen=True)
class Given:
    """A keyword as a call gives it: its own argument, or an entry of a dictionary that it unpacks."""

    element: Element
    siblings: Sequence[cst.CSTNode]

    def key(self, tree: Tree) -> tuple[int, int]:
        """Span of the name."""
        if isinstance(self.element, cst.DictElement):
            return tree.span(self.element.key)
        assert self.element.keyword is not None  # find_argument asks for one
        return tree.span(self.element.keyword)

    def written(self, tree: Tree, name: str) -> str:
        """A name as it is written in this place: quoted in a dictionary."""
        if not isinstance(self.element, cst.DictElement):
            return name
        old = tree.code(self.element.key)
        return f"{old[0]}{name}{old[-1]}" if old[0] in "'\"" and not old.startswith(('"""', "'''")) else repr(name)

    def value(self, tree: Tree) -> tuple[int, int]:
        """Span of the value, with its own parentheses."""
        if isinstance(self.element, cst.DictElement):
            start = tree.text.index(":", tree.span(self.element.key)[1]) + 1
        elif isinstance(self.element.equal, cst.AssignEqual):
            start = tree.span(self.element.equal)[1]
        else:
            start = tree.span(self.element)[0]
        while tree.text[start] in " \t":
            start += 1
        return start, tree.span(self.element)[1]

    def text(self, tree: Tree) -> str:
        """The value as it is written."""
        start, end = self.value(tree)
        return tree.text[start:end]


def find_given(tree: Tree, call: cst.Call, name: str) -> Given | None:
    """Where a call gives a keyword: itself, or through `**dictionary` where that is a literal bound once."""
    own = find_argument(call, name)
    if own is not None:
        return Given(own, call.args)
    for arg in call.args:
        found = _in_dictionary(tree, call, arg.value, name) if arg.star == "**" else None
        if found is not None:
            return found
    return None


def _in_dictionary(tree: Tree, call: cst.Call, value: cst.BaseExpression, name: str) -> Given | None:
    bound = tree.value_of(call, value.value) if isinstance(value, cst.Name) else value
    if isinstance(bound, cst.Dict):
        for element in bound.elements:
            if isinstance(element, cst.DictElement) and _is_text(element.key, name):
                return Given(element, bound.elements)
    if isinstance(bound, cst.Call) and isinstance(bound.func, cst.Name) and bound.func.value == "dict":
        arg = find_argument(bound, name)
        return Given(arg, bound.args) if arg else None
    return None


def _is_text(node: cst.BaseExpression, text: str) -> bool:
    return isinstance(node, cst.SimpleString) and node.evaluated_value == text


# --- the operations -----------------------------------------------------------------------------------------------


def rename_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(old=1)` → `f(new=1)`; a value that `unless` names means something else there, and is left."""
    old, new = operands.name(arguments, "old"), operands.name(arguments, "new")
    call = find_call(tree, location, old, new)
    found, already = find_given(tree, call, old), find_given(tree, call, new)
    if found is None and already is not None:
        return ()
    if found is None:
        raise RepairError(f"{tree.path}:{location.line}: the call has no argument {old}")
    if already is not None:
        raise RepairError(f"{tree.path}:{location.line}: the call has {old} and {new}", "remove one of them by hand")
    if "unless" in arguments and same_code(found.text(tree), arguments["unless"]):
        raise RepairError(f"{tree.path}:{location.line}: {old}={arguments['unless']} means something else there")
    return (Splice(*found.key(tree), found.written(tree, new)),)


def translate_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(old=True)` → `f(new=true)`, `f(old=False)` → `f(new=false)` (or nothing, where false is not given)."""
    old, new = operands.name(arguments, "old"), operands.name(arguments, "new")
    true = operands.expression(arguments, "true")
    false = operands.expression(arguments, "false") if "false" in arguments else ""
    call = find_call(tree, location, old, new)
    found = find_given(tree, call, old)
    if found is None:
        return ()
    value = found.text(tree)
    if find_given(tree, call, new) is not None:
        raise RepairError(f"{tree.path}:{location.line}: the call has {old} and {new}", "remove one of them by hand")
    if value in ("False", "None") and not false:
        return removal(tree, found)
    text = {"True": true, "False": false, "None": false}.get(value, f"{true} if {value} else {false or None}")
    return Splice(*found.key(tree), found.written(tree, new)), Splice(*found.value(tree), text)


def remove_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(a=1, name=2)` → `f(a=1)`; a comment on its line stays. With `value`, only where that is what is given."""
    name = operands.name(arguments, "name")
    found = find_given(tree, find_call(tree, location, name), name)
    if found is None:
        return ()
    only = arguments.get("value")
    if only is not None and not same_code(found.text(tree), only):
        raise RepairError(f"{tree.path}:{location.line}: {name} is not {only} there", "decide by hand")
    return removal(tree, found)


def set_keyword(tree: Tree, location: Location, arguments: Mapping[str, str]) -> tuple[Splice, ...]:
    """`f(a=1)` → `f(a=1, name=value)`; an argument that is there gets the new value."""
    name, value = operands.name(arguments, "name"), operands.expression(arguments, "value")
    call = find_call(tree, location, name)
    found = find_given(tree, call, name)
    if found is not None:
        return () if found.text(tree) == value else (Splice(*found.value(tree), value),)
    return adding(tree, call, f"{name}={value}")


# --- what they are made of ----------------------------------------------------------------------------------------


def same_code(one: str, other: str) -> bool:
    """Whether two expressions are the same but for how they are written."""
    try:
        return ast.dump(ast.parse(one.strip(), mode="eval")) == ast.dump(ast.parse(other.strip(), mode="eval"))
    except (SyntaxError, ValueError):
        return False


def removal(tree: Tree, given: Given) -> tuple[Splice, ...]:
    """The splices that take a keyword out, with the comma that belongs to it."""
    start, end = tree.span(given.element)
    if isinstance(given.element, cst.DictElement):
        start, end = tree.span(given.element.key)[0], tree.span(given.element.value)[1]
    index = list(given.siblings).index(given.element)
    own = tree.comma(given.element)
    if own:
        after = own[1]
        while after < len(tree.text) and tree.text[after] in " \t":
            after += 1
        return (whole_line(tree, start, after),)
    previous = given.siblings[index - 1] if index else None
    before = tree.comma(previous) if isinstance(previous, (cst.Arg, cst.BaseDictElement)) else None
    if before is None:
        return (whole_line(tree, start, end),)
    # The last argument without a trailing comma: the comma before it goes too, as it was not there after the last.
    comma = before[0]
    between = tree.text[comma + 1 : start]
    if between.strip() == "" and "\n" not in between and "\r" not in between:
        return (Splice(comma, end, ""),)
    return Splice(comma, comma + 1, ""), whole_line(tree, start, end)


def whole_line(tree: Tree, start: int, end: int) -> Splice:
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


def adding(tree: Tree, call: cst.Call, *texts: str) -> tuple[Splice, ...]:
    """The splices that append keywords to a call, laid out as its last argument is.

    Raises:
        RepairError: They may be among what it unpacks.
    """
    if not texts:
        return ()
    if any(arg.star == "**" for arg in call.args):
        line = tree.range(call).start.line
        names = ", ".join(text.partition("=")[0] for text in texts)
        raise RepairError(f"{tree.path}:{line}: {names} may be among the ** arguments", "make the change by hand")
    if not call.args:
        open_ = tree.span(call)[1] - 1
        return (Splice(open_, open_, ", ".join(texts)),)
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
        lines = [f"{tree.newline}{indent}{text}" for text in texts]
        new = ",".join(lines) + ("," if comma else "")
        return (Splice(stop, stop, new),) if comma else _join(Splice(end, end, ","), Splice(stop, stop, new))
    if comma:
        return (Splice(after, after, "".join(f" {text}," for text in texts)),)
    return (Splice(end, end, "".join(f", {text}" for text in texts)),)


def _join(first: Splice, second: Splice) -> tuple[Splice, ...]:
    if first.start == second.start:
        return (Splice(first.start, first.end, first.text + second.text),)
    return first, second
