"""Recipes that reproduce what a rule warns of: fixtures/reproductions/<ID>.toml, one a rule, data only.

A recipe says (required: *)

rule*        id of the rule; the file's name, up to a dash ("ENV014-old.toml" is a second recipe of ENV014)
torch        true: the environment gets the lab's torch
install      requirements of the environment, as a resolver takes them
forced       requirements that are then put over it without looking at dependencies, as people do on ready-made images
uninstall    distributions that are then taken out
model        true: a tiny Llama with its tokenizer lies in the folder "tiny"
files        name → text, in the folder that the script runs in
environment  variables of the run; "{folder}" is the folder that it runs in
gpu          GPU that the check is to judge for, as --gpu takes it; the run itself has none
script*      the few lines that fail
sees         what the failing run prints, where the rule's symptom does not say it
silent       true: the run goes on to the end all the same
[mended]     what is done, where the rule's own fix is one that people carry out by hand: install, forced, uninstall,
             remove (files), environment and script; without it sftdoctor's fix is carried out

and is played like this: build, check (the rule must speak), run (it must fail with the rule's symptom), mend, run (it
must not), check (the rule must be silent).
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import sftdoctor
from sftdoctor.demo import DATA
from sftdoctor.model import Finding, Rule
from sftdoctor.proof.process import worker_variables
from sftdoctor.repair.edits import edit_file
from sftdoctor.throwaway import Workshop

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[2] / "fixtures" / "reproductions"
TABLE = FOLDER / "outcomes.csv"
COLUMNS = ("recipe", "outcome", "date", "digest", "python", "seconds", "before", "mended", "after")
KEYS = {
    **{"rule": str, "torch": bool, "install": list, "forced": list, "uninstall": list, "model": bool, "files": dict},
    **{"environment": dict, "gpu": str, "script": str, "sees": str, "silent": bool, "mended": dict},
}
MENDED_KEYS = {
    **{"install": list, "forced": list, "uninstall": list, "remove": list, "environment": dict},
    **{"script": str, "files": dict},
}
SECONDS = 600.0
"""How long one run may take."""
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
        ValueError: A key is unknown, missing or of the wrong type.
    """
    text = path.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    for place, known in ((data, KEYS), (data.get("mended", {}), MENDED_KEYS)):
        for key, value in place.items():
            if key not in known or not isinstance(value, known[key]):
                raise ValueError(f"{path.name}: {key} is unknown or of the wrong type")
    if data.get("rule") != path.stem.partition("-")[0] or not data.get("script"):
        raise ValueError(f"{path.name}: rule must be as the file is named, and script must be there")
    return Recipe(path.stem, data["rule"], data, hashlib.sha256(text.encode()).hexdigest()[:12])


class Play:
    """One recipe, played in a folder of its own.

    Args:
        recipe: The recipe.
        rule: Its rule.
        workshop: Builds the environment.
        folder: Empty.
    """

    def __init__(self, recipe: Recipe, rule: Rule, workshop: Workshop, folder: Path) -> None:
        self.recipe, self.rule, self.workshop = recipe, rule, workshop
        self.data = dict(recipe.data)
        self.folder = folder / "run"
        self.venv = folder / "venv"
        self.script = self.folder / "train.py"
        self.python = self.venv / "bin" / "python"

    def play(self, outcome: Outcome) -> None:
        """Play it; an AssertionError says where reality differs.

        Args:
            outcome: Filled in as it goes.
        """
        self._build()
        try:
            findings = self._findings()
            assert findings, f"sftdoctor check says nothing of {self.rule.id}"
            status, output = self._run()
            outcome.before = self._seen(output)
            assert outcome.before, f"it does not print the symptom: {output[-2000:]}"
            assert (status == 0) is self.data.get("silent", False), f"it ends with status {status}: {output[-2000:]}"
            outcome.mended = self._mend(findings)
            status, output = self._run()
            outcome.after = _last_line(output)
            assert status == 0 and not self._seen(output), f"mended, it still fails: {output[-2000:]}"
            assert not self._findings(), f"mended, sftdoctor check still says {self.rule.id}"
        finally:
            shutil.rmtree(self.venv, ignore_errors=True)

    def _build(self) -> None:
        self.folder.mkdir(parents=True)
        self.workshop.build(self.venv, self.data.get("install", ()), torch=self.data.get("torch", False))
        self._change(self.data)
        for name, text in self.data.get("files", {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.script.write_text(self.data["script"], encoding="utf-8")
        if self.data.get("model"):
            status, output = self._python(str(DATA / "make_model.py"), "tiny")
            assert status == 0, f"the tiny model cannot be made: {output[-2000:]}"

    def _change(self, what: Mapping[str, Any]) -> None:
        """Put packages over the environment, or take them out."""
        self._uv("install", "--no-deps", what.get("forced", ()))
        self._uv("uninstall", what.get("uninstall", ()))

    def _uv(self, command: str, *words: str | Sequence[str]) -> None:
        options, names = words[:-1], words[-1]
        if names:
            indexes = self.workshop.options if command == "install" else ()
            arguments = [*self.workshop.uv, "pip", command, "--python", self.python, *indexes, *options, *names]
            done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]

    def _findings(self) -> tuple[Finding, ...]:
        with pytest.MonkeyPatch.context() as patch:
            for name, text in self._variables():
                patch.setenv(name, text)
            gpu = self.data.get("gpu")
            return sftdoctor.check(self.script, python=self.python, gpu=gpu, select=[self.rule.id]).findings

    def _run(self) -> tuple[int, str]:
        return self._python(self.script.name)

    def _python(self, *command: str) -> tuple[int, str]:
        """Run Python in the folder; its exit status and all that it printed."""
        scratch = self.folder.parent / "scratch"
        scratch.mkdir(exist_ok=True)
        done = subprocess.run(
            [str(self.python), *command],
            cwd=self.folder,
            env={**worker_variables(scratch), **dict(self._variables())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def _variables(self) -> Iterator[tuple[str, str]]:
        for name, text in self.data.get("environment", {}).items():
            yield name, text.replace("{folder}", str(self.folder))

    def _seen(self, output: str) -> str:
        """The line that shows the rule's symptom; empty where none does."""
        pattern = self.data.get("sees") or self.rule.symptom.strip()
        return next((line.strip() for line in output.splitlines() if re.search(pattern, f"{line} ")), "")

    def _mend(self, findings: Sequence[Finding]) -> str:
        """Carry out the recipe's own remedy, else the first fix that sftdoctor offers; what was done, in words."""
        if "mended" in self.data:
            return self._mend_by_hand(self.data["mended"])
        fix = next(fix for fix in findings[0].fixes if fix.kind in ("package", "edit"))
        if fix.edit is not None:
            assert edit_file(self.script, fix.edit), "the edit changes nothing"
        else:
            self._uv("install", fix.require)
        return fix.summary

    def _mend_by_hand(self, remedy: Mapping[str, Any]) -> str:
        self._uv("install", remedy.get("install", ()))
        self._change(remedy)
        for name in remedy.get("remove", ()):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in remedy.get("files", {}).items():
            (self.folder / name).write_text(text, encoding="utf-8")
        if "script" in remedy:
            self.script.write_text(remedy["script"], encoding="utf-8")
        if "environment" in remedy:
            self.data["environment"] = remedy["environment"]
        told = [key for key in ("install", "forced", "uninstall", "remove", "environment") if key in remedy]
        words = [f"{key} {', '.join(remedy[key])}" for key in told]
        return "by hand: " + "; ".join([*words, *(["the script"] if "script" in remedy else [])])


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


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
