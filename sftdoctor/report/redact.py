"""Taking out of a text what its reader must not learn: tokens, passwords, private addresses, names of users."""

from __future__ import annotations

import contextlib
import getpass
import re
from typing import Any

from sftdoctor.folders import home_folder

PUBLIC = (
    *("pypi.org", "pythonhosted.org", "pytorch.org", "huggingface.co", "hf.co", "github.com", "githubusercontent.com"),
    *("nvidia.com", "readthedocs.io", "python.org", "anaconda.org", "anaconda.com", "conda.io", "gitlab.com"),
)
"""Hosts that everybody may know; what stands before one as a subdomain is as public."""
USER = "<user>"
HIDDEN = "<hidden>"
SHORTEST_NAME = 3
"""A user's name that is shorter is a word like any other."""
NO_NAMES = ("root", "user", "ubuntu", "admin", "jovyan", "colab", "kaggle", "runner", "docker", "app")
"""Names that name nobody."""

_TOKENS = re.compile(
    r"hf_[A-Za-z0-9]{16,200}|api_org_[A-Za-z0-9]{16,200}"  # Hugging Face
    r"|gh[opsur]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{16,255}"
    r"|sk-[A-Za-z0-9_-]{16,255}|pypi-[A-Za-z0-9_-]{16,1000}|xox[abprs]-[A-Za-z0-9-]{10,255}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{35}|eyJ[\w-]{10,2000}\.[\w-]{10,2000}\.[\w-]{0,2000}"
    r"|(?<![\w/.+-])[0-9a-f]{40}(?![\w/.+-])"  # Weights & Biases; a commit is as long, and no loss
)
_NAMED = re.compile(
    r"((?:(?:token|secret|passw(?:or)?d|api[_-]?key|access[_-]?key|credentials?|authorization)[\"']?\s{0,3}[=:]"
    r"|\bbearer\s)\s{0,3}[\"']?(?:(?:basic|bearer)\s)?)([^\s\"',;&]{3,2000})",
    re.IGNORECASE,
)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]{1,20})://([^\s\"'<>|)\],]{1,2000})", re.IGNORECASE)
_HOMES = re.compile(r"((?:/home/|/Users/|/export/home/|[A-Za-z]:\\Users\\|[A-Za-z]:/Users/))([^/\\\s:;,\"']{1,100})")


def redact(text: str) -> str:
    """A text that can be shown in public.

    Args:
        text: Any text; lines stay lines.

    Returns:
        The same with "~" for the home folder, "<user>" for names of users, "<hidden>" for tokens and values that are
        said to be secret, and without private addresses, passwords and queries in URLs.
    """
    text = _URL.sub(_public, text)
    text = _TOKENS.sub(HIDDEN, text)
    text = _NAMED.sub(lambda found: found[1] + HIDDEN, text)
    home = str(home_folder())
    if len(home) > 1:
        text = re.sub(rf"{re.escape(home)}(?=[/\\\s:;,\"']|$)", "~", text, flags=re.MULTILINE)
    text = _HOMES.sub(lambda found: found[1] + USER, text)
    name = _name()
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", USER, text) if name else text


def redact_all(value: Any) -> Any:
    """The same plain data with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redact_all(item) for key, item in value.items()}
    return [redact_all(item) for item in value] if isinstance(value, list) else value


def _public(found: re.Match[str]) -> str:
    scheme, rest = found[1], found[2]
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    bare = host.partition(":")[0].lower().rstrip(".")
    if scheme.lower() == "file":
        return found[0]
    if not any(bare == known or bare.endswith(f".{known}") for known in PUBLIC):
        return f"{scheme}://{HIDDEN}"
    return f"{scheme}://{host}{slash}{re.split('[?#]', path)[0]}"


def _name() -> str:
    """The user's name, where it names somebody."""
    name = ""
    with contextlib.suppress(Exception):  # no entry in the password file, and no variable
        name = getpass.getuser()
    return name if len(name) >= SHORTEST_NAME and name not in NO_NAMES else ""
