"""Reads scripts, from memory where nothing has changed that reading them looked at.

What a script says hangs on its text, its command line and the places that following it looks at: modules of its
project, configs, data, and where each of these was sought in vain. A watched run notices all of them (`looks`).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftdoctor import folders, looks
from sftdoctor.errors import WorkloadError
from sftdoctor.flow.source import Source, read_text
from sftdoctor.model import Fact, Location, NotJudged, Script
from sftdoctor.workload.script import read_script

FORMAT = 1
"""Raised when what is kept changes its form."""
MOST = 20_000
"""Scripts that are kept; the oldest go first."""
MAX_SIZE = 4_000_000
CODE = ("workload", "flow", "configs", "shell", "nodes.py", "model.py", "folders.py", "looks.py")
"""What reads what is kept."""
VARIABLES = ("HOME", "XDG_CACHE_HOME")
"""Those that say where files lie which following a script may look at."""
Read = tuple[Script, tuple[NotJudged, ...]]
"""A script with its facts, and what of it could not be followed."""


class Reader:
    """Reads scripts, each from memory where that holds.

    Args:
        cache: Folder for what was read; None keeps nothing. Nothing is kept either where the run is not watched.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._watch = looks.watching() if cache is not None else None
        self._folder = cache / "scripts" if cache is not None and self._watch is not None else None
        self._recalled: dict[tuple[Path, tuple[str, ...]], Read | None] = {}
        self._full: set[Path] = set()
        self._kept = 0

    def source(self, path: Path, arguments: Sequence[str] = ()) -> Source:
        """Read the text of a script or notebook.

        Args:
            path: A .py or .ipynb file; other files are read as Python.
            arguments: The command line that it will get.

        Returns:
            It; not parsed where what it says is known from before.

        Raises:
            WorkloadError: It cannot be read, is too large, or is no Python; the message names the file and line.
        """
        source = read_text(path)
        if self._known(source, arguments) is None:
            source.tree  # noqa: B018  (parsed, or refused)
        return source

    def is_empty(self, source: Source) -> bool:
        """Whether nothing in a script runs."""
        return source.path not in self._full and not source.tree.body

    def script(self, source: Source, arguments: Sequence[str]) -> Read:
        """Read what a script says about its training.

        Args:
            source: From source.
            arguments: The command line that it will get.

        Returns:
            The script with its facts, and what could not be followed.
        """
        known = self._known(source, arguments)
        if known is not None:
            return known
        if self._watch is None or self._folder is None:
            return read_script(source, arguments)
        with looks.Part(self._watch) as part:
            found = read_script(source, arguments)
        seen = part.seen()
        if source.tree.body and seen is not None:
            self._keep(self._path(source, arguments), found, seen)
        return found

    def finish(self) -> None:
        """Let go of the oldest of what is kept, where something came to it."""
        if self._kept and self._folder is not None:
            folders.prune(self._folder, MOST)

    def _known(self, source: Source, arguments: Sequence[str]) -> Read | None:
        """What was kept of a script, looked for once."""
        place = source.path, tuple(arguments)
        if place not in self._recalled:
            self._recalled[place] = self._recall(source, arguments) if self._folder is not None else None
            if self._recalled[place] is not None:
                self._full.add(source.path)  # of an empty one nothing is kept
        return self._recalled[place]

    def _path(self, source: Source, arguments: Sequence[str]) -> Path:
        """Where what a script says is kept, by all that it hangs on beside the disk."""
        said = (
            *(FORMAT, folders.code_stamp(*CODE), sys.version, [os.environ.get(name) for name in VARIABLES]),
            *(str(source.path), str(Path.cwd()), source.text, source.cells, tuple(arguments)),
        )
        digest = hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()
        return Path(self._folder or "", f"{digest}.json")

    def _recall(self, source: Source, arguments: Sequence[str]) -> Read | None:
        """What was kept; None where nothing was, it is damaged, or a place that reading looked at has changed."""
        try:
            path = self._path(source, arguments)
            if path.stat().st_size > MAX_SIZE:
                return None
            data = json.loads(path.read_text("utf-8"))
            if self._watch is None or not all(self._watch.holds((kind, at), was) for kind, at, was in data["looks"]):
                return None
            return _read(source, arguments, data)
        except (OSError, ValueError, TypeError, KeyError, WorkloadError):
            return None

    def _keep(self, path: Path, found: Read, seen: dict[tuple[str, str], str]) -> None:
        """Keep what a script says, where it can be told again as it is."""
        script, not_judged = found
        data = {
            "facts": [[fact.name, fact.value, _span(fact.location)] for fact in script.facts],
            "not_judged": [[one.what, one.reason] for one in not_judged],
            "modules": [module for module, _ in script.modules],
            "looks": [[kind, at, there] for (kind, at), there in seen.items()],
        }
        try:
            text = json.dumps(data)
            again = json.loads(text)
        except (TypeError, ValueError):
            return
        if [_fact(item) for item in again["facts"]] == list(script.facts):
            folders.write_whole(path, text)
            self._kept += 1


def _read(source: Source, arguments: Sequence[str], data: dict[str, Any]) -> Read:
    script = Script(
        str(source.path),
        source.text,
        tuple(_fact(item) for item in data["facts"]),
        tuple(arguments),
        source.cells,
        modules=tuple((path, read_text(Path(path)).text) for path in data["modules"]),
    )
    return script, tuple(NotJudged(*item) for item in data["not_judged"])


def _span(location: Location | None) -> list[Any] | None:
    if location is None:
        return None
    return [location.path, location.line, location.column, location.end_line, location.end_column]


def _fact(item: list[Any]) -> Fact:
    name, value, span = item
    return Fact(name, _value(value), None if span is None else Location(*span))


def _value(value: Any) -> Any:
    """A fact's value: JSON has lists where it has tuples."""
    return tuple(map(_value, value)) if isinstance(value, list) else value
