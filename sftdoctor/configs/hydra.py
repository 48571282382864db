"""What Hydra composes a config of: the primary file, and the options of its defaults list in their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from sftdoctor.configs.reading import Text
from sftdoctor.configs.tree import Node

DEFAULTS = "defaults"
DEEPEST = 8
"""Defaults lists within each other that are read."""
_HEADER = re.compile(r"#\s*@package:?\s+(\S+)")
_PREFIX = re.compile(r"^(?:override|optional)\s+")


class ComposeError(Exception):
    """A part of the config cannot be read, so that nothing is known for sure of the whole."""


Read = Callable[[str], "Text | None"]
"""Gives the config file of a path; None where it is not there or cannot be read."""


def compose(read: Read, folder: str, name: str, choices: Mapping[str, str]) -> list[tuple[tuple[str, ...], Text]]:
    """The files that a config is composed of, later ones over earlier ones.

    Args:
        read: Reads a file.
        folder: The config path.
        name: Of the primary config.
        choices: Group → option, as the command line says.

    Returns:
        Each file with the keys of the package that it becomes; its defaults list is still in it.

    Raises:
        ComposeError: A file of it is not there, or its name is only known when it runs.
    """
    return _compose(read, PurePath(folder), "", name, dict(choices), 0)


def overrides(words: tuple[str, ...]) -> dict[str, str] | None:
    """The `key=value` words of a command line; None where it takes keys away, or only the shell knows it."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key.startswith(("~", "-")) or "\0" in word:
            return None
        found[key] = value
    return found


def _compose(
    read: Read, root: PurePath, group: str, name: str, choices: dict[str, str], depth: int
) -> list[tuple[tuple[str, ...], Text]]:
    stem = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
    text = read(str(root / group / stem))
    if text is None or depth > DEEPEST or "${" in name:
        raise ComposeError(name)
    own = (_package(text, group), text)
    found: list[tuple[tuple[str, ...], Text]] = []
    placed = False
    listed = text.root.member(DEFAULTS)
    for item in listed.nodes if listed is not None else ():
        for inner, option, optional in _entry(item, choices):
            if inner == "_self_":
                placed = True
                found.append(own)
                continue
            within = inner.lstrip("/") if inner.startswith("/") else "/".join(filter(None, (group, inner)))
            try:
                found += _compose(read, root, within, option, choices, depth + 1)
            except ComposeError:
                if not optional:
                    raise
    return found if placed else [*found, own]


def _entry(item: Node, choices: dict[str, str]) -> Sequence[tuple[str, str, bool]]:
    """The group, option and whether it is optional, of one entry; of `- name` the group is empty."""
    if item.pairs is None:
        said = str(item.value)
        return [(said, "", False)] if said == "_self_" else [("", said, False)]
    found = []
    for key, node in item.pairs:
        group = _PREFIX.sub("", key.name).partition("@")[0]
        if key.name.startswith("override"):
            choices.setdefault(group.lstrip("/"), str(node.value))
            continue
        if "@" in key.name or node.pairs is not None or node.items is not None:
            raise ComposeError(key.name)
        option = choices.get(group.lstrip("/"), node.value)
        if option is not None:
            found.append((group, str(option), key.name.startswith("optional")))
    return found


def _package(text: Text, group: str) -> tuple[str, ...]:
    """The keys under which a file's own stand: those of its group, unless its header says otherwise."""
    header = _HEADER.match(text.text)
    said = header[1] if header else ""
    if said == "_global_":
        return ()
    return tuple(said.split(".")) if said and said != "_group_" else tuple(filter(None, group.split("/")))
