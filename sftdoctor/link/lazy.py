"""Lazy packages: transformers' `_LazyModule`, its copies in trl and others, and `define_import_structure`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor.link import backends, calls, importing, paths
from sftdoctor.link.locate import MAX_SOURCE
from sftdoctor.link.state import Frame, Raised
from sftdoctor.link.values import UNKNOWN, Arguments, Const, Dict, Lazy, Module, Seq, Value, strip, text

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

MAX_FILES = 20_000
MADE_UP = re.compile(r"""\bname\.endswith\(["'](\w+)["']\)""")
"""A test of `_LazyModule.__getattr__` for names that it has an answer for though nothing exports them."""
OWN = re.compile(r"\bself\.(\w+)(?:: [^=\n]+)? = ")
"""An attribute that `_LazyModule` has itself: scripts of 2023 read `transformers._import_structure`."""
STRUCTURE = "_import_structure"
"""Where `_LazyModule` keeps the modules that export something, with their names."""
PLACEHOLDERS = "_object_missing_backend"
"""Where `_LazyModule` keeps which names stand for what is not installed (transformers from 4.50 on)."""
QUOTED = re.compile(rb"[\"'](\w+)[\"']")
REQUIRED = re.compile(rb"^@requires[^\r\n]*(?:\r?\n@[^\r\n]*)*\r?\n(?:class|def) (\w+)", re.MULTILINE)
SLOW = "Pil"
"""The end of the image processors of transformers 5 that do without torchvision."""
FAST = "Fast"
"""The end that transformers 5 takes off a name that it no longer has (LlamaTokenizerFast)."""


class Scan:
    """What `define_import_structure(path, prefix)` gives: every export of a folder of models, looked up when asked for.

    Args:
        folder: The folder whose files name their exports.
        prefix: What stands before their module names.
    """

    def __init__(self, folder: str, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix


def build(machine: Machine, args: Arguments) -> Module | None:
    """The module that `_LazyModule(name, file, import_structure, …)` makes; None where it cannot be known."""
    name, structure = text(args.get(0, "name")), args.get(2, "import_structure")
    if name is None or structure is None:
        return None
    present = machine.modules.get(name)
    module = Module(name, {}, None, True, "done", False, machine.locator.distribution_of(name))
    if isinstance(present, Module):
        module.path = present.path
    module.lazy = Lazy()
    _read(machine, module.lazy, strip(structure))
    extra = strip(args.get(4, "extra_objects") or UNKNOWN)
    if isinstance(extra, Dict):
        module.ns.update({key: value for key, value in extra.items.items() if isinstance(key, str)})
    _learn(machine, module.lazy, name)
    return module


def _read(machine: Machine, found: Lazy, structure: Value) -> None:
    if isinstance(structure, Const) and isinstance(structure.value, Scan):
        found.scans.append((structure.value.folder, structure.value.prefix))
        return
    if not isinstance(structure, Dict):
        found.open = True
        return
    found.open |= structure.open
    for key, value in structure.items.items():
        if isinstance(key, Scan):
            found.scans.append((key.folder, key.prefix))
        elif isinstance(key, frozenset):
            _read(machine, found, strip(value))
        elif isinstance(key, str):
            _export(found, key, strip(value))


def _export(found: Lazy, module: str, names: Value) -> None:
    parts = module.split(".")
    found.modules.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    if not isinstance(names, Seq):
        found.open = True
        return
    found.open |= names.open
    for item in names.items:
        name = text(item)
        if name:
            found.names[name] = module


def _learn(machine: Machine, lazy: Lazy, package: str) -> None:
    """Read in the package's `_LazyModule` how it reports a failing submodule, and which names it makes up."""
    top = package.partition(".")[0]
    for candidate in (f"{top}.utils.import_utils", f"{top}._lazy_module", f"{top}.import_utils"):
        found = machine.modules.get(candidate)
        if isinstance(found, Module) and found.path is not None and "_LazyModule" in found.ns:
            source = machine.source(found)
            body = source[source.find("class _LazyModule") :]
            if "Could not import module" in body:
                lazy.failure = "ModuleNotFoundError"
            elif "Failed to import" in body:
                lazy.failure = "RuntimeError"
            lazy.suffixes = tuple(dict.fromkeys(MADE_UP.findall(body)))
            lazy.attributes = frozenset(OWN.findall(body))
            lazy.placeholders = PLACEHOLDERS in lazy.attributes
            return


def member(machine: Machine, module: Module, name: str, frame: Frame | None) -> Value | None:
    """An attribute of a lazy package: the submodule that exports it is imported, as the package itself does."""
    lazy = module.lazy
    assert lazy is not None
    target = lazy.names.get(name) or _scan(machine, lazy, name)
    if target is not None:
        if lazy.placeholders and (missing := backends.missing(machine, module, target, name)).perhaps:
            module.ns[name] = _instead(machine, module, name, missing, frame)
            return module.ns[name]
        inside = _submodule(machine, module, target, frame)
        if not isinstance(inside, Module):
            return UNKNOWN
        found = importing.member(machine, inside, name, frame)
        if found is not None:
            module.ns[name] = found
            return found
        return UNKNOWN if inside.state == "running" else _made_up(machine, module, lazy, name, frame)
    if name in lazy.modules or (machine.locator.find(f"{module.name}.{name}") is not None and lazy.scans):
        return _submodule(machine, module, name, frame)
    if lazy.open or name in lazy.attributes or (name.startswith("__") and name.endswith("__")):
        return UNKNOWN
    if machine.shims and frame is not None and shim_for(machine, frame, module, name) is not None:
        return module.ns[name]
    return machine.modules.get(f"{module.name}.{name}") or _made_up(machine, module, lazy, name, frame)


def _instead(machine: Machine, module: Module, name: str, missing: backends.Missing, frame: Frame | None) -> Value:
    """What a lazy package gives for a name whose backends are not installed."""
    assert module.lazy is not None
    if "torchvision" in missing.perhaps and name.endswith("ImageProcessor"):
        slow = f"{name}{SLOW}"
        target = _scan(machine, module.lazy, slow)
        if target is not None and not backends.missing(machine, module, target, slow).perhaps:
            found = member(machine, module, slow, frame)
            return UNKNOWN if found is None else found
    return backends.placeholder(name, missing.sure) if missing.sure else UNKNOWN


def _made_up(machine: Machine, module: Module, lazy: Lazy, name: str, frame: Frame | None) -> Value | None:
    """What the package's `__getattr__` gives for a name that nothing exports; None where it has no answer."""
    if not name.endswith(lazy.suffixes or "/"):
        return None
    base = name.removesuffix(FAST)
    exported = base != name and (base in lazy.names or _scan(machine, lazy, base) is not None)
    return member(machine, module, base, frame) if exported else UNKNOWN


def shim_for(machine: Machine, frame: Frame, module: Module, name: str) -> Value | None:
    """The constructor that another package put in place (trl/_compat.py) and that adds the name to the lazy package."""
    for shim in machine.shims:
        calls.invoke(machine, frame, shim, Arguments([module, Const(module.name)], {}, True, True), None)
        if name in module.ns:
            return shim
    return None


def offers(machine: Machine, module: Module, name: str) -> bool | None:
    """Whether a lazy package exports a name, importing nothing."""
    lazy = module.lazy
    assert lazy is not None
    if name in lazy.names or name in lazy.modules or f"{module.name}.{name}" in machine.modules:
        return True
    if name in lazy.attributes or _scan(machine, lazy, name) is not None:
        return True
    return None if lazy.open or name.endswith(lazy.suffixes or "/") else False


def has_key(machine: Machine, module: Module, key: str) -> bool | None:
    """Whether the import structure of a lazy package lists a module (transformers: no "models.llama" since 4.52)."""
    lazy = module.lazy
    if lazy is None or lazy.open:
        return None
    if key in lazy.modules:
        return True
    exports = {prefix: machine.exports(folder) for folder, prefix in lazy.scans}
    return any(key == f"{prefix}.{one}".lstrip(".") for prefix, names in exports.items() for one in _modules_of(names))


def _modules_of(exports: dict[str, list[str]]) -> set[str]:
    return {module for modules in exports.values() for module in modules}


def _submodule(machine: Machine, module: Module, target: str, frame: Frame | None) -> Value:
    try:
        return importing.load(machine, frame, f"{module.name}.{target}", None)
    except Raised as raised:
        assert module.lazy is not None
        if module.lazy.failure:
            raised.cls = machine.exception(module.lazy.failure)
        raise


def _scan(machine: Machine, lazy: Lazy, name: str) -> str | None:
    """The submodule of a folder of models that exports a name."""
    for folder, prefix in lazy.scans:
        for found in machine.exports(folder).get(name, ()):
            return f"{prefix}.{found}" if prefix else found
    return None


def folder_exports(folder: str) -> dict[str, list[str]]:
    """Every name that the files below a folder list in `__all__` or decorate with `@requires`.

    Args:
        folder: A folder of packages, such as transformers/models.

    Returns:
        Name → dotted modules relative to the folder, the first one first.
    """
    exports: dict[str, list[str]] = {}
    for parts in _modules_below(folder):
        source = _beginning(f"{folder}/{'/'.join(parts)}")
        dotted = ".".join(parts).removesuffix(".py")
        for name in _listed(source):
            exports.setdefault(name.decode(), []).append(dotted)
    return exports


def _modules_below(folder: str) -> list[tuple[str, ...]]:
    """The path parts of every module file below a folder, in order."""
    found: list[tuple[str, ...]] = []
    for current, _, files in os.walk(folder):
        below = Path(current).relative_to(folder).parts
        found += [(*below, name) for name in files if name.endswith(".py") and name != "__init__.py"]
        if len(found) > MAX_FILES:
            break
    return sorted(found)


def _beginning(path: str) -> bytes:
    """What a file says, no more than MAX_SOURCE bytes of it; nothing where it cannot be read.

    There are two thousand of them: a file object and decoding would cost most of the time.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(handle, min(os.fstat(handle).st_size, MAX_SOURCE))
    except OSError:
        return b""
    finally:
        os.close(handle)


def _listed(source: bytes) -> set[bytes]:
    names: set[bytes] = set()
    start = source.rfind(b"\n__all__")
    if start >= 0:
        end = source.find(b"]", start)
        names.update(QUOTED.findall(source, start, end if end > 0 else len(source)))
    if b"@requires" in source:
        names.update(REQUIRED.findall(source))
    return names


def scan_call(args: Arguments) -> Value:
    """`define_import_structure(path, prefix=None)`."""
    given = args.get(0, "module_path")
    given = strip(given) if given is not None else UNKNOWN
    path = paths.path_text(given)
    if path is None:
        return UNKNOWN
    folder = str(Path(path).parent) if path.endswith(".py") else path
    scan = Scan(folder, text(args.get(1, "prefix")) or "")
    return Dict({scan: Dict(), frozenset(): Dict()})
