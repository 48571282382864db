"""Names, modules and attributes that imports ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor.model import TargetKind
from tests.link.worlds import World, check, link_program, read_worlds


@pytest.mark.parametrize("row", read_worlds("import_breaks"))
def test_breaks(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("row", read_worlds("import_quiet"))
def test_quiet(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_both_places_are_named(tmp_path: Path) -> None:
    sources = {"lib": "here = 1", "user": "", "user.deep": "\n\nfrom lib import gone\n"}
    found = World(sources, "import user.deep").link(tmp_path).findings[0]
    assert found.cause is not None and found.cause.caller is not None and found.cause.callee is not None
    caller, callee = found.cause.caller, found.cause.callee
    assert (caller.distribution, caller.version, caller.path, caller.line) == ("user", "1.0", "user/deep.py", 3)
    assert (callee.distribution, callee.version, callee.module) == ("lib", "1.0", "lib")
    assert found.cause.expression == "from lib import gone"
    assert found.symptom == "ImportError: cannot import name 'gone' from 'lib'"


@pytest.mark.parametrize(
    ("kind", "python", "module", "confidence"),
    [
        (TargetKind.PINS, "3.11.7", "setuptools", "likely"),
        (TargetKind.PINS, "3.10", "pkg_resources", "likely"),
        (TargetKind.PINS, "3.12.1", "setuptools", "certain"),
        (TargetKind.PINS, "3.11.7", "scipy", "certain"),
        (TargetKind.INTERPRETER, "3.11.7", "setuptools", "certain"),
    ],
)
def test_a_list_of_pins_need_not_name_setuptools(
    kind: TargetKind, python: str, module: str, confidence: str, tmp_path: Path
) -> None:
    made = World({"user": f"import {module}"}, data={"python": python}).environment(tmp_path)
    found = link_program(replace(made, target=replace(made.target, kind=kind)), "import user").findings
    assert [(one.cause and one.cause.name, one.confidence.value) for one in found] == [(module, confidence)]
