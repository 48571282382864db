"""The corpus of real tracebacks: fixtures/tracebacks/*.toml, one entry a public thread, with its address.

Only the lines that matter are kept. Where the thread's text ends before the exception, its title gave that line.
`expect` holds the ids that are a right first answer; without it "not known" is right. `cause`, where it is there, was
written before any rule was tried. A third is held back: no pattern or parser was tried on it before the figure that
tests/test_corpus.py tells was taken (nor on the files unseen-*.toml).
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent.parent / "fixtures" / "tracebacks"


@dataclass(frozen=True)
class Trace:
    """One traceback of a public thread."""

    source: str
    text: str
    expect: tuple[str, ...]

    @property
    def held_back(self) -> bool:
        """Whether it belongs to the third that nothing was tried on; decided by its address alone."""
        return int(hashlib.sha256(self.source.encode()).hexdigest(), 16) % 3 == 0


def traces() -> list[Trace]:
    """All traces, by file and in the order of each."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for one in tomllib.loads(path.read_text(encoding="utf-8"))["trace"]:
            found.append(Trace(one["source"], one["text"], tuple(one.get("expect", ()))))
    return found
