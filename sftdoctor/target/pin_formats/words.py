"""What a file of pins says, whatever its format."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor.errors import TargetError
from sftdoctor.model import NotJudged

if TYPE_CHECKING:
    from packaging.requirements import Requirement

FILE_LIMIT = 32 << 20
"""Bytes of a pins or lock file that are read."""


@dataclass(frozen=True)
class Pin:
    """One package that the file asks for, on this target."""

    name: str
    """Canonical name."""
    version: str | None = None
    """The exact version; None where it is left open."""
    specifier: str = ""
    """What the version must meet, where it is left open."""
    extras: tuple[str, ...] = ()
    url: str | None = None
    """Direct URL (https or file) of its wheel or source archive."""
    hashes: frozenset[str] = frozenset()
    """SHA-256 digests, one of which its file must have; empty for any."""
    foreign: bool = False
    """Whether it comes from another kind of index (conda), so that its name and version may mean nothing to PyPI."""

    def requirement(self) -> str:
        """As a requirement for a resolver, without marker and URL."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{f'=={self.version}' if self.version else self.specifier}"


@dataclass(frozen=True)
class PinFile:
    """The content of one pins file (and of those that it includes), for one target."""

    path: Path
    kind: str
    """requirements.txt, uv.lock, poetry.lock, pylock.toml or environment.yml."""
    pins: tuple[Pin, ...] = ()
    constraints: tuple[Pin, ...] = ()
    """What must hold of a package if it is there (-c)."""
    lock: bool = False
    """Whether the format by itself lists everything."""
    indexes: tuple[str, ...] = ()
    """Further indexes that the file names."""
    blind: tuple[NotJudged, ...] = ()
    """Packages that are asked for and cannot be judged, each by its name."""
    notes: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    """The files that were read besides `path`."""
    variables: tuple[str, ...] = ()
    """Environment variables that the content depends on."""


def read_text(path: Path) -> str:
    """A pins file's text: UTF-8, or UTF-16 with a byte order mark (as Windows' PowerShell writes `pip freeze`).

    Raises:
        TargetError: It cannot be read, is too large, or is no text.
    """
    try:
        if not path.is_file():
            raise TargetError(f"{path} is no file", hint="Name a requirements.txt, a lock or an environment.yml.")
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > FILE_LIMIT:
        raise TargetError(f"{path} has more than {FILE_LIMIT:,} bytes; that is no file of pins")
    try:
        text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        raise TargetError(f"{path} is no text (neither UTF-8 nor UTF-16)") from None
    if "\0" in text:
        raise TargetError(f"{path} is no text")
    return text


def read_toml(path: Path) -> dict[str, Any]:
    """A lock file as plain data.

    Raises:
        TargetError: It cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content: dict[str, Any] = tomllib.loads(read_text(path))
        return content
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{path} is no valid TOML: {error}", hint="Write the lock anew.") from None
    except RecursionError:
        raise TargetError(f"{path} is nested too deeply") from None


def holds(marker: object, markers: Mapping[str, str], extra: str = "") -> bool:
    """Whether a PEP 508 marker holds for the target; one that cannot be read does.

    Args:
        marker: A packaging Marker, its text, or None.
        markers: The target's marker environment.
        extra: The extra that is being asked for.
    """
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    if not marker:
        return True
    try:
        parsed = marker if isinstance(marker, Marker) else Marker(str(marker))
        return bool(parsed.evaluate({**markers, "extra": extra}))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError, KeyError, RecursionError):
        return True


def pin_from(requirement: Requirement, hashes: frozenset[str] = frozenset()) -> Pin:
    """The Pin that a PEP 508 requirement is, its marker left aside."""
    from sftdoctor.target.metadata import canonical_name

    exact = [
        one.version for one in requirement.specifier if one.operator in ("==", "===") and not one.version.endswith(".*")
    ]
    return Pin(
        name=canonical_name(requirement.name),
        version=exact[0] if exact else None,
        specifier=str(requirement.specifier),
        extras=tuple(sorted(requirement.extras)),
        url=requirement.url,
        hashes=hashes,
    )
