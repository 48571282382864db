"""pyproject.toml: what a project itself asks for, where it has no lock."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import TargetError
from sftdoctor.target.headers import clean
from sftdoctor.target.pin_formats.requirements import read_requirements
from sftdoctor.target.pin_formats.words import PinFile, read_toml

_LOCKS = ("uv.lock", "poetry.lock", "pylock.toml")
_MOST = 10_000
"""Dependencies that one file may have."""


def read_pyproject(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read `[project] dependencies`; extras and groups, which nobody need install, are left aside and told.

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read, lists no dependencies, or one of them is no requirement.
    """
    content = read_toml(path)
    project = content.get("project")
    entries = project.get("dependencies") if isinstance(project, dict) else None
    if not isinstance(project, dict) or not isinstance(entries, list) or len(entries) > _MOST:
        beside = next((name for name in _LOCKS if path.with_name(name).is_file()), "")
        raise TargetError(
            f"{path} has no list of dependencies under [project]",
            hint=f"Give --pins {path.with_name(beside)}." if beside else "`uv lock` or `poetry lock` writes a lock.",
        )
    lines = [entry.replace("\n", " ") for entry in entries if isinstance(entry, str)]
    with tempfile.TemporaryDirectory(prefix="sftdoctor-") as folder:
        written = Path(folder, path.name)
        written.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        read = read_requirements(written, markers)
    notes = tuple(_notes(path, content, project, markers))
    return replace(read, path=path, kind="pyproject.toml", inputs=(), notes=notes)


def _notes(path: Path, content: Mapping[str, Any], project: Mapping[str, Any], markers: Mapping[str, str]) -> list[str]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    found = []
    lock = next((name for name in _LOCKS if path.with_name(name).is_file()), "")
    if lock:
        found.append(f"{lock} lies beside it: --pins {path.with_name(lock)} judges what is really installed")
    asked = project.get("requires-python")
    try:
        if isinstance(asked, str) and markers["python_full_version"] not in SpecifierSet(asked):
            found.append(f"the file asks for Python {clean(asked)[:50]}; it is judged for {markers['python_version']}")
    except InvalidSpecifier:
        pass
    groups = [*_names(project.get("optional-dependencies")), *_names(content.get("dependency-groups"))]
    if groups:
        found.append(f"the extras and groups of the file are left aside: {', '.join(groups[:10])}")
    return found


def _names(table: object) -> list[str]:
    return [clean(str(name))[:50] for name in table] if isinstance(table, dict) else []
