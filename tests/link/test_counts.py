"""What linking costs, counted: modules parsed, processes started, files opened. Never seconds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Environment, Scenario, Workload
from tests.link.worlds import World

MODULES = 20
WORKLOAD = Workload(Scenario("a run", "a run", ("user:f0",), run="f0(1)\n"))


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A package whose modules form a chain of imports and calls, beside as many that nobody imports."""
    sources = {"user": "from .m0 import f0\n", f"user.m{MODULES}": f"def f{MODULES}(x):\n    return x\n"}
    for n in range(MODULES):
        sources[f"user.m{n}"] = f"from .m{n + 1} import f{n + 1}\ndef f{n}(x):\n    return f{n + 1}(x=x)\n"
        sources[f"user.unused{n}"] = "import nothing\n"
    return World(sources).environment(tmp_path)


def parsed(environment: Environment, cache: Path | None) -> int:
    library = Library(environment, cache)
    assert link(library, environment, WORKLOAD).findings == ()
    return library.trees.parsed


def test_each_module_on_the_path_is_parsed_once(environment: Environment) -> None:
    assert parsed(environment, None) <= MODULES + 2


def test_a_warm_run_parses_nothing(environment: Environment, tmp_path: Path) -> None:
    assert parsed(environment, tmp_path / "cache") == MODULES + 2
    assert parsed(environment, tmp_path / "cache") == 0


def test_no_process_is_started(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr("os.system", refuse)
    parsed(environment, None)
