"""The Heap: what the objects of the evaluated source hold, forked and joined at branches."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sftdoctor.flow.values import UNKNOWN, Joinable, Obj, Value, same

MISSING: Any = object()
JOIN_DEPTH = 4
"""So deep are two different objects of one kind joined field by field."""


@dataclass(frozen=True)
class Possibly:
    """A slot that is there on some paths alone."""

    value: Value


@dataclass
class Record:
    """The contents of one Obj."""

    slots: dict[Hashable, Value] = field(default_factory=dict)
    open: bool = False
    """Whether it may hold more than its slots say."""


class Heap:
    """Records by object. What forks have in common they share, until one of them touches it."""

    def __init__(self, records: dict[Obj, Record] | None = None) -> None:
        self._records: dict[Obj, Record] = records if records is not None else {}
        self._own: set[Obj] = set()
        """Objects whose records no other heap has."""

    def add(self, obj: Obj, slots: dict[Any, Value] | None = None, *, open: bool = False) -> Obj:
        """Put a new object on the heap and give it back."""
        self._records[obj] = Record(dict(slots or {}), open)
        self._own.add(obj)
        return obj

    def holds(self, obj: Obj) -> bool:
        """Whether an object is on the heap: one made on a path that was given up is not."""
        return obj in self._records

    def record(self, obj: Obj) -> Record:
        """What an object holds, to read or change at once; one that is not on the heap holds nothing that is known."""
        if obj not in self._own:
            shared = self._records.get(obj)
            self._records[obj] = Record(open=True) if shared is None else Record(dict(shared.slots), shared.open)
            self._own.add(obj)
        return self._records[obj]

    def get(self, obj: Obj, name: Hashable, default: Value = UNKNOWN) -> Value:
        """The value of a slot; UNKNOWN where it is there on some paths alone."""
        found = self._slots(obj).get(name, MISSING)
        if found is MISSING:
            return default
        return UNKNOWN if isinstance(found, Possibly) else found

    def has(self, obj: Obj, name: Hashable) -> bool | None:
        """Whether a slot is there; None where it is on some paths alone, or where the object is open."""
        found = self._slots(obj).get(name, MISSING)
        if isinstance(found, Possibly):
            return None
        if found is not MISSING:
            return True
        return None if obj not in self._records or self._records[obj].open else False

    def set(self, obj: Obj, name: Hashable, value: Value) -> None:
        """Fill a slot."""
        self.record(obj).slots[name] = value

    def drop(self, obj: Obj, name: Hashable) -> None:
        """Empty a slot."""
        self.record(obj).slots.pop(name, None)

    def items(self, obj: Obj) -> Iterator[tuple[Hashable, Value]]:
        """The slots that are there on every path."""
        return ((key, value) for key, value in self._slots(obj).items() if not isinstance(value, Possibly))

    def _slots(self, obj: Obj) -> Mapping[Hashable, Value]:
        found = self._records.get(obj)
        return {} if found is None else found.slots

    def fork(self) -> Heap:
        """An independent copy."""
        self._own.clear()
        return Heap(dict(self._records))

    def join(self, other: Heap) -> Heap:
        """The heap after two branches of which either may have been taken."""
        return _Join(self._records, other._records).run()


class _Join:
    """One join of two heaps; remembers the pairs of objects that it has merged."""

    def __init__(self, left: dict[Obj, Record], right: dict[Obj, Record]) -> None:
        self.left, self.right = left, right
        self.result: dict[Obj, Record] = {}
        self.merged: dict[tuple[Obj, Obj], Obj] = {}

    def run(self) -> Heap:
        for obj in (*self.left, *(obj for obj in self.right if obj not in self.left)):
            a, b = self.left.get(obj), self.right.get(obj)
            if a is b and a is not None:
                self.result[obj] = a  # neither branch touched it
            elif a is None or b is None:
                only = a or b or Record()
                self.result[obj] = Record(dict(only.slots), only.open)
            else:
                self.result[obj] = self._records(obj.kind, a, b, 0)
        return Heap(self.result)

    def _records(self, kind: str, a: Record, b: Record, depth: int) -> Record:
        slots = {}
        for key in (*a.slots, *(key for key in b.slots if key not in a.slots)):
            slots[key] = self._slot(kind, a.slots.get(key, MISSING), b.slots.get(key, MISSING), depth)
        return Record(slots, a.open or b.open)

    def _slot(self, kind: str, x: Value, y: Value, depth: int) -> Value:
        if x is MISSING or y is MISSING:
            only = y if x is MISSING else x
            # A variable that one branch alone binds is used only where it is bound.
            return only if kind == "frame" or isinstance(only, Possibly) else Possibly(only)
        if isinstance(x, Possibly) or isinstance(y, Possibly):
            return x if isinstance(x, Possibly) else y
        return self.value(x, y, depth)

    def value(self, x: Value, y: Value, depth: int = 0) -> Value:
        if same(x, y):
            return x
        if isinstance(x, Joinable) and type(x) is type(y):
            return x.joined(y)
        if isinstance(x, tuple) and isinstance(y, tuple) and len(x) == len(y):
            return tuple(self.value(a, b, depth) for a, b in zip(x, y, strict=True))
        if isinstance(x, Obj) and isinstance(y, Obj) and x.kind == y.kind and depth < JOIN_DEPTH:
            return self._objects(x, y, depth)
        return UNKNOWN

    def _objects(self, x: Obj, y: Obj, depth: int) -> Value:
        """Two objects of one kind become one that holds what they agree on."""
        if (x, y) in self.merged:
            return self.merged[x, y]
        a = self.left.get(x) or self.right.get(x)
        b = self.right.get(y) or self.left.get(y)
        if a is None or b is None:
            return UNKNOWN
        joined = self.merged[x, y] = Obj(x.kind, x.node)
        self.result[joined] = self._records(x.kind, a, b, depth + 1)
        return joined


def join_values(heaps: tuple[Heap, Heap], x: Value, y: Value) -> tuple[Heap, Value]:
    """Join two heaps and a value that each of them came with (what a function returns on two paths)."""
    join = _Join(heaps[0]._records, heaps[1]._records)
    join.run()
    return Heap(join.result), join.value(x, y)
