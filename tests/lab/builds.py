"""What the lab tests share beside the fixtures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from sftdoctor.demo import DATA, run_script
from sftdoctor.target import read_interpreter
from sftdoctor.throwaway import Workshop

NEWEST = (
    *("transformers==5.23.0", "trl==1.16.0", "peft==0.21.2", "accelerate==1.15.0"),
    *("bitsandbytes==0.50.2", "datasets==5.2.0"),
)
"""The stack of November 2026."""
STACKS = {
    "newest": NEWEST,
    "2025": (
        *("transformers==4.57.6", "trl==0.24.0", "peft==0.17.1", "accelerate==1.10.1"),
        *("bitsandbytes==0.48.2", "datasets==4.3.0"),
    ),
    "2024": (
        *("transformers==4.46.3", "trl==0.12.2", "peft==0.13.2", "accelerate==1.1.1"),
        *("datasets==3.1.0", "numpy==1.26.4", "pyarrow==17.0.0"),
    ),
    "2023": (
        *("transformers==4.35.2", "trl==0.7.9", "peft==0.7.1", "accelerate==0.26.1"),
        *("datasets==2.16.1", "numpy==1.26.4", "pyarrow==17.0.0"),
    ),
}
"""What belonged together at a time: name → requirements, all on the lab's torch."""

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


def make_model(python: Path, folder: Path) -> None:
    """Save the tiny Llama and its tokenizer, in the form of the libraries that are to read it."""
    made = run_script(python, folder.parent, str(DATA / "make_model.py"), folder.name)
    assert made.passed, made.line


class Stacks:
    """Environments that tests share and do not change, each built when it is first asked for.

    Args:
        workshop: Builds them.
    """

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self._pythons: dict[str, Path] = {}
        self._models: dict[str, Path] = {}

    def python(self, name: str) -> Path:
        """Python of a stack."""
        if name not in self._pythons:
            self._pythons[name] = self.build(self.workshop.folder / name, name)
        return self._pythons[name]

    def model(self, name: str) -> Path:
        """Folder of the tiny model, saved by a stack."""
        if name not in self._models:
            folder = self.workshop.folder / f"model-{name}"
            make_model(self.python(name), folder)
            self._models[name] = folder
        return self._models[name]

    def build(self, path: Path, name: str, requirements: Sequence[str] = (), *, torch: bool = False) -> Path:
        """Build an environment of the caller's own.

        Args:
            path: Where.
            name: The stack; empty for none.
            requirements: What it gets besides.
            torch: Whether it gets torch where it has no stack.

        Returns:
            Its Python.
        """
        return self.workshop.build(path, (*STACKS.get(name, ()), *requirements), torch=torch or bool(name))
