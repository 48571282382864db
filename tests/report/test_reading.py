"""The bar that is drawn while a long log is read."""

from __future__ import annotations

import io
from pathlib import Path

from sftdoctor.report.progress import reading


def test_a_bar_is_drawn_once_it_takes_long(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 4_000_000)
    said: list[str] = []
    with path.open("rb") as stream:
        reading(stream, said.append)(1_000_000)
        assert said == []
        told = reading(stream, said.append, patience=0)
        told(1_000_000)
        told(4_000_000)
    assert said == [
        "reading the log [#####               ] 25% of 4 MB…",
        f"reading the log [{'#' * 20}] 100% of 4 MB…",
    ]


def test_a_pipe_has_no_size() -> None:
    said: list[str] = []
    reading(io.BytesIO(), said.append, patience=0)(3_000_000)
    assert said == ["reading the log 3 MB…"]
