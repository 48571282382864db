"""Work in forked processes."""

from __future__ import annotations

import os
import sys

import pytest

from sftdoctor.link import forked

pytestmark = pytest.mark.skipif(not forked.available(), reason="this system cannot fork")


def test_results_come_in_order() -> None:
    assert forked.each(lambda n: n * n, range(20)) == [n * n for n in range(20)]


def test_what_is_changed_is_gone() -> None:
    held = [1]

    def work(n: int) -> int:
        held.append(n)
        return len(held)

    assert forked.each(work, [1, 2, 3]) == [2, 2, 2]
    assert held == [1]


def test_large_results() -> None:
    assert forked.each(lambda n: "x" * n, [3_000_000, 1]) == ["x" * 3_000_000, "x"]


def test_one_that_dies_or_raises_gives_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def work(n: int) -> int:
        if n == 1:
            os.kill(os.getpid(), 9)
        if n == 2:
            raise ValueError("no")
        if n == 3:
            sys.exit(3)
        return n

    assert forked.each(work, [0, 1, 2, 3, 4]) == [0, None, None, None, 4]


def test_nothing_to_do() -> None:
    assert forked.each(lambda n: n, []) == []
