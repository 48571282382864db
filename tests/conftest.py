"""What all tests share: no cache, no state and no configuration of the user, and two tiny stacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.stacks import make_stack

SURROUNDINGS = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONUNBUFFERED"),
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS", "SFTDOCTOR_DEBUG", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"),
)

settings.register_profile("any machine", deadline=None)  # a loaded machine is no failure
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFTDOCTOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("SFTDOCTOR_STATE", str(tmp_path_factory.mktemp("state")))
        for name in SURROUNDINGS:
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny venv that breaks as the first failure does."""
    return make_stack(tmp_path_factory.mktemp("broken") / "venv")


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a peft that takes the argument."""
    return make_stack(tmp_path_factory.mktemp("healthy") / "venv", peft="0.17.1")
