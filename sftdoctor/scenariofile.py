"""One scenario file: its TOML checked strictly, what it takes over from another, and the Scenario made of both.

A scenario may be `based_on` another: it takes over every key that it does not say itself, and of the tables `facts` and
`run` every line. `run` is a program in named pieces, which are put together in the order of the file that stands for
itself; so a kind of run that only loads its model in another way replaces that one piece.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sftdoctor.model import Scenario
from sftdoctor.rulecheck import check_keys, table
from sftdoctor.rulefile import Source

_KEYS = ("schema", "based_on", "unquantized", "title", "entry_points", "facts", "run", "core")
_REQUIRED = ("schema", "title", "entry_points", "core")
_MERGED = ("facts", "run")
"""Tables of which a scenario may replace single lines."""


def check_scenario(source: Source, name: str, base: Source | None = None, plain_run: str = "") -> Scenario:
    """Check and make one scenario.

    Args:
        source: The file.
        name: Its file name without ".toml".
        base: The file of the scenario that it is based on.
        plain_run: The run of the scenario that it names as `unquantized`.

    Returns:
        The scenario.

    Raises:
        RuleError: Something in it is missing, wrong or unknown.
    """
    check_keys(source, source.data, _KEYS, ("schema", "title"))
    if source.data["schema"] != 1 or isinstance(source.data["schema"], bool):
        raise source.error("must be 1", "schema")
    data = _inherited(source, base) if base else source.data
    check_keys(source, data, _KEYS, _REQUIRED)
    for key in ("entry_points", "core"):
        if not data[key] or not _is_texts(data[key]):
            raise source.error("must be a list of texts with at least one", key)
    unclear = [point for point in data["entry_points"] if not re.fullmatch(r"[\w.]+(:\w+)?", point)]
    if unclear:
        raise source.error(f'{unclear[0]!r} is no "module:attribute" or "module"', "entry_points")
    pieces = table(source, data, "run")
    if not _is_texts(list(pieces.values())):
        raise source.error("must be a table of texts", "", "run")
    return Scenario(
        name,
        str(data["title"]),
        tuple(data["entry_points"]),
        dict(table(source, data, "facts")),
        tuple(data["core"]),
        "\n".join(pieces.values()),
        plain_run,
    )


def _inherited(source: Source, base: Source) -> Mapping[str, Any]:
    """What a scenario says, over what its base says."""
    if "based_on" in base.data:
        raise source.error("that scenario is itself based on another", "based_on")
    data = {**{key: value for key, value in base.data.items() if key != "unquantized"}, **source.data}
    for key in _MERGED:
        data[key] = {**table(base, base.data, key), **table(source, source.data, key)}
    strange = [piece for piece in data["run"] if piece not in base.data.get("run", {})]
    if strange:
        known = ", ".join(base.data.get("run", {})) or "none"
        raise source.error(f"{source.data['based_on']} has no such piece (it has: {known})", strange[0], "run")
    return data


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
