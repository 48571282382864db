"""Recipes that reproduce what a rule warns of: fixtures/reproductions/<ID>.toml, one a rule, data only.

A recipe says (required: *)

rule*        id of the rule; the file's name, up to a dash ("ENV014-old.toml" is a second recipe of ENV014)
stack        name of requirements in tests/lab/builds.py; recipes that change nothing in it share one environment
torch        true: the environment gets the lab's torch; those of `stack` have it
install      requirements of the environment, as a resolver takes them, besides those of `stack`
forced       requirements that are then put over it without looking at dependencies, as people do on ready-made images
uninstall    distributions that are then taken out
model        true: a tiny Llama with its tokenizer lies in the folder "tiny"
files        name → text, in the folder that the script runs in
environment  variables of the run; "{folder}" is the folder that it runs in
gpu          GPU that the check is to judge for, as --gpu takes it; the run itself has none
script*      the few lines that fail
sees         what the failing run prints, where the rule's symptom does not say it
silent       true: the run goes on to the end all the same; what it prints is then what it measured
[mended]     what is done, where the rule's own fix is one that people carry out by hand: install, forced, uninstall,
             files, remove (files), environment, and replace (text of the script → text); without it sftdoctor's fix is
             carried out

and is played like this: build, check (the rule must speak), run (it must fail with the rule's symptom), mend, run (it
must not), check (the rule must be silent). What came of it last stands in the table beside the recipes.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tests.lab.builds import STACKS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[2] / "fixtures" / "reproductions"
TABLE = FOLDER / "outcomes.csv"
COLUMNS = ("recipe", "outcome", "date", "digest", "python", "seconds", "before", "mended", "after")
CHANGES = ("install", "forced", "uninstall")
"""Keys that change the packages of an environment."""
KEYS = {
    **{"rule": str, "stack": str, "torch": bool, "install": list, "forced": list, "uninstall": list, "model": bool},
    **{"files": dict, "environment": dict, "gpu": str, "script": str, "sees": str, "silent": bool, "mended": dict},
}
MENDED_KEYS = {
    **{"install": list, "forced": list, "uninstall": list, "files": dict, "remove": list, "environment": dict},
    "replace": dict,
}
LINE = 160
"""Characters of an outcome that the table keeps."""


@dataclass(frozen=True)
class Recipe:
    """One file."""

    name: str
    rule: str
    data: Mapping[str, Any] = field(repr=False)
    digest: str = ""
    """Of its text: tells whether an outcome is of this very recipe."""

    @property
    def stack(self) -> str:
        """Name of the stack; empty where it has none."""
        return str(self.data.get("stack", ""))

    @property
    def changes(self) -> bool:
        """Whether it needs an environment of its own: its stack, if it has one, does not stay as it is."""
        mended = self.data.get("mended", {})
        return not self.stack or any(key in place for place in (self.data, mended) for key in CHANGES)


@dataclass
class Outcome:
    """What came of it."""

    before: str = ""
    """Line that shows the failure."""
    mended: str = ""
    """What was done."""
    after: str = ""
    """Last line of the run that works."""


def recipes() -> list[Recipe]:
    """All recipes, checked, by name."""
    return [read_recipe(path) for path in sorted(FOLDER.glob("*.toml"))]


def read_recipe(path: Path) -> Recipe:
    """Read one recipe.

    Raises:
        ValueError: A key is unknown, missing or of the wrong type, or it does not fit the script.
    """
    text = path.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    mended = data.get("mended", {})
    for place, known in ((data, KEYS), (mended, MENDED_KEYS)):
        for key, value in place.items():
            if key not in known or not isinstance(value, known[key]):
                raise ValueError(f"{path.name}: {key} is unknown or of the wrong type")
    if data.get("rule") != path.stem.partition("-")[0] or not data.get("script"):
        raise ValueError(f"{path.name}: rule must be as the file is named, and script must be there")
    if data.get("stack", "newest") not in STACKS:
        raise ValueError(f"{path.name}: no stack is called {data['stack']}")
    for old in mended.get("replace", {}):
        if data["script"].count(old) != 1:
            raise ValueError(f"{path.name}: what is replaced must stand in the script, once: {old}")
    return Recipe(path.stem, data["rule"], data, hashlib.sha256(text.encode()).hexdigest()[:12])


def record(recipe: Recipe, outcome: Outcome, said: str, seconds: float) -> None:
    """Write the row of one recipe; the others stay, but for those of recipes that are gone.

    Args:
        recipe: What was played.
        outcome: What came of it.
        said: "reproduced", or what differed.
        seconds: How long it took.
    """
    row = {
        "recipe": recipe.name,
        "outcome": said[:LINE],
        "date": date.today().isoformat(),
        "digest": recipe.digest,
        "python": f"{platform.python_version()} {sys.platform} {platform.machine()}",
        "seconds": f"{seconds:.0f}",
        **{name: plain(getattr(outcome, name))[:LINE] for name in ("before", "mended", "after")},
    }
    with TABLE.open("a+", encoding="utf-8", newline="") as table:
        fcntl.flock(table, fcntl.LOCK_EX)
        rows = {old["recipe"]: old for old in read_table()}
        rows[recipe.name] = row
        there = {path.stem for path in FOLDER.glob("*.toml")}
        table.truncate(0)
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows) if name in there)


def read_table() -> list[dict[str, str]]:
    """The rows of the last outcomes."""
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plain(line: str) -> str:
    """A line without what differs from one run, or machine, to the next."""
    return re.sub(r"(/[\w.+-]+){2,}/(site-packages|run|lib)/", r"…/\2/", line)
