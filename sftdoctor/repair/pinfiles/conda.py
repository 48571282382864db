"""environment.yml: conda's own requirements, and those of its pip section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from sftdoctor.errors import RepairError
from sftdoctor.repair.pinfiles.words import Wanted, missing, unsafe

_ITEM = re.compile(r"(?P<head>\s*-\s+)(?P<quote>[\"']?)(?P<need>[^\"'#\n]+?)(?P=quote)(?P<tail>\s*(?:#[^\n]*)?\r?\n?)")


def rewrite_conda(text: str, path: Path, wanted: Mapping[str, Wanted]) -> str:
    """The text with the wanted versions.

    Raises:
        RepairError: It is no YAML, has no pip section to add to, or cannot be changed safely.
    """
    left = dict(wanted)
    out: list[str] = []
    pip: tuple[int, str] | None = None  # where the last requirement of pip's own list stands, and how far in
    listed: str | None = None
    for line in text.splitlines(keepends=True):
        if re.match(r"\s*-\s+pip\s*:", line):
            listed = line[: len(line) - len(line.lstrip())]
            out.append(line)
            continue
        match = _ITEM.fullmatch(line)
        deeper = (
            listed is not None and match is not None and len(match["head"]) - len(match["head"].lstrip()) > len(listed)
        )
        if match is None or (listed is not None and not deeper and line.strip()):
            listed = listed if match is None and not line.strip() else None
        new = line if match is None else _conda_item(match, wanted, left, in_pip=bool(deeper))
        out.append(new)
        if deeper and match is not None:
            pip = len(out), match["head"]
    added = missing(left)
    if added and pip is None:
        raise RepairError(f"{path} has no pip section to add {', '.join(added)} to", "add them by hand")
    if added and pip is not None:
        out[pip[0] - 1] = out[pip[0] - 1].rstrip("\r\n") + "\n"
        out[pip[0] : pip[0]] = [f"{pip[1]}{pin}\n" for pin in added]
    new = "".join(out)
    _same_but(text, new, path, wanted)
    return new


def _conda_item(match: re.Match[str], wanted: Mapping[str, Wanted], left: dict[str, Wanted], *, in_pip: bool) -> str:
    parts = re.match(r"(?P<channel>[\w.-]+::)?(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[^\]]*\])?", match["need"])
    name = canonicalize_name(parts["name"]) if parts else ""
    if parts is None or name not in wanted or wanted[name].version is None:
        return match[0]
    left.pop(name, None)
    marker = f" ;{match['need'].partition(';')[2]}" if ";" in match["need"] else ""
    sign = "==" if in_pip else "="
    need = f"{parts['channel'] or ''}{parts['name']}{parts['extras'] or ''}{sign}{wanted[name].version}{marker}"
    return f"{match['head']}{match['quote']}{need}{match['quote']}{match['tail']}"


def _same_but(before: str, after: str, path: Path, wanted: Mapping[str, Wanted]) -> None:
    """Everything but the requirements that change is as it was."""
    import yaml

    def rest(text: str) -> object:
        try:
            content = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise RepairError(f"{path} is no valid YAML: {error}") from error
        return _without(content, wanted)

    if rest(before) != rest(after):
        raise unsafe(path, wanted)


def _without(content: object, wanted: Mapping[str, Wanted]) -> object:
    if isinstance(content, dict):
        return {key: _without(value, wanted) for key, value in content.items()}
    if isinstance(content, list):
        return [_without(one, wanted) for one in content if not (isinstance(one, str) and _name_of(one) in wanted)]
    return content


def _name_of(text: str) -> str:
    match = re.match(r"(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)", text)
    return canonicalize_name(match[1]) if match else ""
