"""Real stacks in throwaway environments, one of each kind a session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sftdoctor.throwaway import Workshop
from tests.lab.builds import Stacks


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Where the environments are built: on this Python, with this torch, from whatever index the user has."""
    made = Workshop(tmp_path_factory.mktemp("lab"), lambda _: None)
    made.resolve([("numpy",)])
    return made


@pytest.fixture(scope="session")
def stacks(workshop: Workshop) -> Stacks:
    """The environments that tests share."""
    return Stacks(workshop)


@pytest.fixture(scope="session")
def newest(request: pytest.FixtureRequest) -> Path:
    """Python of the newest stack; not to be changed. SFTDOCTOR_LAB_PYTHON names one where none can be built."""
    given = os.environ.get("SFTDOCTOR_LAB_PYTHON")
    if given:
        return Path(given)
    stacks: Stacks = request.getfixturevalue("stacks")
    return stacks.python("newest")


@pytest.fixture
def build(workshop: Workshop, tmp_path: Path) -> object:
    """Builds an environment of the test's own, and removes it after."""
    made: list[Path] = []

    def built(*requirements: str) -> Path:
        made.append(tmp_path / f"venv{len(made)}")
        return workshop.build(made[-1], requirements)

    yield built
    for path in made:
        shutil.rmtree(path, ignore_errors=True)
