"""Slips of the pen: the name that was meant, where one is offered that is nearly the same."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import cache

from sftdoctor.link.releases import arguments_of

NEAR = 0.86
"""How alike two names are of which one is a slip of the pen (difflib's ratio)."""
_HOMES = re.compile(r"transformers\.training_args|trl\.trainer\.\w+_config|trl\.(?:scripts\.utils|commands\.cli_utils)")
"""The modules whose dataclasses a training's arguments are."""


@cache
def former() -> Mapping[str, frozenset[str]]:
    """Every field of the dataclasses of transformers and trl that some release has and another has not, by class."""
    found: dict[str, frozenset[str]] = {}
    for distribution in ("transformers", "trl"):
        for name, fields in arguments_of(distribution, _HOMES).items():
            found[name] = found.get(name, frozenset()) | fields
    return found


def nearest(name: str, offered: Iterable[str], before: str = "") -> str:
    """A sentence that names what was meant; empty where nothing is near, or some release has the name itself.

    Args:
        name: What is written.
        offered: What there is.
        before: What the user writes before such a name: "--".
    """
    if any(name in names for names in former().values()):
        return ""
    alike = sorted(offered, key=lambda one: ("-" in one) == ("-" in name))  # last: with hyphens as it is written
    spelt = {one.replace("-", "_"): one for one in alike}
    found = difflib.get_close_matches(name.replace("-", "_"), spelt, 1, NEAR)
    return f"The nearest that there is: `{before}{spelt[found[0]]}`." if found else ""
