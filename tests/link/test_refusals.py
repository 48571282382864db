"""What a config's own constructor refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("refusals"))
def test_refusals(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)
