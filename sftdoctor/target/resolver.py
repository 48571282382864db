"""Completes pins that leave something open, by a real resolver: uv where it is there, else pip. Builds nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sftdoctor.target.headers import clean
from sftdoctor.target.index_settings import IndexSettings, uv_variables
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats import Pin

_TIMEOUT = 300.0


class ResolverError(Exception):
    """The resolver found no answer; the text is what it said, one line.

    Args:
        message: What it said.
        final: Whether the pins are to blame (they contradict each other), not the network or the tool.
    """

    def __init__(self, message: str, final: bool) -> None:
        super().__init__(message)
        self.final = final


def complete(
    pins: Iterable[Pin],
    constraints: Iterable[Pin],
    markers: Mapping[str, str],
    settings: IndexSettings,
    preferred: Mapping[str, str] | None = None,
) -> tuple[str, dict[str, str]]:
    """Everything that would be installed with some pins.

    Only names and versions are handed to the resolver, never the user's file: options in it have no effect, and
    source archives are not built (which would run their code).

    Args:
        pins: What is asked for; those with a URL are left out.
        constraints: What must hold of a package if it comes in.
        markers: The target's PEP 508 marker environment.
        settings: The indexes to ask.
        preferred: Name → version that is taken rather than the newest, where it will do; uv alone heeds it.

    Returns:
        Name of the resolver, and canonical name → version.

    Raises:
        ResolverError: It found no answer.
    """
    uv = find_uv()
    with tempfile.TemporaryDirectory(prefix="sftdoctor-") as folder:
        wanted, held = Path(folder, "wanted.txt"), Path(folder, "held.txt")
        wanted.write_text("".join(f"{pin.requirement()}\n" for pin in pins if not pin.url), encoding="utf-8")
        held.write_text("".join(f"{pin.requirement()}\n" for pin in constraints if not pin.extras), encoding="utf-8")
        if uv:
            lock = Path(folder, "lock.txt")
            lock.write_text("".join(f"{name}=={version}\n" for name, version in (preferred or {}).items()), "utf-8")
            return "uv", _uv(uv, wanted, held, markers, settings, lock)
        return "pip", _pip(wanted, held, markers, settings)


def gist_of(said: str) -> str:
    """What a resolver said, in short: what contradicts what, without all that it concludes from it."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("Using Python")]
    text = re.sub(r"^.*?No solution found when resolving dependencies\W*(cause:\s*)?(Because\s)?", "", " ".join(lines))
    text = re.sub(r"^.*?The conflict is caused by:\s*", "", text)
    text = re.sub(r"(hint:|To fix this you could|Additionally, some).*", "", text)
    text = re.sub(r",? we can conclude that .*?(\.(?= [A-Z])|\.?\s*$)", ";", text)
    return re.sub(r" And because ", " ", text).strip(" ;.")[:300]


def find_uv() -> str | None:
    """Path of uv: the one beside this interpreter, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _uv(
    uv: str, wanted: Path, held: Path, markers: Mapping[str, str], settings: IndexSettings, lock: Path
) -> dict[str, str]:
    platform = {"linux": "manylinux_2_40", "darwin": "apple-darwin", "win32": "pc-windows-msvc"}
    machine = markers["platform_machine"].replace("arm64", "aarch64").replace("AMD64", "x86_64")
    command = [uv, "pip", "compile", str(wanted), "--constraint", str(held), "--no-build", "--no-config"]
    # Nothing is built, so that any interpreter serves; without one, uv would look for that version, and fetch it.
    command += ["--python", sys.executable, "--python-version", markers["python_full_version"]]
    command += ["--python-platform", f"{machine}-{platform[markers['sys_platform']]}"]
    command += ["--index-strategy", "unsafe-best-match", "--no-header", "--no-annotate", "--quiet"]
    command += ["--output-file", str(lock)]  # an earlier answer, of which as much stays as can
    # by environment, not by argument: an index may carry a password, and arguments are there for all to see
    environ = {**uv_variables(), "UV_DEFAULT_INDEX": settings.urls[0], "UV_INDEX": " ".join(settings.urls[1:])}
    environ |= {"UV_FIND_LINKS": ",".join(settings.find_links), "UV_PYTHON_DOWNLOADS": "never"}
    _run(command, environ)
    found = {}
    for line in lock.read_text("utf-8").splitlines():
        name, _, version = line.partition("==")
        if version:
            found[canonical_name(name.partition("[")[0])] = version.split(";")[0].strip()
    return found


def _pip(wanted: Path, held: Path, markers: Mapping[str, str], settings: IndexSettings) -> dict[str, str]:
    from sftdoctor.target.platforms import wheel_tags

    platforms = dict.fromkeys(tag.platform for tag in wheel_tags(markers) if tag.platform != "any")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    command += ["--target", str(wanted.parent / "nowhere"), "--only-binary", ":all:", "--no-input"]
    command += ["--python-version", markers["python_version"], "--implementation", "cp"]
    command += [part for platform in platforms for part in ("--platform", platform)]
    command += ["-r", str(wanted), "-c", str(held)]
    environ = {"PIP_INDEX_URL": settings.urls[0], "PIP_EXTRA_INDEX_URL": " ".join(settings.urls[1:])}
    environ |= {"PIP_FIND_LINKS": " ".join(settings.find_links), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    said = _run(command, environ)
    try:
        installs = json.loads(said)["install"]
        return {canonical_name(one["metadata"]["name"]): one["metadata"]["version"] for one in installs}
    except (ValueError, KeyError, TypeError):
        raise ResolverError("pip gave no report", final=False) from None


def _run(command: Sequence[str], more: Mapping[str, str]) -> str:
    environ = {**os.environ, **{name: value for name, value in more.items() if value}}
    try:
        done = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise ResolverError(f"{Path(command[0]).name} did not finish within {_TIMEOUT:.0f} s", final=False) from None
    except OSError as error:
        raise ResolverError(f"{command[0]} cannot be run: {error.strerror}", final=False) from None
    if done.returncode:
        said = clean(done.stderr)[:1500]
        final = "No solution found" in said or "ResolutionImpossible" in said or "conflicting dependencies" in said
        raise ResolverError(gist_of(said) or f"exit status {done.returncode}", final)
    return done.stdout
