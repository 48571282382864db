"""Which columns a script reads, and what it takes their values for."""

import ast

PICTURE, FILE, LIST, TEXTS, NUMBER, CONVERSATION = "picture", "file", "list", "texts", "number", "conversation"
"""What a value is taken for: a picture of PIL, the path of a file, a list of texts, a text that a library parses, a
number, messages."""
OF_PICTURES = ("convert", "resize", "thumbnail", "mode", "size")
"""Attributes that are asked of a picture."""
OPENERS = ("open", "load_image", "imread", "fetch_image")
"""Functions that are given the path of a picture."""
JOINERS = ("join", "joinpath", "Path")
"""Functions that put a folder before a path, where it is none from the root."""
PARSERS = ("loads", "literal_eval")
SPOKEN = ("role", "content", "from", "value")
"""Keys of a message."""


def keys_read(texts):
    """The keys that functions of a script read from what they are given: `example["instruction"]`.

    Args:
        texts: The script, and the modules beside it.

    Returns:
        Key → what it is taken for, or None.
    """
    found = {}
    for text in texts:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for function in ast.walk(tree):
            if isinstance(function, (ast.FunctionDef, ast.Lambda)):
                for key, node in _keys(function):
                    use = _use(node, above)
                    if use == FILE or not found.get(key):  # what takes a picture takes the path of one as well
                        found[key] = use
    return found


def _keys(function):
    """(constant key, where) that is read from the first parameter, or from what a loop takes out of it."""
    parameters = {each.arg for each in function.args.args if each.arg != "self"}
    if len(parameters) != 1:
        return
    rows = set(parameters)
    for node in ast.walk(function):
        if isinstance(node, (ast.For, ast.comprehension)) and _is_of(node.iter, parameters):
            rows.update(each.id for each in ast.walk(node.target) if isinstance(each, ast.Name))
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_of(node.value, rows):
            key = _constant(node)
            if isinstance(key, str) and key and key.isprintable():
                yield key, node


def _constant(node):
    """What a subscript has between its brackets, where it is a constant."""
    key = node.slice.value if type(node.slice).__name__ == "Index" else node.slice  # Python 3.8 has an Index there
    return key.value if isinstance(key, ast.Constant) else None


def _is_of(node, names):
    return isinstance(node, ast.Name) and node.id in names


def _use(node, above):
    """What the expression around a value takes it for."""
    outer = above.get(node)
    if isinstance(outer, ast.Attribute) and outer.attr in OF_PICTURES:
        return PICTURE
    if isinstance(outer, ast.Subscript) and outer.value is node and isinstance(_constant(outer), int):
        return LIST
    if isinstance(outer, ast.Call) and node in outer.args:
        name = _called(outer)
        if name in OPENERS or (name in JOINERS and _is_opened(outer, above)):
            return FILE
        if name in PARSERS:
            return TEXTS
        if name in ("int", "float"):
            return NUMBER
        if name == "apply_chat_template":
            return CONVERSATION
    if isinstance(outer, ast.BinOp) and isinstance(outer.op, ast.Div) and _is_opened(outer, above):
        return FILE
    if isinstance(outer, ast.Dict) and node in outer.values:
        key = outer.keys[outer.values.index(node)]
        if isinstance(key, ast.Constant) and key.value == "image":
            return PICTURE
    if isinstance(outer, (ast.For, ast.comprehension)) and outer.iter is node and isinstance(outer.target, ast.Name):
        body = above.get(outer) if isinstance(outer, ast.comprehension) else outer
        keys = {
            _constant(n) for n in ast.walk(body) if isinstance(n, ast.Subscript) and _is_of(n.value, {outer.target.id})
        }
        return CONVERSATION if keys & set(SPOKEN) else None
    return None


def _called(call):
    """The last name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_opened(node, above):
    """Whether a path is opened where it stands."""
    outer = above.get(node)
    return isinstance(outer, ast.Call) and node in outer.args and _called(outer) in OPENERS
