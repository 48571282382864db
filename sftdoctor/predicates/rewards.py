"""The reward functions of a script against what the installed trl passes them: `reward`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sftdoctor import nodes
from sftdoctor.model import Cause
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
from sftdoctor.predicates.facts import UNREADABLE

_MODULES: Mapping[str, str] = {
    "GRPOTrainer": "trl.trainer.grpo_trainer",
    "RLOOTrainer": "trl.trainer.rloo_trainer",
}


@dataclass(frozen=True)
class _Passed:
    """What a trainer passes to a reward function besides the columns of the data."""

    always: tuple[str, ...]
    """In the order of the call."""
    maybe: frozenset[str]


@predicate(
    "reward",
    {"flaw": Argument("text", "what is wrong with the function", required=True, choices=("refuses", "lacks"))},
    values=("name", "function", "given"),
)
def reward(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """A reward function of the script does not take what the installed trainer passes (refuses), or needs an argument
    that is neither passed nor a column of the data (lacks)."""
    functions = context.facts.get("reward_function", ())
    trainers = {fact.value for fact in context.facts.get("trainer_class", ())}
    module = next((module for name, module in _MODULES.items() if name in trainers), "")
    if not functions or not module:
        return HOLDS
    passed = _passed(context.library.text(module) or "")
    if passed is None:
        return unknown("what the trainer passes to reward functions cannot be read")
    columns = {str(fact.value) for fact in context.facts.get("dataset_column", ())}
    complete = {fact.value for fact in context.facts.get("dataset_columns_complete", ())}
    if arguments["flaw"] == "lacks" and (complete != {True} or UNREADABLE in columns):
        return HOLDS
    caller = context.place(module, module)
    known = tuple(sorted(columns))
    found = []
    for fact in functions:
        function, takes_all, *parameters = fact.value
        if arguments["flaw"] == "refuses":
            own = {parameter.rstrip("=") for parameter in parameters}
            wrong = [] if takes_all else [one for one in passed.always if one not in own][:1]
        else:
            there = {*passed.always, *passed.maybe, *columns}
            wrong = [parameter for parameter in parameters if not parameter.endswith("=") and parameter not in there]
        for name in wrong:
            values: dict[str, str | tuple[str, ...]] = {"name": name, "function": str(function), "given": known}
            symptom = _SYMPTOMS[arguments["flaw"]].format(called=function, name=name)
            found.append(Match(values, Cause(caller, None, name, str(function)), fact.location, symptom=symptom))
    return fails_each(found)


_SYMPTOMS = {
    "refuses": "TypeError: {called}() got an unexpected keyword argument '{name}'",
    "lacks": "TypeError: {called}() missing 1 required positional argument: '{name}'",
}
"""What would be seen, by flaw."""


@lru_cache(maxsize=4)
def _passed(text: str) -> _Passed | None:
    """The keywords of `reward_func(prompts=…, …)`, and what is put into its `**reward_kwargs` by name."""
    syntax = nodes.syntax_of(text)
    always: list[str] = []
    maybe: set[str] = set()
    for function in syntax.nodes if syntax else ():
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        parts = list(nodes.walk(function))
        call = next((part for part in parts if isinstance(part, ast.Call) and _is_reward_call(part)), None)
        if call is not None:
            always += [keyword.arg for keyword in call.keywords if keyword.arg]
            always += [name for statement in function.body for name in _stored(statement)]
            maybe |= {name for part in parts for name in _stored(part)}
    return _Passed(tuple(dict.fromkeys(always)), frozenset(maybe)) if always else None


def _is_reward_call(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Name) and call.func.id == "reward_func"
    return named and any(keyword.arg == "completions" for keyword in call.keywords)


def _stored(statement: ast.AST) -> Iterator[str]:
    """`reward_kwargs["name"] = …`"""
    for target in statement.targets if isinstance(statement, ast.Assign) else ():
        if not isinstance(target, ast.Subscript) or not isinstance(target.slice, ast.Constant):
            continue
        if isinstance(target.value, ast.Name) and target.value.id == "reward_kwargs":
            yield str(target.slice.value)
