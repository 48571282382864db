"""The sources of one version of one distribution: chosen, fetched as far as they are read, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sftdoctor.errors import OfflineError, TargetError
from sftdoctor.folders import cache_folder, is_writable, scratch_folder
from sftdoctor.model import Distribution
from sftdoctor.target.binaries import numpy_range_of_wheel
from sftdoctor.target.dist_info import from_metadata
from sftdoctor.target.headers import parse_headers
from sftdoctor.target.index import FRESH, Index, best_file
from sftdoctor.target.index_page import IndexFile
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.platforms import marker_environment
from sftdoctor.target.remote import FetchError
from sftdoctor.target.remote_zip import RemoteFile, prefetch
from sftdoctor.target.unpack import DAMAGED, ArchiveError, Unpacked, unpack_sdist, unpack_wheel, wanted_member
from sftdoctor.target.wheel_cache import folder_of, keep, kept

_WHOLE_LIMIT = 200 << 20
"""Bytes of a wheel that is downloaded whole because its host knows no ranges."""
_SDIST_LIMIT = 100 << 20
_TAIL = 1 << 20
_TAIL_BINARY = 1 << 16
_BINARY = ("nvidia-", "intel-", "cuda-toolkit", "mkl", "tbb")
"""Distributions of shared libraries: their metadata is read, the few Python files in their gigabytes are not."""
_OF_THE_BUILD = ("nvidia-", "cuda-", "triton", "pytorch-triton")
"""What a build with a local version ("+cpu") requires differently from the public one."""


class NoSuchVersionError(TargetError):
    """The index does not have that project, or not that version of it."""


class NoFittingFileError(TargetError):
    """The version is there, but no file of it fits the target's Python and platform."""


class UnreadableFileError(TargetError):
    """The file was found but cannot be fetched or unpacked."""


def fetch_sources(
    name: str,
    version: str,
    python_version: str,
    *,
    markers: Mapping[str, str] | None = None,
    index: Index | None = None,
    offline: bool = False,
    cache: Path | None = None,
    hashes: frozenset[str] = frozenset(),
) -> Distribution:
    """One version of a distribution with its Python files and metadata unpacked in the cache; installs nothing.

    Args:
        name: The distribution.
        version: The exact version. "2.6.0+cu124" falls back to 2.6.0 where the index lacks that build: it keeps the
            version that was asked for and loses the requirements that depend on the build.
        python_version: The target's Python, "3.11" or "3.11.7".
        markers: The target's PEP 508 marker environment; of this kind of machine where None.
        index: The index to ask; the configured ones where None.
        offline: Use the cache alone.
        cache: The cache folder; the user's where None. Both are without meaning where `index` is given.
        hashes: SHA-256 digests, one of which the file must have; empty for any.

    Returns:
        Its `root` holds the *.py files, its `metadata` METADATA and the complete RECORD: what RECORD lists and the
        root lacks (compiled modules, data, tests) is in the distribution but was not fetched.

    Raises:
        NoSuchVersionError: The index does not have it.
        NoFittingFileError: No file of it fits the target.
        UnreadableFileError: Its file is damaged, hostile or too large.
        OfflineError: It is not in the cache, and the network is off or does not answer.
    """
    name = canonical_name(name)
    index = index or Index(cache=cache or cache_folder(), offline=offline)
    environment = dict(markers or marker_environment(python_version))
    file = find_file(index, name, version, environment, hashes)
    found = fetch_file(index, file, name, _public(version))
    return _as_asked(found, version)


def find_file(index: Index, name: str, version: str, markers: Mapping[str, str], hashes: frozenset[str]) -> IndexFile:
    """The file that an installer would take for an exact pin.

    Raises:
        NoSuchVersionError: The index does not have that version.
        NoFittingFileError: No file of it fits the target.
        OfflineError: The index's page is not in the cache, and the network is off or does not answer.
    """
    from packaging.version import InvalidVersion, Version

    try:
        wanted = Version(version)
    except InvalidVersion:
        raise NoSuchVersionError(f"{name} {version}: that is no version") from None
    there: set[Version] = set()
    # published files do not change: a page of any age will do, unless it lacks the version
    for fresh in (float("inf"), FRESH):
        files = index.files(name, fresh=fresh)
        there = {found for file in files if (found := file.version(name))}
        for candidate in _candidates(wanted, there):
            file = best_file(files, name, candidate, dict(markers), hashes)
            if file:
                return file
        if _candidates(wanted, there):
            break
    target = f"Python {markers['python_version']} on {markers['sys_platform']} {markers['platform_machine']}"
    if not there:
        raise NoSuchVersionError(f"the package index has no {name}")
    if not _candidates(wanted, there):
        raise NoSuchVersionError(
            f"the package index has no {name} {version}", hint=f"The newest it has is {max(there)}."
        )
    if hashes and best_file(files, name, _candidates(wanted, there)[0], dict(markers)):
        raise NoFittingFileError(f"no file of {name} {version} for {target} has one of the hashes that the pins give")
    raise NoFittingFileError(f"no file of {name} {version} fits {target}")


def _candidates(wanted: Any, there: set[Any]) -> list[Any]:
    """The versions that will do: that very one, its public version, another build of it."""
    from packaging.version import Version

    public = Version(wanted.public)
    found = [one for one in there if one == wanted or (one if one.local is None else Version(one.public)) == public]
    return sorted(found, key=lambda version: (version != wanted, version.local is not None, str(version)))


def fetch_file(index: Index, file: IndexFile, name: str, version: str) -> Distribution:
    """Unpack one file into the cache, unless it is there already.

    Args:
        index: Whose cache and fetcher to use.
        file: The wheel or source archive.
        name: Canonical name of the distribution that it must hold.
        version: Its version.

    Raises:
        UnreadableFileError: It is damaged, hostile or too large.
        OfflineError: It is not in the cache, and the network is off or does not answer.
    """
    root = folder_of(index.cache, file)
    found = kept(root)
    if found:
        return found
    if index.offline and not file.url.startswith("file:"):
        raise OfflineError(
            f"{file.filename} is not in the cache, and the network is off",
            hint="Run once without --offline; what it fetches is kept.",
        )
    if not is_writable(root.parent):
        root = folder_of(scratch_folder(), file)  # it is kept for this run alone
        if found := kept(root):
            return found
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".tmp-", dir=root.parent))
    except OSError as error:
        raise TargetError(
            f"the cache {root.parent} cannot be written: {error.strerror}",
            hint="Set SFTDOCTOR_CACHE to a folder that can.",
        ) from None
    try:
        unpacked = _unpack(index, file, name, version, temporary)
        found = from_metadata(unpacked.metadata, name, version, modules=unpacked.top_level)
        return keep(temporary, root, file, unpacked, replace(found, numpy=unpacked.numpy))
    except (ArchiveError, *DAMAGED) as error:
        raise UnreadableFileError(f"{file.filename} cannot be read: {error}") from None
    except FetchError as error:
        if error.status:
            raise UnreadableFileError(f"{file.filename} cannot be fetched: {error}") from None
        raise OfflineError(f"{file.filename} cannot be fetched: {error}", hint="Check the network.") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack(index: Index, file: IndexFile, name: str, version: str, target: Path) -> Unpacked:
    if not file.is_wheel:
        data = index.fetcher.get(file.url, limit=_SDIST_LIMIT).data
        _check(data, file)
        return unpack_sdist(data, file.filename, name, version, target)
    binary = name.startswith(_BINARY)
    wanted = wanted_member(metadata_only=binary)
    remote = RemoteFile(index.fetcher, file.url, tail=_TAIL_BINARY if binary else _TAIL, limit=_WHOLE_LIMIT)
    with zipfile.ZipFile(remote) as archive:
        prefetch(archive, remote, wanted)
        if remote.whole is not None:
            _check(remote.whole, file)
        unpacked = unpack_wheel(archive, name, target, wanted)
        requires = parse_headers(unpacked.metadata).get("requires-dist", ())
        unpacked.numpy = numpy_range_of_wheel(archive, remote, name, requires)
        return unpacked


def _check(data: bytes, file: IndexFile) -> None:
    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        raise ArchiveError("its SHA-256 is not the one that the index gives")


def _public(version: str) -> str:
    return version.partition("+")[0]


def _as_asked(found: Distribution, version: str) -> Distribution:
    if "+" not in version or found.version == version:
        return found
    requires = tuple(line for line in found.requires if not canonical_name(line).startswith(_OF_THE_BUILD))
    return replace(found, version=version, requires=requires)
