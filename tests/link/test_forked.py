"""Work in forked processes."""

from __future__ import annotations

import os
import sys

import pytest

from sftdoctor.link import forked

pytestmark = pytest.mark.skipif(not forked.available(), reason="this system cannot fork")


def test_results_come_in_order() -> None:
    assert forked.each(lambda n: b"%d" % (n * n), range(20)) == [b"%d" % (n * n) for n in range(20)]


def test_what_is_changed_is_gone() -> None:
    held = [1]

    def work(n: int) -> bytes:
        held.append(n)
        return b"%d" % len(held)

    assert forked.each(work, [1, 2, 3]) == [b"2", b"2", b"2"]
    assert held == [1]


def test_large_results() -> None:
    assert forked.each(lambda n: b"x" * n, [3_000_000, 1]) == [b"x" * 3_000_000, b"x"]


def test_one_that_dies_or_raises_gives_nothing() -> None:
    def work(n: int) -> bytes:
        if n == 1:
            os.kill(os.getpid(), 9)
        if n == 2:
            raise ValueError("no")
        if n == 3:
            sys.exit(3)
        return b"%d" % n

    assert forked.each(work, [0, 1, 2, 3, 4]) == [b"0", b"", b"", b"", b"4"]


def test_nothing_to_do() -> None:
    assert forked.each(lambda n: b"x", []) == []
