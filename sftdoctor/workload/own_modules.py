"""The modules of a project that its script imports: followed as the script is, never executed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from sftdoctor.errors import WorkloadError
from sftdoctor.flow import Machine, Obj, RaisedError
from sftdoctor.flow.source import Source, as_source, may_hang, read_source
from sftdoctor.folders import folders_above
from sftdoctor.workload.places import Places

MAIN = "__main__"
MOST = 64
"""Modules of one script that are followed."""
INIT = "__init__.py"


class OwnModules:
    """The modules beside a script, and those of the packages of its project.

    Args:
        script: The script's path.
        places: Told where the modules' nodes stand.
        libraries: Packages whose calls are known by name; only a file beside the script stands before them.
        thought: Of files by their real path: what they are thought to hold.
    """

    def __init__(
        self, script: Path, places: Places, libraries: frozenset[str], thought: Mapping[str, bytes] | None = None
    ) -> None:
        self.sources: dict[Path, Source] = {}
        """Those that were followed, in the order of their import."""
        self._script = script
        self._places = places
        self._libraries = libraries
        self._thought = thought or {}
        self._roots = tuple(_roots(script.parent))
        self._frames: dict[Path, Obj] = {}
        self._found: dict[str, Path | None] = {}

    def frame(self, machine: Machine, importing: str, name: str, level: int) -> Obj | None:
        """The frame of a module, which is followed where it was not before.

        Args:
            machine: The machine.
            importing: What imports it: the path of a module, or "__main__".
            name: The dotted name that it is imported by; without the dots that a relative one starts with.
            level: The number of those.

        Returns:
            What holds its names; None where it is no module of the project, or cannot be read.
        """
        file = self._find(importing, name, level)
        if file is None:
            return None
        known = self._frames.get(file)
        if known is not None and machine.heap.holds(known):
            return known
        package, _, last = name.rpartition(".")
        above = self.frame(machine, importing, package, level) if package or (level and name) else None
        known = self._frames.get(file)  # the package itself may have imported it
        frame = known if known is not None and machine.heap.holds(known) else self._follow(machine, file)
        if above is not None and frame is not None:
            machine.heap.set(above, last, frame)
        return frame

    def _follow(self, machine: Machine, file: Path) -> Obj | None:
        source = self._read(file) if file.suffix else None
        if file.suffix and source is None:
            return None
        frame = self._frames[file] = machine.heap.add(Obj("frame"))
        if source is not None:
            try:
                machine.run(source.tree.body, str(file), frame)
            except RaisedError:
                machine.heap.record(frame).open = True  # what it would have bound is not known
        return frame

    def _find(self, importing: str, name: str, level: int) -> Path | None:
        """The file of a module, the folder of a package without __init__.py."""
        parts = name.split(".") if name else []
        if level:
            base = self._script if importing == MAIN else Path(importing)
            return _module(base.parents[level - 1], parts) if level <= len(base.parents) else None
        if name not in self._found:
            self._found[name] = self._look(parts)
        return self._found[name]

    def _look(self, parts: list[str]) -> Path | None:
        top = parts[0]
        if top in self._libraries or top in sys.stdlib_module_names:
            beside = self._script.parent / f"{top}.py"
            return beside if beside.is_file() and beside != self._script and len(parts) == 1 else None
        for root in self._roots:
            if _module(root, [top]) is not None and (root / top in self._script.absolute().parents or _is_own(root)):
                return _module(root, parts)
        return None

    def _read(self, file: Path) -> Source | None:
        """A module's source; None where it cannot be read, or where there are too many."""
        if file not in self.sources:
            if len(self.sources) >= MOST or may_hang(file):
                return None
            thought = self._thought.get(os.path.realpath(file))
            try:
                state = file.stat()
                read = as_source(file, thought) if thought is not None else _read(file, state.st_mtime_ns)
            except (OSError, WorkloadError):
                return None
            self.sources[file] = read
            self._places.add(str(file), read.text, read.tree)
        return self.sources[file]


@lru_cache(maxsize=256)
def _read(file: Path, time: int) -> Source:
    """A module's source as of a time of change in nanoseconds: many scripts import the same ones."""
    return read_source(file)


def _module(base: Path, parts: list[str]) -> Path | None:
    """The file of a module below a folder; for a package without __init__.py its folder, where it holds modules."""
    place = base.joinpath(*parts)
    if parts and (file := place.with_name(f"{place.name}.py")).is_file():
        return file
    if (place / INIT).is_file():
        return place / INIT
    return place if place.is_dir() and next(place.glob("*.py"), None) is not None else None


def _roots(folder: Path) -> Iterator[Path]:
    """Where a script's imports are looked for: its folder, and those above it up to the project's own."""
    above = [one for one in folders_above(folder) if not (one / INIT).exists()]
    # part of a package is started with -m, and sees the modules beside it by the package's name
    ordered = [*above, folder] if (folder / INIT).exists() else [folder, *above]
    for one in ordered:
        yield one
        yield one / "src"


def _is_own(root: Path) -> bool:
    """Whether a folder is a project's, and no site-packages with the packages of others."""
    return next(root.glob("*.dist-info"), None) is None
