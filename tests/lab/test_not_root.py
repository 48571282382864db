"""As somebody who is not root, as in containers and on clusters: with environments of theirs or others', or no home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sftdoctor.repair.packages import find_uv
from tests.lab.faults import ROOT, SCRIPT, publish
from tests.repair.conftest import picture
from tests.target.tiny_index import TinyIndex, serve

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.name != "posix" or bool(os.geteuid()), reason="only root can become somebody else"),
    pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not here"),
]
SOMEBODY = 61234
"""A user id that no password file knows."""
STACK = ("peft==0.5.0", "bulk==1.0", "trl", "transformers", "torch", "datasets", "accelerate", "bitsandbytes")
Done = subprocess.CompletedProcess[str]


class Cluster:
    """A machine that root has set up and somebody else uses.

    Args:
        folder: That everybody may read.
        index: The only one that anybody knows.
    """

    def __init__(self, folder: Path, index: TinyIndex) -> None:
        self.folder = folder
        self.index = {
            **{f"{tool}_{name}": "" for tool in ("PIP", "UV") for name in ("FIND_LINKS", "EXTRA_INDEX_URL")},
            **{"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": f"{index.url}/simple"},
            **{"UV_DEFAULT_INDEX": f"{index.url}/simple", "UV_HTTP_RETRIES": "0", "PIP_RETRIES": "0"},
        }
        self.tool = folder / "tool" / "bin" / "python"
        self.home = self.made("home")
        self.script = self.made("work") / "train.py"
        self.script.write_text(SCRIPT)
        os.chown(self.script, SOMEBODY, SOMEBODY)

    def made(self, name: str, owner: int = SOMEBODY) -> Path:
        """A folder of somebody's."""
        path = self.folder / name
        path.mkdir()
        os.chown(path, owner, owner)
        return path

    def environment(self, name: str, owner: int = SOMEBODY) -> Path:
        """A broken environment of somebody's."""
        venv = self.made(name, owner) / "venv"
        uv = str(self.tool.with_name("uv"))
        cache = {"UV_CACHE_DIR": str(self.folder / f"cache-of-{owner}")}
        self.made(f"cache-of-{owner}", owner)
        for command in (
            ["venv", "-q", "-p", str(self.tool), str(venv)],
            ["pip", "install", "-q", "--python", str(venv), *STACK],
        ):
            done = self.run([uv, *command], owner, {"HOME": str(self.home), **cache})
            assert done.returncode == 0, done.stderr
        return venv

    def run(self, command: list[str], user: int, variables: Mapping[str, str], text: str = "") -> Done:
        """Run something as a user with these variables, a PATH, and nothing else."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        whole = {"PATH": f"{self.tool.parent}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **self.index, **variables}
        return subprocess.run(
            [*become, *command],
            env=whole,
            cwd="/",
            input=text,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def sftdoctor(self, *words: str, **variables: str) -> Done:
        """A command as somebody types it."""
        return self.run([str(self.tool), "-m", "sftdoctor", *words], SOMEBODY, variables)

    def applied(self, venv: Path, **variables: str) -> dict[str, object]:
        """What becomes of an apply, with a proof that is quick."""
        shutil.copy(Path(__file__).with_name("applying.py"), self.folder / "applying.py")
        command = [str(self.tool), str(self.folder / "applying.py"), str(venv), str(self.script)]
        done = self.run(command, SOMEBODY, variables, "{}\n")
        told: dict[str, object] = {"stderr": done.stderr}
        for line in done.stdout.splitlines():
            told |= json.loads(line)
        return told


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that everybody may read, with the tool in an environment of root's."""
    path = Path(tempfile.mkdtemp(prefix="sftdoctor-cluster-"))
    path.chmod(0o755)
    uv = [*(find_uv() or ())]
    python = next((one for one in (sys.executable, "/usr/bin/python3") if readable(one)), None)
    if python is None:
        shutil.rmtree(path)
        pytest.skip("no Python here that somebody else may run")
    subprocess.run([*uv, "venv", "-q", "-p", python, str(path / "tool")], check=True)
    install = [*uv, "pip", "install", "-q", "--link-mode", "copy", "--python", str(path / "tool"), str(ROOT), "uv"]
    subprocess.run(install, check=True)
    yield path
    shutil.rmtree(path)


def readable(python: str) -> bool:
    """Whether somebody else may run this Python, and it is new enough."""
    become = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"]
    new = "import os, sys; os.stat(os.path.realpath(sys.executable)); sys.exit(sys.version_info < (3, 10))"
    return subprocess.run([*become, python, "-c", new], cwd="/", capture_output=True, check=False).returncode == 0


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    with serve() as index:
        (folder / "wheels").mkdir()
        publish(index, folder / "wheels")
        yield Cluster(folder, index)
    for path in folder.iterdir():
        if path.name != "tool":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def words(venv: Path, cluster: Cluster) -> tuple[str, ...]:
    return "--python", str(venv), str(cluster.script)


def test_an_environment_of_their_own(cluster: Cluster) -> None:
    venv = cluster.environment("mine")
    home = {"HOME": str(cluster.home)}
    before, source = picture(venv), cluster.script.read_bytes()
    assert cluster.sftdoctor("check", *words(venv, cluster), **home).returncode == 1
    planned = cluster.sftdoctor("fix", *words(venv, cluster), **home)
    assert planned.returncode == 1 and "peft 0.5.0 → 0.17.1" in planned.stdout, planned.stderr
    assert cluster.applied(venv, **home).get("outcome") == "applied"
    assert all(path.lstat().st_uid == SOMEBODY for path in venv.rglob("*"))
    undone = cluster.sftdoctor("undo", **home)
    assert undone.returncode == 0 and "Undone" in undone.stdout, undone.stderr
    assert picture(venv) == before and cluster.script.read_bytes() == source


def test_an_environment_of_root(cluster: Cluster) -> None:
    venv = cluster.environment("theirs", owner=0)
    home = {"HOME": str(cluster.home)}
    before = picture(venv)
    assert cluster.sftdoctor("check", *words(venv, cluster), **home).returncode == 1
    assert cluster.sftdoctor("fix", *words(venv, cluster), **home).returncode == 1
    refused = cluster.sftdoctor("fix", "--apply", *words(venv, cluster), **home)
    assert refused.returncode == 2 and "cannot be written" in refused.stderr, refused.stderr
    assert "as its owner" in refused.stderr and "Traceback" not in refused.stderr
    assert picture(venv) == before


HOMES = {
    "none": {},
    "one that is not there": {"HOME": "/nowhere/at/all"},
    "one of somebody else": {"HOME": "/"},
}


@pytest.mark.parametrize("home", HOMES)
def test_without_a_home(cluster: Cluster, home: str) -> None:
    """Nothing can be kept: what only looks works, what changes something says where it could keep the way back."""
    venv = cluster.environment("mine")
    before, source = picture(venv), cluster.script.read_bytes()
    said = cluster.sftdoctor("check", *words(venv, cluster), **HOMES[home])
    assert said.returncode == 1 and not said.stderr.count("Traceback"), said.stderr
    planned = cluster.sftdoctor("fix", *words(venv, cluster), **HOMES[home])
    assert planned.returncode == 1 and "peft 0.5.0 → 0.17.1" in planned.stdout, planned.stderr
    refused = cluster.sftdoctor("fix", "--apply", *words(venv, cluster), **HOMES[home])
    assert refused.returncode == 2 and "SFTDOCTOR_STATE" in refused.stderr, refused.stdout + refused.stderr
    assert "bug" not in refused.stderr
    assert picture(venv) == before and cluster.script.read_bytes() == source
    for command in (("undo",), ("undo", "--list")):
        done = cluster.sftdoctor(*command, **HOMES[home])
        assert "bug" not in done.stderr, done.stderr
    state = cluster.made("state")
    chosen = {**HOMES[home], "SFTDOCTOR_STATE": str(state)}
    assert cluster.applied(venv, **chosen).get("outcome") == "applied"
    assert cluster.sftdoctor("undo", **chosen).returncode == 0 and picture(venv) == before


def test_caches_that_cannot_be_written(cluster: Cluster) -> None:
    venv = cluster.environment("mine")
    closed = cluster.made("closed", owner=0)
    closed.chmod(0o555)
    variables = {"HOME": str(cluster.home), "SFTDOCTOR_CACHE": str(closed), "UV_CACHE_DIR": str(closed)}
    before = picture(venv)
    assert cluster.sftdoctor("check", *words(venv, cluster), **variables).returncode == 1
    planned = cluster.sftdoctor("fix", *words(venv, cluster), **variables)
    assert planned.returncode == 1 and "peft 0.5.0 → 0.17.1" in planned.stdout, planned.stderr
    assert cluster.applied(venv, **variables).get("outcome") == "applied"
    assert cluster.sftdoctor("undo", **variables).returncode == 0 and picture(venv) == before


def test_a_fix_of_root_is_not_theirs_to_undo(cluster: Cluster) -> None:
    state = cluster.made("state", owner=0)
    (state / "journals" / "20260101-000000-000000-beef").mkdir(parents=True)
    for path in (state, *state.rglob("*")):
        path.chmod(0o755)
    done = cluster.sftdoctor("undo", HOME=str(cluster.home), SFTDOCTOR_STATE=str(state))
    assert done.returncode == 2 and "no fix to take back" in done.stderr, done.stderr
