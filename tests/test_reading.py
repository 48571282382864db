"""What a log is told while pins are fetched."""

from __future__ import annotations

import io

import pytest

from sftdoctor.reading import say_fetched
from sftdoctor.report.progress import Progress


@pytest.mark.parametrize(
    ("total", "said"),
    [
        (1, "fetching what is not known yet of 1 package\n"),
        (63, "fetching what is not known yet of 63 packages\n"),
    ],
)
def test_a_log_gets_one_line(total: int, said: str) -> None:
    log = io.StringIO()
    with Progress(log) as progress:
        for done in range(1, total + 1):
            say_fetched(progress, done, total, f"package{done} 1.0")
    assert log.getvalue() == said
