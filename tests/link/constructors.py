"""Random constructors, to find out whether what is told as a certain refusal is one whatever a run brings.

    python -m tests.link.constructors FIRST LAST

Each seed is a class whose constructor branches, loops, calls, catches and raises over its arguments and over answers
that nothing but a run shows (`input()`). Where the linker says that a call is refused, the call is really made, with
many streams of answers; it has to raise with all of them.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from tests.link.worlds import World, told

HEAD = """
import contextlib
@contextlib.contextmanager
def context():
    yield 'c'
def other(self):
    if input(): self.x = 'o'
class AConfig:
    def __init__(self, a=None, b=None):
        self.x, self.y, self.items, self.map, self.n, self.turns = a, b, [], {}, 0, 0
        x = y = None
"""
TAIL = """
    def tick(self):
        self.turns += 1
        if self.turns > 50: raise KeyboardInterrupt
"""
CONSTANTS = ["True", "False", "None", "0", "1", "2", "'a'", "'b'", "a", "b", "self.x", "self.y", "x", "y", "input()"]
LISTS = ["(1, 2)", "('x', 'y')", "input()", "self.items", "range(2)", "[a, b]", "sorted(input())", "self.map"]
DOINGS = ["pass", "self.items.clear()", "self.items = [a]", "self.__dict__.update(x=a)", "self.map.update(k=b)"]
DOINGS += ["self.items.pop() if self.items else None", "self.items += [x]", "other(self)", "x, self.y = b, a"]
DOINGS += ["self.n -= 1", "self.n += 2", "self.n += self.n", "self.tick()"]
ANSWERS = ["", "a", "b", "ab", "x", "y", "1"]
STREAMS = 24


class Writer:
    """Writes one module.

    Args:
        seed: Of all that is chosen.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.left = self.random.randint(6, 16)

    def module(self) -> str:
        """The module, with its class AConfig."""
        made = self._block(8, 0, "") + self._block(8, 0, "")
        helper = ["    def helper(self, a, b='h'):", "        x = y = 1", *self._block(8, 1, "r")]
        get = ["    def get(self, a):", "        x = y = b = 0", *self._block(8, 2, "r")]
        return HEAD + "\n".join([*made, *helper, *get, f"        return {self._value()}"]) + TAIL

    def call(self) -> str:
        """A call of it."""
        return f"AConfig({self._one(CONSTANTS[:8])}, {self._one(CONSTANTS[:8])})"

    def _one(self, several: list[str]) -> str:
        return self.random.choice(several)

    def _value(self, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.42:
            return self._one(CONSTANTS)
        a, b, c = (self._value(depth + 1) for _ in range(3))
        kinds = self._one(["str", "int", "bool", "(int, str)"])
        compared = [f"({a} == {b})", f"({a} != {b})", f"({a} == {b})", f"(not {a})", f"({a} and {b})", f"({a} or {b})"]
        asked = ["len(self.items)", f"({a} in self.items)", f"self.get({a})", f"self.map.get({a})"]
        return self._one([*compared, *asked, f"({a} if {b} else {c})", f"isinstance({a}, {kinds})"])

    def _block(self, indent: int, depth: int, within: str) -> list[str]:
        """Statements; `within`: "l" in a loop, "r" where a value may be returned."""
        return [line for _ in range(self.random.randint(1, 3)) for line in self._statement(indent, depth, within)]

    def _statement(self, indent: int, depth: int, within: str) -> list[str]:
        self.left -= 1
        pad, chance = " " * indent, self.random.random()
        if self.left < 0 or depth > 3 or chance < 0.45:
            return [pad + self._simple(within)]
        inner = self._block(indent + 4, depth + 1, within)
        looped = self._block(indent + 4, depth + 1, within + "l")
        orelse = [f"{pad}else:", *self._block(indent + 4, depth + 1, within)] if self.random.random() < 0.4 else []
        if chance < 0.72:
            return [f"{pad}if {self._value()}:", *inner, *orelse]
        if chance < 0.82:
            return [f"{pad}for {self._one(['x', 'i', 'self.y'])} in {self._one(LISTS)}:", *looped, *orelse]
        if chance < 0.87:
            head = [f"{pad}while {self._one(['input()', 'True', 'self.n < 2'])}:", f"{pad}    self.tick()"]
            return [*head, *looped, f"{pad}    {self._one(['break', 'if input(): break', 'self.n += 1'])}"]
        if chance < 0.96:
            caught = self._one(["ValueError", "Exception", "(TypeError, ValueError)", "KeyError"])
            handled = self._block(indent + 4, depth + 1, within)
            return [f"{pad}try:", *inner, f"{pad}except {caught}:", *handled]
        return [f"{pad}with context() as x:", *inner]

    def _simple(self, within: str) -> str:
        value, name = self._value(), self._one(["self.x", "self.y", "x", "y"])
        refusal = f"if {self._value()}: raise ValueError('refused')"
        lines = [f"{name} = {value}", f"{name} = {value}", f"self.items.append({value})", self._one(DOINGS), refusal]
        lines += [f"setattr(self, {self._one([repr('x'), repr('y'), 'input()', 'x'])}, {value})", refusal]
        lines += [f"if {value}: return" + (f" {self._value()}" if "r" in within else "")]
        lines += [f"self.map[{self._one(['a', repr('k'), 'x', 'self.x'])}] = {value}"]
        lines += [f"if {value}: {self._one(['break', 'continue'])}"] if "l" in within else []
        lines += [f"{self._one(['', 'x = ', 'self.y = '])}self.helper({value})"] if "r" not in within else []
        return self._one(lines)


def runs(source: str, call: str, stream: int) -> bool:
    """Whether a call is really made without an exception, with one stream of answers."""
    answers = random.Random(stream)

    def answer(*_: object) -> str:
        return answers.choice(ANSWERS) if stream % 3 else ANSWERS[stream % len(ANSWERS)]

    names: dict[str, object] = {"input": answer}
    try:
        exec(compile(source, "lib", "exec"), names)
        eval(call, names)
    except (Exception, KeyboardInterrupt):
        return False
    return True


def judge(seed: int, folder: Path) -> bool | None:
    """Whether a certain refusal is one; None where none is told.

    Args:
        seed: Of the module.
        folder: Where it is written to.
    """
    writer = Writer(seed)
    source, call = writer.module(), writer.call()
    result = World({"lib": source}, f"from lib import AConfig\n{call}\n", script=True).link(folder)
    if "API015 AConfig certain" not in told(result):
        return None
    return not any(runs(source, call, stream) for stream in range(STREAMS))


def main() -> None:
    """Judge many seeds, and print what is wrong."""
    told_of = wrong = 0
    first, last = map(int, sys.argv[1:])
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            answer = judge(seed, Path(folder))
        told_of += answer is not None
        if answer is False:
            wrong += 1
            writer = Writer(seed)
            print(f"seed {seed}: not always refused\n{writer.module()}\n{writer.call()}\n")
    print(f"{last - first} constructors, {told_of} certain refusals, {wrong} of them not always one")


if __name__ == "__main__":
    main()
