"""SIGKILL at random moments of real applies: afterwards the tree is the old one, whatever the moment was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.repair.transaction import journals, undo

from .conftest import picture

APPLY = """\
from tests.repair.conftest import environment_of, finding, package, plan_of, report_of
from sftdoctor.model import Proof
from sftdoctor.repair import packages
from sftdoctor.repair.transaction import apply
{patch}
environment = environment_of({venv!r})
print("ready", flush=True)
apply(plan_of(package("alpha", "1.0", "2.0"), package("beta", "1.0", "1.5")), environment,
      before=report_of(environment, finding()), check=lambda: report_of(environment_of({venv!r})),
      prove=lambda: Proof("passed", "cpu", "nf4"))
"""


@pytest.mark.lab
@pytest.mark.parametrize("kind", ["uv_venv", "pip_venv"])
def test_killed_at_random_moments(kind: str, request: pytest.FixtureRequest) -> None:
    venv: Path = request.getfixturevalue(kind)
    patch = "packages.find_uv = lambda: None" if kind == "pip_venv" else ""
    code = APPLY.format(venv=str(venv), patch=patch)
    before = picture(venv)
    length = _seconds(code)
    undo()
    assert picture(venv) == before
    moments = random.Random(7)
    states = []
    for _ in range(int(os.environ.get("SFTDOCTOR_KILLS", "20"))):
        with _started(code) as child:
            time.sleep(moments.uniform(0, 1.5 * length))
            child.kill()
        states.append(journals()[0].state if journals() else "none")
        try:
            undo(prefix=str(venv))
        except RepairError as error:
            assert "no fix to take back" in error.message
        assert picture(venv) == before, states
    print(kind, {state: states.count(state) for state in sorted(set(states))})


def _started(code: str) -> subprocess.Popen[str]:
    here = str(Path(__file__).parents[2])
    variables = {**os.environ, "PYTHONPATH": here}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=variables)
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def _seconds(code: str) -> float:
    start = time.monotonic()
    with _started(code) as child:
        start = time.monotonic()
        assert child.wait(120) != -signal.SIGKILL
    return time.monotonic() - start
