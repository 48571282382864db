"""Config files that a script reads by itself: open(…), Path(…).read_text(), then yaml.safe_load or json.load."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sftdoctor.flow import UNKNOWN, Arguments, Machine, Obj, Ref, Value
from sftdoctor.workload import parsers
from sftdoctor.workload.mappings import Mappings

_OPENERS = ("builtins.open", "io.open", "codecs.open")
_LOADERS = (
    *("yaml.safe_load", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "json.load", "json.loads", "toml.loads"),
    *("tomllib.load", "tomllib.loads", "tomli.load", "tomli.loads"),
)
_PATHS: Mapping[str, Callable[..., str]] = {
    "os.path.join": os.path.join,
    **{f"os.path.{name}": str for name in ("abspath", "realpath", "normpath", "expanduser", "expandvars")},
}
"""What gives a path of paths; one made absolute is as good as it was, since both start where the command runs."""
_READS = ("open", "read", "read_text", "read_bytes")


class ScriptFiles:
    """The config files that a script reads, with what they hold.

    Args:
        folder: The script's; a relative name is looked for where the command runs, then there.
        mappings: What knows the objects that configs become.
    """

    def __init__(self, folder: Path, mappings: Mappings) -> None:
        self.folder = folder
        self.mappings = mappings

    def call(self, machine: Machine, function: Ref, given: Arguments, node: ast.AST) -> Value | None:
        """What a call that opens or reads a file, or makes a path, gives back.

        Args:
            machine: The machine.
            function: What is called.
            given: What the call passes.
            node: The call.

        Returns:
            None where it is no such call, or one of whose file nothing is known.
        """
        values = given.positional
        if function.name in _PATHS:
            known = bool(values) and not given.open and all(isinstance(value, str) for value in values)
            return _PATHS[function.name](*values) if known else None
        if function.name in _OPENERS:
            mode = given.get(1, "mode", "r")
            path = _path(machine, given.get(0, "file"))
            return _file(machine, path, node) if path and isinstance(mode, str) and mode[:1] == "r" else None
        if function.name in _LOADERS:
            source = given.get(0, "stream")
            path = _path(machine, source) if isinstance(source, Obj) else ""
            held = parsers.read_plain(path, self.folder) if path else None
            return None if held is None else self._value(machine, held)
        return self.mappings.call(machine, function, given, lambda value: _path(machine, value))

    def call_method(self, machine: Machine, receiver: Obj, name: str, node: ast.AST) -> Value | None:
        """The same for a method of an open file, or of a path: what is read of a file is the file again."""
        path = _path(machine, receiver) if name in _READS else ""
        return _file(machine, path, node) if path else None

    def give_away(self, machine: Machine, value: Value) -> None:
        """Something unknown gets hold of what a file held, and may change it: nothing of it is known any longer."""
        if isinstance(value, Obj) and value in self.mappings.held:
            record = machine.heap.record(value)
            for part in record.slots.values():
                self.give_away(machine, part)
            record.slots.clear()
            record.open = True

    def _value(self, machine: Machine, held: object) -> Value:
        made = parsers.to_value(machine, held)
        waiting = [made]
        while waiting:
            value = waiting.pop()
            if isinstance(value, Obj) and value.kind == "dict":
                self.mappings.held.append(value)
                waiting.extend(machine.heap.record(value).slots.values())
        return made


def _file(machine: Machine, path: str, node: ast.AST) -> Obj:
    return machine.heap.add(Obj("file", node), {"^path": path})


def _path(machine: Machine, value: Value) -> str:
    """The path that a value is, or that it is the open file of; empty where that is not known."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Obj):
        return ""
    if value.kind == "file":
        path = machine.heap.get(value, "^path", UNKNOWN)
        return path if isinstance(path, str) else ""
    class_ = machine.heap.get(value, "^class", None)
    parts = machine.heap.get(value, "^positional", ())
    is_path = isinstance(class_, Ref) and class_.name in ("pathlib.Path", "pathlib.PosixPath")
    known = is_path and isinstance(parts, tuple) and parts and all(isinstance(part, str) for part in parts)
    return str(Path(*parts)) if known else ""
