"""Classes across packages: dataclasses with bases elsewhere, attributes, overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.model import Location
from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("classes"))
def test_classes(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


def test_the_users_override_is_placed(tmp_path: Path) -> None:
    lib = "class T:\n    def loss(self, x, n=0): pass\n    def train(self): self.loss(1, n=2)\n"
    script = "from lib import T\nclass Mine(T):\n    def loss(self, x): pass\nMine().train()\n"
    found = World({"lib": lib}, script, script=True).link(tmp_path).findings[0]
    assert found.location == Location("train.py", 3)
    assert found.cause is not None and found.cause.caller is not None
    assert (found.cause.caller.path, found.cause.caller.line) == ("lib/__init__.py", 3)
