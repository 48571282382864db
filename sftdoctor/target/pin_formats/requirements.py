"""requirements.txt, `pip freeze` and constraints, read as pip reads them, for a target other than this interpreter.

pip-api's reader is not used: it weighs markers with the running Python, runs pip when imported, knows no -c and no
variables, and takes two lines for one package (with different markers) for an error. The tests compare the two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sftdoctor.errors import TargetError
from sftdoctor.model import NotJudged
from sftdoctor.target.headers import clean
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats.words import Pin, PinFile, holds, pin_from, read_text
from sftdoctor.target.remote import without_credentials

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_HASH = re.compile(r"\s--hash(?:=|\s+)(\S+)")
_PER_LINE = re.compile(r"\s+--(?:hash|config-settings?|global-option|install-option)(?:[=\s]|$).*$")
_OPTION = re.compile(r"(-[a-zA-Z]|--[a-z][a-z-]*)(?:\s*=\s*|\s+)?(.*)")
_LONG = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-i": "--index-url", "-f": "--find-links"}
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_FILES = 100
"""Most files that one file may include, directly or not."""
_WHEEL = re.compile(r"([A-Za-z0-9._]+)-([A-Za-z0-9._+!]+)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")


@dataclass
class _Reading:
    """What was gathered so far."""

    markers: Mapping[str, str]
    environ: Mapping[str, str]
    pins: list[Pin] = field(default_factory=list)
    constraints: list[Pin] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    blind: list[NotJudged] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)


def read_requirements(path: Path, markers: Mapping[str, str], environ: Mapping[str, str] | None = None) -> PinFile:
    """Read a requirements file with all that it includes.

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.
        environ: Environment variables for ${NAME}; os.environ where None.

    Raises:
        TargetError: A file cannot be read, a line is no requirement, or a package is pinned to two versions.
    """
    reading = _Reading(markers, os.environ if environ is None else environ)
    _read(reading, path, constraint=False)
    return PinFile(
        path=path,
        kind="requirements.txt",
        pins=_merged(reading.pins, path),
        constraints=tuple(reading.constraints),
        indexes=tuple(dict.fromkeys(reading.indexes)),
        blind=tuple(dict.fromkeys(reading.blind)),
        inputs=tuple(reading.files[1:]),
        variables=tuple(sorted(reading.variables)),
    )


def _read(reading: _Reading, path: Path, *, constraint: bool) -> None:
    known = path.resolve()
    if known in reading.files:
        return
    if len(reading.files) == _FILES:
        raise TargetError(f"{path}: more than {_FILES} files include one another")
    reading.files.append(known)
    for number, line in _lines(read_text(path)):
        where = f"{path}:{number}"
        if line.startswith("-"):
            _option(reading, path, line, where, constraint)
        else:
            _requirement(reading, line, where, constraint)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first: continuations joined, comments and blanks left out."""
    joined, first = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        first = first or number
        # a comment ends a continuation, and its own backslash continues nothing
        comment = _COMMENT.match(raw) is not None
        if raw.endswith("\\") and not comment:
            joined += raw[:-1].lstrip() if joined else raw[:-1]
            continue
        line = _COMMENT.sub("", joined + (" " + raw if comment else raw)).strip()
        if line:
            yield first, line
        joined, first = "", 0
    if joined.strip():
        yield first, joined.strip()


def _expand(reading: _Reading, text: str) -> str:
    def value(match: re.Match[str]) -> str:
        reading.variables.add(match[1])
        # pip leaves a variable that is not set, or empty, as it stands
        return reading.environ.get(match[1]) or match[0]

    return _VARIABLE.sub(value, text)


def _option(reading: _Reading, path: Path, line: str, where: str, constraint: bool) -> None:
    match = _OPTION.fullmatch(line)
    if match is None:
        raise TargetError(f"{where} is neither a requirement nor an option that pip knows")
    option, value = _LONG.get(match[1], match[1]), match[2].strip().strip("\"'")
    if option in ("--requirement", "--constraint"):
        _include(reading, path, _expand(reading, value), where, constraint or option == "--constraint")
    elif option == "--editable":
        _requirement(reading, value, where, constraint, editable=True)
    elif option in ("--index-url", "--extra-index-url"):
        _index(reading, value, where)


def _include(reading: _Reading, path: Path, value: str, where: str, constraint: bool) -> None:
    if not value:
        raise TargetError(f"{where} names no file")
    if "://" in value and not value.startswith("file:"):
        reading.blind.append(NotJudged(clean(value), f"{where} includes a file from the network, which is not fetched"))
        return
    _read(reading, path.parent / value.removeprefix("file://"), constraint=constraint)


def _index(reading: _Reading, value: str, where: str) -> None:
    """An index that the file names; a variable in it may be a secret, and goes to hosts that the user chose alone."""
    if _VARIABLE.search(value):
        shown = clean(without_credentials(value))
        reading.blind.append(
            NotJudged(shown, f"{where} puts an environment variable into an index; set PIP_EXTRA_INDEX_URL to ask it")
        )
    elif value.startswith("https://"):
        reading.indexes.append(value.rstrip("/"))
    else:
        reading.blind.append(NotJudged(clean(without_credentials(value)), f"{where}: only https indexes are asked"))


def _requirement(reading: _Reading, line: str, where: str, constraint: bool, editable: bool = False) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    digests = [digest.partition(":") for digest in _HASH.findall(line)]
    hashes = frozenset(digest.lower() for kind, _, digest in digests if kind == "sha256")
    text = _PER_LINE.sub("", line)
    specifiers = text.find("==")
    if _VARIABLE.search(text):
        if "://" in text or _VARIABLE.search(text[: max(specifiers, 0) or None]):
            reading.blind.append(NotJudged(_shown(text), f"{where} leaves its name or URL to an environment variable"))
            return
        text = _expand(reading, text)
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        _unnamed(reading, text, where, editable, hashes)
        return
    if not holds(requirement.marker, reading.markers):
        return
    pin = pin_from(requirement, hashes)
    if pin.url:
        _direct(reading, pin, where)
    else:
        (reading.constraints if constraint else reading.pins).append(pin)


def _unnamed(reading: _Reading, text: str, where: str, editable: bool, hashes: frozenset[str]) -> None:
    """A URL or path without "name @" before it, an editable project, or nonsense."""
    target, _, marker = text.partition(" ;")
    if not holds(marker.strip(), reading.markers):
        return
    egg = _EGG.search(target)
    wheel = _WHEEL.fullmatch(unquote(re.split(r"[?#]", target)[0].rpartition("/")[2]))
    if wheel:
        url = target if "://" in target else Path(where.rpartition(":")[0]).parent.joinpath(target).resolve().as_uri()
        _direct(reading, Pin(canonical_name(wheel[1]), url=url, hashes=hashes), where)
    elif egg:
        reading.blind.append(NotJudged(canonical_name(egg[1]), f"{where} installs it from {_shown(target)}"))
    elif editable or "/" in target or target.startswith("."):
        reading.blind.append(NotJudged(_shown(target), f"{where} installs it from there; only an index is read"))
    else:
        raise TargetError(f"{where} is no requirement", hint="pip would refuse it too: compare PEP 508.")


def _direct(reading: _Reading, pin: Pin, where: str) -> None:
    """A package with a direct URL: a wheel or archive is fetched from there, a repository or folder is not judged."""
    url = pin.url or ""
    file = unquote(urlsplit(url).path.rpartition("/")[2])
    wheel = _WHEEL.fullmatch(file)
    local = url.startswith("file:")
    if local and not Path(unquote(urlsplit(url).path)).is_file():
        # what `pip freeze` says of a wheel that lay on the machine where it was made
        if wheel:
            reading.pins.append(Pin(pin.name, version=wheel[2].replace("_", "-"), extras=pin.extras))
        else:
            reading.blind.append(NotJudged(pin.name, f"{where} installs it from {_shown(url)}, which is not here"))
    elif wheel and url.startswith(("https:", "file:")):
        reading.pins.append(replace(pin, version=wheel[2].replace("_", "-")))
    else:
        reading.blind.append(NotJudged(pin.name, f"{where} installs it from {_shown(url)}; only wheels are fetched"))


def _shown(url: str) -> str:
    return clean(without_credentials(url))[:200]


def _merged(pins: list[Pin], path: Path) -> tuple[Pin, ...]:
    """One pin a package; several lines for one must all hold."""
    merged: dict[str, Pin] = {}
    for pin in pins:
        before = merged.get(pin.name)
        if before is None:
            merged[pin.name] = pin
            continue
        if before.version and pin.version and not _same(before.version, pin.version):
            raise TargetError(f"{path} pins {pin.name} to {before.version} and to {pin.version}")
        specifiers = [one for one in (before.specifier, pin.specifier) if one]
        merged[pin.name] = replace(
            before,
            version=before.version or pin.version,
            specifier=",".join(dict.fromkeys(specifiers)),
            extras=tuple(sorted({*before.extras, *pin.extras})),
            url=before.url or pin.url,
            hashes=before.hashes | pin.hashes,
        )
    return tuple(merged.values())


def _same(one: str, other: str) -> bool:
    """Whether two texts are the same version, "1.0" and "1.0.0"."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other
