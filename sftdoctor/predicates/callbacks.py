"""The callbacks of a script against what the installed Trainer passes them: `callback`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from sftdoctor import nodes
from sftdoctor.model import Cause, Location
from sftdoctor.predicates.core import (
    HOLDS,
    Argument,
    Context,
    Judgement,
    Match,
    fails_each,
    predicate,
    unknown,
)
from sftdoctor.predicates.scripts import own_texts

_CALLBACKS = "transformers.trainer_callback"
_POSITIONAL = ("args", "state", "control")
"""What every event gets by position."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@predicate(
    "callback",
    {"flaw": Argument("text", "what is wrong with the method", required=True, choices=("refuses", "lacks", "asks"))},
    values=("name", "class", "method", "given"),
)
def callback(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A method of a callback of the script does not take what the installed Trainer passes (refuses), needs an argument
    that it does not pass (lacks), or reads one of its `**kwargs` that is not among them (asks)."""
    sources = [(path, text) for path, text in own_texts(context) if "TrainerCallback" in text and "def on_" in text]
    if not sources:
        return HOLDS
    events = _events(context.library.text(_CALLBACKS) or "")
    if not events:
        return unknown("what the Trainer passes to callbacks cannot be read")
    look = {"refuses": _refused, "lacks": _lacking, "asks": _asked}[arguments["flaw"]]
    return fails_each(
        _match(context, path, class_, method, node, name, events[method.name], arguments["flaw"])
        for path, text in sources
        for class_, method in _methods(text, events)
        if _is_used(class_, context) and not _is_called(method.name, context)
        for node, name in look(method, events[method.name])
    )


def _match(
    context: Context,
    path: str,
    class_: str,
    method: FunctionNode,
    node: ast.AST,
    name: str,
    given: tuple[str, ...],
    flaw: str,
) -> Match:
    caller = context.place(_CALLBACKS, f"{_CALLBACKS}.CallbackHandler.call_event")
    values: dict[str, str | tuple[str, ...]] = {
        "name": name,
        "class": class_,
        "method": method.name,
        "given": given,
    }
    called = f"{class_}.{method.name}"
    flaw = "by position" if flaw == "refuses" and name in _POSITIONAL else flaw
    symptom = _SYMPTOMS[flaw].format(called=called, name=name)
    return Match(values, Cause(caller, None, name, called), _location(path, node), symptom=symptom)


_SYMPTOMS = {
    "refuses": "TypeError: {called}() got an unexpected keyword argument '{name}'",
    "by position": "TypeError: {called}() takes fewer positional arguments than were given",
    "lacks": "TypeError: {called}() missing a required argument: '{name}'",
    "asks": "KeyError: '{name}'",
}
"""What would be seen, by flaw."""


def _location(path: str, node: ast.AST) -> Location:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return Location(path, line, column + 1)  # its body is not what is wrong
    end = getattr(node, "end_col_offset", None)
    return Location(path, line, column + 1, getattr(node, "end_lineno", None), None if end is None else end + 1)


def _refused(method: FunctionNode, given: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    """The first thing that a call passes and the method does not take; one a method."""
    spec = method.args
    positional = [one.arg for one in (*spec.posonlyargs, *spec.args)][1:]
    if len(positional) < len(_POSITIONAL) and spec.vararg is None:
        yield method, _POSITIONAL[len(positional)]
    elif spec.kwarg is None:
        named = {*positional[len(_POSITIONAL) :], *(one.arg for one in spec.kwonlyargs)}
        missing = [name for name in given if name not in named]
        if missing:
            yield method, missing[0]


def _lacking(method: FunctionNode, given: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    """Parameters without a default that no call passes."""
    spec = method.args
    positional = [*spec.posonlyargs, *spec.args]
    required = positional[len(_POSITIONAL) + 1 : len(positional) - len(spec.defaults)]
    required += [one for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if default is None]
    yield from ((one, one.arg) for one in required if one.arg not in given)


def _asked(method: FunctionNode, given: tuple[str, ...]) -> Iterator[tuple[ast.AST, str]]:
    """`kwargs["name"]` of a name that is not passed, in a method that does not look first whether it is there."""
    if method.args.kwarg is None:
        return
    rest = method.args.kwarg.arg
    named = {one.arg for one in (*method.args.args, *method.args.kwonlyargs)}
    parts = list(nodes.walk(method))
    careful = any(isinstance(part, (ast.Compare, ast.Try)) and _mentions(part, rest) for part in parts)
    written = any(isinstance(part, ast.Name) and part.id == rest and isinstance(part.ctx, ast.Store) for part in parts)
    if careful or written:
        return
    for part in parts:
        if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name) and part.value.id == rest:
            key = part.slice.value if isinstance(part.slice, ast.Constant) else None
            if isinstance(key, str) and isinstance(part.ctx, ast.Load) and (key not in given or key in named):
                yield part, key
            elif not isinstance(part.ctx, ast.Load):
                return


def _mentions(node: ast.AST, name: str) -> bool:
    """Whether a name itself is compared, or tried: `"tokenizer" in kwargs`."""
    if isinstance(node, ast.Compare):
        return any(isinstance(side, ast.Name) and side.id == name for side in node.comparators)
    return any(isinstance(part, ast.Name) and part.id == name for part in nodes.walk(node))


@lru_cache(maxsize=4)
def _events(text: str) -> Mapping[str, tuple[str, ...]]:
    """Each event with the keywords that a callback's method gets, in the order in which CallbackHandler passes them."""
    syntax = nodes.syntax_of(text)
    classes = [node for node in syntax.tree.body if isinstance(node, ast.ClassDef)] if syntax else []
    handler = next((node for node in classes if node.name == "CallbackHandler"), None)
    if handler is None:
        return {}
    methods = [node for node in handler.body if isinstance(node, ast.FunctionDef)]
    calls = {method.name: tuple(_calls(method)) for method in methods}
    passed = next((call for call in calls.get("call_event", ()) if _is_getattr(call.func)), None)
    if passed is None:
        return {}
    always = [keyword.arg for keyword in passed.keywords if keyword.arg]
    found = {}
    for name, made in calls.items():
        for call in made if name.startswith("on_") else ():
            if isinstance(call.func, ast.Attribute) and call.func.attr == "call_event":
                # what newer ones hand on as **kwargs is nothing: no Trainer passes an event more (transformers 5.23.0)
                own = [keyword.arg for keyword in call.keywords if keyword.arg]
                found[name] = tuple(dict.fromkeys([*always, *own]))
    return found


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (part for part in nodes.walk(node) if isinstance(part, ast.Call))


def _is_getattr(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"


def _methods(text: str, events: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, FunctionNode]]:
    """The methods for events of the callbacks that a text defines and uses."""
    syntax = nodes.syntax_of(text)
    callbacks: set[str] = set()
    for node in syntax.nodes if syntax else ():
        if not isinstance(node, ast.ClassDef) or not any(_is_callback(base, callbacks) for base in node.bases):
            continue
        callbacks.add(node.name)
        for method in node.body:
            if (
                isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                and method.name in events
                and not method.decorator_list
            ):
                yield node.name, method


def _is_used(class_: str, context: Context) -> bool:
    """Whether a class is named anywhere but where it is defined."""
    named = re.compile(rf"(?<!class )\b{re.escape(class_)}\b")
    return any(named.search(text) for _, text in own_texts(context))


def _is_called(method: str, context: Context) -> bool:
    """Whether code of the user's calls a method of that name itself, which then gets what that code passes."""
    call = re.compile(rf"(?<!super\(\))\.{method}\(")
    return any(call.search(text) for _, text in own_texts(context))


def _is_callback(base: ast.expr, known: set[str]) -> bool:
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
    return name == "TrainerCallback" or name in known
