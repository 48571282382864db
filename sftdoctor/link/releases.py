"""Since when, or until when, a package has what is missing: rules/data/releases.json, made by tests/bench/releases.py.

The table holds, for the core packages, the releases that have a name or an argument, where that has ever changed. It
words a finding and never makes one: what is missing is read off the code that is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, TypedDict

from sftdoctor.folders import data_folder

if TYPE_CHECKING:
    from sftdoctor.link.state import Event

ARGUMENTS = ("unexpected-keyword", "override-mismatch", "unknown-option")
NAMES = ("missing-name", "missing-attribute")


def remark(event: Event, distribution: str, version: str | None) -> str:
    """When the other side has, or had, what the event misses.

    Args:
        event: What broke.
        distribution: The other side's distribution.
        version: The version of it that is there.

    Returns:
        A sentence such as "accelerate has it since 1.3.0."; "" where the table does not know.
    """
    table = _table().get(distribution)
    if table is None or version is None:
        return ""
    runs = _runs(table["facts"], event)
    return _sentence(distribution, version, runs, table["releases"]) if runs else ""


def _runs(facts: Mapping[str, str], event: Event) -> str:
    """The entry of the table for what an event misses."""
    if event.kind == "missing-module":
        return facts.get(event.name, "")
    if event.callee is None:
        return ""
    module = event.callee.module
    owner = event.callee_symbol.removeprefix(module).strip(".").removesuffix(".__init__")
    if event.kind in ARGUMENTS and owner:
        return facts.get(f"{module}:{owner}({event.name})", "") or _moved(facts, f":{owner}({event.name})")
    if event.kind in NAMES:
        return facts.get(f"{module}:{owner}.{event.name}" if owner else f"{module}:{event.name}", "")
    return ""


def _moved(facts: Mapping[str, str], ending: str) -> str:
    """The one entry with that ending: modules of a package are moved about more often than functions are renamed."""
    found = [runs for key, runs in facts.items() if key.endswith(ending)]
    return found[0] if len(found) == 1 else ""


def _sentence(distribution: str, version: str, runs: str, releases: list[str]) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        there = Version(version)
    except InvalidVersion:
        return ""
    known = [Version(release) for release in releases]
    before = ""
    for run in runs.split():
        first, _, last = run.partition("-")
        start, end = int(first), int(last or -1)
        if known[start] > there:
            return (
                f"{distribution} has it since {releases[start]}."
                if not last
                else (f"{distribution} has it from {releases[start]} to {releases[end]}.")
            )
        if last and known[end] < there:
            before = f"{distribution} had it until {releases[end]}."
    return before


class History(TypedDict):
    """What the table has of one distribution.

    Attributes:
        releases: Versions, oldest first.
        facts: "module", "module:name", "module:Class.method" or "module:name(argument)" → runs of releases that have
            it: "FIRST-LAST" as indices, "FIRST-" up to the newest, one blank apart.
    """

    releases: list[str]
    facts: dict[str, str]


@cache
def _table() -> Mapping[str, History]:
    try:
        data: Mapping[str, History] = json.loads((data_folder() / "releases.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data
