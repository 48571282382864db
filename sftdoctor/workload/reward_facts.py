"""The reward functions that a script gives its trainer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sftdoctor import nodes
from sftdoctor.flow import UNKNOWN, Function, Machine, Obj
from sftdoctor.model import Fact
from sftdoctor.workload.functions import FunctionNode
from sftdoctor.workload.places import Places

WITH_DEFAULT = "="
"""Stands behind the name of a parameter that need not be passed."""


def reward_facts(places: Places, machine: Machine, trainer: Obj) -> Iterator[Fact]:
    """What the reward functions of the script take.

    Args:
        places: Where nodes stand.
        machine: The machine.
        trainer: The trainer.

    Returns:
        Facts of each function: its name, whether it takes any keyword (`**kwargs`), and its parameters by name;
        what it takes the completions for. Functions of other modules, models and objects that are called say nothing.
    """
    given = machine.heap.get(trainer, "reward_funcs", UNKNOWN if machine.heap.record(trainer).open else None)
    functions = machine.items_of(given)
    for function in (given,) if functions is None else functions:
        if isinstance(function, Function) and not function.node.args.posonlyargs:
            yield Fact("reward_function", _described(function), places.of(function.node))
            form = completions_read_as(function.node)
            if form is not None:
                yield Fact("reward_reads", form, places.of(function.node))


def _described(function: Function) -> tuple[str | bool, ...]:
    spec = function.node.args
    positional = spec.args[1:] if function.bound else spec.args
    required = len(positional) - len(spec.defaults)
    names = [one.arg + (WITH_DEFAULT if index >= required else "") for index, one in enumerate(positional)]
    for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        names.append(one.arg + ("" if default is None else WITH_DEFAULT))
    name = "lambda" if isinstance(function.node, ast.Lambda) else function.node.name
    return name, spec.kwarg is not None, *names


_TEXT_METHODS = frozenset(["strip", "split", "lower", "upper", "startswith", "endswith", "splitlines", "replace"])
_TEXT_SEARCHES = frozenset(["match", "search", "fullmatch", "findall"])
_ASKS_FIRST = frozenset(["isinstance", "type", "hasattr"])


def completions_read_as(node: FunctionNode) -> str | None:
    """What a reward function takes each of its completions for.

    Args:
        node: The function.

    Returns:
        "messages" (`completion[0]["content"]`), "text" (`completion.strip()`, `re.search(pattern, completion)`), or
        None where neither is seen, or the function looks first what it has.
    """
    parts = list(nodes.walk(node))
    asks = any(isinstance(part, ast.Name) and part.id in _ASKS_FIRST for part in parts)
    if asks or any(isinstance(part, ast.Try) for part in parts):
        return None
    each = {name for part in parts for name in _elements(part)}
    if any(_is_message(part, each) for part in parts):
        return "messages"
    stored = [part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    each = {name for name in each if stored.count(name) == 1}
    return "text" if any(_is_text(part, each) for part in parts) else None


def _elements(part: ast.AST) -> Iterator[str]:
    """The names of single completions: `for c in completions`, `for c, a in zip(completions, answers)`."""
    if not isinstance(part, ast.For | ast.comprehension):
        return
    if _is_completions(part.iter) and isinstance(part.target, ast.Name):
        yield part.target.id
    elif isinstance(part.iter, ast.Call) and isinstance(part.iter.func, ast.Name) and part.iter.func.id == "zip":
        targets = part.target.elts if isinstance(part.target, ast.Tuple) else []
        for target, given in zip(targets, part.iter.args, strict=False):
            if _is_completions(given) and isinstance(target, ast.Name):
                yield target.id


def _is_completions(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "completions"


def _is_message(part: ast.AST, each: set[str]) -> bool:
    """`c[0]["content"]`, or `completions[i][0]["content"]`."""
    if not isinstance(part, ast.Subscript) or not isinstance(part.slice, ast.Constant) or part.slice.value != "content":
        return False
    inner = part.value.value if isinstance(part.value, ast.Subscript) else None
    if isinstance(inner, ast.Subscript):
        return _is_completions(inner.value)
    return isinstance(inner, ast.Name) and inner.id in each


def _is_text(part: ast.AST, each: set[str]) -> bool:
    if not isinstance(part, ast.Call) or not isinstance(part.func, ast.Attribute):
        return False
    owner, method = part.func.value, part.func.attr
    if not isinstance(owner, ast.Name):
        return False
    searched = part.args[1] if len(part.args) > 1 else None
    if owner.id == "re" and method in _TEXT_SEARCHES:
        return isinstance(searched, ast.Name) and searched.id in each
    return owner.id in each and method in _TEXT_METHODS
