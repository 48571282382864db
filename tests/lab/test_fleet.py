"""Ranks that find each other through torch.distributed, started by torchrun."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.lab


def test_ranks_meet_through_torch(newest: Path, tmp_path: Path) -> None:
    command = [str(newest), "-m", "torch.distributed.run", "--nproc-per-node", "3"]
    # the launcher's Python must find sftdoctor; in a user's environment it is installed
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *_site_packages()])}
    done = subprocess.run(
        [*command, "-m", "sftdoctor", "fleet", "--share", str(tmp_path), "--python", str(newest), "--format", "json"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(json.loads(done.stdout)["members"]) == 3
    assert "could not be used" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def _site_packages() -> list[str]:
    """Where what sftdoctor itself needs lies."""
    import rich

    return [str(Path(rich.__file__).parents[1])]
