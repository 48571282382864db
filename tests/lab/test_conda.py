"""Conda environments that a real conda wrote: pip's packages in them are changed and put back, conda's own refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Proof
from sftdoctor.repair.packages import find_uv
from sftdoctor.repair.transaction import apply, undo
from tests.repair.conftest import ALPHA, environment_of, finding, make_wheel, package, picture, plan_of, report_of

pytestmark = pytest.mark.lab
MAKER = Path(__file__).with_name("conda_environment.py")
RAISE = package("alpha", "1.0", "2.0")


@pytest.fixture(scope="module")
def rattler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has py-rattler, which is 80 MB and of use to this test alone."""
    venv = tmp_path_factory.mktemp("rattler") / "venv"
    uv = [*(find_uv() or ())]
    subprocess.run([*uv, "venv", "-q", "-p", sys.executable, str(venv)], check=True)
    install = [*uv, "pip", "install", "-q", "--python", str(venv), "--only-binary", ":all:", "py-rattler"]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("py-rattler cannot be had here")
    return venv / "bin/python"


class Conda:
    """Makes conda environments, and holds their files against conda's records."""

    def __init__(self, rattler: Path, folder: Path) -> None:
        self.rattler = rattler
        self.prefix = folder / "env"

    def create(self, *specs: str) -> Path:
        """An environment of these packages."""
        self.ask("python", *specs)
        return self.prefix

    def ask(self, *specs: str) -> str:
        """What the maker says."""
        command = [str(self.rattler), str(MAKER), str(self.prefix), *specs]
        for _ in range(3):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode >= 0:
                break  # else rattler itself has crashed, as it once did on a machine under load
        assert done.returncode == 0, done.stderr
        return done.stdout

    def damaged(self) -> list[str]:
        """Files that are not as conda's records say."""
        return list(json.loads(self.ask()))


@pytest.fixture
def conda(rattler: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conda:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for version, files in ALPHA.items():
        make_wheel(wheels, "alpha", version, files)
    settings = {"FIND_LINKS": str(wheels), "NO_INDEX": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(f"UV_{name}", value)
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    for name in ("CONDA_EXE", "MAMBA_EXE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return Conda(rattler, tmp_path)


def carried_out(prefix: Path) -> str:
    """What becomes of a plan that raises alpha."""
    environment = environment_of(prefix)
    return apply(
        plan_of(RAISE),
        environment,
        before=report_of(environment, finding()),
        check=lambda: report_of(environment_of(prefix)),
        prove=lambda: Proof("passed", "cpu", "nf4"),
    ).outcome


def test_a_package_of_pip_is_changed_and_put_back(conda: Conda) -> None:
    prefix = conda.create("gamma")
    install = [*(find_uv() or ()), "pip", "install", "-q", "--python", str(prefix / "bin/python"), "alpha==1.0"]
    subprocess.run(install, check=True)
    before = picture(prefix)
    assert environment_of(prefix).distributions.keys() == {"alpha", "gamma"} and conda.damaged() == []
    assert carried_out(prefix) == "applied" and conda.damaged() == []
    code = "import alpha, gamma; print(alpha.VERSION, gamma.VERSION)"
    done = subprocess.run([str(prefix / "bin/python"), "-B", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2.0", "1.0"]
    undo()
    assert picture(prefix) == before and conda.damaged() == []


def test_a_package_of_conda_is_left_to_conda(conda: Conda) -> None:
    prefix = conda.create("alpha=1.0")
    before = picture(prefix)
    with pytest.raises(RepairError, match="conda installed alpha") as caught:
        carried_out(prefix)
    said = re.search(r"install -p (\S+) (alpha=2\.0)", caught.value.hint)
    assert said and picture(prefix) == before
    conda.ask("python", said[2])  # the command is right: conda itself knows this version and installs it
    assert environment_of(prefix).version("alpha") == "2.0" and conda.damaged() == []
    assert os.path.realpath(said[1]) == os.path.realpath(prefix)
