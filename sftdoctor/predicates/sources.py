"""What the installed source says in its own words: `source`, `unlisted` and `unknown-keyword`."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    as_texts,
    fails,
    fails_each,
    fails_if,
    predicate,
    unknown,
)
from sftdoctor.predicates.facts import UNREADABLE, UNSET


@predicate(
    "source",
    {
        "module": Argument("text", "dotted module", required=True),
        "has": Argument("texts", "texts that stand in its source, every one"),
        "lacks": Argument("texts", "texts of which at least one does not stand in it"),
    },
    one_of=("has", "lacks"),
)
def source(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The source of a module holds (or lacks) a text: an error message that only some versions have, say."""
    text = context.library.text(arguments["module"])
    if text is None:
        return unknown(f"the source of {arguments['module']} cannot be read")
    if not all(part in text for part in as_texts(arguments.get("has"))):
        return HOLDS
    return fails_if("lacks" not in arguments or any(part not in text for part in as_texts(arguments["lacks"])))


@predicate(
    "unlisted",
    {
        "fact": Argument("text", "fact whose value is looked up", required=True),
        "module": Argument("texts", "modules of which any may list it", required=True),
        "name": Argument("text", "enumeration, dictionary or list there", required=True),
    },
    values=("value",),
)
def unlisted(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A fact has a value that an enumeration (a dictionary's keys, a list) of the installed source does not have."""
    said = [fact for fact in context.facts.get(arguments["fact"], ()) if fact.value not in (UNSET, None)]
    if not said:
        return HOLDS
    if any(fact.value == UNREADABLE for fact in said):
        return unknown(f"the value of {arguments['fact']} shows only when the script runs")
    known: set[str] = set()
    for module in as_texts(arguments["module"]):
        text = context.library.text(module)
        known.update(_members(text, arguments["name"]) if text is not None else ())
    if not known:
        return unknown(f"{arguments['name']} of {as_texts(arguments['module'])[0]} cannot be read")
    return fails_each(
        Match({"value": str(fact.value), f"fact.{fact.name}": str(fact.value)}, location=fact.location)
        for fact in said
        if isinstance(fact.value, str) and fact.value not in known
    )


@lru_cache(maxsize=64)
def _members(text: str, name: str) -> frozenset[str]:
    """The texts that an enumeration or a table of that name is made of."""
    return frozenset(_listed(text, name))


def _listed(text: str, name: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes in the source of others
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for statement in node.body:
                if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
                    yield from _texts(statement.value)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield from _texts(node.value)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func  # NAME.update(…)
            if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == name:
                yield from _texts(node.value)


def _texts(node: ast.expr) -> Iterator[str]:
    """Constants, keys of dictionaries, items of lists, first members of pairs, arguments of calls."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            yield from _texts(key if key is not None else value)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
        yield from _texts(node.elts[0])
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for item in node.elts:
            yield from _texts(item)
    elif isinstance(node, ast.Call):
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from _texts(argument)
    elif isinstance(node, ast.BinOp):
        yield from _texts(node.left)
        yield from _texts(node.right)


@predicate(
    "unknown-keyword",
    {
        "fact": Argument("text", "fact whose values are names of keywords", required=True),
        "callable": Argument("text", '"pkg.mod:function" or "pkg.mod:Class"', required=True),
        "except": Argument("texts", "names that are taken all the same"),
    },
    values=("keyword",),
)
def unknown_keyword(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A keyword that is given is no parameter of the callable's own (which may swallow it in `**kwargs`); one each."""
    said = context.facts.get(arguments["fact"], ())
    if not said:
        return HOLDS
    found = context.library.signature(arguments["callable"])
    if found is None:
        return unknown(f"the signature of {arguments['callable'].replace(':', '.')} cannot be read")
    spared = as_texts(arguments.get("except"))
    missing = [fact for fact in said if not found.has(str(fact.value)) and fact.value not in spared]
    if not missing:
        return HOLDS
    names = tuple(str(fact.value) for fact in missing)
    return fails(Match({"keyword": names}, location=missing[0].location))
