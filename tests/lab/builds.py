"""What the lab tests share beside the fixtures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from sftdoctor.target import read_interpreter

NEWEST = (
    *("transformers==5.23.0", "trl==1.16.0", "peft==0.21.2", "accelerate==1.15.0"),
    *("bitsandbytes==0.50.2", "datasets==5.2.0"),
)
"""The stack of November 2026."""

Build = Callable[..., Path]


def freeze(python: Path) -> dict[str, str]:
    """Every distribution of an environment: name → version and a hash of what it installed."""
    found = {}
    for name, distribution in read_interpreter(str(python)).distributions.items():
        record = Path(str(distribution.metadata), "RECORD")
        files = sorted(line.rsplit(",", 2)[0] for line in record.read_text(encoding="utf-8").splitlines())
        root = Path(str(distribution.root))
        digest = hashlib.sha256()
        for file in files:
            if not file.endswith(".pyc") and "dist-info" not in file and (root / file).is_file():
                digest.update(file.encode() + (root / file).read_bytes())
        found[name] = f"{distribution.version} {digest.hexdigest()}"
    return found
