"""Environments that belong to another tool or cannot be written: each gets the command that is right for it."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.errors import OfflineError, RepairError
from sftdoctor.model import Environment
from sftdoctor.repair import forbidden, packages
from sftdoctor.repair.forbidden import refuse_forbidden
from sftdoctor.repair.installed import find_installed, find_place
from sftdoctor.repair.packages import Installer, choose_installer, run_logged

from .conftest import environment_of, picture, site_of


def refuse(environment: Environment) -> None:
    place = find_place(environment)
    found = find_installed("alpha", place)
    refuse_forbidden(environment, place, {"alpha": "2.0"}, [found] if found else [])


def conda(venv: Path) -> None:
    (venv / "conda-meta").mkdir()
    (venv / "conda-meta" / "alpha-1.0-pyhd8ed1ab_0.json").write_text("{}")


def conda_by_installer(venv: Path) -> None:
    (site_of(venv) / "alpha-1.0.dist-info" / "INSTALLER").write_text("conda\n")


def editable(venv: Path) -> None:
    text = '{"url": "file:///home/me/alpha", "dir_info": {"editable":   true}}'
    (site_of(venv) / "alpha-1.0.dist-info" / "direct_url.json").write_text(text)


def twice(venv: Path) -> None:
    info = site_of(venv) / "alpha-0.9.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("")


def without_record(venv: Path) -> None:
    (site_of(venv) / "alpha-1.0.dist-info" / "RECORD").unlink()


def outside(venv: Path) -> None:
    record = site_of(venv) / "alpha-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "../../../../../etc/passwd,,\n")


def linked_out(venv: Path) -> None:
    (venv.parent / "src").mkdir()
    (site_of(venv) / "alpha").rename(venv.parent / "src" / "alpha")
    (site_of(venv) / "alpha").symlink_to(venv.parent / "src" / "alpha")


FORBIDDEN = {
    "conda": (conda, "conda installed alpha", r"conda install -p \S+ alpha=2.0"),
    "conda's INSTALLER": (conda_by_installer, "conda installed alpha", "conda install"),
    "editable": (editable, "editable install", "check out"),
    "twice": (twice, "more than once", "remove all but one"),
    "no RECORD": (without_record, "no readable RECORD", "reinstall"),
    "a RECORD that leads out": (outside, "outside", "reinstall"),
    "a package folder that leads out": (linked_out, "outside", "reinstall"),
}


@pytest.mark.parametrize("case", FORBIDDEN)
def test_forbidden(uv_venv: Path, case: str) -> None:
    change, message, hint = FORBIDDEN[case]
    change(uv_venv)
    before = picture(uv_venv)
    with pytest.raises(RepairError, match=message) as caught:
        refuse(environment_of(uv_venv))
    assert re.search(hint, caught.value.hint)
    assert picture(uv_venv) == before


CONDAS = {
    "conda on the path": (("conda", "micromamba"), {}, "conda install -p"),
    "micromamba on the path": (("micromamba",), {}, "micromamba install -p"),
    "mamba before micromamba": (("micromamba", "mamba"), {}, "mamba install -p"),
    "micromamba as a shell function": ((), {"MAMBA_EXE": "/opt/bin/micromamba"}, "micromamba install -p"),
    "conda as a shell function": ((), {"CONDA_EXE": "/opt/conda/bin/conda"}, "conda install -p"),
    "none": ((), {}, "conda install -p"),
}


@pytest.mark.parametrize("case", CONDAS)
def test_the_conda_that_is_at_hand_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    tools, variables, wanted = CONDAS[case]
    for name in ("CONDA_EXE", "MAMBA_EXE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in tools:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert forbidden._by_conda(tmp_path / "env", {"alpha": "2.0"}) == f"{wanted} {tmp_path}/env alpha=2.0"


def test_an_environment_of_pixi_is_changed_by_pixi(tmp_path: Path) -> None:
    prefix = tmp_path / ".pixi" / "envs" / "default"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "pixi").write_text("{}")
    assert forbidden._by_conda(prefix, {"alpha": "2.0"}) == f"pixi add --manifest-path {tmp_path} alpha=2.0"
    assert forbidden._by_conda(prefix, {"alpha": None}) == f"pixi remove --manifest-path {tmp_path} alpha"


def test_conda_environment_with_a_package_of_pip(uv_venv: Path) -> None:
    (uv_venv / "conda-meta").mkdir()
    (uv_venv / "conda-meta" / "python-3.11.7-h955ad1f_0.json").write_text("{}")
    refuse(environment_of(uv_venv))


def test_a_system_python(uv_venv: Path, tmp_path: Path) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=no\n")
    environment = replace(environment_of(uv_venv), stdlib=str(tmp_path))
    refuse(environment)  # a venv may be changed, whatever its base is
    (uv_venv / "pyvenv.cfg").rename(uv_venv / "gone")
    with pytest.raises(RepairError, match="managed by the system") as caught:
        refuse(environment)
    assert "-m venv .venv && .venv/bin/python -m pip install alpha==2.0" in caught.value.hint


def test_read_only_site_packages(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site_of(uv_venv).chmod(0o555)
    if os.geteuid() == 0:  # who may write everywhere; what the others are told stands in for it
        monkeypatch.setattr(packages.os, "access", lambda path, mode: path != site_of(uv_venv))
    with pytest.raises(RepairError, match="cannot be written"):
        refuse(environment_of(uv_venv))


def test_without_uv_and_pip(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_uv", lambda: None)
    monkeypatch.setattr(packages.sys, "executable", "/nowhere/python")
    with pytest.raises(RepairError, match="has no pip, and there is no uv") as caught:
        choose_installer(environment_of(uv_venv))
    assert "-m ensurepip" in caught.value.hint


def test_our_pip_serves_a_venv_without_one(uv_venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_uv", lambda: None)
    chosen = choose_installer(environment_of(uv_venv))
    assert chosen.command[:5] == (sys.executable, "-m", "pip", "--python", environment_of(uv_venv).target.path)


def test_a_shim_that_does_not_run_is_no_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "uv"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages.sysconfig, "get_path", lambda name: str(tmp_path))
    assert packages.find_uv() is None


SAID = {
    "offline": ("error: Failed to fetch: `https://pypi.org/simple/peft/`\n dns error", OfflineError),
    "full": ("OSError: [Errno 28] No space left on device", RepairError),
    "other": ("No matching distribution found for peft==99", RepairError),
}


@pytest.mark.parametrize("case", SAID)
def test_what_an_installer_says_is_shown(case: str, tmp_path: Path) -> None:
    text, kind = SAID[case]
    installer = Installer("uv", (sys.executable, "-c", f"import sys; print({text!r}); sys.exit(1)"), "python")
    with pytest.raises(kind) as caught:
        installer.install({"peft": "99"}, tmp_path, None, tmp_path / "log")
    assert type(caught.value) is kind and text.splitlines()[-1] in caught.value.message
    assert text in (tmp_path / "log").read_text()


def test_an_installer_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "TIMEOUT", 0.3)
    with pytest.raises(RepairError, match="did not end"):
        run_logged([sys.executable, "-c", "import time; time.sleep(60)"], {}, None, tmp_path / "log")


BY_HAND = {
    "pip": (True, {"alpha": "2.0"}, "PY -m pip install alpha==2.0"),
    "uv": (False, {"alpha": "2.0"}, "uv pip install --python PY alpha==2.0"),
    "removed": (True, {"beta": None}, "PY -m pip uninstall beta"),
    "both": (
        False,
        {"alpha": "2.0", "beta": None},
        "uv pip install --python PY alpha==2.0 && uv pip uninstall --python PY beta",
    ),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_the_command_that_a_user_would_type(tmp_path: Path, case: str) -> None:
    has_pip, pins, wanted = BY_HAND[case]
    if has_pip:
        (tmp_path / "pip-25.0.dist-info").mkdir()
    assert forbidden.by_hand("PY", [tmp_path], pins) == wanted


def test_an_editable_install_is_not_removed_either(uv_venv: Path) -> None:
    editable(uv_venv)
    environment = environment_of(uv_venv)
    place = find_place(environment)
    found = find_installed("alpha", place)
    assert found
    with pytest.raises(RepairError, match="editable install") as caught:
        refuse_forbidden(environment, place, {"alpha": None}, [found])
    assert "uninstall" in caught.value.hint
