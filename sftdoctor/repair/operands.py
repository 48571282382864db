"""What the arguments of an edit operation may be: names, dotted names, expressions."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from sftdoctor.errors import RepairError


def name(arguments: Mapping[str, str], key: str) -> str:
    """The identifier that an operation was given.

    Raises:
        RepairError: It is none.
    """
    value = arguments.get(key, "")
    if not value.isidentifier():
        raise RepairError(f"the edit needs a name as {key}, not {value!r}")
    return value


def dotted(arguments: Mapping[str, str], key: str) -> str:
    """The dotted name that an operation was given.

    Raises:
        RepairError: It is none.
    """
    value = arguments.get(key, "")
    if not all(part.isidentifier() for part in value.split(".")):
        raise RepairError(f"the edit needs a dotted name as {key}, not {value!r}")
    return value


def expression(arguments: Mapping[str, str], key: str) -> str:
    """The expression that an operation was given.

    Raises:
        RepairError: It is none.
    """
    value = arguments.get(key, "").strip()
    try:
        ast.parse(value, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise RepairError(f"the edit needs an expression as {key}, not {value!r}") from error
    return value


def keywords(arguments: Mapping[str, str], key: str) -> dict[str, str]:
    """The `name=value` pairs that an operation was given, written as in a call: `a=1, b="x"`.

    Raises:
        RepairError: They are none.
    """
    text = arguments.get(key, "").strip()
    try:
        call = ast.parse(f"f({text})", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise RepairError(f"the edit needs keywords as {key}, not {text!r}") from error
    if not isinstance(call, ast.Call) or call.args or not all(one.arg for one in call.keywords):
        raise RepairError(f"the edit needs keywords as {key}, not {text!r}")
    return {one.arg: ast.unparse(one.value) for one in call.keywords if one.arg}
