"""requirements.txt and constraints files: the lines of the packages that change, hashes with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from sftdoctor.errors import RepairError
from sftdoctor.repair.pinfiles.words import Hashes, Wanted, missing

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\s*\[[^\]]*\])?(?P<spec>[^;#\\@]*?)(?P<tail>\s*(?:[;\\#].*|--\w.*)?)",
    re.DOTALL,
)
_HASH = re.compile(r"(?P<before>\s|\\\r?\n)*--hash[= ]\S+")


def rewrite_requirements(text: str, path: Path, wanted: Mapping[str, Wanted], hashes: Hashes) -> str:
    """The text with the wanted versions.

    Raises:
        RepairError: Hashes are wanted and the index gives none, or a package is pinned in a file that this one
            includes.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    lines = list(_logical(text))
    left = dict(wanted)
    out = []
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\r\n"))
        name = canonicalize_name(match["name"]) if match and not line.lstrip().startswith(("-", "#")) else ""
        if match is None or name not in wanted:
            out.append(line)
            continue
        left.pop(name, None)
        if wanted[name].version is None:
            continue
        out.append(_requirement(match, name, str(wanted[name].version), hashes) + line[len(line.rstrip("\r\n")) :])
    _refuse_included(lines, path, left)
    added = missing(left)
    if added and any(re.match(r"\s*--hash|.*\s--hash", line) for line in lines):
        added = [f"{pin} {' '.join(f'--hash=sha256:{one}' for one in hashes(*pin.split('==')))}" for pin in added]
    if added and out and not out[-1].endswith("\n"):
        out[-1] += end
    return "".join([*out, *(pin + end for pin in added)])


def _logical(text: str) -> Iterator[str]:
    """Lines, those that end in a backslash together with the next."""
    held = ""
    for line in text.splitlines(keepends=True):
        held += line
        if not line.rstrip("\r\n").endswith("\\"):
            yield held
            held = ""
    if held:
        yield held


def _requirement(match: re.Match[str], name: str, version: str, hashes: Hashes) -> str:
    head = f"{match['name']}{match['extras'] or ''}=={version}"
    tail = match["tail"] or ""
    if match["spec"].strip() == "" and not tail.strip():
        return head
    found = _HASH.findall(tail)
    if found:
        known = hashes(name, version)
        if not known:
            raise RepairError(f"{name} {version}: the index gives no hashes, and the file wants them")
        first = _HASH.search(tail)
        assert first is not None
        between = first[0][: first[0].index("--hash")] or " "
        tail = (
            tail[: first.start()]
            + "".join(f"{between}--hash=sha256:{one}" for one in known)
            + _HASH.sub("", tail[first.start() :])
        )
    return head + tail


def _refuse_included(lines: list[str], path: Path, left: Mapping[str, Wanted]) -> None:
    """A package that an included file pins would be pinned twice."""
    for line in lines:
        match = re.match(r"\s*(?:-r|--requirement|-c|--constraint)[ =]*(\S+)", line)
        other = path.parent / match[1] if match else None
        if other is None or not other.is_file():
            continue
        for inner in _logical(other.read_text("utf-8", "replace")):
            found = _LINE.fullmatch(inner.rstrip("\r\n"))
            if found and canonicalize_name(found["name"]) in left and "==" in inner:
                raise RepairError(
                    f"{path} takes {found['name']} from {other}", f"name that file too: --write {other} --write {path}"
                )
