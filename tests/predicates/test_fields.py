"""What constructors take, read from sources that nothing imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.predicates.fields import fields_of

SOURCES = {
    "base/__init__.py": "if TYPE_CHECKING:\n    from .args import Args as Args\n",
    "base/args.py": "@dataclass\nclass Args:\n    out: str = ''\n    kind: ClassVar = 1\n    lr: float = 1\n",
    "more/__init__.py": "",
    "more/own/__init__.py": "from .config import Config\n",
    "more/own/config.py": "from base import Args\n\n\n@dataclass()\nclass Config(Args):\n    length: int\n",
    "more/lost.py": "from gone import Args\n\n\n@dataclass\nclass Config(Args):\n    length: int = 1\n",
    "more/init.py": "@needs('x')\nclass A:\n    def __init__(self, a, *, b=1): ...\n\n\nclass B:\n    x: int = 1\n",
    "more/broken.py": "class (",
}


class Sources:
    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, module: str) -> Path | None:
        base = self.root / module.replace(".", "/")
        return next((one for one in (base / "__init__.py", base.with_suffix(".py")) if one.exists()), None)


@pytest.fixture
def library(tmp_path: Path) -> Sources:
    for name, text in SOURCES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Sources(tmp_path)


@pytest.mark.parametrize(
    ("called", "names", "complete"),
    [
        ("base.args:Args", {"out", "lr"}, True),
        ("base:Args", {"out", "lr"}, True),
        ("more.own.config:Config", {"out", "lr", "length"}, True),
        ("more.own:Config", {"out", "lr", "length"}, True),
        ("more.init:A", {"a", "b"}, False),
    ],
)
def test_known(library: Sources, called: str, names: set[str], complete: bool) -> None:
    found = fields_of(library, called)  # type: ignore[arg-type]
    assert found is not None and (found.names, found.complete) == (names, complete)


@pytest.mark.parametrize(
    "called", ["more.lost:Config", "more.init:B", "more.broken:A", "gone:A", "more:A", "", "a:b.c"]
)
def test_unknown(library: Sources, called: str) -> None:
    assert fields_of(library, called) is None  # type: ignore[arg-type]
