"""From the bytes of a config file to its tree."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sftdoctor.configs.jsonspans import parse_spans
from sftdoctor.configs.tree import Key, Node
from sftdoctor.configs.yamlspans import YamlError, parse_yaml
from sftdoctor.errors import WorkloadError
from sftdoctor.model import Location

LIMIT = 300_000
"""Bytes; a config that people write has a hundredth of it."""
_FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+")
"""A number that YAML 1.1 takes for a text."""
SUFFIXES = (".yaml", ".yml", ".json")
"""Of configs that launchers, parsers and trl read."""
READABLE = (*SUFFIXES, ".toml")
"""Of those that a script may read by itself."""


@dataclass(frozen=True)
class Text:
    """A config file as read."""

    path: str
    text: str
    root: Node

    def yaml12(self, node: Node) -> Any:
        """A scalar as YAML 1.2 has it (OmegaConf, ruamel.yaml), where 1e-4 is a number and `no` a text."""
        written = self.text[node.start : node.end]
        if isinstance(node.value, str) and _FLOAT.fullmatch(written):
            return float(written.replace("_", ""))
        return node.value

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(index + 1 for index, sign in enumerate(self.text) if sign == "\n")]

    def location(self, place: Node | Key) -> Location:
        """Where a value or key stands."""
        return Location(self.path, *self._at(place.start), *self._at(place.end))

    def _at(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def read_config(path: Path) -> Text:
    """Read a config file.

    Args:
        path: A .yaml, .yml, .json or .toml file.

    Returns:
        Its text and values.

    Raises:
        WorkloadError: It cannot be read, is too large, or broken; the message names the file and line.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}", "Name a config file.") from error
    if len(raw) > LIMIT:
        raise WorkloadError(f"{path} is larger than {LIMIT // 1000} kB", "This is no config of a training.")
    return parse_config(str(path), raw)


def parse_config(path: str, raw: bytes) -> Text:
    """Parse the bytes of a config file.

    Args:
        path: Where they are from, for messages and locations; its suffix says whether it is JSON, TOML or YAML.
        raw: The whole file.

    Returns:
        Its text and values.

    Raises:
        WorkloadError: It is broken; the message names the file and line.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path} cannot be decoded: it is not UTF-8", "Save it as UTF-8.") from error
    parse = _json if path.endswith(".json") else _toml if path.endswith(".toml") else _yaml
    return Text(path, text, parse(path, text))


def _json(path: str, text: str) -> Node:
    try:
        json.loads(text)
        return parse_spans(text)
    except json.JSONDecodeError as error:
        raise WorkloadError(f"{path}:{error.lineno}: broken JSON: {error.msg}", "Correct it.") from error
    except (ValueError, RecursionError) as error:
        raise WorkloadError(
            f"{path} cannot be read as JSON: it is nested too deeply, or a number is too long"
        ) from error


def _toml(path: str, text: str) -> Node:
    from sftdoctor.configs.tomlspans import TomlError, parse_toml

    try:
        return parse_toml(text)
    except TomlError as error:
        raise WorkloadError(f"{path}: broken TOML: {error}", "Correct it.") from error
    except (ValueError, RecursionError) as error:
        raise WorkloadError(
            f"{path} cannot be read as TOML: it is nested too deeply, or a number is too long"
        ) from error


def _yaml(path: str, text: str) -> Node:
    try:
        return parse_yaml(text)
    except YamlError as error:
        at = f"{path}:{error.line}" if error.line else path
        raise WorkloadError(
            f"{at}: no YAML that a safe reader takes: {error.message}", "Correct it: the training would stop there too."
        ) from error
