"""Real environments for the repair tests: tiny wheels made here, a local index folder, a venv with them installed."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from sftdoctor.model import (
    Action,
    Confidence,
    Edit,
    Environment,
    Finding,
    Plan,
    Report,
    Safety,
    Scenario,
    Severity,
    Verdict,
    Workload,
)
from sftdoctor.target.interpreter import read_interpreter

ALPHA = {
    "1.0": {
        "alpha/__init__.py": "VERSION = '1.0'\n",
        "alpha/old.py": "def gone():\n    return 1\n",
        "alpha/data/table.txt": "one\n",
        "alpha-1.0.data/scripts/alpha-tool": "#!python\nprint('one')\n",
        "alpha-1.0.data/data/share/alpha/note.txt": "first\n",
    },
    "2.0": {
        "alpha/__init__.py": "VERSION = '2.0'\n",
        "alpha/new/__init__.py": "def here():\n    return 2\n",
        "alpha/data/table.txt": "two\n",
        "alpha-2.0.data/scripts/alpha-tool": "#!python\nprint('two')\n",
        "alpha-2.0.data/scripts/alpha-extra": "#!python\nprint('extra')\n",
        "alpha-2.0.data/data/share/alpha/more.txt": "second\n",
    },
}
BETA = {version: {"beta.py": f"VERSION = {version!r}\n"} for version in ("1.0", "1.5")}


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str], requires: tuple[str, ...] = ()) -> Path:
    """A pure wheel with these files."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    whole = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-run = {name}:VERSION\n",
    }
    rows = []
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in whole.items():
            archive.writestr(member, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{member},sha256={digest},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: alpha 1.0 and 2.0, beta 1.0 and 1.5."""
    folder = tmp_path_factory.mktemp("wheels")
    for version, files in ALPHA.items():
        make_wheel(folder, "alpha", version, files)
    for version, files in BETA.items():
        make_wheel(folder, "beta", version, files)
    return folder


@pytest.fixture(autouse=True)
def offline_index(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installers see the local wheels alone, and the state folder is a throwaway one."""
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(wheels))
    (tmp_path / "no-index").mkdir()
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(variable, (tmp_path / "no-index").as_uri())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


@pytest.fixture(scope="session")
def uv() -> str:
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert found, "the test extra brings uv"
    return found


@pytest.fixture(scope="session")
def pip_template(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """A venv with pip, made once: ensurepip takes seconds."""
    folder = tmp_path_factory.mktemp("template") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--no-index", "--find-links", str(wheels)]
    subprocess.run([*command, "alpha==1.0", "beta==1.0"], check=True)
    return folder


@pytest.fixture
def uv_venv(tmp_path: Path, uv: str, wheels: Path) -> Path:
    """A venv without pip, made by uv, with alpha 1.0 and beta 1.0 and a user's own file."""
    folder = tmp_path / "venv"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, str(folder)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", str(folder / "bin/python"), "alpha==1.0", "beta==1.0"], check=True
    )
    return dressed(folder)


@pytest.fixture
def pip_venv(tmp_path: Path, pip_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A venv with pip where no uv can be found."""
    folder = tmp_path / "pip-venv"
    shutil.copytree(pip_template, folder, symlinks=True)
    monkeypatch.setattr("sftdoctor.repair.packages.find_uv", lambda: None)
    return dressed(folder)


def dressed(venv: Path) -> Path:
    """What a used environment has: byte code, odd modes, a file of the user's in a package, a link."""
    site = site_of(venv)
    subprocess.run([str(venv / "bin/python"), "-m", "compileall", "-q", str(site / "alpha")], check=True)
    (site / "alpha" / "mine.txt").write_text("the user's\n")
    (site / "alpha" / "data" / "table.txt").chmod(0o640)
    (site / "alpha" / "link.txt").symlink_to("mine.txt")
    (site / "somebody.pth").write_text("# nothing\n")
    return venv


def site_of(venv: Path) -> Path:
    return sorted((venv / "lib").glob("python*/site-packages"))[0]


def picture(venv: Path) -> dict[str, tuple[str, int, int]]:
    """Every path of a venv: kind or content hash, mode, and time of files."""
    found = {}
    for path in sorted(venv.rglob("*")):
        status = path.lstat()
        if path.name == ".lock" and path.parent == venv:
            continue  # uv's own empty lock file
        if path.is_symlink():
            found[str(path)] = (f"link to {path.readlink()}", 0, 0)
        elif path.is_dir():
            found[str(path)] = ("folder", stat.S_IMODE(status.st_mode), 0)
        else:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path)] = (digest, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return found


def environment_of(venv: Path) -> Environment:
    return read_interpreter(str(venv))


def report_of(environment: Environment, *findings: Finding) -> Report:
    verdict = Verdict.BREAKS if findings else Verdict.CLEAN
    return Report(environment, Workload(Scenario("sft-lora-4bit", "t", ())), verdict, findings)


def finding(identity: str = "API002", message: str = "alpha is old") -> Finding:
    return Finding(identity, "unexpected-keyword", Severity.ERROR, Confidence.CERTAIN, "t", message)


def package(name: str, old: str | None, new: str | None) -> Action:
    return Action("package", name, old, new, Safety.SAFE, "because", ("API002",))


def script_edit(path: Path, edit: Edit) -> Action:
    return Action("edit", str(path), None, None, Safety.SAFE, "because", ("API004",), edit)


def plan_of(*actions: Action) -> Plan:
    return Plan(actions)
