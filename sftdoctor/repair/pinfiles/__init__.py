"""The files that describe an environment, changed along with it: requirements.txt, pyproject.toml, environment.yml.

Only the requirements that change are spliced into the text, so that comments, order, and every other byte stay. TOML
and YAML are parsed again and must say what the old text said, but for these requirements.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sftdoctor.errors import RepairError
from sftdoctor.repair.pinfiles.words import Hashes, Wanted

__all__ = ["Hashes", "Wanted", "constraints", "rewrite"]
MARK = b"\xef\xbb\xbf"


def rewrite(path: Path, source: bytes, wanted: Mapping[str, Wanted], hashes: Hashes) -> bytes:
    """The new bytes of a file that describes an environment.

    Args:
        path: Its name tells the format.
        source: What it holds.
        wanted: By canonical name.
        hashes: Asked where a requirement that changes has hashes.

    Raises:
        RepairError: The format is not known, the file is broken, or a change cannot be made safely.
    """
    from sftdoctor.repair.pinfiles.conda import rewrite_conda
    from sftdoctor.repair.pinfiles.pyproject import rewrite_pyproject
    from sftdoctor.repair.pinfiles.requirements import rewrite_requirements

    mark = MARK if source.startswith(MARK) else b""
    try:
        text = source[len(mark) :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise RepairError(f"{path} is no UTF-8: {error}") from error
    suffix = path.suffix.lower()
    if suffix == ".toml":
        new = rewrite_pyproject(text, path, wanted)
    elif suffix in (".yml", ".yaml"):
        new = rewrite_conda(text, path, wanted)
    elif suffix in (".txt", ".in", ".pip"):
        new = rewrite_requirements(text, path, wanted, hashes)
    else:
        known = "Name a requirements.txt, pyproject.toml or environment.yml."
        raise RepairError(f"{path} is of a format that is not written", known)
    return mark + new.encode("utf-8")


def constraints(versions: Mapping[str, str], heading: str) -> str:
    """A constraints file (pip -c, uv -c) of a whole set.

    Args:
        versions: Canonical name → version; local parts (+cu124) are left out: they are the index's own, and `==` takes
            any of them.
        heading: What it is, for its first lines.
    """
    lines = [f"# {line}" for line in heading.splitlines()]
    lines += [f"{name}=={version.partition('+')[0]}" for name, version in sorted(versions.items())]
    return "\n".join(lines) + "\n"
