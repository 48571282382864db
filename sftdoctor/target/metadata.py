"""One .dist-info or .egg-info on disk → Distribution. Nothing of it is imported."""

from __future__ import annotations

import json
import os
import re

from sftdoctor.model import Distribution
from sftdoctor.target.files import read_bytes, read_text
from sftdoctor.target.headers import clean, parse_headers, parse_requires_txt

HEADERS_LIMIT = 1 << 20
"""Bytes of METADATA that are read; its headers end within the first 64 KiB in practice."""
_CHUNK = 1 << 15
_RECORD_LIMIT = 16 << 20
_SMALL = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?")
_PLAIN_VERSION = re.compile(
    r"\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?"
)
_RECORD_TOP = re.compile(rb'^("[^/"\r\n]+|[^/,"\r\n]+)', re.MULTILINE)
_SOURCE_SUFFIXES = (".py", ".so", ".pyd", ".pyc")
_VERSION_LENGTH = 128


class UnreadableError(Exception):
    """The metadata of one distribution makes no sense; the text says why."""


def canonical_name(name: str) -> str:
    """The canonical form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_distribution(folder: str, root: str) -> Distribution:
    """Read one distribution.

    Args:
        folder: A .dist-info folder, an .egg-info folder or file, or the EGG-INFO folder of an unzipped egg.
        root: The import root that it belongs to.

    Returns:
        The distribution. Its version is what the file says, even where that is no PEP 440 version.

    Raises:
        UnreadableError: There is no metadata, or it has no usable name or version.
    """
    is_wheel = folder.endswith(".dist-info")
    text = _header_text(folder, "METADATA" if is_wheel else "PKG-INFO")
    if text is None:
        raise UnreadableError(f"it has no {'METADATA' if is_wheel else 'PKG-INFO'} that can be read")
    headers = parse_headers(text)
    name, version = _identity(headers)
    requires, extras = tuple(headers.get("requires-dist", ())), tuple(headers.get("provides-extra", ()))
    if not is_wheel and not requires:
        requires, older = parse_requires_txt(read_text(os.path.join(folder, "requires.txt"), HEADERS_LIMIT) or "")
        extras = extras or older
    return Distribution(
        name=canonical_name(name),
        version=version,
        root=root,
        metadata=folder,
        requires=requires,
        extras=extras,
        requires_python=next(iter(headers.get("requires-python", ())), None) or None,
        top_level=top_level(folder),
        editable=is_wheel and source_folder(folder) is not None,
        installer=clean(read_text(os.path.join(folder, "INSTALLER"), 256) or "") or None,
    )


def is_plain_version(version: str) -> bool:
    """Whether pip and the libraries' own version checks can read that version (PEP 440)."""
    if _PLAIN_VERSION.fullmatch(version):
        return True
    from packaging.version import InvalidVersion, Version  # dear, and hardly ever needed

    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def source_folder(folder: str) -> str | None:
    """Project folder of an editable install, from direct_url.json; None where it is none."""
    data = read_bytes(os.path.join(folder, "direct_url.json"), _SMALL)
    if data is None or b"editable" not in data:
        return None
    from urllib.parse import unquote, urlsplit  # dear, and few installs are editable

    try:
        said = json.loads(data)
        if said["dir_info"]["editable"] is not True:
            return None
        parts = urlsplit(said["url"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return os.path.normpath(unquote(parts.path)) if parts.scheme == "file" and parts.path else None


def top_level(folder: str) -> tuple[str, ...]:
    """Names that `import` can start with: from top_level.txt, else from RECORD, else from installed-files.txt."""
    text = read_text(os.path.join(folder, "top_level.txt"), _SMALL)
    if text:
        # "a/b" stands in some for a part of a namespace package
        names = {line.strip().split("/", 1)[0] for line in text.splitlines()}
        return tuple(sorted(name for name in names if name.isidentifier()))
    record = read_bytes(os.path.join(folder, "RECORD"), _RECORD_LIMIT)
    return _modules_of_record(record) if record else ()


def project_urls(folder: str) -> dict[str, str]:
    """The addresses of a project, by label in lower case, as its metadata has them; its home page is "home-page".

    Args:
        folder: Its .dist-info folder, or .egg-info folder or file.
    """
    text = _header_text(folder, "METADATA" if folder.endswith(".dist-info") else "PKG-INFO") or ""
    headers = parse_headers(text, ("project-url", "home-page"))
    labelled = [value.partition(",")[::2] for value in headers.get("project-url", ())]
    labelled += [("home-page", url) for url in headers.get("home-page", ())]
    return {label.strip().lower(): url.strip() for label, url in labelled}


def _header_text(folder: str, name: str) -> str | None:
    """The file's headers; an .egg-info that is a file is its own PKG-INFO."""
    path = folder if folder.endswith(".egg-info") and not os.path.isdir(folder) else os.path.join(folder, name)
    data = read_bytes(path, _CHUNK)
    if data is not None and len(data) == _CHUNK and b"\n\n" not in data and b"\r\n\r\n" not in data:
        data = read_bytes(path, HEADERS_LIMIT)
    return None if data is None else data.decode("utf-8", "replace").removeprefix("\ufeff")


def _identity(headers: dict[str, list[str]]) -> tuple[str, str]:
    name = next(iter(headers.get("name", ())), "")
    version = next(iter(headers.get("version", ())), "")
    if not name or not version:
        raise UnreadableError(f"its metadata has no {'name' if not name else 'version'}")
    if not _NAME.fullmatch(name):
        raise UnreadableError("its metadata has no valid name")
    if len(version) > _VERSION_LENGTH or " " in version:
        raise UnreadableError("its metadata has no valid version")
    return name, version


def _modules_of_record(record: bytes) -> tuple[str, ...]:
    """Top-level modules from the first part of each path; the rest of a line is not looked at (torch has 13,000)."""
    names = set()
    for raw in set(_RECORD_TOP.findall(record)):
        first = raw.decode("utf-8", "replace").removeprefix('"')
        if first.endswith(_SOURCE_SUFFIXES):
            first = first.split(".", 1)[0]
        if first.isidentifier() and first != "__pycache__":
            names.add(first)
    return tuple(sorted(names))
