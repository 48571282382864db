"""Interpreters read from outside; what is read is held against what the interpreter itself says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sftdoctor.errors import TargetError
from sftdoctor.model import Environment, TargetKind
from sftdoctor.target import facts, read_interpreter
from sftdoctor.target.interpreter import read_interpreter as read_directly
from tests.target.layouts import find_uv, make_venv, make_wheel, site_packages, wheel_info, write

VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONUSERBASE")
OWN_WORDS = """
import importlib.metadata, json, platform, sys
print(json.dumps({
    "python": platform.python_version(),
    "paths": [p for p in sys.path if p.endswith("-packages")],
    "packages": {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()},
}))
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environments") / "venv"
    write(make_venv(folder), wheel_info("first", "1.0") | wheel_info("second", "2.0"))
    return folder


def own_words(environment: Environment) -> dict[str, object]:
    """What the interpreter says of itself when it is really started."""
    command = [environment.target.path, "-c", OWN_WORDS]
    said = subprocess.run(command, capture_output=True, check=True, timeout=60, cwd="/")
    return dict(json.loads(said.stdout))


def agrees(environment: Environment) -> bool:
    said = own_words(environment)
    packages = {name: each.version for name, each in environment.distributions.items()}
    return said == {"python": environment.python, "paths": list(environment.paths), "packages": packages}


def test_a_venv_by_its_folder_and_by_its_executable(venv: Path) -> None:
    by_folder, by_executable = read_interpreter(str(venv)), read_interpreter(str(venv / "bin" / "python"))
    assert by_folder == by_executable
    assert agrees(by_folder)
    assert by_folder.target.kind is TargetKind.INTERPRETER
    assert by_folder.target.path == str(venv / "bin" / "python")
    assert by_folder.target.prefix == str(venv)
    assert by_folder.complete
    assert Path(by_folder.stdlib or "", "os.py").is_file()
    assert (by_folder.accelerators, by_folder.notes, by_folder.problems) == (None, (), ())


def test_the_quick_way_says_what_the_slow_way_says(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = read_interpreter(str(venv))
    monkeypatch.setattr("sftdoctor.target.interpreter.from_pyvenv", lambda *_: None)
    assert read_interpreter(str(venv)) == quick


def test_markers_are_those_of_packaging(venv: Path) -> None:
    from packaging.markers import default_environment

    assert dict(read_interpreter(str(venv)).markers) == default_environment()


def test_a_relative_folder(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(venv.parent)
    assert read_interpreter("venv") == read_interpreter(str(venv))


@pytest.mark.parametrize("version", ["3.11.99", "3.11", "", "3.11.0.candidate.1", "no version"])
def test_a_stale_pyvenv_is_not_believed(tmp_path: Path, version: str) -> None:
    make_venv(tmp_path / "venv")
    settings = tmp_path / "venv" / "pyvenv.cfg"
    settings.write_text(
        "".join(line for line in settings.read_text().splitlines(True) if not line.startswith("version"))
    )
    with settings.open("a") as file:
        file.write(f"version = {version}\n")
    assert agrees(read_interpreter(str(tmp_path / "venv")))


def test_a_venv_over_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    folder = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    write(tmp_path / "user" / folder, wheel_info("users-own", "1"))
    make_venv(tmp_path / "venv", "--system-site-packages")
    environment = read_interpreter(str(tmp_path / "venv"))
    assert "users-own" in environment.distributions
    assert list(environment.paths) == own_words(environment)["paths"]
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    assert "users-own" not in read_interpreter(str(tmp_path / "venv")).distributions


def test_the_users_packages_come_before_the_installations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path))
    folder = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    write(tmp_path / folder, wheel_info("users-own", "1"))
    environment = read_interpreter(os.path.realpath(sys.executable))
    assert environment.paths[0] == str(tmp_path / folder)
    assert list(environment.paths) == own_words(environment)["paths"]


def test_python_path_comes_first_and_is_said(venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "before", wheel_info("first", "9.0"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/before:{tmp_path}/missing:")
    environment = read_interpreter(str(venv))
    assert environment.version("first") == "9.0"
    assert environment.paths[0] == str(tmp_path / "before")
    assert str(tmp_path / "before") in environment.notes[0]
    assert [each.kind for each in environment.problems] == ["duplicate", "python-path"]


ACTIVE = [(("VIRTUAL_ENV",), True), (("CONDA_PREFIX",), True), (("VIRTUAL_ENV", "CONDA_PREFIX"), True), ((), False)]


@pytest.mark.parametrize(("variables", "is_venv"), ACTIVE, ids=str)
def test_the_active_one(venv: Path, monkeypatch: pytest.MonkeyPatch, variables: tuple[str, ...], is_venv: bool) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, str(venv))
    expected = str(venv / "bin" / "python") if is_venv else sys.executable
    assert read_interpreter().target.path == expected


def test_an_active_venv_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/is/not/there")
    with pytest.raises(TargetError, match="VIRTUAL_ENV") as caught:
        read_interpreter()
    assert "--python" in caught.value.hint


def test_by_name(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(venv / "bin"))
    monkeypatch.chdir("/")
    assert read_interpreter("python3").target.prefix == str(venv)


def test_a_conda_environment(tmp_path: Path) -> None:
    """A conda environment is an installation of its own: bin/python beside conda-meta, no pyvenv.cfg."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()
    wrapper = tmp_path / "bin" / "python"
    wrapper.write_text(f'#!/bin/sh\necho a banner\nexec {os.path.realpath(sys.executable)} "$@"\n')
    wrapper.chmod(0o755)
    environment = read_interpreter(str(tmp_path))
    assert environment.python == ".".join(map(str, sys.version_info[:3]))
    assert environment.target.prefix == sys.base_prefix


def test_a_wrapper_that_leads_into_a_venv(venv: Path, tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {venv}/bin/python "$@"\n')
    wrapper.chmod(0o755)
    assert read_interpreter(str(wrapper)) == read_interpreter(str(venv))


def script(text: str) -> str:
    return f"#!/bin/sh\n{text}\n"


NO_PYTHONS = {
    "a program that says nothing": (script("exit 0"), "no working Python"),
    "one that fails": (script("echo 'library not found' >&2; exit 127"), "library not found"),
    "Python 2": (script("echo 'Unknown option: -I' >&2; exit 2"), "Python 2"),
    "an answer that is no JSON": (script("echo 'sftdoctor-facts:{'"), "makes no sense"),
    "an answer of the wrong type": (script("echo 'sftdoctor-facts:[1]'"), "makes no sense"),
    "an answer with a hole": (script("""echo 'sftdoctor-facts:{"version": "3.11.1"}'"""), "makes no sense"),
    "an answer too deep": (
        script("printf sftdoctor-facts:; head -c 200000 /dev/zero | tr '\\0' '['"),
        "makes no sense",
    ),
    "no program": ("\x7fELF but not really", "cannot be started"),
    "a script without an interpreter": ("#!/is/not/there\n", "cannot be started"),
}


@pytest.mark.parametrize(("content", "message"), NO_PYTHONS.values(), ids=NO_PYTHONS)
def test_what_is_no_python(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "python"
    path.write_text(content)
    path.chmod(0o755)
    with pytest.raises(TargetError, match=message) as caught:
        read_interpreter(str(path))
    assert caught.value.hint


@pytest.mark.parametrize("behaviour", ["sleep 60", "yes", "trap '' TERM INT; while :; do :; done"])
def test_an_interpreter_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> None:
    monkeypatch.setattr(facts, "TIMEOUT", 0.3)
    path = tmp_path / "python"
    path.write_text(script(behaviour))
    path.chmod(0o755)
    start = time.monotonic()
    with pytest.raises(TargetError, match="did not answer"):
        read_interpreter(str(path))
    assert time.monotonic() - start < 5


def bad_path(tmp_path: Path, kind: str) -> str:
    match kind:
        case "missing":
            return str(tmp_path / "missing" / "python")
        case "missing name":
            return "python-that-nobody-has"
        case "empty folder":
            return str(tmp_path)
        case "text file":
            return str(write(tmp_path, {"notes.txt": "x"}) / "notes.txt")
        case "script":
            return str(write(tmp_path, {"train.py": "import os; os.abort()"}) / "train.py")
        case "null":
            return "a\0b"
        case _:
            make_venv(tmp_path / "project" / ".venv")
            return str(tmp_path / "project")


BAD_PATHS = {
    "missing": ("There is no", "--python"),
    "missing name": ("There is no", "--python"),
    "empty folder": ("no environment", "--python"),
    "text file": ("cannot be executed", "--python"),
    "script": ("is a script", "sftdoctor check"),
    "null": ("There is no", "--python"),
    "project": ("no environment", ".venv"),
}


@pytest.mark.parametrize(
    ("kind", "message", "hint"), [(kind, *rest) for kind, rest in BAD_PATHS.items()], ids=BAD_PATHS
)
def test_paths_that_lead_nowhere(tmp_path: Path, kind: str, message: str, hint: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        read_interpreter(bad_path(tmp_path, kind))
    assert hint in caught.value.hint


def test_a_venv_whose_python_was_removed(tmp_path: Path) -> None:
    make_venv(tmp_path / "venv")
    for name in ("python", "python3"):
        link = tmp_path / "venv" / "bin" / name
        link.unlink()
        link.symlink_to("/is/not/there/python3.11")
    with pytest.raises(TargetError, match=r"/is/not/there/python3\.11"):
        read_interpreter(str(tmp_path / "venv"))


@pytest.mark.parametrize("release", ["3.9", "3.10", "3.12", "3.13"])
def test_other_pythons(release: str) -> None:
    """Whatever other Pythons this machine has, each reads like its own words."""
    found = shutil.which(f"python{release}")
    started = found and subprocess.run([found, "-V"], capture_output=True, timeout=60).returncode == 0
    if not started:
        pytest.skip(f"no Python {release} here")
    environment = read_interpreter(found)
    assert environment.python == own_words(environment)["python"]
    assert environment.markers["python_version"] == release


def test_packages_that_uv_installed(tmp_path: Path) -> None:
    uv = find_uv()
    if uv is None:
        pytest.skip("no uv here")
    wheels = [make_wheel(tmp_path, "left", "1.0"), make_wheel(tmp_path, "right", "2.0+cpu", "Requires-Dist: left>=2\n")]
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, tmp_path / "venv"], check=True, timeout=120)
    install = [uv, "pip", "install", "-q", "--offline", "--no-deps", "-p", tmp_path / "venv"]
    subprocess.run([*install, *wheels], check=True, timeout=120)
    environment = read_interpreter(str(tmp_path / "venv"))
    right = environment.distributions["right"]
    assert agrees(environment)
    assert (right.version, right.requires, right.installer) == ("2.0+cpu", ("left>=2",), "uv")
    assert right.top_level == ("right",)
    assert right.root == str(site_packages(tmp_path / "venv"))


def test_nothing_of_the_target_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = "import pathlib; pathlib.Path(__file__ + '.was-run').touch()\n"
    line = f"import pathlib; pathlib.Path({str(tmp_path / 'pth.was-run')!r}).touch()\n"
    names = ("sitecustomize", "usercustomize", "json", "platform", "evil")
    site = make_venv(tmp_path / "venv")
    write(site, {f"{name}.py": trap for name in names} | {"evil.pth": line})
    monkeypatch.setattr("sftdoctor.target.interpreter.from_pyvenv", lambda *_: None)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.chdir(site)
    environment = read_directly(str(tmp_path / "venv"))
    assert [
        each.what for each in environment.not_judged
    ] == []  # PYTHONPATH comes first, and .pth files there count not
    monkeypatch.delenv("PYTHONPATH")
    assert [each.what for each in read_directly(str(tmp_path / "venv")).not_judged] == ["evil.pth"]
    assert list(tmp_path.rglob("*.was-run")) == []


def test_an_environment_beside_the_run_is_named_where_none_was(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_directly().notes == ()
    write(tmp_path, {".venv/pyvenv.cfg": "home = /usr/bin"})
    assert read_directly().notes == (".venv/ here is another environment: --python .venv judges it",)
    assert read_directly(str(venv)).notes == ()
    shutil.rmtree(".venv")
    Path(".venv").symlink_to(venv)
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    assert read_directly().notes == ()
