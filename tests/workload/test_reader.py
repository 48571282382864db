"""What was read of a script holds only where reading it anew would give the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sftdoctor import looks

pytestmark = pytest.mark.skipif(not looks.CAN_WATCH, reason="nothing is kept with this Python")

RUN = """
import json, sys
from pathlib import Path
from sftdoctor import looks
looks.watch(sys.argv[1])
from sftdoctor.model import Scenario
from sftdoctor.workload import read_workload, reader

followed = []
follow = reader.read_script
reader.read_script = lambda source, arguments: followed.append(source.path.name) or follow(source, arguments)

def read(cache):
    return read_workload(
        [Path(path) for path in json.loads(sys.argv[2])], model=None, scenario=Scenario("s", "s", ()),
        arguments=json.loads(sys.argv[3]), beside=True, cache=cache,
    )

kept = read(Path(sys.argv[1]))
names = list(followed)
print(json.dumps([names, kept == read(None), [repr(fact.value) for one in kept.scripts for fact in one.facts]]))
"""
SCRIPT = """
import argparse
from pathlib import Path
import yaml
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer
from settings import RATE

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=7)
options = parser.parse_args()
config = yaml.safe_load(open("config.yaml"))
data = load_dataset("json", data_files="rows.jsonl")
args = SFTConfig("out", learning_rate=RATE, max_steps=options.steps, **config)
SFTTrainer("org/model", args=args, train_dataset=data["train"]).train()
"""


class Project:
    """A script with a module, a config and data; a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.cache = folder / "cache"
        self.variables = {**os.environ, "HOME": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        self.folder.mkdir()
        self.write("pyproject.toml", "")
        self.write("train.py", SCRIPT)
        self.write("settings.py", "RATE = 1e-4\n")
        self.write("config.yaml", "gradient_accumulation_steps: 25\n")
        self.write("rows.jsonl", '{"text": "a"}\n')
        self.paths = ["train.py"]
        self.arguments: list[str] = []

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def read(self) -> tuple[list[str], list[str]]:
        """The scripts that were followed, and the values of all facts; as a reader without memory says as well."""
        words = [str(self.cache), json.dumps(self.paths), json.dumps(self.arguments)]
        done = subprocess.run(
            [sys.executable, "-c", RUN, *words],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        followed, same, values = json.loads(done.stdout)
        assert same
        return followed, values


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_nothing_is_followed_twice(project: Project) -> None:
    first, second = project.read(), project.read()
    assert first == (["train.py"], second[1])
    assert second[0] == []
    assert {"0.0001", "7", "25", "'text'"} <= set(first[1])


def _script(project: Project) -> None:
    project.write("train.py", SCRIPT.replace("default=7", "default=9"))


def _module(project: Project) -> None:
    project.write("settings.py", "RATE = 2.5e-3\n")


def _module_gone(project: Project) -> None:
    (project.folder / "settings.py").unlink()


def _package(project: Project) -> None:
    project.write("settings/__init__.py", "RATE = 3\n")


def _library(project: Project) -> None:
    project.write("trl.py", "class SFTConfig: ...\n")


def _config(project: Project) -> None:
    project.write("config.yaml", "gradient_accumulation_steps: 5\n")


def _config_gone(project: Project) -> None:
    (project.folder / "config.yaml").unlink()


def _data(project: Project) -> None:
    project.write("rows.jsonl", '{"prompt": "a", "completion": "b"}\n')


def _data_gone(project: Project) -> None:
    (project.folder / "rows.jsonl").unlink()


def _arguments(project: Project) -> None:
    project.arguments = ["--steps", "11"]


def _launch(project: Project) -> None:
    project.write("run.sh", "accelerate launch train.py --steps 12\n")


def _home(project: Project) -> None:
    project.variables["HOME"] = "/nowhere"


def _damage(project: Project) -> None:
    for kept in (project.cache / "scripts").iterdir():
        kept.write_bytes(kept.read_bytes()[:-3])


def _other_damage(project: Project) -> None:
    for kept in (project.cache / "scripts").iterdir():
        kept.write_text('{"looks": [], "facts": [["step"]]}')


CHANGES = (
    *(_script, _module, _module_gone, _package, _library, _config, _config_gone, _data, _data_gone),
    *(_arguments, _launch, _home, _damage, _other_damage),
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_followed_again(project: Project, change: Callable[[Project], None]) -> None:
    project.read()
    change(project)
    assert "train.py" in project.read()[0]
    assert project.read()[0] == []


def test_only_what_has_changed_is_followed_again(project: Project) -> None:
    project.write("b/other.py", SCRIPT.replace("from settings import RATE", "RATE = 5"))
    project.write("b/empty.py", "")
    project.paths = ["."]
    assert sorted(project.read()[0]) == ["empty.py", "other.py", "settings.py", "train.py"]
    project.write("settings.py", "RATE = 6\n")
    assert sorted(project.read()[0]) == ["empty.py", "settings.py", "train.py"]


@pytest.mark.parametrize("text", ["def f(:\n", "print 'x'\n"])
def test_what_is_no_python_is_refused_each_time(project: Project, text: str) -> None:
    project.write("train.py", text)
    project.paths = ["."]
    assert project.read()[0] == ["settings.py"]
    assert project.read()[0] == []
