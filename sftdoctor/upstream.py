"""An error that no rule knows: what the source of the library that raised it says, and where to ask about it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote_plus

from sftdoctor.link.locate import parse, read_source
from sftdoctor.logs.stack import package_of
from sftdoctor.model import Distribution, Environment, Frame, Origin, Raised
from sftdoctor.raises import Site, best_of, sites
from sftdoctor.target.metadata import project_urls

LONGEST_FILE = 4_000_000
"""Bytes of a module that is read."""
QUERY_WORDS = 10
_SITE = re.compile(r".{0,1000}/(?:site|dist)-packages/(.{1,400}\.py)")
_REPOSITORY = re.compile(r"(https://github\.com/[\w.-]{1,80}/[\w.-]{1,80}?)(?:\.git)?(?:/.{0,400})?")
_TRACKERS = ("tracker", "issue", "bug", "source", "repo", "code", "github", "home")
"""What the label of a project's address says, the likeliest to have a tracker first."""
_PATH = re.compile(r"\S{0,400}[/\\]\S{0,400}")
_WORD = re.compile(r"[A-Za-z_][\w.-]{2,40}")


def origin_of(raised: Raised, environment: Environment) -> Origin | None:
    """What the innermost library of an exception says of it itself.

    Args:
        raised: The exception, with its frames.
        environment: Where it happened, or one like it. Only files of its distributions are opened, and none is run.

    Returns:
        The distribution and its tracker; where its source is at hand and raises this by itself, the place and the
        condition. None where the innermost frame is not in one of the environment's distributions.
    """
    frame = raised.frames[-1] if raised.frames else None
    owner = _owner(frame, environment) if frame else None
    if frame is None or owner is None:
        return None
    inside = _inside(frame)
    site = _site(raised, frame, Path(owner.root, inside)) if owner.root and inside else None
    return Origin(
        distribution=owner.name,
        version=owner.version,
        path=inside if site else "",
        line=site.line if site else None,
        function=site.function if site else "",
        conditions=site.conditions() if site else (),
        tracker=_search(owner, raised, site),
    )


def _owner(frame: Frame, environment: Environment) -> Distribution | None:
    package = package_of(frame.path)
    owners = (one for one in environment.distributions.values() if package and package in one.top_level)
    return next(owners, None)


def _inside(frame: Frame) -> str:
    """The path of a frame's file from its import root on; "" where it leads out of there."""
    found = _SITE.fullmatch(frame.path.replace("\\", "/"))
    return found[1] if found and ".." not in PurePosixPath(found[1]).parts else ""


def _site(raised: Raised, frame: Frame, path: Path) -> Site | None:
    try:
        if path.stat().st_size > LONGEST_FILE:
            return None
        found = sites(parse(read_source(path), str(path)))
        return best_of(found, raised.kind, raised.message, frame.function, frame.line)
    except (OSError, ValueError, RecursionError):
        return None


def _search(owner: Distribution, raised: Raised, site: Site | None) -> str:
    """The address that asks the project's tracker for the error; "" where its metadata names none on GitHub."""
    urls = project_urls(owner.metadata) if owner.metadata else {}
    found = [match[1] for label in _TRACKERS for match in _named(urls, label)]
    if not found:
        return ""
    # the library's own words, without what is this run's: names, paths, numbers
    said = " ".join(site.words) if site and any(site.words) else raised.message.partition("\n")[0]
    words = [raised.kind.rpartition(".")[2], *_WORD.findall(_PATH.sub(" ", said))][:QUERY_WORDS]
    return f"{found[0]}/issues?q={quote_plus(' '.join(['is:issue', *words]))}"


def _named(urls: dict[str, str], label: str) -> list[re.Match[str]]:
    return [match for name, url in urls.items() if label in name and (match := _REPOSITORY.fullmatch(url))]
