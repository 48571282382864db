"""Tiny packages on disk, linked by the real linker and, where they can be, run by the real Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.link.program import LinkResult
from sftdoctor.model import Case, Environment, Scenario, Script, Workload
from sftdoctor.testing import build_environment

HERE = "{}.{}.{}".format(*sys.version_info)


@dataclass(frozen=True)
class World:
    """A few packages, a program over them, and what linking the two must find.

    Attributes:
        sources: Module → text; every top-level package is a distribution of its own, version 1.0.
        program: What runs: the scenario's program, or (`script`) the user's script train.py.
        expected: "API001 gone certain" and the like, in the order found; "quiet" rows have none.
        runs: Whether Python itself can be asked (it raises if and only if a certain break is expected).
        data: Further keys of a Case (distributions, python, complete, files, …).
    """

    sources: Mapping[str, str]
    program: str = "import user"
    expected: tuple[str, ...] = ()
    script: bool = False
    runs: bool = True
    data: Mapping[str, Any] = field(default_factory=dict)

    def environment(self, folder: Path) -> Environment:
        """The packages, written to a folder and read back."""
        tops = {name.partition(".")[0].replace("_", "-"): "1.0" for name in self.sources}
        data = {"python": HERE, **self.data}
        distributions = {**tops, **data.pop("distributions", {})}
        sources = {name: dedent(text) for name, text in self.sources.items()}
        return build_environment(Case("a case", "pass", distributions, sources, data=data), folder)

    def link(self, folder: Path) -> LinkResult:
        """What linking the program finds."""
        environment = self.environment(folder)
        return link_program(environment, self.program, script=self.script)


def link_program(
    environment: Environment, program: str, *, script: bool = False, cache: Path | None = None
) -> LinkResult:
    """Link a program against an environment, as a scenario's run or as the user's script."""
    source = dedent(program)
    scenario = Scenario("a run", "a run", (), run="" if script else source)
    scripts = (Script("train.py", source),) if script else ()
    return link(Library(environment, cache), environment, Workload(scenario, scripts))


def told(result: LinkResult) -> tuple[str, ...]:
    """Each finding as "API001 name confidence"."""
    return tuple(f"{f.id} {f.cause.name if f.cause else ''} {f.confidence.value}" for f in result.findings)


def read_worlds(name: str) -> list[Any]:
    """The rows of worlds/NAME.txt.

    A row is `=== its name -> what must be found; …` (nothing: it must stay quiet), lines `@key value` (python,
    complete, version DISTRIBUTION VERSION, variable NAME VALUE, unrun: Python itself is not asked), then one
    `--- module` a module, its text below; `--- run` is the program (without it `import user`), `--- script` that of a
    user's script and `--- file PATH` any other file.
    """
    text = (Path(__file__).parent / "worlds" / f"{name}.txt").read_text("utf-8")
    return [_row(block) for block in ("\n" + text).split("\n=== ")[1:]]


def _row(block: str) -> Any:
    head, *parts = ("\n" + block).split("\n--- ")
    title, *options = head.strip().splitlines()
    name, _, wanted = title.partition(" -> ")
    sections = {part.partition("\n")[0].strip(): part.partition("\n")[2].rstrip() + "\n" for part in parts}
    program = sections.pop("run", sections.get("script", "import user"))
    script = sections.pop("script", None) is not None
    files = {key[5:]: sections.pop(key) for key in list(sections) if key.startswith("file ")}
    data: dict[str, Any] = {"files": files, "distributions": {}, "variables": {}}
    for option in options:
        key, *values = option.removeprefix("@").split()
        if key == "version":
            data["distributions"][values[0]] = values[1]
        elif key == "variable":
            data["variables"][values[0]] = values[1]
        elif key != "unrun":
            data[key] = {"yes": True, "no": False}.get(values[0], values[0])
    expected = tuple(filter(None, (item.strip() for item in wanted.split(";"))))
    return pytest.param(World(sections, program, expected, script, "@unrun" not in options, data), id=name)


def check(row: World, folder: Path) -> LinkResult:
    """Link a row, compare, and ask Python whether it sees the same."""
    result = row.link(folder)
    assert told(result) == row.expected, [f"{f.message} [{f.symptom}]" for f in result.findings]
    if row.runs and row.data.get("python", HERE) == HERE:
        _agrees_with_python(row, result, folder)
    return result


def _agrees_with_python(row: World, result: LinkResult, folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", dedent(row.program)],
        env={"PYTHONPATH": str(folder / "site-packages"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    certain = [f for f in result.findings if f.confidence.value == "certain"]
    last = ran.stderr.strip().splitlines()[-1:] or [""]
    assert bool(ran.returncode) == bool(certain), last[0] or "Python runs it"
    if certain:
        assert any(finding.symptom.partition(":")[0] in last[0] for finding in certain), last[0]
