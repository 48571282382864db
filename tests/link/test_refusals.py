"""What a config's own constructor refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.link.constructors import judge
from tests.link.worlds import World, check, read_worlds


@pytest.mark.parametrize("row", read_worlds("refusals"))
def test_refusals(row: World, tmp_path: Path) -> None:
    check(row, tmp_path)


@pytest.mark.parametrize("seed", range(40))
def test_a_certain_refusal_is_one_whatever_a_run_brings(seed: int, tmp_path: Path) -> None:
    assert judge(seed, tmp_path) is not False


def test_random_constructors_are_refused_now_and_then(tmp_path: Path) -> None:
    assert any(judge(seed, tmp_path / str(seed)) for seed in range(12))
