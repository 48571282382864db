"""Since when, or until when, a package has what is missing: rules/data/releases, made by tests/bench/releases.py.

The table holds, for the core packages, the releases that have a name or an argument, where that has ever changed. It
words a finding and never makes one: what is missing is read off the code that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, TypedDict

from sftdoctor.folders import data_folder

if TYPE_CHECKING:
    from sftdoctor.link.state import Event


class History(TypedDict):
    """What the table has of one distribution.

    Attributes:
        releases: Versions, oldest first.
        modules: Module → runs of releases that have it: "FIRST-LAST" as indices, "FIRST-" up to the newest, one blank
            apart.
        facts: Module → name, "Class.method" or "name(argument)" → runs of releases that have it.
    """

    releases: list[str]
    modules: dict[str, str]
    facts: dict[str, dict[str, str]]


ARGUMENTS = ("unexpected-keyword", "override-mismatch", "unknown-option", "unknown-key", "ignored-key")
NAMES = ("missing-name", "missing-attribute")
BASES = (
    (re.compile(r"Tokenizer(?:Fast)?$"), "PreTrainedTokenizerBase"),
    (re.compile(r"For[A-Z]\w+$"), "GenerationMixin"),
    (re.compile(r"Trainer$"), "Trainer"),
    (re.compile(r"Cache$"), "Cache"),
)
"""How classes of models, scripts and remote code are called, and what of transformers' they derive from: such as lose
methods that nothing else takes over."""
_ARGUMENT = re.compile(r"(\w+)\((\w+)\)")


def arguments_of(distribution: str, modules: re.Pattern[str]) -> Mapping[str, frozenset[str]]:
    """The arguments that come and go with the releases, by the class that has them.

    Args:
        distribution: Whose classes.
        modules: Which of its modules.

    Returns:
        Class → the arguments that some releases have and others have not.
    """
    history = _history(distribution)
    found: dict[str, set[str]] = {}
    for module, facts in history["facts"].items() if history else ():
        for fact in facts if modules.fullmatch(module) else ():
            if named := _ARGUMENT.fullmatch(fact):
                found.setdefault(named[1], set()).add(named[2])
    return {name: frozenset(arguments) for name, arguments in found.items()}


def remark(event: Event, distribution: str, version: str | None) -> str:
    """When the other side has, or had, what the event misses.

    Args:
        event: What broke.
        distribution: The other side's distribution.
        version: The version of it that is there.

    Returns:
        A sentence such as "accelerate has it since 1.3.0."; "" where the table does not know.
    """
    history = _history(distribution) if version else None
    if history is None or version is None:
        return ""
    there = _runs(history, event)
    return _sentence(distribution, version, there, history["releases"]) if there else ""


def _runs(history: History, event: Event) -> str:
    """The entry of the table for what an event misses."""
    if event.kind == "missing-module":
        return history["modules"].get(event.name, "")
    if event.callee is None:
        return ""
    module = event.callee.module
    facts = history["facts"].get(module, {})
    owner = event.callee_symbol.removeprefix(module).strip(".").removesuffix(".__init__")
    if event.kind in ARGUMENTS and owner:
        key = f"{owner}({event.name})"
        return _continued(history, key, facts[key]) if key in facts else _moved(history, key)
    if event.kind in NAMES:
        key = f"{owner}.{event.name}" if owner else event.name
        return facts.get(key) or facts.get(f"{owner}({event.name})") or history["modules"].get(f"{module}.{key}", "")
    return ""


def ages(kind: str, symbol: str, name: str) -> str:
    """When the core packages have, or had, what an exception misses, whatever version is there.

    Args:
        kind: The kind of link that broke.
        symbol: What was asked: a module for an import, a class or callable with or without its module otherwise.
        name: What it lacks: a name, an argument, or a module.

    Returns:
        A sentence such as "peft has it since 0.6.0."; "" where the table does not know, or not of one package alone.
    """
    known = _ages(kind, symbol, name)
    return _told(*known) if known else ""


def requirement_for(kind: str, symbol: str, name: str) -> str:
    """Which releases of a core package have what an exception misses.

    Args:
        kind: The kind of link that broke.
        symbol: What was asked, as for `ages`.
        name: What it lacks.

    Returns:
        "trl>=0.9.2", "trl>=0.9.2,<=0.28.0"; "" where the table does not know, or not of one package alone.
    """
    known = _ages(kind, symbol, name)
    if not known:
        return ""
    distribution, runs, releases = known
    first, _, last = runs.split()[-1].partition("-")
    bounds = [f">={releases[int(first)]}"] if int(first) else []
    return distribution + ",".join([*bounds, *([f"<={releases[int(last)]}"] if last else [])])


def _ages(kind: str, symbol: str, name: str) -> tuple[str, str, list[str]] | None:
    """The one package that has, or had, something: its name, the runs of its releases that do, and all its releases."""
    top = symbol.partition(".")[0].replace("_", "-")
    every = sorted(path.stem for path in (data_folder() / "releases").glob("*.json"))
    found = []
    for distribution in [top] if top in every else every:
        history = _history(distribution)
        if history and (runs := _widest(_entries(history, kind, symbol, name))):
            found.append((distribution, runs, history["releases"]))
    return found[0] if len(found) == 1 else None


def _entries(history: History, kind: str, symbol: str, name: str) -> list[str]:
    """The entries of a table for a name whose module may not be known."""
    if kind == "missing-module":
        return [history["modules"][name]] if name in history["modules"] else []
    owner = symbol.removesuffix(".__init__")
    here = history["facts"].get(owner, {})
    if kind in NAMES and (name in here or f"{owner}.{name}" in history["modules"]):
        return [here.get(name) or history["modules"][f"{owner}.{name}"]]
    last = owner.rpartition(".")[2]
    if kind in ARGUMENTS:
        key = f"{last}({name})"
        return [facts[key] for facts in history["facts"].values() if key in facts]
    return _of_class(history, last, name) if kind == "missing-attribute" else []


def _of_class(history: History, owner: str, name: str) -> list[str]:
    """The entries for an attribute of a class, or of those that it derives from by its name."""
    classes = [owner, *(base for derived, base in BASES if derived.search(owner))]
    wanted = {fact for one in classes for fact in (f"{one}.{name}", f"{one}({name})")}
    found = [runs for facts in history["facts"].values() for key, runs in facts.items() if key in wanted]
    elsewhere = (key for facts in history["facts"].values() for key in facts if key.endswith(f".{name}"))
    moved = any(_is_open(history, key) for key in elsewhere if key not in wanted)
    return found if any(runs.endswith("-") for runs in found) or not moved else []


def _is_open(history: History, fact: str) -> bool:
    """Whether the newest release has something that others have not."""
    return any(facts[fact].endswith("-") for facts in history["facts"].values() if fact in facts)


def _widest(entries: list[str]) -> str:
    """Of several entries of one name the one that spans most releases."""

    def span(runs: str) -> tuple[bool, int]:
        first, last = runs.split("-", 1)[0], runs.rpartition("-")[2]
        return (not last, int(last or 0) - int(first))

    return max(entries, key=span, default="")


def _told(distribution: str, runs: str, releases: list[str]) -> str:
    """When a distribution has or had something, in a sentence that knows of no version that is there."""
    parts = []
    for run in runs.split():
        first, _, last = run.partition("-")
        start, end = int(first), int(last or -1)
        if not last:
            parts.append(f"has it since {releases[start]}")
        elif start:
            parts.append(f"had it from {releases[start]} to {releases[end]}")
        else:
            parts.append(f"had it until {releases[end]}")
    return f"{distribution} {', and '.join(parts)}."


def _moved(history: History, key: str) -> str:
    """The one entry of that name elsewhere: modules of a package are moved about more often than functions renamed."""
    found = [facts[key] for facts in history["facts"].values() if key in facts]
    return found[0] if len(found) == 1 else ""


def _continued(history: History, key: str, runs: str) -> str:
    """An entry, gone on with where a module of another name has the same from the next release on."""
    others = [run for facts in history["facts"].values() if key in facts for run in facts[key].split()]
    for _ in others:
        last = runs.rpartition("-")[2]
        follows = next((run for run in others if last and run.startswith(f"{int(last) + 1}-")), None)
        if follows is None:
            break
        runs = runs.removesuffix(last) + follows.partition("-")[2]
    return runs


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


@cache
def _history(distribution: str) -> History | None:
    path = data_folder() / "releases" / f"{distribution}.json"
    if not distribution.replace("-", "").isalnum() or not path.is_file():
        return None
    found: History = json.loads(path.read_text(encoding="utf-8"))
    return found
