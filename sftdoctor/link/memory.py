"""What linking found, kept between runs: valid as long as the environment and every file that was read are the same."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sftdoctor import folders
from sftdoctor.link.program import LinkResult
from sftdoctor.model import Cause, Confidence, Environment, Finding, Location, NotJudged, Place, Severity

FORMAT = 7
"""Raised when what is kept changes its form."""
MAX_SIZE = 20_000_000
CODE = ("link", "configs", "nodes.py")
"""What finds what is kept."""
MODULES = (".py", ".so", ".pyd", ".dylib")
MAX_FILES = 20_000
"""Results kept in one folder; the oldest go first."""


class Stamps:
    """Size and time of files, and the modules in folders: each asked of the disk once, by a hundred scripts."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._lists: dict[Path, bool] = {}

    def hold(self, path: Path) -> bool:
        """Whether every file of a list that was kept is as it was; each list is looked at once.

        Raises:
            OSError: The list cannot be read.
            ValueError: It is damaged.
        """
        if path not in self._lists:
            self._lists[path] = self.same(json.loads(path.read_text("utf-8")))
        return self._lists[path]

    def same(self, files: dict[str, str]) -> bool:
        """Whether files are as their stamps say."""
        return all(self.of(name) == stamp for name, stamp in files.items())

    def of(self, path: str) -> str:
        """What tells whether a file has changed, or the modules in a folder have; "-" where there is none."""
        if path not in self._known:
            self._known[path] = _stamp(path)
        return self._known[path]


def identity(environment: Environment, stamps: Stamps) -> str:
    """What identifies an environment, and the linker.

    Args:
        environment: The target's facts.
        stamps: Asked about the records of what is installed.
    """
    said = (FORMAT, folders.code_stamp(*CODE), environment.python, environment.complete)
    digest = hashlib.sha256(repr(said).encode())
    for name, distribution in sorted(environment.distributions.items()):
        digest.update(f"|{name}={distribution.version}@{distribution.root}={distribution.numpy}".encode())
        digest.update(stamps.of(f"{distribution.metadata or ''}/RECORD").encode())
    for root in environment.paths:  # a package that was copied there has no record
        digest.update(stamps.of(root).encode())
    for part in (
        environment.paths,
        environment.owners,
        environment.modules,
        environment.markers,
        environment.variables,
    ):
        digest.update(repr(part if not isinstance(part, dict) else sorted(part.items())).encode())
    return digest.hexdigest()


def key_of(environment: str, *texts: str) -> str:
    """Under what the result of a program is kept.

    Args:
        environment: Its identity.
        texts: Everything else that the result hangs on: the program, its path, its command line.
    """
    return hashlib.sha256(f"{environment}|{texts!r}".encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)
        return _modules(path) if stat.S_ISDIR(found.st_mode) else f"{found.st_size}.{found.st_mtime_ns}"
    except OSError:
        return "-"


def _modules(folder: str) -> str:
    """The modules that a folder holds, or may: one that comes there is found, and may stand before another."""
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.endswith(MODULES) or (entry.is_dir() and "." not in entry.name)
        )
    return hashlib.sha256(
        "|".join(name for name in names if name != "__pycache__").encode("utf-8", "surrogateescape")
    ).hexdigest()


def recall(folder: Path, key: str, stamps: Stamps) -> LinkResult | None:
    """What was found under that key; None where nothing was kept, it is damaged, or a file it rests on has changed."""
    try:
        path = folder / f"{key}.json"
        if path.stat().st_size > MAX_SIZE:
            return None
        data = json.loads(path.read_text("utf-8"))
        if not stamps.same(data["files"]) or (data["shared"] and not stamps.hold(folder / data["shared"])):
            return None
        return read(data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def plain(result: LinkResult) -> dict[str, Any]:
    """What was found, as JSON has it."""
    return {
        "findings": [_plain(asdict(item)) for item in result.findings],
        "not_judged": [asdict(item) for item in result.not_judged],
        "imports": list(result.imports),
        "modules": {path: list(files) for path, files in result.modules.items()},
        "speaks_of_quantizing": result.speaks_of_quantizing,
    }


def read(data: dict[str, Any]) -> LinkResult:
    """What plain gave, back again.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: It is not that.
    """
    findings = tuple(_finding(item) for item in data["findings"])
    not_judged = tuple(NotJudged(**item) for item in data["not_judged"])
    modules = {path: tuple(files) for path, files in data["modules"].items()}
    return LinkResult(findings, not_judged, tuple(data["imports"]), modules, data["speaks_of_quantizing"])


def keep(
    folder: Path, key: str, result: LinkResult, files: Iterable[str], shared: Iterable[str] = (), beside: str = ""
) -> None:
    """Keep what was found.

    Args:
        folder: Where to.
        key: As key_of gives it.
        result: What was found.
        files: The files that this rests on.
        shared: Those of them that other results rest on too: their list is kept once.
        beside: A folder whose modules stand in the key: what it lacks need not be told once more.
    """
    common = {name: _stamp(name) for name in sorted(shared)}
    stamps = {file: _stamp(file) for file in files if file not in common}
    text = json.dumps(common)
    name = f"files-{hashlib.sha256(text.encode()).hexdigest()[:40]}.json" if common else ""
    data = {
        **plain(result),
        "files": {file: stamp for file, stamp in stamps.items() if stamp != "-" or os.path.dirname(file) != beside},
        "shared": name,
    }
    if name and not (folder / name).exists():
        folders.write_whole(folder / name, text)
    folders.write_whole(folder / f"{key}.json", json.dumps(data))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _finding(data: dict[str, Any]) -> Finding:
    cause, location = data["cause"], data["location"]
    return Finding(
        **{
            **data,
            "severity": Severity(data["severity"]),
            "confidence": Confidence(data["confidence"]),
            "cause": cause
            and Cause(
                _place(cause["caller"]), _place(cause["callee"]), cause["name"], cause["expression"], cause["value"]
            ),
            "location": location and Location(**location),
            "fixes": (),
            "evidence": tuple(data["evidence"]),
        }
    )


def _place(data: dict[str, Any] | None) -> Place | None:
    return Place(**data) if data else None
