"""Where a module of the target lives: which distribution, which file, source or compiled."""

from __future__ import annotations

import ast
import codecs
import io
import os
import re
import stat
import sys
import tokenize
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sftdoctor.model import Distribution, Environment

MAX_SOURCE = 8_000_000
"""Bytes; a larger file is not read (the largest module of these libraries has about 0.4 MB)."""
COMPILED = (".so", ".pyd", ".dylib")
MERGED_NAMES = {"_pytest": "pytest", "attr": "attrs", "yaml": "pyyaml", "PIL": "pillow", "dateutil": "python-dateutil"}
REMOVED = {  # module → (first Python without it), from the "What's New" pages of 3.11 to 3.13
    "asynchat": (3, 12),
    "asyncore": (3, 12),
    "distutils": (3, 12),
    "imp": (3, 12),
    "smtpd": (3, 12),
    "aifc": (3, 13),
    "audioop": (3, 13),
    "cgi": (3, 13),
    "cgitb": (3, 13),
    "chunk": (3, 13),
    "crypt": (3, 13),
    "imghdr": (3, 13),
    "lib2to3": (3, 13),
    "mailcap": (3, 13),
    "msilib": (3, 13),
    "nis": (3, 13),
    "nntplib": (3, 13),
    "ossaudiodev": (3, 13),
    "pipes": (3, 13),
    "sndhdr": (3, 13),
    "spwd": (3, 13),
    "sunau": (3, 13),
    "telnetlib": (3, 13),
    "uu": (3, 13),
    "xdrlib": (3, 13),
}
ADDED = {"tomllib": (3, 11), "zoneinfo": (3, 9), "graphlib": (3, 9), "annotationlib": (3, 14), "compression": (3, 14)}


@dataclass(frozen=True)
class Found:
    """A module as it lies on disk (or in a wheel's list of files)."""

    name: str
    path: Path | None
    """Its source; None for a compiled module or a namespace package."""
    package: bool
    distribution: str
    root: str
    compiled: str | None = None
    """File name of a compiled module."""
    own: bool = False
    """Whether it is the user's, beside a script, and of no distribution."""

    @property
    def relative(self) -> str | None:
        """Path below the import root, with forward slashes."""
        if self.path is None:
            return None
        try:
            return self.path.relative_to(self.root).as_posix()
        except ValueError:
            return self.path.name


class Locator:
    """Finds the modules of an Environment without importing anything.

    Args:
        environment: Whose import roots and distributions are searched.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.python = _version(environment.python)
        self._listings: dict[str, dict[str, bool]] = {}
        self._records: dict[str, frozenset[str]] = {}
        self._found: dict[str, Found | None] = {}
        self._own: dict[Path, Locator] = {}
        self.missed: set[str] = set()
        """Where modules were sought in vain: one that comes there changes the answer."""

    def in_folder(self, folder: Path, name: str) -> Found | None:
        """A module of the user's own in a folder that is no import root of the target; it is of no distribution."""
        if folder not in self._own:
            environment = replace(self.environment, paths=(str(folder),), owners={}, distributions={}, modules={})
            self._own[folder] = Locator(environment)
            self._own[folder].missed = self.missed
        found = self._own[folder].find(name)
        return replace(found, distribution="", own=True) if found else None

    @cached_property
    def _roots(self) -> dict[str, list[str]]:
        """Top-level name → the import roots that hold it, in the order of the path."""
        holders: dict[str, list[str]] = {}
        for root in self.environment.paths:
            for entry in self._list(root):
                name = entry.partition(".")[0]
                holders.setdefault(name, []).append(root)
        for held in self.environment.distributions.values():
            for name in held.top_level:
                # a compiled module that was not unpacked stands in RECORD alone
                if name not in holders and held.root is not None and held.root in self.environment.paths:
                    holders[name] = [held.root]
        for name, root in self.environment.owners.items():
            holders[name] = [root]
        return holders

    @cached_property
    def _owners(self) -> dict[str, str]:
        """Top-level module name → distribution."""
        owners: dict[str, str] = {}
        by_root: dict[str, list[Distribution]] = {}
        for distribution in self.environment.distributions.values():
            for name in distribution.top_level:
                owners.setdefault(name, distribution.name)
            by_root.setdefault(distribution.root or "", []).append(distribution)
        for root, held in by_root.items():
            if len(held) == 1 and root:
                for entry in self._list(root):
                    name = entry.partition(".")[0]
                    if not entry.endswith((".dist-info", ".data", ".libs")):
                        owners.setdefault(name, held[0].name)
        return owners

    def distribution_of(self, module: str) -> str:
        """The distribution that a module belongs to; its top-level name where that is not known."""
        top = module.partition(".")[0]
        return self._owners.get(top) or MERGED_NAMES.get(top) or top.replace("_", "-").lower()

    def is_stdlib(self, module: str) -> bool | None:
        """Whether the module is in the target's standard library."""
        top = module.partition(".")[0]
        known = top in sys.stdlib_module_names or top in REMOVED or top in ADDED
        if not known:
            return False
        if top in REMOVED and self.python >= REMOVED[top]:
            return False
        return not (top in ADDED and self.python < ADDED[top])

    def find(self, name: str) -> Found | None:
        """The module of that dotted name, or None where the target has none."""
        if name not in self._found:
            self._found[name] = self._search(name)
        return self._found[name]

    def _search(self, name: str) -> Found | None:
        parts = name.split(".")
        if not all(part.isidentifier() for part in parts):
            return None
        distribution = self.distribution_of(name)
        namespace: Found | None = None
        for root in self._roots.get(parts[0], []):
            folder = str(Path(root, *parts[:-1]))
            entries = self._list(folder)
            last = parts[-1]
            if entries.get(last):
                inside = self._list(f"{folder}/{last}")
                if "__init__.py" in inside:
                    return Found(name, Path(folder, last, "__init__.py"), True, distribution, root)
                compiled = _compiled_init(inside)
                if compiled:
                    return Found(name, None, True, distribution, root, compiled)
            if entries.get(f"{last}.py") is False:
                return Found(name, Path(folder, f"{last}.py"), False, distribution, root)
            compiled = self._compiled(folder, root, parts)
            if compiled:
                return Found(name, None, False, distribution, root, compiled)
            if entries.get(last) and namespace is None:
                namespace = Found(name, None, True, distribution, root)
        found = namespace or self._recorded_package(parts, distribution) or self._editable(parts, distribution)
        if found is None:
            self._miss(parts)
        return found or (self._distutils(parts) if parts[0] == "distutils" else None)

    def _miss(self, parts: list[str]) -> None:
        """Remember where a module would have been found: below a package its folder, which lacks a good many."""
        if self.is_stdlib(parts[0]):
            return
        if parts[0] in self._roots:
            self.missed.update(str(Path(root, *parts[:-1])) for root in self._roots[parts[0]])
        elif not self.environment.distributions:  # the user's own; the names in the target's roots identify it
            places = [str(Path(root, *parts)) for root in self.environment.paths]
            self.missed.update(places, (f"{place}.py" for place in places))

    def _distutils(self, parts: list[str]) -> Found | None:
        """distutils where Python has none any more: setuptools' copy, which its distutils-precedence.pth puts there.

        It is not followed: setuptools, which is imported first, changes the search path for it.
        """
        if self.python < REMOVED["distutils"] or self.find("_distutils_hack") is None:
            return None
        found = self.find(".".join(("setuptools", "_distutils", *parts[1:])))
        return replace(found, name=".".join(parts), path=None) if found else None

    def _editable(self, parts: list[str], distribution: str) -> Found | None:
        """A module that an editable install's finder maps to a file or folder elsewhere."""
        place = self.environment.modules.get(parts[0])
        if place is None:
            return None
        target = Path(place, *parts[1:])
        name, root = ".".join(parts), str(Path(place).parent)
        for path, package in ((target / "__init__.py", True), (target.with_suffix(".py"), False)):
            if path.is_file():
                return Found(name, path, package, distribution, root)
        return (
            Found(name, target if target.is_file() else None, target.is_dir(), distribution, root)
            if target.exists()
            else None
        )

    def _compiled(self, folder: str, root: str, parts: list[str]) -> str | None:
        """File name of the compiled module; in wheels that were unpacked in part it stands in RECORD alone."""
        prefix = f"{parts[-1]}."
        for entry in self._list(folder):
            if entry.startswith(prefix) and entry.endswith(COMPILED):
                return entry
        below = "/".join(parts[:-1])
        wanted = f"{below}/{prefix}" if below else prefix
        for path in self._record(root):
            if path.startswith(wanted) and path.endswith(COMPILED) and "/" not in path[len(wanted) :]:
                return path.rpartition("/")[2]
        return None

    def _recorded_package(self, parts: list[str], distribution: str) -> Found | None:
        """A module of which RECORD alone knows (it was not unpacked): there, but nothing is known of its content."""
        prefix = "/".join(parts) + "/"
        for root in self._roots.get(parts[0], []):
            record = self._record(root)
            if f"{prefix[:-1]}.py" in record:
                return Found(".".join(parts), None, False, distribution, root)
            if any(path.startswith(prefix) for path in record):
                return Found(".".join(parts), None, True, distribution, root)
        return None

    def _record(self, root: str) -> frozenset[str]:
        """Files that the only distribution of an unpacked wheel's root lists; empty for a site-packages."""
        if root not in self._records:
            held = [d for d in self.environment.distributions.values() if d.root == root and d.metadata]
            listed: frozenset[str] = frozenset()
            if len(held) == 1:
                record = Path(held[0].metadata or "", "RECORD")
                if record.is_file():
                    lines = record.read_text("utf-8", "replace").splitlines()
                    listed = frozenset(line.split(",")[0] for line in lines)
            self._records[root] = listed
        return self._records[root]

    def _list(self, folder: str) -> dict[str, bool]:
        """Names in a folder → whether they are folders; empty where there is no such folder."""
        if folder not in self._listings:
            try:
                with os.scandir(folder) as entries:
                    self._listings[folder] = {entry.name: _is_folder(entry) for entry in entries}
            except OSError:
                self._listings[folder] = {}
        return self._listings[folder]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link that leads back to itself


def is_part_of_package(script: Path) -> bool:
    """Whether a script is started as a module of the package whose folder it lies in (`python -m`).

    The folder says so by its `__init__.py`; without one, the script does where it imports from it by its name.
    """
    folder = script.absolute().parent
    if (folder / "__init__.py").exists():
        return True
    try:
        source = read_source(script) if folder.name.isidentifier() and script.suffix == ".py" else ""
    except (OSError, ValueError):
        return False
    return re.search(rf"^\s*(?:from|import)\s+{folder.name}\.\w", source, re.MULTILINE) is not None


def read_source(path: Path) -> str:
    """The text of a Python file, decoded as Python does.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too large, or not text in its declared encoding.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if status.st_size > MAX_SOURCE:
        raise ValueError(f"larger than {MAX_SOURCE // 1_000_000} MB")
    with path.open("rb", buffering=0) as file:  # in one piece; a buffer would be as large as the largest
        data = file.read(status.st_size)
    return decode_source(data)


def decode_source(data: bytes) -> str:
    """The same for what a file holds, or would hold.

    Raises:
        ValueError: It is not text in its declared encoding.
    """
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        except (SyntaxError, LookupError) as error:
            raise ValueError(str(error)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text  # lines as Python counts them


def parse(source: str, path: str) -> ast.Module:
    """The syntax tree of a module; the warnings that Python has about its text are not ours to show.

    Raises:
        ValueError: It is no Python that this interpreter can read, or nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, path)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}" if error.lineno else error.msg) from error
    except (RecursionError, MemoryError) as error:
        raise ValueError("nested too deeply to be read") from error


def _compiled_init(entries: dict[str, bool]) -> str | None:
    return next((e for e in entries if e.startswith("__init__.") and e.endswith(COMPILED)), None)


def _version(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else sys.version_info[:2]
