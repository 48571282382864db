"""Which package indexes to ask: the environment variables of pip and uv, and pip's configuration files."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sftdoctor.folders import home_folder, is_writable

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


_UV_SAYS = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
}


def certificates(environ: Mapping[str, str] | None = None, files: Iterable[Path] | None = None) -> dict[str, str]:
    """pip's certificates as other programs are told of them, such as those of a company's proxy.

    Args:
        environ: Environment variables; os.environ where None.
        files: pip's configuration files, least important first; those of this machine and user where None.

    Returns:
        SSL_CERT_FILE, or nothing where pip has none or the variable is set already.
    """
    environ = os.environ if environ is None else environ
    path = environ.get("PIP_CERT") or _all_pip_options(environ, files).get("cert", "")
    return {"SSL_CERT_FILE": path} if Path(path).is_file() and not environ.get("SSL_CERT_FILE") else {}


def uv_variables(environ: Mapping[str, str] | None = None, files: Iterable[Path] | None = None) -> dict[str, str]:
    """What uv has to be told of pip's settings: it reads none of them, and a user of pip may have set nothing else.

    Args:
        environ: Environment variables; os.environ where None.
        files: pip's configuration files, least important first; those of this machine and user where None.

    Returns:
        Environment variables for uv: pip's certificates, and its indexes unless uv has settings of its own; to do
        without a cache where it could not write its own, which it takes for an error.
    """
    environ = os.environ if environ is None else environ
    found = certificates(environ, files)
    if not is_writable(_uv_cache(environ)):
        found["UV_NO_CACHE"] = "1"
    own = [variable for variables in _UV_SAYS.values() for variable in variables if environ.get(variable)]
    if own or any(file.is_file() for file in _uv_files(environ)):
        return found
    settings = read_index_settings(environ, files)
    if settings.urls[0] != DEFAULT_INDEX:
        found["UV_DEFAULT_INDEX"] = settings.urls[0]
    if settings.urls[1:]:
        # as pip does: the best version of all indexes, not the first index that has the package
        found |= {"UV_INDEX": " ".join(settings.urls[1:]), "UV_INDEX_STRATEGY": "unsafe-best-match"}
    if settings.find_links:
        found["UV_FIND_LINKS"] = ",".join(settings.find_links)
    return found


def _uv_files(environ: Mapping[str, str]) -> Iterator[Path]:
    yield Path(environ.get("XDG_CONFIG_HOME") or home_folder() / ".config", "uv", "uv.toml")
    yield Path("/etc/uv/uv.toml")
    if environ.get("UV_CONFIG_FILE"):
        yield Path(environ["UV_CONFIG_FILE"])


def _all_pip_options(environ: Mapping[str, str], files: Iterable[Path] | None) -> dict[str, str]:
    options: dict[str, str] = {}
    for file in _pip_files(environ) if files is None else files:
        options.update(_pip_options(file))
    return options


def read_index_settings(environ: Mapping[str, str] | None = None, files: Iterable[Path] | None = None) -> IndexSettings:
    """The indexes that this user's pip and uv would ask.

    Args:
        environ: Environment variables; os.environ where None.
        files: pip's configuration files, least important first; those of this machine and user where None.

    Returns:
        uv's variables win over pip's, and these over pip's configuration files; PyPI where nothing is said.
    """
    environ = os.environ if environ is None else environ
    options = _all_pip_options(environ, files)

    def said(pip: str) -> list[str]:
        for variable in (*_UV_SAYS[pip], f"PIP_{pip.upper().replace('-', '_')}"):
            if environ.get(variable):
                return environ[variable].replace(",", " ").split()
        return options.get(pip, "").split()

    main = said("index-url")[:1] or [DEFAULT_INDEX]
    extra = said("extra-index-url")
    # uv allows "name=URL"
    extra = [url.split("=", 1)[1] if "=" in url.split("://", 1)[0] else url for url in extra]
    return IndexSettings(_unique(url.rstrip("/") for url in [*main, *extra]), _unique(said("find-links")))


def _unique(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for url in urls if _usable(url)))


def _usable(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("https", "http", "file") or Path(url).is_dir()
    except (ValueError, OSError):
        return False


def _uv_cache(environ: Mapping[str, str]) -> Path:
    """Where uv keeps what it fetched."""
    chosen = environ.get("UV_CACHE_DIR")
    return Path(chosen) if chosen else Path(environ.get("XDG_CACHE_HOME") or home_folder() / ".cache", "uv")


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """pip's configuration files, least important first."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    home = home_folder()
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
