"""pyproject.toml: dependencies, extras, groups, and poetry's own table."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sftdoctor.errors import RepairError
from sftdoctor.repair.pinfiles.words import Wanted, missing, unsafe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def rewrite_pyproject(text: str, path: Path, wanted: Mapping[str, Wanted]) -> str:
    """The text with the wanted versions.

    Raises:
        RepairError: It is no TOML, or cannot be changed safely.
    """
    before = _toml(text, path)
    left = dict(wanted)
    changes: dict[str, str] = {}
    for old in _listed(before):
        name, new = _changed(old, wanted)
        if name:
            left.pop(name, None)
            changes[old] = new
    for name, one in wanted.items():
        text, there = _poetry(text, before, name, one)
        if there:
            left.pop(name, None)
    for old, new in changes.items():
        for quote in ("'", '"'):
            text = text.replace(f"{quote}{old}{quote}", f"{quote}{new}{quote}")
    added = missing(left)
    text = _appended(text, path, added) if added else text
    after = sorted(_listed(_toml(text, path)))
    if after != sorted([*(changes.get(one, one) for one in _listed(before)), *added]):
        raise unsafe(path, wanted)
    return text


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = tomllib.loads(text)
        return content
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RepairError(f"{path} is no valid TOML: {error}") from error


def _listed(content: Mapping[str, Any]) -> list[str]:
    """The requirements of a pyproject.toml: of the project, its extras and its groups."""
    project = content.get("project")
    project = project if isinstance(project, dict) else {}
    lists = [project.get("dependencies")]
    for tables in (project.get("optional-dependencies"), content.get("dependency-groups")):
        lists += list(tables.values()) if isinstance(tables, dict) else []
    return [one for found in lists if isinstance(found, list) for one in found if isinstance(one, str)]


def _changed(old: str, wanted: Mapping[str, Wanted]) -> tuple[str, str]:
    """Canonical name and new text of a requirement; "" where it does not change."""
    try:
        need = Requirement(old)
    except InvalidRequirement:
        return "", old
    name = canonicalize_name(need.name)
    if name not in wanted or need.url or wanted[name].version is None:
        return "", old
    extras = f"[{','.join(sorted(need.extras))}]" if need.extras else ""
    marker = f"; {old.partition(';')[2].strip()}" if need.marker else ""
    return name, f"{need.name}{extras}=={wanted[name].version}{marker}"


def _poetry(text: str, content: Mapping[str, Any], name: str, one: Wanted) -> tuple[str, bool]:
    """Poetry's own table: `peft = "^0.5"`, or `peft = {version = "^0.5", …}`."""
    tool = content.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    listed = poetry.get("dependencies") if isinstance(poetry, dict) else None
    key = next((key for key in listed or {} if canonicalize_name(str(key)) == name), None)
    if key is None or one.version is None:
        return text, False
    start = text.index("[tool.poetry.dependencies]")
    head, body = text[:start], text[start:]
    plain = re.compile(rf"(?m)^(\s*{re.escape(key)}\s*=\s*(?:\{{[^\n]*?version\s*=\s*)?)([\"'])[^\"'\n]*\2")
    body, count = plain.subn(lambda match: f"{match[1]}{match[2]}{one.version}{match[2]}", body, count=1)
    return head + body, count == 1


def _appended(text: str, path: Path, added: list[str]) -> str:
    """With more requirements at the end of [project] dependencies."""
    table = re.search(r"(?m)^\[project\][ \t]*(?:#.*)?$", text)
    array = re.compile(r"(?m)^dependencies\s*=\s*\[").search(text, table.end()) if table else None
    if array is None:
        raise RepairError(f"{path} has no [project] dependencies to add {', '.join(added)} to", "add them by hand")
    close = _closing(text, array.end())
    inside = text[array.end() : close]
    last = re.search(r"(?s)([\"'])(?:(?!\1).)*\1(?P<rest>[^\"']*)$", inside)
    pad = re.search(r"\n([ \t]*)[\"']", inside)
    between = f",\n{pad[1]}" if pad else ", "
    if last is None:
        return text[: array.end()] + ", ".join(f'"{one}"' for one in added) + text[close:]
    at = array.end() + last.start("rest")
    rest = text[at:close]
    comma = re.match(r"\s*,", rest)
    more = between.join(f'"{one}"' for one in added)
    return text[:at] + between + more + ("," if comma else "") + (rest[comma.end() :] if comma else rest) + text[close:]


def _closing(text: str, start: int) -> int:
    """Where the array that was opened before `start` ends; strings and comments are stepped over."""
    for match in re.compile(r"(?s)\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*|\[|\]").finditer(text, start):
        if match[0] == "]":
            return match.start()
    return len(text)
