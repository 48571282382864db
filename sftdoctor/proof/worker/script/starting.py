"""How a script is started: as a file, or, where it is part of a package, as `python -m` does."""

import ast
import os
import sys
from importlib.machinery import PathFinder

__all__ = ["module_of"]


def module_of(root, script):
    """The module that a script is to be started as.

    Args:
        root: The folder that it was started from.
        script: The script, below it.

    Returns:
        (the folder that comes first on the search path, the dotted name): ("/copy", "src.train") for a script whose
        imports only work with `python -m src.train`; the name is empty where it is a script of its own.
    """
    folder, stem = os.path.split(os.path.splitext(script)[0])
    imported = list(_imported(script))
    parts = [stem]
    base = folder
    while _is_package(base) and base != root:
        base, name = os.path.split(base)
        parts.insert(0, name)
    if len(parts) == 1 and folder != root and any(level for level, _ in imported):
        base, parts = root, [*os.path.relpath(folder, root).split(os.sep), stem]  # a package without __init__.py
    own = len(parts) > 1 and any(level or _is_of(parts[0], name) for level, name in imported)
    fits = own and all(part.isidentifier() for part in parts)
    return (base, ".".join(parts)) if fits else (folder, "")


def _is_of(package, name):
    """Whether an import is of the script's own package, and not of one of that name that is installed."""
    return name.partition(".")[0] == package and PathFinder.find_spec(package, [one for one in sys.path if one]) is None


def _is_package(folder):
    return os.path.isfile(os.path.join(folder, "__init__.py"))


def _imported(script):
    """(dots in front, module) of every import."""
    try:
        with open(script, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
