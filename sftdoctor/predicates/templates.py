"""What a script does with what apply_chat_template gives: `template-use`.

A list of token ids and a mapping of such lists answer to the same expressions in other ways. What a use shows is read
from the text of the script: what the call stands in, or what the name is used for that it is bound to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sftdoctor import nodes
from sftdoctor.model import Location
from sftdoctor.predicates.core import HOLDS, Argument, Context, Judgement, Match, fails_each, predicate
from sftdoctor.predicates.scripts import own_texts

METHOD = "apply_chat_template"
_TOKENIZER = re.compile(r"(?:.*_)?(?:tokenizer|tok)(?:_.*)?|.*Tokenizer")
"""Names that people give tokenizers; what a processor's method gives is another matter."""
_LOADED = re.compile(r"\w*Tokenizer\w*")
_TENSOR = frozenset(
    {"shape", "size", "squeeze", "unsqueeze", "tolist", "numel", "clone", "cpu", "cuda", "view", "reshape", "flatten"}
    | {"repeat", "expand", "dim", "long", "detach"}
)
_LIST = frozenset({"append", "extend", "index", "count", "insert"})
_TAKES_IDS = frozenset({"generate", "tensor", "LongTensor", "IntTensor", "cat", "stack", "convert_ids_to_tokens"})
"""Functions and methods that stop at a mapping where they want token ids."""
_ID_KEYS = frozenset({"input_ids", "labels", "prompt_input_ids", "completion_input_ids"})
_COUNTS = frozenset({"len", "list", "enumerate", "set", "tuple", "sorted", "reversed"})
"""Builtins that take the keys of a mapping for its items, without a word."""
_WHERE = ("to",)
"""Methods that give the same kind of thing back."""
_OF_MAPPINGS = frozenset({"input_ids", "attention_mask", "keys", "items", "values"})
_ASKS = frozenset({"isinstance", "hasattr", "type"})
RAISES, SILENT, MAPPING, UNCLEAR = "raises", "silent", "mapping", "unclear"


@dataclass(frozen=True)
class Use:
    """A use of what a call gave.

    Attributes:
        how: RAISES (it stops at a mapping), SILENT (a mapping gives something else), MAPPING (it wants one), UNCLEAR
            (it may take either), or "".
        node: The expression.
    """

    how: str
    node: ast.AST


@predicate(
    "template-use",
    {"as": Argument("text", "how the result is used", True, (RAISES, SILENT, MAPPING))},
    values=("use", "line"),
)
def template_use(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The script uses what a tokenizer's apply_chat_template gives, without return_dict, in that way: so that it stops
    at a mapping, so that a mapping is something else, or as a mapping."""
    if context.script is None:
        return HOLDS
    return fails_each(
        _match(path, call, use) for path, source in own_texts(context) for call, use in _found(source, arguments["as"])
    )


def _match(path: str, call: ast.Call, use: Use) -> Match:
    end = None if call.end_col_offset is None else call.end_col_offset + 1
    place = Location(path, call.lineno, call.col_offset + 1, call.end_lineno, end)
    written = " ".join(ast.unparse(use.node).split())
    return Match(
        {"use": written if len(written) < 70 else f"{written[:69]}…", "line": str(getattr(use.node, "lineno", ""))},
        location=place,
    )


def _found(source: str, wanted: str) -> Iterator[tuple[ast.Call, Use]]:
    """The calls that are used in the wanted way, each with its first such use."""
    for call, uses in _calls(source) if METHOD in source else ():
        if any(use.how == UNCLEAR or (use.how == MAPPING and wanted != MAPPING) for use in uses):
            continue  # the script knows, or asks
        first = next((use for use in uses if use.how == wanted), None)
        raises = wanted == SILENT and any(use.how == RAISES for use in uses)
        if first is not None and not raises:
            yield call, first


@lru_cache(maxsize=32)
def _calls(source: str) -> tuple[tuple[ast.Call, tuple[Use, ...]], ...]:
    """A tokenizer's calls whose result has the form of the default, and what becomes of each; two rules ask."""
    syntax = nodes.syntax_of(source)
    if syntax is None:
        return ()
    calls = [node for node in syntax.nodes if isinstance(node, ast.Call) and _gives_default(node)]
    processors = set(_bound_to_others(syntax.nodes)) if calls else set()
    return tuple((call, tuple(_uses(call, syntax.parents))) for call in calls if _receiver(call) not in processors)


def _bound_to_others(found: Sequence[ast.AST]) -> Iterator[str]:
    """Names that are bound to what something else than a tokenizer class loads: processors, unsloth's pairs."""
    for node in found:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        func = node.value.func
        loader = func.value if isinstance(func, ast.Attribute) and func.attr == "from_pretrained" else None
        name = getattr(loader, "attr", getattr(loader, "id", ""))
        if loader is None or _LOADED.fullmatch(name):
            continue
        for target in node.targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (_name(part) for part in parts)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _receiver(call: ast.Call) -> str:
    return _name(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def _gives_default(call: ast.Call) -> bool:
    """Whether a call is a tokenizer's and gives token ids in whatever form is the default."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != METHOD:
        return False
    if not _TOKENIZER.fullmatch(_receiver(call)):
        return False
    for keyword in call.keywords:
        said = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg in (None, "return_dict") or (keyword.arg == "tokenize" and said is not True):
            return False
    return not any(isinstance(argument, ast.Starred) for argument in call.args)


# ---------------------------------------------------------------- uses


def _uses(call: ast.Call, parents: Mapping[ast.AST, ast.AST]) -> Iterator[Use]:
    """How the result of a call is used, as far as the text shows it."""
    node = _carried(call, parents)
    parent = parents.get(node)
    if isinstance(parent, (ast.Assign, ast.AnnAssign)) and parent.value is node:
        targets = parent.targets if isinstance(parent, ast.Assign) else [parent.target]
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            yield from _uses_of_name(targets[0], parents)
            return
        if len(targets) == 1 and isinstance(targets[0], ast.Subscript):
            yield from _stored(targets[0], parent)
        return
    yield from _use(node, parents)


def _carried(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> ast.AST:
    """The expression behind `.to(device)`, which gives the same kind of thing back."""
    while True:
        attribute = parents.get(node)
        outer = parents.get(attribute) if isinstance(attribute, ast.Attribute) and attribute.attr in _WHERE else None
        if not isinstance(outer, ast.Call) or outer.func is not attribute:
            return node
        node = outer


def _uses_of_name(target: ast.Name, parents: Mapping[ast.AST, ast.AST]) -> Iterator[Use]:
    """The uses of a name in its scope, where nothing else binds it there."""
    scope: ast.AST = target
    while scope in parents and not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        scope = parents[scope]
    named = [one for one in nodes.walk(scope) if isinstance(one, ast.Name) and one.id == target.id]
    bound = [one for one in named if isinstance(one.ctx, ast.Store) and not _moves(one, parents)]
    taken = any(isinstance(one, ast.arg) and one.arg == target.id for one in nodes.walk(scope))
    if len(bound) != 1 or taken:
        return
    for one in sorted(named, key=lambda name: (name.lineno, name.col_offset)):
        if isinstance(one.ctx, ast.Load) and (one.lineno, one.col_offset) > (target.lineno, target.col_offset):
            yield from _use(_carried(one, parents), parents)


def _moves(name: ast.Name, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether a name is bound to itself moved: `ids = ids.to(device)`."""
    statement = parents.get(name)
    value = statement.value if isinstance(statement, ast.Assign) else None
    moved = value.func if isinstance(value, ast.Call) else None
    return isinstance(moved, ast.Attribute) and moved.attr in _WHERE and _name(moved.value) == name.id


def _stored(target: ast.Subscript, statement: ast.AST) -> Iterator[Use]:
    """`example["input_ids"] = …`."""
    key = target.slice.value if isinstance(target.slice, ast.Constant) else None
    if key in _ID_KEYS:
        yield Use(RAISES, statement)


def _use(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[Use]:
    """What the expression around a result shows."""
    parent = parents.get(node)
    if isinstance(parent, ast.Attribute):
        known = RAISES if parent.attr in _TENSOR | _LIST else MAPPING if parent.attr in _OF_MAPPINGS else UNCLEAR
        yield Use(known, parent)
    elif isinstance(parent, ast.Subscript) and parent.value is node:
        yield Use(_subscript(parent.slice), parent)
    elif isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add):
        yield Use(RAISES, parent)
    elif isinstance(parent, ast.keyword):
        yield Use(_keyword(parent), parents[parent])
    elif isinstance(parent, ast.Dict):
        keys = [key for key, value in zip(parent.keys, parent.values, strict=True) if value is node]
        if keys[0] is None:
            yield Use(MAPPING, parent)
        elif isinstance(keys[0], ast.Constant) and keys[0].value in _ID_KEYS:
            yield Use(RAISES, parent)
    elif isinstance(parent, ast.Call) and node in parent.args:
        yield Use(_passed(parent, node, parents), parent)
    elif isinstance(parent, (ast.List, ast.Tuple)) and isinstance(outer := parents.get(parent), ast.Call):
        if _name(outer.func) in ("cat", "stack") and parent in outer.args:
            yield Use(RAISES, outer)
    elif isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node:
        yield Use(SILENT, node)


def _subscript(key: ast.expr) -> str:
    if isinstance(key, ast.UnaryOp) and isinstance(key.operand, ast.Constant):
        key = key.operand
    if isinstance(key, ast.Constant):
        return MAPPING if isinstance(key.value, str) else SILENT if isinstance(key.value, int) else ""
    return SILENT if isinstance(key, ast.Slice) else RAISES if isinstance(key, ast.Tuple) else ""


def _keyword(keyword: ast.keyword) -> str:
    if keyword.arg is None:
        return MAPPING
    return RAISES if keyword.arg in _ID_KEYS | {"inputs"} else ""


def _passed(call: ast.Call, node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> str:
    name = _name(call.func)
    if name in _ASKS:
        return UNCLEAR
    if call.args[0] is node and name in _TAKES_IDS:
        return RAISES
    alone = isinstance(parents.get(call), (ast.FormattedValue, ast.Expr)) or _is_printed(call, parents)
    return SILENT if name in _COUNTS and isinstance(call.func, ast.Name) and not alone else ""


def _is_printed(call: ast.Call, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether a count is only shown, so that nothing hangs on it."""
    outer = parents.get(call)
    return isinstance(outer, ast.Call) and _name(outer.func) in ("print", "info", "debug", "warning")
