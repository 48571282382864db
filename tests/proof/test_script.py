"""Running scripts, as far as that needs no library: how they end, and that nothing gets out. Real processes."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sftdoctor.errors import UsageError, WorkloadError
from sftdoctor.model import Distribution, Environment, Proof, Target, TargetKind
from sftdoctor.proof.process import WORKER
from sftdoctor.proof.runner import NEEDED
from sftdoctor.proof.script import prove_script


@pytest.fixture
def environment() -> Environment:
    """This very interpreter, said to have all that a run needs."""
    found = {name: Distribution(name, "1.0") for name in NEEDED}
    return Environment(Target(TargetKind.INTERPRETER, sys.executable, "3.11.7"), "3.11.7", distributions=found)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def run(environment: Environment, source: str, arguments: Sequence[str] = (), **options: float) -> Proof:
    Path("train.py").write_text(source)
    return prove_script(environment, Path("train.py"), arguments, timeout=options.get("timeout", 60))


@pytest.mark.parametrize(
    ("source", "verdict", "said"),
    [
        ("print('hello')", "not-possible", "no training step"),
        ("raise SystemExit(0)", "not-possible", "no training step"),
        ("import nowhere", "failed", "ModuleNotFoundError: No module named 'nowhere'"),
        ("x = {}\nx['a']", "failed", "KeyError: 'a'"),
        ("raise SystemExit(3)", "failed", "SystemExit: the script left with 3"),
        ("try:\n    {}['a']\nexcept KeyError:\n    raise SystemExit(1)", "failed", "KeyError: 'a'"),
        ("try:\n    {}['a']\nexcept KeyError:\n    raise SystemExit(0)", "not-possible", "no training step"),
        ("import os\nos._exit(7)", "failed", "Exit: the process ended by itself with exit status 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "failed", "SIGSEGV"),
        ("import time\ntime.sleep(60)", "failed", "Timeout"),
    ],
)
def test_how_scripts_end(source: str, verdict: str, said: str, environment: Environment, home: Path) -> None:
    proof = run(environment, source, timeout=3 if "sleep" in source else 60)
    failure = proof.failure
    assert proof.verdict == verdict
    assert said in (f"{failure.exception}: {failure.message}" if failure else proof.reason)
    assert proof.script == "train.py"


def test_it_sees_its_arguments_its_folder_and_its_neighbours(environment: Environment, home: Path) -> None:
    Path("data.py").write_text("ROWS = 3\n")
    source = (
        "import os, sys, data\n"
        "if __name__ == '__main__':\n"
        "    raise ValueError(sys.argv[1:], data.ROWS, os.path.basename(sys.argv[0]), os.getcwd())\n"
    )
    failure = run(environment, source, ["--lr", "1e-4"]).failure
    assert failure is not None
    assert failure.message == f"(['--lr', '1e-4'], 3, 'train.py', '{Path.cwd()}')"
    assert f'File "{Path.cwd()}/train.py", line 3' in failure.traceback
    assert "runpy" not in failure.traceback


def test_the_word_of_argparse_is_kept(environment: Environment, home: Path) -> None:
    failure = run(environment, "import argparse\nargparse.ArgumentParser().parse_args()", ["--nope"]).failure
    assert failure is not None
    assert "unrecognized arguments: --nope" in failure.traceback


@pytest.mark.parametrize(
    "source",
    [
        "open('{outside}/a', 'w')",
        "import pathlib; pathlib.Path('{outside}/new').mkdir()",
        "import os; os.remove('{outside}/kept')",
        "import os; os.rename('kept', '{outside}/b')",
        "import shutil; shutil.rmtree('{outside}')",
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "import urllib.request; urllib.request.urlopen('http://example.invalid')",
        "import os; os.system('pip install nothing-at-all')",
        "import os; os.system('rm -r {outside}')",
        "import subprocess; subprocess.run(['numactl', '--cpunodebind=0', 'rm', '-r', '{outside}'])",
        "import subprocess; subprocess.run(['/bin/rm', '-r', '{outside}'])",
        "import subprocess; subprocess.run('rm -r {outside}', shell=True)",
        "import os; os.execvp('rm', ['rm', '-r', '{outside}'])",
        "import os; os.posix_spawn('/bin/rm', ['rm', '-r', '{outside}'], {{}})",
        "import subprocess, sys; subprocess.run([sys.executable, '-m', 'pip', 'install', 'nothing-at-all'])",
        "import subprocess; subprocess.run('uv pip install nothing-at-all', shell=True)",
    ],
)
def test_nothing_gets_out(source: str, environment: Environment, home: Path) -> None:
    outside = home / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    proof = run(environment, source.format(outside=outside))
    assert proof.verdict == "not-possible"
    assert "a proof" in proof.reason
    assert [path.name for path in outside.iterdir()] == ["kept"]


def test_what_only_looks_about_may_be_started(environment: Environment, home: Path) -> None:
    source = "import os, subprocess\nsubprocess.run(['uname', '-a'], check=True)\nos.system('uname')\n1 / 0"
    failure = run(environment, source).failure
    assert failure is not None
    assert failure.exception == "ZeroDivisionError"


def test_what_it_writes_beside_itself_stays_in_the_copy(environment: Environment, home: Path) -> None:
    source = "import os\nopen('a.txt', 'w').write('a')\nos.makedirs('out/b')\nos.remove('train.py')\n1 / 0"
    failure = run(environment, source).failure
    assert failure is not None
    assert failure.exception == "ZeroDivisionError"
    assert [path.name for path in Path.cwd().iterdir()] == ["train.py"]


def notebook(*cells: str) -> None:
    """Writes train.ipynb, with a cell of text before the first."""
    told = [{"cell_type": "markdown", "source": "# hello"}]
    code = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    Path("train.ipynb").write_text(json.dumps({"nbformat": 4, "cells": told + code}))


def test_a_notebook_runs_cell_after_cell_without_magics(environment: Environment, home: Path) -> None:
    Path("rows.py").write_text("ROWS = 3\n")
    notebook(
        "!pip install -U transformers\n%matplotlib inline\nimport rows",
        "%%bash\nrm -r /",
        "%%time\nif rows.ROWS:\n    !nvidia-smi\nlisted = !ls\ndisplay(rows)",
        "x = 1\n\nraise ValueError(rows.ROWS, listed)",
    )
    proof = prove_script(environment, Path("train.ipynb"), timeout=60)
    failure = proof.failure
    assert failure is not None
    assert (failure.exception, failure.message) == ("ValueError", "(3, None) (cell 5, line 3)")
    assert f'File "{Path.cwd()}/train.ipynb", line ' in failure.traceback
    assert proof.replaced[0] == (
        "magics and shell lines by nothing: !pip install -U transformers, %matplotlib inline, %%time and 1 more"
    )
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["rows.py", "train.ipynb"]


@pytest.mark.parametrize("text", ["{", json.dumps({"cells": [{"cell_type": "code", "source": "def ("}]})])
def test_what_is_no_notebook(text: str, environment: Environment, home: Path) -> None:
    Path("train.ipynb").write_text(text)
    with pytest.raises(WorkloadError):
        prove_script(environment, Path("train.ipynb"))


@pytest.mark.parametrize("name", ["nowhere.py", "train.txt", "."])
def test_what_is_no_script(name: str, environment: Environment, home: Path) -> None:
    Path("train.txt").write_text("{}")
    with pytest.raises(UsageError, match="no Python script"):
        prove_script(environment, Path(name))


@pytest.mark.parametrize(
    ("files", "script"),
    [
        (("src/__init__.py", "src/config.py"), "src/train.py"),
        (("src/config.py",), "src/train.py"),
        (("lib/pkg/__init__.py", "lib/pkg/sub/__init__.py", "lib/pkg/sub/config.py"), "lib/pkg/sub/train.py"),
    ],
)
def test_part_of_a_package_is_started_as_such(
    files: Sequence[str], script: str, environment: Environment, home: Path
) -> None:
    for name in files:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("ROWS = 3\n" if name.endswith("config.py") else "")
    Path(script).write_text("import sys\nfrom .config import ROWS\nraise ValueError(ROWS, __name__, sys.argv[1:])\n")
    failure = prove_script(environment, Path(script), ["--lr", "1"], timeout=60).failure
    assert failure is not None
    assert failure.message == "(3, '__main__', ['--lr', '1'])"


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from .config import ROWS", "src.train"),
        ("from src.config import ROWS", "src.train"),
        ("import src.config", "src.train"),
        ("from config import ROWS", ""),
        ("import torch", ""),
        ("this is no Python", ""),
    ],
)
def test_what_a_script_in_a_package_is_started_as(source: str, module: str, tmp_path: Path) -> None:
    starting = runpy.run_path(str(WORKER.parent / "script" / "starting.py"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "__init__.py").touch()
    script = tmp_path / "src" / "train.py"
    script.write_text(source)
    first = tmp_path if module else script.parent
    assert starting["module_of"](str(tmp_path), str(script)) == (str(first), module)


def test_a_script_whose_package_is_installed_too_is_a_file(tmp_path: Path) -> None:
    """Scripts that lie in a library's own checkout are run with the library that is installed."""
    starting = runpy.run_path(str(WORKER.parent / "script" / "starting.py"))
    (tmp_path / "pytest").mkdir()
    (tmp_path / "pytest" / "__init__.py").touch()
    script = tmp_path / "pytest" / "train.py"
    for source, module in (("import pytest", ""), ("import pytest\nfrom .config import ROWS", "pytest.train")):
        script.write_text(source)
        assert starting["module_of"](str(tmp_path), str(script))[1] == module
