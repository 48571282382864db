"""The reward functions that a script gives its trainer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from sftdoctor.flow import UNKNOWN, Function, Machine, Obj
from sftdoctor.model import Fact
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
        One fact a function: its name, whether it takes any keyword (`**kwargs`), and its parameters by name. Functions
        of other modules, models and objects that are called say nothing.
    """
    given = machine.heap.get(trainer, "reward_funcs", UNKNOWN if machine.heap.record(trainer).open else None)
    functions = machine.items_of(given)
    for function in (given,) if functions is None else functions:
        if isinstance(function, Function) and not function.node.args.posonlyargs:
            yield Fact("reward_function", _described(function), places.of(function.node))


def _described(function: Function) -> tuple[str | bool, ...]:
    spec = function.node.args
    positional = spec.args[1:] if function.bound else spec.args
    required = len(positional) - len(spec.defaults)
    names = [one.arg + (WITH_DEFAULT if index >= required else "") for index, one in enumerate(positional)]
    for one, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
        names.append(one.arg + ("" if default is None else WITH_DEFAULT))
    name = "lambda" if isinstance(function.node, ast.Lambda) else function.node.name
    return name, spec.kwarg is not None, *names
