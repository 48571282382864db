"""The heap: forks share what they have in common, and never show it."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sftdoctor.flow import MISSING, UNKNOWN, Heap, Obj

OBJECTS = [Obj("instance"), Obj("dict"), Obj("frame")]
STEP = st.tuples(
    st.sampled_from(["set", "drop", "open", "fork", "add", "update", "read"]),
    st.integers(0, 20),
    st.sampled_from(OBJECTS),
    st.sampled_from("abc"),
    st.integers(0, 3),
)


def as_plain(heap: Heap) -> dict[Obj, Any]:
    return {one: (dict(heap.items(one)), heap.record(one).open) for one in OBJECTS if heap.holds(one)}


@given(st.lists(STEP, max_size=40))
@settings(max_examples=150, deadline=None)
def test_forks_are_independent(steps: list[tuple[str, int, Obj, str, int]]) -> None:
    heaps, models = [Heap()], [dict[Obj, Any]()]
    for what, number, obj, name, value in steps:
        at = number % len(heaps)
        heap, model = heaps[at], models[at]
        if what == "fork":
            heaps.append(heap.fork())
            models.append(copy.copy(model) | {one: (dict(slots), open_) for one, (slots, open_) in model.items()})
        elif what == "add":
            heap.add(obj, {name: value})
            model[obj] = ({name: value}, False)
        elif what == "read":
            slots = model.get(obj, ({}, False))[0]
            assert heap.get(obj, name, MISSING) == slots.get(name, MISSING)
        else:
            slots, is_open = model.setdefault(obj, ({}, True))
            if what == "set":
                heap.set(obj, name, value)
                slots[name] = value
            elif what == "drop":
                heap.drop(obj, name)
                slots.pop(name, None)
            elif what == "update":
                heap.record(obj).slots.update({name: value})
                slots[name] = value
            else:
                heap.record(obj).open = is_open = True
            model[obj] = (slots, is_open)
    assert [as_plain(heap) for heap in heaps] == models


def test_a_join_keeps_what_neither_branch_touched() -> None:
    heap, obj, other = Heap(), OBJECTS[0], OBJECTS[1]
    heap.add(obj, {"a": 1, "b": 2})
    heap.add(other, {"c": 3})
    branch = heap.fork()
    branch.set(obj, "b", 5)
    joined = heap.join(branch)
    assert (joined.get(obj, "a"), joined.get(obj, "b"), joined.get(other, "c")) == (1, UNKNOWN, 3)
    joined.set(other, "c", 4)
    assert (heap.get(other, "c"), branch.get(other, "c")) == (3, 3)
