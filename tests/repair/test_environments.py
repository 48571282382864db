"""Every kind of environment that people train in, each a real one: what is changed in it, or who is to change it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sftdoctor.errors import RepairError
from sftdoctor.model import Action, FixResult, Proof
from sftdoctor.repair.packages import find_uv
from sftdoctor.repair.transaction import apply, undo

from .conftest import environment_of, finding, make_wheel, package, picture, plan_of, report_of, site_of

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
RAISE = package("alpha", "1.0", "2.0")


@dataclass(frozen=True)
class Kit:
    """What the makers of environments need."""

    folder: Path
    wheels: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    def run(self, *command: object) -> None:
        """Run something that must succeed."""
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def uv(self, *command: object) -> None:
        """The same with uv, whether or not the test hides it."""
        self.run(*(find_uv() or ()), *command)

    def without_uv(self) -> None:
        """From here on there is no uv."""
        self.monkeypatch.setattr("sftdoctor.repair.packages.find_uv", lambda: None)


def with_pip(kit: Kit) -> Path:
    kit.run(sys.executable, "-m", "venv", kit.venv)
    kit.run(kit.venv / "bin/python", "-m", "pip", "install", "-q", "alpha==1.0")
    kit.without_uv()
    return kit.venv


def by_uv(kit: Kit) -> Path:
    kit.uv("venv", "-q", "-p", sys.executable, kit.venv)
    kit.uv("pip", "install", "-q", "--python", kit.venv / "bin/python", "alpha==1.0")
    return kit.venv


def by_uv_without_uv(kit: Kit) -> Path:
    by_uv(kit)
    kit.without_uv()
    return kit.venv


def by_virtualenv(kit: Kit) -> Path:
    virtualenv = shutil.which("virtualenv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if virtualenv is None:
        pytest.skip("virtualenv is not here")
    kit.run(virtualenv, "-q", "-p", sys.executable, "--no-download", kit.venv)
    kit.run(kit.venv / "bin/python", "-m", "pip", "install", "-q", "alpha==1.0")
    return kit.venv


def of_another_python(kit: Kit) -> Path:
    versions = [f"3.{minor}" for minor in range(9, 15) if f"3.{minor}" != HERE]
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), reverse=True)
    for python in (*versions, *(one for one in pyenv if one.parts[-3].startswith(tuple(versions)))):
        command = [*(find_uv() or ()), "venv", "-q", "--no-python-downloads", "-p", str(python), str(kit.venv)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            kit.uv("pip", "install", "-q", "--python", kit.venv / "bin/python", "alpha==1.0")
            assert environment_of(kit.venv).python[:4] != HERE
            return kit.venv
    pytest.skip("there is no other Python here")


def own_python(kit: Kit) -> Path:
    """An installation of Python that is no venv: this one's files under another prefix."""
    if Path(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED").exists():
        pytest.skip("the Python that runs the tests belongs to a Linux distribution, whose layout is its own")
    prefix = kit.folder / "python"
    stdlib = Path(sysconfig.get_path("stdlib"))
    if Path(sys.base_prefix) not in stdlib.parents:
        pytest.skip(f"the standard library is not below {sys.base_prefix}")

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    skip = shutil.ignore_patterns(
        "site-packages", "dist-packages", "test", "tests", "__pycache__", "idlelib", "lib2to3"
    )
    shutil.copytree(stdlib, prefix / stdlib.relative_to(sys.base_prefix), ignore=skip, copy_function=link)
    site = prefix / "lib" / f"python{HERE}" / "site-packages"
    site.mkdir(parents=True)
    (prefix / "bin").mkdir()
    shutil.copy2(os.path.realpath(sys.executable), prefix / "bin" / f"python{HERE}")
    (prefix / "bin" / "python").symlink_to(f"python{HERE}")
    answer = "import sys; print(sys.prefix)"
    done = subprocess.run([str(prefix / "bin/python"), "-c", answer], capture_output=True, text=True, check=False)
    if done.stdout.strip() != str(prefix):
        pytest.skip("this Python does not run under another prefix")
    kit.uv("pip", "install", "-q", "--python", prefix / "bin/python", "alpha==1.0")
    return prefix


def conda(kit: Kit, *, owns: str) -> Path:
    """The layout of conda-meta as conda 24 leaves it, with a record for each package that conda installed."""
    prefix = own_python(kit)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta" / "history").write_text("==> 2026-11-25 09:00:00 <==\n# cmd: conda create -n train\n")
    for name, version, build in (("python", "3.11.7", "h955ad1f_0_cpython"), (owns, "1.0", "pyhd8ed1ab_0")):
        site = site_of(prefix)
        files = [str(one.relative_to(prefix)) for one in site.rglob("*") if one.is_file()] if name == "alpha" else []
        record = {
            **{"name": name, "version": version, "build": build, "build_number": 0, "channel": "conda-forge"},
            **{"files": files, "fn": f"{name}-{version}-{build}.conda", "link": {"source": "/pkgs", "type": 1}},
            **{"depends": ["python >=3.9"], "subdir": "noarch", "requested_spec": name, "license": "MIT"},
        }
        (prefix / "conda-meta" / f"{name}-{version}-{build}.json").write_text(json.dumps(record))
    if owns == "alpha":
        (site_of(prefix) / "alpha-1.0.dist-info" / "INSTALLER").write_text("conda\n")
    return prefix


def of_the_system(kit: Kit) -> Path:
    prefix = own_python(kit)
    stdlib = prefix / Path(sysconfig.get_path("stdlib")).relative_to(sys.base_prefix)
    (stdlib / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=Use apt.\n")
    return prefix


def user_site(kit: Kit) -> Path:
    prefix = own_python(kit)
    kit.uv("pip", "uninstall", "-q", "--python", prefix / "bin/python", "alpha")
    base = kit.folder / "home"
    kit.monkeypatch.setenv("PYTHONUSERBASE", str(base))
    target = base / "lib" / f"python{HERE}" / "site-packages"
    kit.uv("pip", "install", "-q", "--python", prefix / "bin/python", "--target", target, "alpha==1.0")
    return prefix


def target_folder(kit: Kit) -> Path:
    by_uv(kit)
    target = kit.folder / "extra"
    kit.uv("pip", "install", "-q", "--python", kit.venv / "bin/python", "--target", target, "alpha==1.0")
    kit.monkeypatch.setenv("PYTHONPATH", str(target))
    return kit.venv


def editable(kit: Kit) -> Path:
    by_uv(kit)
    source = kit.folder / "source"
    (source / "alpha").mkdir(parents=True)
    (source / "alpha" / "__init__.py").write_text("VERSION = '1.0'\n")
    # what `pip install -e` leaves behind, without the build backend that it would fetch
    site = site_of(kit.venv)
    kit.uv("pip", "uninstall", "-q", "--python", kit.venv / "bin/python", "alpha")
    wheel = {"__editable__.alpha.pth": f"{source}\n"}
    path = make_wheel(kit.folder, "alpha", "1.0", wheel)
    kit.uv("pip", "install", "-q", "--python", kit.venv / "bin/python", path)
    (site / "alpha-1.0.dist-info" / "direct_url.json").write_text(
        json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})
    )
    return kit.venv


def read_only(kit: Kit) -> Path:
    by_uv(kit)
    if os.geteuid():
        site_of(kit.venv).chmod(0o555)
        return kit.venv
    # root may write everywhere but on a file system that is mounted so
    inner = kit.folder / "mounted"
    inner.mkdir()
    if subprocess.run(["mount", "--bind", kit.venv, inner], capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    kit.run("mount", "-o", "remount,ro,bind", inner)
    return inner


def outer_packages(kit: Kit) -> Path:
    """A venv that also sees the packages of the Python that it was made from: only its own are changed."""
    base = own_python(kit)
    kit.run(base / "bin/python", "-m", "venv", "--without-pip", "--system-site-packages", kit.venv)
    return kit.venv


Maker = Callable[[Kit], Path]
CHANGED: dict[str, tuple[Maker, Action]] = {
    "venv with pip": (with_pip, RAISE),
    "venv by uv": (by_uv, RAISE),
    "venv by uv, and no uv any more": (by_uv_without_uv, RAISE),
    "virtualenv": (by_virtualenv, RAISE),
    "another Python": (of_another_python, RAISE),
    "an installation of its own (container, Colab)": (own_python, RAISE),
    "conda, a package that pip installed": (lambda kit: conda(kit, owns="gamma"), RAISE),
    "venv over the packages of its base": (outer_packages, RAISE),
}
REFUSED: dict[str, tuple[Maker, str, str]] = {
    "conda, a package of its own": (
        lambda kit: conda(kit, owns="alpha"),
        "conda installed alpha",
        r"install -p \S+/python alpha=2\.0",
    ),
    "PEP 668": (of_the_system, "managed by the system's package manager", r"-m venv \.venv && .* alpha==2\.0"),
    "user site": (user_site, "outside of .*, in .*/home/lib", r"-m pip install --user alpha==2\.0"),
    "--target on PYTHONPATH": (target_folder, "in .*/extra, which is searched first", r"--target \S+/extra --upgrade"),
    "editable": (editable, "editable install and is never replaced", "check out the wanted version"),
    "read-only": (read_only, "cannot be written", "as its owner"),
}


def test_a_home_that_cannot_be_written(kit: Kit) -> None:
    """As in a container that runs as somebody: the journal has no place, and nothing is begun without it."""
    prefix = by_uv(kit)
    home = kit.folder / "home"
    home.write_text("")  # no folder can be made below it, by root neither
    kit.monkeypatch.delenv("SFTDOCTOR_STATE")
    kit.monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    kit.monkeypatch.setenv("HOME", str(home))
    before = picture(prefix)
    with pytest.raises(RepairError, match="the journal cannot be written") as caught:
        carried_out(prefix, RAISE)
    assert "SFTDOCTOR_STATE" in caught.value.hint and picture(prefix) == before


@pytest.fixture
def kit(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    made = Kit(tmp_path, wheels, monkeypatch)
    yield made
    if (tmp_path / "mounted" / "pyvenv.cfg").exists():
        made.run("umount", "-l", tmp_path / "mounted")


def carried_out(prefix: Path, action: Action) -> FixResult:
    environment = environment_of(prefix)
    before = report_of(environment, finding())
    return apply(
        plan_of(action),
        environment,
        before=before,
        check=lambda: report_of(environment_of(prefix)),
        prove=lambda: Proof("passed", "cpu", "nf4"),
    )


@pytest.mark.parametrize("kind", CHANGED)
def test_changed_and_put_back(kit: Kit, kind: str) -> None:
    maker, action = CHANGED[kind]
    prefix = maker(kit)
    before = picture(prefix)
    assert carried_out(prefix, action).outcome == "applied"
    code = "import alpha; print(alpha.VERSION)"
    done = subprocess.run([str(prefix / "bin/python"), "-B", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2.0"
    undo()
    assert picture(prefix) == before


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_what_to_do(kit: Kit, kind: str) -> None:
    maker, message, hint = REFUSED[kind]
    prefix = maker(kit)
    before = picture(prefix)
    with pytest.raises(RepairError, match=message) as caught:
        carried_out(prefix, RAISE)
    assert re.search(hint, caught.value.hint), caught.value.hint
    assert picture(prefix) == before
