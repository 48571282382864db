"""Config files (YAML, JSON, TOML) as data: bounded, safe-loaded, every key with its place; and whose they are."""

from sftdoctor.configs.kinds import Kind, kind_of, might_be_config
from sftdoctor.configs.reading import LIMIT, READABLE, SUFFIXES, Text, parse_config, read_config
from sftdoctor.configs.tree import Key, Node

__all__ = [
    "LIMIT",
    "READABLE",
    "SUFFIXES",
    "Key",
    "Kind",
    "Node",
    "Text",
    "kind_of",
    "might_be_config",
    "parse_config",
    "read_config",
]
