"""Which layers of a model stay when it is made small, and what its config then says of them."""

import json

from . import meaning

MOST = 8
"""Layers that stay at most."""


class Layers:
    """Which layers of a part stay: of every kind some, and two at least.

    Args:
        part: The part of the config, not yet changed.
        of_a_kind: How many of every kind.
    """

    def __init__(self, part, of_a_kind=1):
        self._of_a_kind = of_a_kind
        self._depths = {
            name: value for name, value in part.items() if meaning.DEPTH.match(name) and meaning.numbers(value)
        }
        stacked = [value for name, value in self._depths.items() if name.endswith("_per_stack")]
        self._depth = max(stacked or self._depths.values(), default=0)
        self._part = part
        self._kept = list(range(self._depth))
        if self._depth > 2:
            self._choose()

    def _choose(self):
        kinds = [[] for _ in range(self._depth)]
        for name, value in self._part.items():
            for layer, kind in enumerate(self._kinds(name, value)):
                kinds[layer].append(kind)
        alike = {}
        for layer, kind in enumerate(kinds):
            alike.setdefault(json.dumps(kind, default=str), []).append(layer)
        kept = sorted(layer for found in alike.values() for layer in found[: self._of_a_kind])[:MOST]
        wanted = 2
        if len(alike) < 2:
            wanted = min(MOST, self._depth, max(2, *map(self._period, self._part)))
        spare = (layer for layer in range(self._depth) if layer not in kept)
        while len(kept) < wanted:
            kept.append(next(spare))
        self._kept = sorted(kept)

    def _period(self, name):
        """After how many layers a pattern begins anew, which only that number or a short list tells; else 0."""
        value = self._part[name]
        if meaning.PERIOD.search(name) and meaning.numbers(value):
            return value
        if meaning.PATTERN.search(name) and isinstance(value, list) and len(value) < self._depth:
            return len(value) if value and all(isinstance(each, str) for each in value) else 0
        return 0

    def _kinds(self, name, value):
        """What a value says of each layer; nothing where it says nothing."""
        depth = self._depth
        if self._is_table(value):
            return [next((each for key, each in value.items() if int(key) == layer), None) for layer in range(depth)]
        if isinstance(value, list):
            if self._is_indexes(name, value):
                return [layer in value for layer in range(depth)]
            return value if len(value) == depth else []
        if not meaning.numbers(value) or not 0 < value < depth:
            return []
        if meaning.FIRST.search(name):
            return [layer < value for layer in range(depth)]
        if meaning.LAST.search(name):
            return [layer >= depth - value for layer in range(depth)]
        return []

    def _is_indexes(self, name, value):
        """Whether a list holds numbers of layers."""
        if not value or not meaning.INDEXES.search(name) or not all(meaning.numbers(each) for each in value):
            return False
        return value == sorted(set(value)) and value[0] >= 0 and value[-1] < self._depth

    def _is_table(self, value):
        """Whether a dictionary says something of single layers, by their numbers."""
        if not isinstance(value, dict) or not value or not all(isinstance(each, dict) for each in value.values()):
            return False
        return all(str(key).isdigit() and int(key) < self._depth for key in value)

    def cut(self, name, value):
        """A value as it is for the layers that stay."""
        depth, kept = self._depth, self._kept
        if depth == len(kept):
            return value
        if self._is_table(value):
            return {type(key)(str(kept.index(int(key)))): each for key, each in value.items() if int(key) in kept}
        if isinstance(value, list):
            if self._is_indexes(name, value):
                return [new for new, old in enumerate(kept) if old in value]
            if len(value) == depth:
                return [value[layer] for layer in kept]
            return self._pattern(value)
        if not meaning.numbers(value):
            return value
        if meaning.FIRST.search(name):
            return sum(layer < value for layer in kept)
        if meaning.LAST_INDEX.search(name):
            return sum(layer <= value for layer in kept) - 1
        if meaning.LAST.search(name):
            return sum(layer >= depth - value for layer in kept)
        return value

    def _pattern(self, value):
        """[[kinds, times], …], which spells out all layers, for fewer of them."""
        pairs = all(
            isinstance(each, list) and len(each) == 2 and isinstance(each[0], list) and meaning.numbers(each[1])
            for each in value
        )
        if not value or not pairs or sum(len(kinds) * times for kinds, times in value) != self._depth:
            return value
        spelt = [kind for kinds, times in value for kind in kinds * times]
        return [[[spelt[layer] for layer in self._kept], 1]]

    def counts(self):
        """The new numbers of layers, by name."""
        if self._depth == len(self._kept):
            return {}
        left = len(self._kept)
        if any(name.endswith("_per_stack") for name in self._depths):
            return {name: max(1, value * left // self._depth) for name, value in self._depths.items()}
        return {name: min(value, left) for name, value in self._depths.items()}
