"""What a lazy package wants installed for a name that it exports (transformers' BASE_FILE_REQUIREMENTS and @requires).

Where that is not there, `_LazyModule` gives a placeholder in the place of the class, which refuses to be used.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from sftdoctor.link import calls, expressions
from sftdoctor.link.state import Frame, Raised
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Function, Module, Native, Value, strip, truth

if TYPE_CHECKING:
    from pathlib import Path

    from sftdoctor.link.machine import Machine

TABLE = "BASE_FILE_REQUIREMENTS"
MODULES = {"vision": "PIL"}
"""Backend → the module that it is, where the names differ."""
MAKERS = ("from_pretrained", "from_config", "from_dict")
"""What a class is asked to make an object by, beside itself."""
_REQUIRES = re.compile(r"^@requires\(([^)]*)\)[^\n]*(?:\n@[^\n]*)*\n(?:class|def) (\w+)", re.MULTILINE)
_QUOTED = re.compile(r"[\"'](\w+)[\"']")


@dataclass(frozen=True)
class Missing:
    """The backends of an exported name that are not installed for sure."""

    sure: tuple[str, ...]
    """Those that it needs."""
    perhaps: tuple[str, ...]
    """Those that it may need."""


class Backends:
    """What a package's exported names need, and what of it is installed.

    Args:
        machine: The run.
        helper: The package's module that says so.
    """

    def __init__(self, machine: Machine, helper: Module) -> None:
        self._machine = machine
        self._frame = Frame(helper, helper.ns, "module")
        self._table = _read_table(machine.source(helper))
        self._checks = [(expressions.evaluate(machine, self._frame, key), len(key.args.args)) for key, _ in self._table]
        self._absent: dict[str, bool] = {}

    def missing(self, file: Path, name: str) -> Missing:
        """What an exported name needs, or may need, that is not installed.

        Args:
            file: The module that exports it.
            name: The name.
        """
        content = file.read_text("utf-8", errors="replace")
        own = _of_object(content, name)
        ways = [(*way, *own) for way in self._of_file(file.stem, content)]
        absent = [backend for backend in dict.fromkeys(chain(*ways)) if self._is_absent(backend)]
        return Missing(tuple(b for b in absent if all(b in way for way in ways)), tuple(absent))

    def _of_file(self, stem: str, content: str) -> list[tuple[str, ...]]:
        """What the first check of the table that takes a file wants; of all that may be the first."""
        ways: list[tuple[str, ...]] = []
        given: list[Value] = [Const(stem), Const(content)]
        for (check, count), (_, wanted) in zip(self._checks, self._table, strict=True):
            taken = calls.invoke(self._machine, self._frame, check, Arguments(given[:count]), None)
            decided = truth(strip(taken))[0]
            if decided is not False:
                ways.append(wanted)
            if decided is True:
                return ways
        return [*ways, ()]

    def _is_absent(self, backend: str) -> bool:
        if backend not in self._absent:
            check = strip(self._frame.scope.get(f"is_{backend}_available", UNKNOWN))
            try:
                there = calls.invoke(self._machine, self._frame, check, Arguments(), None)
            except Raised:
                there = UNKNOWN
            self._absent[backend] = isinstance(check, Function) and truth(strip(there))[0] is False
        return self._absent[backend]


def missing(machine: Machine, package: Module, target: str, name: str) -> Missing:
    """What an exported name needs, or may need, that is not installed.

    Args:
        machine: The run.
        package: The lazy package.
        target: The module below it that exports the name, dotted.
        name: The name.
    """
    helper = machine.modules.get(f"{package.name.partition('.')[0]}.utils.import_utils")
    found = machine.locator.find(f"{package.name}.{target}")
    if not isinstance(helper, Module) or helper.path is None or found is None or found.path is None:
        return Missing((), ())
    assert package.lazy is not None
    if package.lazy.backends is None:
        package.lazy.backends = Backends(machine, helper)
    return package.lazy.backends.missing(found.path, name)


def placeholder(name: str, backends: tuple[str, ...]) -> Value:
    """What stands for a name whose backends are not installed: it can be imported, and refuses to be used."""

    def refuse(machine: Machine, _args: Arguments) -> Value:
        module = MODULES.get(backends[0], backends[0])
        message = f"{name} requires the {module} library but it was not found in your environment."
        frame = machine.frames[-1] if machine.frames else None
        return machine.broken("missing-module", "ImportError", message, module, frame, frame.call if frame else None)

    return Native(name, refuse, {maker: Native(f"{name}.{maker}", refuse) for maker in MAKERS})


def _read_table(text: str) -> list[tuple[ast.Lambda, tuple[str, ...]]]:
    """The checks of files, each with the backends that it stands for."""
    start = text.find(f"\n{TABLE} = {{")
    end = text.find("\n}\n", start)
    table = ast.parse(text[start : end + 2]).body[0] if 0 <= start < end else None
    if not isinstance(table, ast.Assign) or not isinstance(table.value, ast.Dict):
        return []
    return [
        (key, tuple(str(one.value) for one in value.elts if isinstance(one, ast.Constant)))
        for key, value in zip(table.value.keys, table.value.values, strict=True)
        if isinstance(key, ast.Lambda) and isinstance(value, ast.Tuple)
    ]


def _of_object(content: str, name: str) -> tuple[str, ...]:
    """What `@requires(backends=…)` above a class or function wants."""
    if "@requires" not in content:
        return ()
    asked = next((found[1] for found in _REQUIRES.finditer(content) if found[2] == name), "")
    return tuple(_QUOTED.findall(asked))
