"""Plays one recipe: the breakage for real, sftdoctor's word on it, the remedy, and the run that works."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import sftdoctor
from sftdoctor.model import Finding, Rule
from sftdoctor.proof.process import worker_variables
from sftdoctor.repair.edits import edit_file
from tests.lab.builds import Stacks, make_model
from tests.lab.recipes import Outcome, Recipe

SECONDS = 600.0
"""How long one run may take."""
FIXES = ("package", "edit")
"""Kinds of fix that can be carried out here."""


class Play:
    """One recipe, played in a folder of its own.

    Args:
        recipe: The recipe.
        rule: Its rule.
        stacks: Builds the environment, or has it already.
        folder: Empty.
    """

    def __init__(self, recipe: Recipe, rule: Rule, stacks: Stacks, folder: Path) -> None:
        self.recipe, self.rule, self.stacks = recipe, rule, stacks
        self.data = dict(recipe.data)
        self.folder = folder / "run"
        self.venv = folder / "venv"
        self.script = self.folder / "train.py"
        self.python = self.venv / "bin" / "python"
        kinds = [fix.kind for fix in rule.fixes if fix.kind in FIXES]
        self.shared = not recipe.changes and ("mended" in self.data or kinds[:1] == ["edit"])

    def play(self, outcome: Outcome) -> None:
        """Play it; an AssertionError says where reality differs.

        Args:
            outcome: Filled in as it goes.
        """
        try:
            self._build()
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
        if self.shared:
            self.python = self.stacks.python(self.recipe.stack)
        else:
            self.stacks.build(
                self.venv, self.recipe.stack, self.data.get("install", ()), torch=self.data.get("torch", False)
            )
            self._change(self.data)
        if self.data.get("model") and self.shared:
            shutil.copytree(self.stacks.model(self.recipe.stack), self.folder / "tiny")
        elif self.data.get("model"):
            make_model(self.python, self.folder / "tiny")
        for name, text in self.data.get("files", {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.script.write_text(self.data["script"], encoding="utf-8")

    def _change(self, what: Mapping[str, Any]) -> None:
        """Put packages over the environment, or take them out."""
        self._uv("install", "--no-deps", what.get("forced", ()))
        self._uv("uninstall", what.get("uninstall", ()))

    def _uv(self, command: str, *words: str | Sequence[str]) -> None:
        options, names = words[:-1], words[-1]
        if names:
            assert not self.shared, "the environment is shared, and would be changed"
            indexes = self.stacks.workshop.options if command == "install" else ()
            uv = [*self.stacks.workshop.uv, "pip", command, "--python", self.python, *indexes, *options, *names]
            done = subprocess.run(list(map(str, uv)), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]

    def _findings(self) -> tuple[Finding, ...]:
        with pytest.MonkeyPatch.context() as patch:
            for name, text in self._variables():
                patch.setenv(name, text)
            gpu = self.data.get("gpu")
            return sftdoctor.check(self.script, python=self.python, gpu=gpu, select=[self.rule.id]).findings

    def _run(self) -> tuple[int, str]:
        """Run the script; its exit status and all that it printed."""
        scratch = self.folder.parent / "scratch"
        scratch.mkdir(exist_ok=True)
        # compiled once, not at every start: most of a run's time would go there
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(
            [str(self.python), self.script.name],
            cwd=self.folder,
            env={**worker_variables(scratch), **compiled, **dict(self._variables())},
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
        """Carry out the recipe's own remedy, else the first fix of each finding; what was done, in words."""
        if "mended" in self.data:
            return self._mend_by_hand(self.data["mended"])
        done = []
        for _ in findings:
            # each fix moves what the others are about
            left = self._findings()
            if not left:
                break
            fix = next(fix for fix in left[0].fixes if fix.kind in FIXES)
            if fix.edit is not None:
                assert edit_file(self.script, fix.edit), "the edit changes nothing"
            else:
                self._uv("install", fix.require)
            done.append(fix.summary)
        return "; ".join(done)

    def _mend_by_hand(self, remedy: Mapping[str, Any]) -> str:
        self._uv("install", remedy.get("install", ()))
        self._change(remedy)
        for name in remedy.get("remove", ()):
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, text in remedy.get("files", {}).items():
            (self.folder / name).write_text(text, encoding="utf-8")
        script = self.data["script"]
        for old, new in remedy.get("replace", {}).items():
            script = script.replace(old, new)
        self.script.write_text(script, encoding="utf-8")
        if "environment" in remedy:
            self.data["environment"] = remedy["environment"]
        told = [f"{key} {', '.join(value)}".strip() for key, value in remedy.items() if key != "replace"]
        told += [f"{old} → {new}" for old, new in remedy.get("replace", {}).items()]
        return "by hand: " + " ".join("; ".join(told).split())


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
