"""One distribution's metadata files → Distribution."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from sftdoctor.model import Distribution
from sftdoctor.target.headers import parse_headers
from sftdoctor.target.metadata import canonical_name

_MODULE_SUFFIXES = (".py", ".so", ".pyd", ".pyc")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def is_name(text: str) -> bool:
    """Whether the text is a valid distribution name, safe as part of a path or URL."""
    return len(text) <= 128 and _NAME.fullmatch(text) is not None


def from_metadata(
    text: str,
    name: str,
    version: str,
    *,
    root: str | None = None,
    folder: str | None = None,
    modules: Iterable[str] = (),
) -> Distribution:
    """Build a Distribution from the text of METADATA or PKG-INFO.

    Args:
        text: The file's content; may be empty.
        name: The distribution's name as the pin or index gives it.
        version: Its version as the pin or index gives it.
        root: Import root.
        folder: Its .dist-info folder.
        modules: Top-level module names.
    """
    headers = parse_headers(text)
    return Distribution(
        name=canonical_name(name),
        version=next(iter(headers.get("version", ())), "") or version,
        root=root,
        metadata=folder,
        requires=tuple(headers.get("requires-dist", ())),
        extras=tuple(headers.get("provides-extra", ())),
        requires_python=next(iter(headers.get("requires-python", ())), "") or None,
        top_level=tuple(sorted(modules)),
    )


def record_paths(text: str) -> list[str]:
    """The paths of a RECORD; lines that cannot be read are left out."""
    try:
        return [row[0] for row in csv.reader(text.splitlines()) if row]
    except csv.Error:
        return [line.split(",", 1)[0] for line in text.splitlines() if line]


def top_level_modules(paths: Iterable[str]) -> set[str]:
    """Names that `import` can start with, from the paths that a distribution installs below its import root.

    Args:
        paths: Paths with "/" between their parts, "trl/models/utils.py".
    """
    found = set()
    for path in paths:
        if not path.endswith(_MODULE_SUFFIXES) or path.startswith(("../", "/")):
            continue
        first = PurePosixPath(path).parts[0]
        name = first if first != path else first.split(".", 1)[0]
        if name.isidentifier():
            found.add(name)
    return found
