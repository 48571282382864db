"""Arguments of a call, and how Python binds them to parameters, with its own words where it cannot."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from sftdoctor.flow.values import UNKNOWN, RaisedError, Value


@dataclass
class Arguments:
    """What a call passes."""

    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    open: bool = False
    """Whether more is passed through `*` or `**` than can be known."""

    def get(self, position: int | None, name: str, default: Value = None) -> Value:
        """The argument with that position or name; UNKNOWN where it may be hidden in `*` or `**`."""
        if name in self.keywords:
            return self.keywords[name]
        if position is not None and position < len(self.positional):
            return self.positional[position]
        return UNKNOWN if self.open else default

    def all(self) -> list[Value]:
        """Every argument, positional ones first."""
        return [*self.positional, *self.keywords.values()]


@dataclass(frozen=True)
class Bound:
    """Parameters with what was passed for them; the others take their defaults."""

    values: dict[str, Value]
    defaults: dict[str, ast.expr]
    """Parameter → its default expression, for parameters that nothing was passed for."""
    rest: tuple[Value, ...]
    keywords: dict[str, Value]


def bind(name: str, spec: ast.arguments, given: Arguments) -> Bound:
    """Bind arguments to parameters as Python does.

    Args:
        name: Name of the function, for the message.
        spec: Its parameters.
        given: What the call passes (`self` included).

    Returns:
        The parameters' values.

    Raises:
        RaisedError: A TypeError in Python's words, where the call cannot work.
    """
    names = [parameter.arg for parameter in (*spec.posonlyargs, *spec.args)]
    keyword_only = [parameter.arg for parameter in spec.kwonlyargs]
    values: dict[str, Value] = dict(zip(names, given.positional, strict=False))
    rest = tuple(given.positional[len(names) :])
    if rest and spec.vararg is None:
        raise RaisedError("TypeError", f"{name}() takes {_count(len(names))} but {len(given.positional)} were given")
    extra: dict[str, Value] = {}
    by_keyword = {parameter.arg for parameter in spec.args} | set(keyword_only)
    for keyword, value in given.keywords.items():
        if keyword in by_keyword:
            if keyword in values:
                raise RaisedError("TypeError", f"{name}() got multiple values for argument '{keyword}'")
            values[keyword] = value
        elif spec.kwarg is not None:
            extra[keyword] = value
        else:
            raise RaisedError("TypeError", f"{name}() got an unexpected keyword argument '{keyword}'")
    defaults = _defaults(spec, names, keyword_only)
    missing = [parameter for parameter in names if parameter not in values and parameter not in defaults]
    if missing and not given.open:
        raise RaisedError("TypeError", f"{name}() missing {_missing(missing)}")
    for parameter in (*names, *keyword_only):
        if parameter not in values and (given.open or parameter not in defaults):
            values[parameter] = UNKNOWN
    return Bound(values, {key: node for key, node in defaults.items() if key not in values}, rest, extra)


def _defaults(spec: ast.arguments, names: list[str], keyword_only: list[str]) -> dict[str, ast.expr]:
    found = dict(zip(names[len(names) - len(spec.defaults) :], spec.defaults, strict=True))
    found.update({name: node for name, node in zip(keyword_only, spec.kw_defaults, strict=True) if node is not None})
    return found


def _missing(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    listed = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
    return f"{len(names)} required positional argument{'s' if len(names) > 1 else ''}: {listed}"


def _count(number: int) -> str:
    return f"{number} positional argument{'' if number == 1 else 's'}"
