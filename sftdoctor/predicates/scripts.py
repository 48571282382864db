"""What the script itself says that neither the linker nor a fact shows: `passes`, `loads-file`, `unused`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from sftdoctor.model import Cause, Location, Script
from sftdoctor.nodes import syntax_of
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    as_texts,
    fails,
    fails_each,
    predicate,
)

_LOADER = "torch.load("
_SAVERS = frozenset({"save", "save_file"})
_OTHERS = frozenset({"remove", "unlink", "hf_hub_download", "cached_file", "print", "warn"})
"""What is called with a file's name, and does not read the file that a training of this stack leaves."""
LONGEST_MODULE = 1_000_000
"""Characters of a module that are looked at."""


@predicate(
    "passes",
    {
        "module": Argument("text", "module that the class is imported from", required=True),
        "class": Argument("texts", "the class's name, with * for any part (AutoModel*)", required=True),
        "method": Argument("text", "name of the method that is called", required=True),
        "keyword": Argument("texts", "keywords of which the call gives one", required=True),
    },
    values=("name", "class", "call"),
)
def passes(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script, or a module of the user's that it imports, calls a method of an imported class with such a keyword,
    where the linker cannot follow `**kwargs`."""
    if context.script is None:
        return HOLDS
    found = [(path, *call) for path, source in own_texts(context) for call in _passing(source, arguments)]
    known = _known(context) if found else frozenset()
    return fails_each(
        _match(context, arguments, node, name, path, keyword)
        for path, node, name, keyword in found
        if (path, node.lineno, keyword) not in known
    )


def _known(context: Context) -> frozenset[tuple[str, int | None, str]]:
    """What the linker has found by itself: path, line and name."""
    return frozenset(
        (finding.location.path, finding.location.line, finding.cause.name)
        for finding in context.links.findings
        if finding.location is not None and finding.cause is not None
    )


def own_texts(context: Context) -> Iterator[tuple[str, str]]:
    """The script that is judged and the modules of the user's that it imports: paths and texts."""
    if context.script is not None:
        yield context.script.path, context.script.source
        for path in context.links.modules.get(context.script.path, ()):
            yield path, _text(context.script, path)


def _text(script: Script, path: str) -> str:
    """A module of the user's: as an edit that is only thought of would leave it, else as it is."""
    thought = dict(script.would_hold).get(os.path.realpath(path)) if script.would_hold else None
    if thought is not None:
        return thought.decode("utf-8", errors="replace")
    if not Path(path).is_file():  # a named pipe would be waited for
        return ""
    try:
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(LONGEST_MODULE)
    except OSError:
        return ""


def _passing(source: str, arguments: Mapping[str, Any]) -> Iterator[tuple[ast.Call, str, str]]:
    """The calls that a text makes with one of the keywords: each with the class's name and the keyword."""
    keywords = as_texts(arguments["keyword"])
    if arguments["method"] not in source or not any(word in source for word in keywords):
        return
    syntax, imported = syntax_of(source), _imported(source)
    for node in syntax.nodes if syntax else ():
        name = _class(imported, node, arguments) if isinstance(node, ast.Call) else ""
        if name and isinstance(node, ast.Call):
            yield from ((node, name, keyword.arg) for keyword in node.keywords if keyword.arg in keywords)


def _match(context: Context, arguments: Mapping[str, Any], node: ast.Call, name: str, path: str, keyword: str) -> Match:
    call = f"{name}.{arguments['method']}"
    callee = context.place(arguments["module"], f"{arguments['module']}.{call}")
    end = None if node.end_col_offset is None else node.end_col_offset + 1
    place = Location(path, node.lineno, node.col_offset + 1, node.end_lineno, end)
    cause = Cause(None, callee, keyword, f"{call}(…, {keyword}=…)")
    symptom = f"TypeError: ….__init__() got an unexpected keyword argument '{keyword}'"
    return Match({"name": keyword, "class": name, "call": call}, cause, place, symptom=symptom)


def _class(imported: Mapping[str, tuple[str, str]], node: ast.Call, arguments: Mapping[str, Any]) -> str:
    """The class whose method is called, where it is imported from that module; else ""."""
    func = node.func
    if not isinstance(func, ast.Attribute) or func.attr != arguments["method"]:
        return ""
    owner, module = func.value, arguments["module"]
    if isinstance(owner, ast.Name):
        name = imported.get(owner.id, ("", ""))
        return name[1] if name[0] == module and _fits(name[1], arguments) else ""
    if isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
        top = imported.get(owner.value.id, ("", ""))
        return owner.attr if top == (module, "") and _fits(owner.attr, arguments) else ""
    return ""


def _fits(name: str, arguments: Mapping[str, Any]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in as_texts(arguments["class"]))


@lru_cache(maxsize=8)
def _imported(source: str) -> Mapping[str, tuple[str, str]]:
    """Names that imports bind: (module, name in it), with an empty name for the module itself."""
    syntax = syntax_of(source)
    found: dict[str, tuple[str, str]] = {}
    for node in syntax.nodes if syntax else ():
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                found[alias.asname or alias.name] = node.module or "", alias.name
            elif alias.asname or "." not in alias.name:
                found[alias.asname or alias.name] = alias.name, ""
    return found


@predicate(
    "loads-file",
    {
        "name": Argument("text", "name of the file", required=True),
        "unless": Argument("texts", "words of a script that knows another name, or has the file made"),
    },
)
def loads_file(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script, or a module of the user's that it imports, makes the path of a file of that name and reads files with
    torch.load; one match a text."""
    words = as_texts(arguments.get("unless"))
    name = str(arguments["name"])
    return fails_each(
        Match(
            location=Location(path, node.lineno, node.col_offset + 1),
            symptom=f"FileNotFoundError: [Errno 2] No such file or directory: '…/{name}', or a run that begins anew",
        )
        for path, source in own_texts(context)
        if name in source and _LOADER in source and not any(word in source for word in words)
        for node in _naming(source, name)
    )


def _naming(source: str, name: str) -> list[ast.Constant]:
    """The first place that makes a path of a file's name; none where the script saves such a file itself."""
    syntax = syntax_of(source)
    if syntax is None:
        return []
    named = [node for node in syntax.nodes if isinstance(node, ast.Constant) and _is_path_of(node.value, name)]
    called = [(node, _called_with(node, syntax.parents)) for node in named]
    if any(calls & _SAVERS for _, calls in called):
        return []
    return [node for node, calls in called if calls and not calls & _OTHERS][:1]


def _is_path_of(value: object, name: str) -> bool:
    return isinstance(value, str) and (value == name or value.endswith(f"/{name}"))


def _called_with(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> frozenset[str]:
    """Last names of the calls that an expression is an argument of, in its own statement; "=" where it is bound."""
    found = set()
    while not isinstance(node, ast.stmt) and node in parents:
        node = parents[node]
        if isinstance(node, ast.Call):
            found.add(getattr(node.func, "attr", getattr(node.func, "id", "")))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        found.add("=")
    return frozenset(found)


@predicate("unused", {"name": Argument("text", "the name that is imported", required=True)})
def unused(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script imports the name and never uses it."""
    source = context.script.source if context.script else ""
    syntax = syntax_of(source) if str(arguments["name"]) in source else None
    if syntax is None:
        return HOLDS
    bound = {local for local, (_, name) in _imported(source).items() if name == arguments["name"]}
    for node in syntax.nodes:
        if isinstance(node, ast.Name) and node.id in bound:
            return HOLDS
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in bound:
            return HOLDS  # __all__, getattr, a forward reference
    return fails() if bound else HOLDS
