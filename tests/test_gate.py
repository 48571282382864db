"""`sftdoctor init`: what it writes is sound and really gates; what is there is never replaced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor import arguments, gate
from sftdoctor.errors import UsageError
from sftdoctor.settings import Settings, read_configuration
from tests.test_cli import run

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "check"
EVERY = tuple(gate.GATES)
HOSTILE = ("a b.py", "$(touch pwned).py", "'; touch pwned; '.py", "`touch pwned`.py", "# x: y.py", "%s.py")
SHELLCHECK = shutil.which("shellcheck")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with pinned versions."""
    (tmp_path / "requirements.txt").write_text("trl==0.24.0\npeft==0.5.0\n")
    return tmp_path


def written(folder: Path, gates: tuple[str, ...] = EVERY, **options: Any) -> dict[str, str]:
    """What init writes, by file."""
    made = gate.draft(Settings(**options), gates, folder)
    gate.write(made)
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in made.texts}


def test_the_command_line_knows_every_gate() -> None:
    assert tuple(arguments.GATES) == EVERY
    files = {name for templates in gate.GATES.values() for name in templates}
    assert files == {path.name for path in gate.TEMPLATES.iterdir()}


def test_nothing_is_written_without_apply(project: Path) -> None:
    before = sorted(project.rglob("*"))
    done = run("init", "train.py", "--github", "--gpu", "A100", cwd=project)
    assert done.returncode == 0, done.stderr
    assert sorted(project.rglob("*")) == before
    assert '+gpu = "A100"' in done.stdout
    assert ".github/workflows/sftdoctor.yml" in done.stdout
    assert "sftdoctor init train.py --gpu A100 --github --apply" in done.stdout


def test_apply_writes_what_was_shown_and_a_second_time_nothing(project: Path) -> None:
    for expected in ("✓ Written", "✓ Nothing to write"):
        done = run("init", "--gpu", "A100", "--apply", cwd=project)
        assert (done.returncode, expected in done.stdout) == (0, True), done.stdout + done.stderr
    assert read_configuration(project) == {"scenario": "sft-lora-4bit", "gpu": "A100", "fail_on": "error"}


@pytest.mark.parametrize(
    "old", ["", "[project]\nname = 'x'", "[project]\r\nname = 'x'\r\n", "# é\n[tool.ruff]\nline-length = 9\n\n\n"]
)
def test_a_pyproject_keeps_every_byte(old: str, project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_bytes(old.encode())
    written(project, ("slurm",))
    assert path.read_bytes().startswith(old.encode())
    assert read_configuration(project)["fail_on"] == "error"


@pytest.mark.parametrize(
    ("old", "why"),
    [
        ("[tool.sftdoctor]\n", "is there already"),
        ("tool.sftdoctor.gpu = 'T4'\n", "is there already"),
        ("tool = {ruff = {}}\n", "cannot be added"),
        ("this is [no TOML", "cannot be added"),
    ],
)
def test_a_pyproject_that_takes_no_table_is_left(old: str, why: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(old)
    made = gate.draft(Settings(), ("slurm",), project)
    gate.write(made)
    assert [why in left.reason for left in made.plan.left_out] == [True]
    assert (project / "pyproject.toml").read_text() == old


@pytest.mark.parametrize("name", [name for files in gate.GATES.values() for name in files.values()])
def test_a_file_that_is_there_is_never_replaced(name: str, project: Path) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("mine\n")
    made = gate.draft(Settings(), EVERY, project)
    gate.write(made)
    assert [left.action.name for left in made.plan.left_out] == [name]
    assert (project / name).read_text() == "mine\n"


def test_a_file_that_comes_in_the_meantime_is_never_replaced(project: Path) -> None:
    made = gate.draft(Settings(), ("pre-commit",), project)
    (project / ".pre-commit-config.yaml").write_text("mine\n")
    with pytest.raises(UsageError, match="in the meantime"):
        gate.write(made)
    assert (project / ".pre-commit-config.yaml").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("there", "expected"), [(None, ".github/workflows/sftdoctor.yml"), ("x", ".gitlab/sftdoctor.yml")]
)
def test_the_workflow_is_that_of_the_project(there: str | None, expected: str, project: Path) -> None:
    if there:
        (project / ".gitlab-ci.yml").write_text(there)
    assert expected in written(project, ())


def test_ci_needs_pinned_versions(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pinned versions"):
        gate.draft(Settings(), ("github",), tmp_path)
    (tmp_path / "poetry.lock").touch()
    (tmp_path / "requirements.txt").touch()
    assert (
        "--pins poetry.lock --python-version 3.11 " in written(tmp_path, ("github",))[".github/workflows/sftdoctor.yml"]
    )


@pytest.mark.parametrize("word", ["a\nb.py", "\x1b[31m.py", "${{ github.token }}.py", "a\u202eb"])
def test_a_name_that_no_workflow_can_hold_is_refused(word: str, project: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        gate.draft(Settings(paths=(word,)), EVERY, project)


@given(words=st.lists(st.text(min_size=1), max_size=3))
def test_whatever_a_name_is_the_files_stay_sound(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("project")
    (folder / "requirements.txt").touch()
    try:
        made = gate.draft(Settings(paths=tuple(words)), EVERY, folder)
    except UsageError:
        return
    for path, (_, text) in made.texts.items():
        if path.suffix in (".yml", ".yaml"):
            assert isinstance(yaml.safe_load(text), dict)
            assert b"@ARGUMENTS@" not in text or any("@ARGUMENTS@" in word for word in words)


def shell(script: str, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script with a `sftdoctor` on the path that is the one under test."""
    tool = cwd / "bin"
    tool.mkdir(exist_ok=True)
    wrapper = tool / "sftdoctor"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m sftdoctor "$@"\n')
    wrapper.chmod(0o755)
    path = f"{tool}{os.pathsep}{os.environ['PATH']}"
    words = ["bash", "-e", "-c", script]
    return subprocess.run(
        words, cwd=cwd, env={**os.environ, "PATH": path, **env}, capture_output=True, encoding="utf-8", timeout=60
    )


def test_the_workflow_of_github_annotates_and_fails(broken: Path, project: Path) -> None:
    text = written(project, ("github",))[".github/workflows/sftdoctor.yml"]
    step = yaml.safe_load(text)["jobs"]["check"]["steps"][-1]["run"]
    step = step.replace("--pins requirements.txt --python-version 3.11", f"--python {broken}")
    done = shell(step, project, {"GITHUB_STEP_SUMMARY": str(project / "summary")})
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error title=API021")
    assert "This run will break" in (project / "summary").read_text("utf-8")


@pytest.mark.parametrize(("stack", "status"), [("broken", 1), ("healthy", 0)])
def test_the_script_for_slurm_gates_and_names_the_node(
    stack: str, status: int, project: Path, request: pytest.FixtureRequest
) -> None:
    python = request.getfixturevalue(stack) / "bin" / "python"
    written(project, ("slurm",))
    env = {"SFTDOCTOR_PYTHON": str(python), "SLURMD_NODENAME": "node7"}
    done = shell("bash .sftdoctor/slurm.sh", project, env)
    assert done.returncode == status, done.stdout + done.stderr
    assert all(line.startswith("node7: ") for line in done.stdout.splitlines())


def test_the_script_for_slurm_fails_where_it_cannot_look(project: Path) -> None:
    written(project, ("slurm",))
    assert shell("bash .sftdoctor/slurm.sh", project, {"SFTDOCTOR_PYTHON": "no-such-python"}).returncode != 0


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_words_in_every_shell(name: str, healthy: Path, project: Path) -> None:
    (project / name).write_text("print(1)\n")
    texts = written(project, paths=(name,))
    env = {"SFTDOCTOR_PYTHON": str(healthy / "bin" / "python"), "GITHUB_STEP_SUMMARY": str(project / "summary")}
    done = shell("bash .sftdoctor/slurm.sh", project, env)
    assert done.returncode == 0, done.stdout
    step = yaml.safe_load(texts[".github/workflows/sftdoctor.yml"])["jobs"]["check"]["steps"][-1]["run"]
    shell(step.replace("--pins requirements.txt --python-version 3.11", f"--python {healthy}"), project, env)
    pod = yaml.safe_load(texts[".sftdoctor/kubernetes.yaml"])["spec"]["template"]["spec"]
    command = pod["initContainers"][0]["args"][0].splitlines()[-1].replace("/tmp/sftdoctor/bin/", "")
    assert shell(command.replace("$(command -v python3)", str(healthy)), project, env).returncode == 0
    assert not (project / "pwned").exists()


@pytest.mark.skipif(SHELLCHECK is None, reason="no shellcheck here")
def test_the_scripts_pass_shellcheck(project: Path) -> None:
    written(project)
    done = subprocess.run(
        [SHELLCHECK or "", ACTION / "check.sh", project / ".sftdoctor" / "slurm.sh"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_action_gives_its_script_every_input() -> None:
    action = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))
    [step] = action["runs"]["steps"]
    used = {value.removeprefix("${{ inputs.").removesuffix(" }}") for value in step["env"].values()}
    assert used == set(action["inputs"])
    assert "${{" not in step["run"]
    script = (ACTION / "check.sh").read_text("utf-8")
    assert all(f"${name}" in script or f"${{{name}:-" in script for name in step["env"])


@pytest.mark.lab
def test_the_action_installs_itself_and_checks(broken: Path, tmp_path: Path) -> None:
    env = {"SFTDOCTOR_PATHS": "", "SFTDOCTOR_PINS": "", "SFTDOCTOR_PYTHON_VERSION": "", "SFTDOCTOR_PYTHON": str(broken)}
    env |= {"SFTDOCTOR_OPTIONS": "--ignore\nGPU", "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(ACTION)}
    env |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    done = subprocess.run(
        ["bash", ACTION / "check.sh"],
        cwd=tmp_path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error title=API021")
    assert (tmp_path / "output").read_text() == f"status=1\nsarif={tmp_path}/sftdoctor.sarif\n"
    assert "GPU007" not in (tmp_path / "summary").read_text()


def test_the_hook_is_the_command() -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    options, _ = arguments.parse([*hook["entry"].split()[1:], *hook["args"], "train.py"], "0")
    assert (options.command, options.python, options.paths) == ("check", ".venv", ["train.py"])
