"""Which package indexes to ask: the environment variables of pip and uv, and pip's configuration files."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True)
class IndexSettings:
    """Where packages are looked up."""

    urls: tuple[str, ...] = (DEFAULT_INDEX,)
    """Simple indexes, most important first."""
    find_links: tuple[str, ...] = ()
    """Folders, or pages, that list files of any package."""

    def with_urls(self, more: Iterable[str]) -> IndexSettings:
        """The same with further indexes behind its own."""
        return IndexSettings(_unique([*self.urls, *more]), self.find_links)


def read_index_settings(environ: Mapping[str, str] | None = None, files: Iterable[Path] | None = None) -> IndexSettings:
    """The indexes that this user's pip and uv would ask.

    Args:
        environ: Environment variables; os.environ where None.
        files: pip's configuration files, least important first; those of this machine and user where None.

    Returns:
        uv's variables win over pip's, and these over pip's configuration files; PyPI where nothing is said.
    """
    environ = os.environ if environ is None else environ
    options: dict[str, str] = {}
    for file in _pip_files(environ) if files is None else files:
        options.update(_pip_options(file))

    def said(uv: tuple[str, ...], pip: str) -> list[str]:
        for variable in (*uv, f"PIP_{pip.upper().replace('-', '_')}"):
            if environ.get(variable):
                return environ[variable].replace(",", " ").split()
        return options.get(pip, "").split()

    main = said(("UV_DEFAULT_INDEX", "UV_INDEX_URL"), "index-url")[:1] or [DEFAULT_INDEX]
    extra = said(("UV_INDEX", "UV_EXTRA_INDEX_URL"), "extra-index-url")
    # uv allows "name=URL"
    extra = [url.split("=", 1)[1] if "=" in url.split("://", 1)[0] else url for url in extra]
    return IndexSettings(
        _unique(url.rstrip("/") for url in [*main, *extra]), _unique(said(("UV_FIND_LINKS",), "find-links"))
    )


def _unique(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for url in urls if _usable(url)))


def _usable(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("https", "http", "file") or Path(url).is_dir()
    except (ValueError, OSError):
        return False


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """pip's configuration files, least important first."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    home = Path.home()
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder, "pip", "pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support" / "pip" / "pip.conf"
    yield config / "pip" / "pip.conf"
    yield Path(sys.prefix, "pip.conf")
    if chosen:
        yield Path(chosen)


def _pip_options(file: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        if not file.is_file() or file.stat().st_size > 1 << 20:
            return {}
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, configparser.Error, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install", "download"):
        if parser.has_section(section):
            found.update({key.replace("_", "-"): value for key, value in parser.items(section) if value})
    return found
