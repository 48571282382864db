"""Config files: what a training, or what launches it, is given as YAML or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sftdoctor.configs import Key, Kind, Node, Text, kind_of, might_be_config, parse_config, read_config
from sftdoctor.errors import WorkloadError
from sftdoctor.model import Config, NotJudged, Script, Setting
from sftdoctor.workload.config_facts import config_facts

MIXTURE = "datasets"
"""Key of trl's configs whose list of mappings is looked into; the number of an item stands for its key."""
MAX_SETTINGS = 2_000
"""Keys that are looked at; no training config has a tenth of them."""


def read_config_file(path: Path, given_to: str = "") -> Script | NotJudged:
    """Read a config file that was named.

    Args:
        path: The file.
        given_to: Who gets it, where a launcher's command says so: trl or accelerate.

    Returns:
        What it says; or whose config it is, where that is none of ours to judge.

    Raises:
        WorkloadError: It cannot be read.
    """
    text = read_config(path)
    return _script(path, text, kind_of(text.root, given_to))


def find_config(path: Path, raw: bytes) -> Script | NotJudged | None:
    """A config file that lies in a folder.

    Args:
        path: The file.
        raw: All of it.

    Returns:
        What it says; whose it is, where another trainer reads it; None where it has nothing to do with training.
    """
    if not might_be_config(raw.decode("utf-8", errors="replace")):
        return None
    try:
        text = parse_config(str(path), raw)
    except WorkloadError as error:
        return NotJudged(str(path), error.message)
    kind = kind_of(text.root)
    return _script(path, text, kind) if kind.name or kind.told.endswith("config") else None


def _script(path: Path, text: Text, kind: Kind) -> Script | NotJudged:
    if not kind.name:
        return NotJudged(str(path), f"it is {kind.told}")
    config = Config(kind.name, tuple(_settings(text))[:MAX_SETTINGS], kind.command)
    return Script(str(path), text.text, config_facts(str(path), config), config=config)


def _settings(text: Text) -> Iterator[Setting]:
    for keys, key, node in (*text.root.walk(), *_of_mixture(text.root)):
        above = text.root
        for name in keys[:-1]:
            above = above.member(name) or above
        last = above.pair(keys[-1]) if keys[0] != MIXTURE else None
        yield Setting(keys, node.plain(), text.location(key), last is not None and last[0] is not key)


def _of_mixture(root: Node) -> Iterator[tuple[tuple[str, ...], Key, Node]]:
    """The members of the data sets of a mixture."""
    listed = root.member(MIXTURE)
    for index, item in enumerate(listed.nodes if listed is not None else ()):
        yield from item.walk((MIXTURE, str(index)))
