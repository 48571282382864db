"""Python files and metadata out of wheels and source archives, into a folder; archives are taken to be hostile."""

from __future__ import annotations

import io
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sftdoctor.target.dist_info import record_paths, top_level_modules
from sftdoctor.target.headers import parse_requires_txt
from sftdoctor.target.metadata import canonical_name

_MEMBERS = 300_000
_MEMBER_LIMIT = 16 << 20
_RECORD_LIMIT = 64 << 20
_TOTAL_LIMIT = 512 << 20
_KEPT = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt")
_MOVED = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")
"""Where a wheel keeps files that belong below the import root all the same."""
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    RuntimeError,
    ValueError,
    OSError,
    OverflowError,
)
"""What the archive modules of the standard library raise over a damaged or hostile archive."""


class ArchiveError(Exception):
    """An archive cannot be read, or must not."""


@dataclass
class Unpacked:
    """What came out of an archive."""

    metadata: str = ""
    """Text of METADATA or PKG-INFO."""
    folder: str = ""
    """Name of the .dist-info folder."""
    top_level: set[str] = field(default_factory=set)
    size: int = 0
    """Bytes written."""
    skipped: list[str] = field(default_factory=list)
    """Python files that are larger than what is read."""
    numpy: str | None = None
    """As in Distribution."""


def wanted_member(metadata_only: bool) -> Callable[[str], bool]:
    """Says of a wheel's member whether it is unpacked.

    Args:
        metadata_only: Leave the Python files.
    """

    def wanted(name: str) -> bool:
        parts = name.split("/")
        if len(parts) == 2 and parts[0].endswith(".dist-info"):
            return parts[1] in _KEPT
        # what packages keep in folders named "tests" is a third of their source and imported by nothing that trains
        return not metadata_only and name.endswith(".py") and "tests" not in parts[1:-1]

    return wanted


def unpack_wheel(archive: zipfile.ZipFile, name: str, target: Path, wanted: Callable[[str], bool]) -> Unpacked:
    """Write a wheel's wanted members below a folder.

    Args:
        archive: The wheel.
        name: Canonical name of the distribution that it must hold.
        target: An empty folder.
        wanted: Says of a member's name whether it is unpacked.

    Raises:
        ArchiveError: It is no wheel of that distribution, or damaged, or hostile.
    """
    members = archive.infolist()
    if len(members) > _MEMBERS:
        raise ArchiveError(f"it has more than {_MEMBERS:,} members")
    folder = _dist_info(members, name)
    unpacked = Unpacked(folder=folder)
    record = ""
    for member in members:
        path = safe_path(member.filename)
        if path is None or not wanted(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
            continue
        if path.endswith(tuple(f".dist-info/{kept}" for kept in _KEPT)) and not path.startswith(f"{folder}/"):
            continue
        limit = _RECORD_LIMIT if path.endswith(".dist-info/RECORD") else _MEMBER_LIMIT
        if member.file_size > limit:
            unpacked.skipped.append(path)
            continue
        with archive.open(member) as stream:
            data = stream.read(limit + 1)
        if path == f"{folder}/METADATA":
            unpacked.metadata = data.decode("utf-8", "replace")
        elif path == f"{folder}/RECORD":
            record = data.decode("utf-8", "replace")
            continue
        _write(target, path, data, unpacked)
    listed = {*record_paths(record), *(member.filename for member in members if not member.is_dir())}
    safe = {path for path in map(safe_path, listed) if path}
    if len(safe) < len(listed) or len(record.splitlines()) < len(members) // 2:
        record = "".join(f"{path},,\n" for path in sorted(safe) if "," not in path)
    _write(target, f"{folder}/RECORD", _MOVED.sub("", record).encode(), unpacked)
    unpacked.top_level = top_level_modules(path for path in safe if ".dist-info/" not in path)
    return unpacked


def safe_path(name: str) -> str | None:
    """A member's path below the import root; None where it is a folder or would leave the root."""
    if len(name) > 1000 or not name.isprintable() or "\\" in name or ":" in name or name.endswith("/"):
        return None
    name = _MOVED.sub("", name, count=1)
    parts = name.split("/")
    return name if all(part not in ("", ".", "..") and len(part) < 256 for part in parts) else None


def _dist_info(members: Iterable[zipfile.ZipInfo], name: str) -> str:
    for member in members:
        folder, _, file = member.filename.partition("/")
        named = folder.endswith(".dist-info") and canonical_name(folder.partition("-")[0]) == name
        if named and file == "METADATA" and safe_path(member.filename):
            return folder
    raise ArchiveError(f"it holds no metadata of {name}")


def _write(target: Path, path: str, data: bytes, unpacked: Unpacked) -> None:
    unpacked.size += len(data)
    if unpacked.size > _TOTAL_LIMIT:
        raise ArchiveError(f"more than {_TOTAL_LIMIT:,} bytes come out of it")
    file = target / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def unpack_sdist(data: bytes, filename: str, name: str, version: str, target: Path) -> Unpacked:
    """Write a source archive's Python files below a folder, as an installer would lay them out.

    Nothing is built: the import root is where the modules lie that the archive's own metadata names.

    Args:
        data: The archive.
        filename: Its name, which says its format.
        name: Canonical name of the distribution.
        version: Its version.
        target: An empty folder.

    Raises:
        ArchiveError: It is damaged or hostile, or its modules cannot be told.
    """
    texts: dict[str, bytes] = {}
    listed: list[str] = []
    total = 0
    for path, size, read in _sdist_members(data, filename):
        listed.append(path)
        if path.endswith(".py") or path == "PKG-INFO" or ".egg-info/" in path:
            total += size
            if size > _MEMBER_LIMIT or total > _TOTAL_LIMIT:
                raise ArchiveError("what it holds is larger than what is read")
            texts[path] = read()
    egg = {PurePosixPath(path).name: text for path, text in texts.items() if ".egg-info/" in path}
    metadata = (texts.get("PKG-INFO") or egg.get("PKG-INFO") or b"").decode("utf-8", "replace")
    names = (egg.get("top_level.txt") or name.replace("-", "_").encode()).decode("utf-8", "replace").split()
    base = _import_base(listed, [top for top in names if top.isidentifier()])
    if base is None:
        raise ArchiveError("which of its folders is installed cannot be told without building it")
    inside = [
        path
        for path in listed
        if path.startswith(base) and path[len(base) :].partition("/")[0].removesuffix(".py") in names
    ]
    unpacked = Unpacked(folder=f"{name.replace('-', '_')}-{version}.dist-info", metadata=_with_requires(metadata, egg))
    for path in inside:
        if path in texts:
            _write(target, path[len(base) :], texts[path], unpacked)
    record = "".join(f"{path[len(base) :]},,\n" for path in inside if "," not in path)
    _write(target, f"{unpacked.folder}/METADATA", unpacked.metadata.encode(), unpacked)
    _write(target, f"{unpacked.folder}/RECORD", record.encode(), unpacked)
    unpacked.top_level = top_level_modules(path[len(base) :] for path in inside)
    return unpacked


def _sdist_members(data: bytes, filename: str) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Path (without the archive's one outer folder), size and reader of every regular file."""
    if filename.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist()[:_MEMBERS]:
                path = safe_path(member.filename.partition("/")[2])
                if path and not stat.S_ISLNK(member.external_attr >> 16):
                    yield path, member.file_size, lambda member=member: archive.open(member).read(_MEMBER_LIMIT)  # type: ignore[misc]
        return
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        read = 0
        for count, entry in enumerate(tar):
            read += entry.size
            if count > _MEMBERS or read > 4 * _TOTAL_LIMIT:
                raise ArchiveError("what it holds is larger than what is read")
            path = safe_path(entry.name.removeprefix("./").partition("/")[2])
            if path and entry.isreg():
                yield path, entry.size, lambda entry=entry: getattr(tar.extractfile(entry), "read", bytes)()  # type: ignore[misc]


def _import_base(listed: Iterable[str], names: list[str]) -> str | None:
    """The folder (with its "/", or "") below which a top-level module lies; the shallowest one."""
    found = set()
    for path in listed:
        for top in names:
            for end in (f"{top}/__init__.py", f"{top}.py"):
                if path == end or path.endswith(f"/{end}"):
                    found.add(path[: -len(end)])
    return min(found, key=lambda base: (base.count("/"), base != "src/", base), default=None)


def _with_requires(metadata: str, egg: dict[str, bytes]) -> str:
    """Metadata from before 2.2 may leave its requirements to egg-info/requires.txt."""
    if "\nRequires-Dist:" in metadata or "requires.txt" not in egg:
        return metadata
    requires, _ = parse_requires_txt(egg["requires.txt"].decode("utf-8", "replace"))
    head, _, body = metadata.partition("\n\n")
    return "\n".join([head.rstrip(), *(f"Requires-Dist: {line}" for line in requires)]) + "\n\n" + body
