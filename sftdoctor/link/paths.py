"""Paths as values, and sys.path as programs change it: where else their modules may lie."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from sftdoctor.configs import READABLE
from sftdoctor.link.locate import Found
from sftdoctor.link.values import NONE, UNKNOWN, Arguments, Const, Instance, Module, Native, Seq, Value, strip, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

FILE = "^file"
"""Attribute of an open file that no program can set: its path."""
REST = Const(Ellipsis)
"""Stands in sys.path for what was there before the program."""
FRONT = 2
"""Places at the start of sys.path before every installed package: the first and that behind the script's folder."""


# ---------------------------------------------------------------- paths


def make(machine: Machine, given: str) -> Value:
    """A pathlib.Path of that text, with all its parents."""
    path = PurePath(given)
    chain = [_one(machine, str(one)) for one in (path, *path.parents)]
    for number, one in enumerate(chain[:-1]):
        one.attrs["parent"] = chain[number + 1]
    for number, one in enumerate(chain):
        one.attrs["parents"] = Seq("tuple", list(chain[number + 1 :]))
    return chain[0]


def _one(machine: Machine, given: str) -> Instance:
    made = Instance(machine.anything("Path"), {"text": Const(given)}, True)
    for name in ("resolve", "absolute", "expanduser"):
        made.attrs[name] = Native(name, lambda _m, _a: made)
    for name in ("read_text", "read_bytes", "open"):
        made.attrs[name] = Native(name, lambda m, _a: opened(m, given))
    for name in ("as_posix", "__str__", "__fspath__"):
        made.attrs[name] = Native(name, lambda _m, _a: Const(given))
    return made


def opened(machine: Machine, name: str | None) -> Value:
    """An open file, or its text, where a program of the user's opens a config file of that path."""
    if name is None or not name.endswith(READABLE) or not machine.is_script(machine.frame.module):
        return UNKNOWN
    file = Instance(machine.anything("TextIOWrapper"), {FILE: Const(name)}, True)
    for method in ("read", "decode", "__enter__"):
        file.attrs[method] = Native(method, lambda _m, _a: file)
    return file


def path_text(value: Value | None) -> str | None:
    """The path that a string or a pathlib.Path is; None where it is neither or not known."""
    value = strip(value) if value is not None else UNKNOWN
    return text(value.attrs.get("text")) if isinstance(value, Instance) else text(value)


def path_call(machine: Machine, args: Arguments) -> Value:
    """pathlib.Path(…)."""
    parts = [path_text(arg) for arg in args.positional]
    known = [part for part in parts if part is not None]
    return make(machine, str(PurePath(*known))) if known and len(known) == len(parts) and not args.star else UNKNOWN


def divide(machine: Machine, left: Value, right: Value) -> Value:
    """`path / part`."""
    base, part = path_text(left), path_text(right)
    return make(machine, str(PurePath(base, part))) if base and part else UNKNOWN


def string(machine: Machine, args: Arguments, plain: Callable[[Machine, Arguments], Value]) -> Value:
    """str(…): of a path its text."""
    value = strip(args.positional[0]) if len(args.positional) == 1 else UNKNOWN
    found = path_text(value) if isinstance(value, Instance) else None
    return plain(machine, args) if found is None else Const(found)


def of_one(function: Callable[[str], str]) -> Callable[[Machine, Arguments], Value]:
    """A function of os.path that makes a path of a path."""

    def call(_machine: Machine, args: Arguments) -> Value:
        given = path_text(args.positional[0]) if args.positional else None
        return Const(function(given)) if given is not None else UNKNOWN

    return call


def join(_machine: Machine, args: Arguments) -> Value:
    """os.path.join(…)."""
    parts = [path_text(arg) for arg in args.positional]
    known = [part for part in parts if part is not None]
    whole = known and len(known) == len(parts) and not args.star
    return Const(os.path.join(*known)) if whole else UNKNOWN  # noqa: PTH118 - this is what is called


# ---------------------------------------------------------------- sys.path


def search_path() -> Value:
    """What sys.path is when the program starts."""
    return Seq("list", [REST], True)


def is_search_path(machine: Machine, value: Value) -> bool:
    """Whether a list is sys.path, to which every entry counts, also one that only some runs add."""
    system = machine.modules.get("sys")
    return isinstance(system, Module) and system.ns.get("path") is value and isinstance(value, Seq)


def insert(machine: Machine, owner: Seq, args: Arguments) -> Value:
    """list.insert(…), which matters for sys.path alone."""
    if is_search_path(machine, owner):
        place = strip(args.positional[0]) if args.positional else UNKNOWN
        front = isinstance(place, Const) and isinstance(place.value, int) and 0 <= place.value < FRONT
        added = args.get(1, "object") or UNKNOWN
        owner.items.append(added)
        _note(machine, [added], front)
    else:
        owner.open = True
    return NONE


def append(machine: Machine, owner: Seq, added: list[Value]) -> None:
    """Add entries at the end of sys.path."""
    owner.items.extend(added)
    _note(machine, added, False)


def assigned(machine: Machine, owner: Value, name: str, value: Value) -> None:
    """What `sys.path = …` adds."""
    if name == "path" and isinstance(owner, Module) and owner is machine.modules.get("sys"):
        items: list[Value] = value.items if isinstance(value, Seq) else [UNKNOWN]
        place = next((number for number, item in enumerate(items) if item is REST), 0)
        _note(machine, items[:place], True)
        _note(machine, [item for item in items[place:] if item is not REST], False)


def _note(machine: Machine, added: list[Value], front: bool) -> None:
    """Keep what was ever added: what a package takes out again has been imported by then, or is put in again."""
    own = machine.is_script(machine.frame.module)
    machine.search_paths.extend((strip(value), front, own) for value in added)


def before_installed(machine: Machine, name: str) -> Found | None:
    """A module of the user's that stands before the installed one of that name, since its folder was put first."""
    first = [value for value, front, own in machine.search_paths if front and own]
    return _search(machine, first, name)[0] if first else None


def elsewhere(machine: Machine, name: str, own: bool) -> tuple[Found | None, bool]:
    """A module that no package of the target has, looked for where the program adds to sys.path.

    Args:
        machine: The run.
        name: Of the module.
        own: Whether the user's own code asks: it knows of no folder that packages add for themselves.

    Returns:
        Where it is, if it was found; and whether it may be in a folder that is not known.
    """
    return _search(machine, [value for value, _, users in machine.search_paths if users or not own], name)


def _search(machine: Machine, entries: list[Value], name: str) -> tuple[Found | None, bool]:
    """Look through what was added to sys.path; also whether a folder may have it that is none of the user's here."""
    unknown = False
    for path in map(path_text, entries):
        folders = [] if path is None else [folder for folder in _meant(machine, path) if folder.is_dir()]
        unknown |= not folders
        for folder in folders:
            if _installed(machine, folder):
                unknown = True
            elif (found := machine.locator.in_folder(folder, name)) is not None:
                return found, False
    return None, unknown


def _meant(machine: Machine, path: str) -> list[Path]:
    """The folders that an entry may mean: it counts from where the command runs."""
    main = machine.main_path
    meant = [Path(path), *([Path(main).parent / path] if main else [])]
    machine.read.update(map(str, meant))  # a module that comes or goes there changes what was found
    return meant


def _installed(machine: Machine, folder: Path) -> bool:
    """Whether a folder lies among the target's packages: what a package keeps for itself is not the user's."""
    return any(folder.is_relative_to(root) for root in machine.environment.paths if root)
