"""Small functions of a script that a trainer or a data set will call: what they return and what they read."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sftdoctor import nodes

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def returned_kind(node: FunctionNode) -> str:
    """What a function returns, as its own text shows.

    Args:
        node: The function.

    Returns:
        "text", "list", "dict", "ids" (apply_chat_template without tokenize=False), "nothing", or "unknown" (also
        where it returns now this, now that).
    """
    if _yields(node):
        return "unknown"
    values = list(_returned(node))
    if not values:
        return "nothing"
    kinds = {_kind(value, node) for value in values}
    return kinds.pop() if len(kinds) == 1 else "unknown"


def _yields(node: FunctionNode) -> bool:
    return any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in nodes.walk(node))


def _returned(node: FunctionNode) -> Iterator[ast.expr | None]:
    """The expressions of every return statement that is the function's own."""
    if isinstance(node, ast.Lambda):
        yield node.body
        return
    for statement in _own(node.body):
        if isinstance(statement, ast.Return):
            yield statement.value


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    todo: list[ast.AST] = list(reversed(body))
    while todo:
        item = todo.pop()
        yield item
        if not isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            todo.extend(reversed(list(ast.iter_child_nodes(item))))


def _kind(value: ast.expr | None, function: FunctionNode, depth: int = 0) -> str:
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return "nothing"
    if isinstance(value, (ast.List, ast.ListComp)):
        return "list"
    if isinstance(value, (ast.Dict, ast.DictComp)):
        return "dict"
    if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        return "text"
    if isinstance(value, ast.BinOp) and isinstance(value.op, (ast.Add, ast.Mod)):
        kinds = {_kind(value.left, function, depth), _kind(value.right, function, depth)}
        return "text" if "text" in kinds else "unknown"
    if isinstance(value, ast.Call):
        return _call(value)
    if isinstance(value, ast.Name) and depth == 0 and not isinstance(function, ast.Lambda):
        return _variable(value.id, function)
    return "unknown"


def _call(call: ast.Call) -> str:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "apply_chat_template":
        return chat_template_call(call)
    text_methods = ("format", "join", "strip", "replace")
    literal = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, (ast.Constant, ast.JoinedStr))
    if name in text_methods and literal:
        return "text"
    return {"list": "list", "dict": "dict", "str": "text"}.get(name, "unknown")


def _variable(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """What a variable holds, where every assignment in the function agrees."""
    kinds = set()
    for statement in _own(function.body):
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        elif isinstance(statement, (ast.For, ast.withitem, ast.NamedExpr)):
            bound = statement.optional_vars if isinstance(statement, ast.withitem) else statement.target
            if isinstance(bound, ast.Name) and bound.id == name:
                return "unknown"
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name:
                assert isinstance(statement, (ast.Assign, ast.AnnAssign))
                kinds.add(_kind(statement.value, function, 1))
            elif any(isinstance(part, ast.Name) and part.id == name for part in nodes.walk(target)) and isinstance(
                target, (ast.Tuple, ast.List)
            ):
                return "unknown"
    return kinds.pop() if len(kinds) == 1 else "unknown"


def chat_template_call(call: ast.Call) -> str:
    """What a call of apply_chat_template gives: "text", "ids" or "unknown"."""
    for keyword in call.keywords:
        if keyword.arg is None:
            return "unknown"
        if keyword.arg == "tokenize":
            said = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            return {False: "text", True: "ids"}.get(said, "unknown") if isinstance(said, bool) else "unknown"
    return "ids"


def returned_keys(node: FunctionNode) -> tuple[str, ...] | None:
    """The keys of the dictionary that a function returns; None where they are not all known.

    A function that changes its argument and gives it back is not known.
    """
    found: tuple[str, ...] | None = None
    for value in _returned(node):
        if not isinstance(value, ast.Dict):
            return None
        keys = tuple(key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        if len(keys) != len(value.keys) or (found is not None and set(found) != set(keys)):
            return None
        found = keys
    return found


def returned_form(node: FunctionNode, key: str) -> str | None:
    """What a function puts under a key of the dictionary that it returns: "text", "messages", or None where that is not
    plain."""
    found = set()
    for value in _returned(node):
        pairs = zip(value.keys, value.values, strict=True) if isinstance(value, ast.Dict) else ()
        for name, said in pairs:
            if isinstance(name, ast.Constant) and name.value == key:
                listed = isinstance(said, ast.List) and any(isinstance(item, ast.Dict) for item in said.elts)
                found.add("messages" if listed else _kind(said, node))
    return found.pop() if len(found) == 1 and found <= {"text", "messages"} else None


def columns_of_example(node: FunctionNode) -> tuple[str, ...]:
    """The columns that a function reads of its first parameter: `example["text"]`, each once."""
    parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args) if one.arg != "self"]
    found = [
        (part.lineno, part.col_offset, part.slice.value)
        for part in nodes.walk(node)
        if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) and isinstance(part.ctx, ast.Load)
        if isinstance(part.value, ast.Name) and part.value.id in parameters[:1] and isinstance(part.slice.value, str)
    ]
    return tuple(dict.fromkeys(name for *_, name in sorted(found)))


def read_columns(node: FunctionNode) -> tuple[str, ...]:
    """The columns that a collator reads of its examples: `example["text"]` for an example of its first parameter.

    Args:
        node: The collator.

    Returns:
        The names, each once.
    """
    parameters = [*node.args.posonlyargs, *node.args.args]
    if parameters and parameters[0].arg == "self":
        parameters = parameters[1:]
    if not parameters:
        return ()
    batch = parameters[0].arg
    examples = set()
    for part in nodes.walk(node):
        if isinstance(part, (ast.For, ast.comprehension)):
            target, source = part.target, part.iter
            if isinstance(target, ast.Name) and isinstance(source, ast.Name) and source.id == batch:
                examples.add(target.id)
    names = []
    for part in nodes.walk(node):
        if not isinstance(part, ast.Subscript) or not isinstance(part.ctx, ast.Load):
            continue
        key = part.slice.value if isinstance(part.slice, ast.Constant) else None
        if isinstance(part.value, ast.Name) and part.value.id in examples and isinstance(key, str):
            names.append(key)
    return tuple(dict.fromkeys(names))


def literal_texts(node: FunctionNode) -> tuple[str, ...] | None:
    """The constant texts of a function that puts a text together.

    Args:
        node: The function.

    Returns:
        The texts between what it fills in; None where it also calls something that may write text of its own.
    """
    harmless = {"format", "append", "join", "strip", "replace", "len", "range", "zip", "str", "enumerate", "print"}
    texts = []
    for part in nodes.walk(node):
        if isinstance(part, ast.Call):
            name = part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            if name not in harmless:
                return None
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            texts.append(part.value)
    return tuple(texts)


def loaded_names(node: FunctionNode) -> tuple[str, ...]:
    """The names that a function reads and does not bind itself."""
    bound = {part.arg for part in nodes.walk(node) if isinstance(part, ast.arg)}
    names = [part for part in nodes.walk(node) if isinstance(part, ast.Name)]
    bound |= {part.id for part in names if isinstance(part.ctx, ast.Store)}
    return tuple(dict.fromkeys(part.id for part in names if part.id not in bound))
