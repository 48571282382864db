"""A config file as a tree: every value with its place in the text, so that one of them can be told of, or replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """The key of a member: its name, and its span in the text as it is written (with its quotes)."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """A value and its span in the text (offsets of its first character and of the one after its last)."""

    start: int
    end: int
    value: Any = None
    """Of a scalar: text, number, truth value or None."""
    items: tuple[Node, ...] | None = None
    """Of a list."""
    pairs: tuple[tuple[Key, Node], ...] | None = None
    """Of a mapping, as they stand in the text."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The items; of what is no list none."""
        return self.items or ()

    def member(self, name: str) -> Node | None:
        """A member of a mapping, the last of that name as every reader takes it; None of what is none."""
        found = self.pair(name)
        return found[1] if found else None

    def pair(self, name: str) -> tuple[Key, Node] | None:
        """The same with its key."""
        return next((pair for pair in reversed(self.pairs or ()) if pair[0].name == name), None)

    def plain(self) -> Any:
        """The value without places: dictionaries, lists and scalars."""
        if self.pairs is not None:
            return {key.name: node.plain() for key, node in self.pairs}
        return [node.plain() for node in self.items] if self.items is not None else self.value

    def walk(self, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Key, Node]]:
        """Every member at any depth, with the names of the keys that lead to it; what lies in lists is left out."""
        for key, node in self.pairs or ():
            path = (*above, key.name)
            yield path, key, node
            yield from node.walk(path)
