"""The standard modules that guards, version gates and decorators are made with; every other one is open."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sftdoctor.link import classes, files, finders, guards, importing, loading, parsers, paths, signatures
from sftdoctor.link.expressions import ITEMS
from sftdoctor.link.native import hydra, mappings, metadata, versions
from sftdoctor.link.native.builtin import make_dict
from sftdoctor.link.values import (
    FALSE,
    NONE,
    UNKNOWN,
    Arguments,
    Bound,
    Class,
    Const,
    Dict,
    Function,
    Instance,
    Likely,
    Module,
    Native,
    Partial,
    Seq,
    Value,
    strip,
    text,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

Call = Callable[["Machine", Arguments], Value]


def _find_spec(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(0, "name"))
    if name is None:
        return UNKNOWN
    known = machine.is_present(name)
    if known is None:
        return UNKNOWN
    return Instance(machine.closed("ModuleSpec"), {"name": Const(name)}, True) if known else NONE


def _import_module(machine: Machine, args: Arguments) -> Value:
    name = text(args.get(0, "name"))
    package = text(args.get(1, "package"))
    if name is None:
        machine.walkers.add(machine.frame.module.distribution)
        return UNKNOWN
    if name.startswith("."):
        if package is None:
            return UNKNOWN
        level = len(name) - len(name.lstrip("."))
        base = package.split(".")
        name = ".".join([*base[: len(base) - level + 1], name.lstrip(".")])
    return importing.load(machine, machine.frame, name, None)


def _partial(_machine: Machine, args: Arguments) -> Value:
    if not args.positional:
        return UNKNOWN
    rest = Arguments(args.positional[1:], dict(args.keywords), args.star, args.double_star)
    return Partial(args.positional[0], rest)


def _wraps(_machine: Machine, args: Arguments) -> Value:
    original = strip(args.positional[0]) if args.positional else UNKNOWN

    def decorate(_m: Machine, inner: Arguments) -> Value:
        wrapper = strip(inner.positional[0]) if inner.positional else UNKNOWN
        if isinstance(wrapper, Function):
            wrapper.wrapped = original
        return wrapper

    return Native("wraps", decorate)


def _lru_cache(_machine: Machine, args: Arguments) -> Value:
    target = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(target, Function):
        return target
    return Native("lru_cache", lambda _m, inner: inner.positional[0] if inner.positional else UNKNOWN)


def signature_of(value: Value) -> signatures.Signature | None:
    """What inspect.signature gives; None where that cannot be known."""
    value = strip(value)
    if isinstance(value, Bound):
        inner = strip(value.function)
        return signatures.of_node(inner.node, drop_first=True) if isinstance(inner, Function) else None
    if isinstance(value, Function):
        if value.wrapped is not None:
            return signature_of(value.wrapped)
        return signatures.of_node(value.node)
    if isinstance(value, Class):
        initializer, _ = value.lookup("__init__")
        if isinstance(initializer, Function) and initializer.wrapped is not None and value.fields is None:
            wrapped = signature_of(initializer)
            return signatures.Signature(wrapped.parameters[1:]) if wrapped else None
        return signatures.of_class(value)
    return None


def _signature(machine: Machine, args: Arguments) -> Value:
    found = signature_of(args.positional[0]) if args.positional else None
    if found is None:
        return UNKNOWN
    kinds: dict[str, Value] = {p.name: Instance(machine.anything("Parameter"), {}, True) for p in found.parameters}
    return Instance(machine.anything("Signature"), {"parameters": Dict(kinds)}, True)


def _field(_machine: Machine, args: Arguments) -> Value:
    return args.keywords.get("default", UNKNOWN)


def _dataclass(machine: Machine, args: Arguments) -> Value:
    target = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(target, Class) and target.node is not None:
        return classes.make_dataclass(target, _NO_OPTIONS)
    return Native("dataclass", _dataclass)


def _fields(_machine: Machine, args: Arguments) -> Value:
    target = strip(args.positional[0]) if args.positional else UNKNOWN
    cls = target.cls if isinstance(target, Instance) else target
    found = signatures.dataclass_fields(cls) if isinstance(cls, Class) else None
    if not found:
        return Seq("tuple", [], True)
    items: list[Value] = [
        Instance(_machine.anything("Field"), {"name": Const(f.name), "default": f.default, "init": Const(f.init)}, True)
        for f in found
    ]
    return Seq("tuple", items)


def _suppress(machine: Machine, args: Arguments) -> Value:
    caught = {str(i): strip(arg) for i, arg in enumerate(args.positional)}
    return Instance(machine.anything("suppress"), dict(caught), True)


def _may_run_long(pattern: str) -> bool:
    """Whether matching may go back again and again: a repeated group, or many repetitions in a row."""
    return re.search(r"\)[*+{]", pattern) is not None or len(re.findall(r"[*+{]", pattern)) > 4


def _regex(function: Callable[..., Any]) -> Call:
    """re.match and its like on constants; patterns are those of the libraries, texts are short."""

    def call(machine: Machine, args: Arguments) -> Value:
        plain = [guards.plain(arg) for arg in args.positional]
        if args.keywords or len(plain) < 2 or not all(isinstance(p, str) and len(p) < 200 for p in plain):
            return UNKNOWN
        if _may_run_long(plain[0]):
            return UNKNOWN
        try:
            found = function(*plain)
        except (re.error, RecursionError):
            return UNKNOWN
        if isinstance(found, re.Match):
            groups = Seq("tuple", [Const(group) for group in found.groups()])
            attrs: dict[str, Value] = {"groups": Native("groups", lambda _m, _a: groups)}
            attrs[ITEMS] = Seq("tuple", [Const(found[0]), *groups.items])
            return Instance(machine.closed("Match"), attrs, True)
        if isinstance(found, list):
            wrapped: list[Value] = [
                Seq("tuple", [Const(i) for i in f]) if isinstance(f, tuple) else Const(f) for f in found
            ]
            return Seq("list", wrapped)
        return Const(found)

    return call


def _compile(machine: Machine, args: Arguments) -> Value:
    """re.compile of a constant: its methods take the text alone."""
    if len(args.positional) != 1 or args.keywords or text(args.positional[0]) is None:
        return UNKNOWN
    pattern = args.positional[0]

    def method(function: Callable[..., Any]) -> Native:
        matching = _regex(function)
        return Native(function.__name__, lambda m, a: matching(m, Arguments([pattern, *a.positional], a.keywords)))

    methods: dict[str, Value] = {one.__name__: method(one) for one in (re.match, re.search, re.fullmatch, re.findall)}
    return Instance(machine.anything("Pattern"), methods, True)


def _escape(_machine: Machine, args: Arguments) -> Value:
    given = text(args.positional[0]) if args.positional else None
    return UNKNOWN if given is None else Const(re.escape(given))


def _environ_get(machine: Machine, args: Arguments) -> Value:
    """Variables of the training process are not known but for a few; unset is by far the likeliest."""
    name = strip(args.get(0, "key") or NONE)
    if isinstance(name, Const) and name.value in machine.environment.variables:
        return Likely(Const(machine.environment.variables[name.value]))
    return Likely(strip(args.get(1, "default") or NONE))


def _same(_machine: Machine, args: Arguments) -> Value:
    return args.positional[-1] if args.positional else UNKNOWN


def _copy(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if isinstance(value, Dict):
        return Dict(dict(value.items), value.open, value.settings, value.dotted)
    if isinstance(value, Seq):
        return Seq(value.kind, list(value.items), value.open)
    return Instance(value.cls, dict(value.attrs), value.open, value.settings) if isinstance(value, Instance) else value


def _as_dict(_machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    fields = signatures.dataclass_fields(value.cls) if isinstance(value, Instance) else None
    if not fields or not isinstance(value, Instance) or value.open:
        return Dict({}, True)
    return Dict({field.name: value.attrs.get(field.name, UNKNOWN) for field in fields})


def _replace(machine: Machine, args: Arguments) -> Value:
    value = strip(args.positional[0]) if args.positional else UNKNOWN
    if not isinstance(value, Instance):
        return UNKNOWN
    fields = signatures.dataclass_fields(value.cls)
    if fields:
        given = Arguments([], args.keywords, args.star, True)
        problems = signatures.misfits(signatures.of_fields(fields), given)
        if problems:
            machine.misfit(problems, f"{value.cls.name}.__init__", machine.frame, None, value.cls)
    return Instance(value.cls, {**value.attrs, **args.keywords}, value.open or args.double_star)


def _nothing(_machine: Machine, _args: Arguments) -> Value:
    return NONE


def _open_class(name: str) -> Callable[[Machine], Value]:
    return lambda machine: machine.anything(name)


def _closed_class(name: str) -> Callable[[Machine], Value]:
    return lambda machine: machine.closed(name)


def _argument_parser(machine: Machine) -> Value:
    cls = machine.anything("ArgumentParser")
    cls.ns["__call__"] = Native("ArgumentParser", parsers.argument_parser)
    return cls


_NO_OPTIONS = ast.Name("dataclass", ast.Load())
OPERATIONS = ("lt", "le", "eq", "ne", "ge", "gt")


def _operation(name: str) -> Call:
    op = {"lt": "Lt", "le": "LtE", "eq": "Eq", "ne": "NotEq", "ge": "GtE", "gt": "Gt"}[name]

    def call(_machine: Machine, args: Arguments) -> Value:
        if len(args.positional) != 2:
            return UNKNOWN
        node = getattr(ast, op)()
        answer = guards.compare(node, strip(args.positional[0]), strip(args.positional[1]))
        return UNKNOWN if answer is None else Const(answer)

    return call


NATIVE_MODULES: dict[str, dict[str, Call]] = {
    **mappings.NATIVE,
    **hydra.NATIVE,
    **{name: {"load": files.load_12, "loads": files.load} for name in ("toml", "tomllib", "tomli", "rtoml")},
    "json": {"load": files.load, "loads": files.load},
    "yaml": dict.fromkeys(("safe_load", "load", "full_load", "unsafe_load"), files.load),
    "importlib": {"import_module": _import_module},
    "importlib.util": {
        "find_spec": _find_spec,
        "spec_from_file_location": loading.spec_from_file,
        "module_from_spec": loading.module_from_spec,
    },
    **dict.fromkeys(("importlib.metadata", "importlib_metadata"), metadata.NATIVE),
    "packaging.version": {"parse": versions.version, "Version": versions.version},
    "packaging.specifiers": {"SpecifierSet": versions.specifiers},
    "functools": {"partial": _partial, "wraps": _wraps, "lru_cache": _lru_cache, "cache": _lru_cache},
    "inspect": {"signature": _signature},
    "dataclasses": {
        "field": _field,
        "dataclass": _dataclass,
        "fields": _fields,
        "asdict": _as_dict,
        "replace": _replace,
    },
    "contextlib": {"suppress": _suppress},
    "collections": {"OrderedDict": make_dict},
    "re": {
        **{one.__name__: _regex(one) for one in (re.match, re.search, re.fullmatch, re.findall)},
        "compile": _compile,
        "escape": _escape,
    },
    "os": {"getenv": lambda m, a: _environ_get(m, a), "listdir": loading.list_folder},
    "os.path": {
        "dirname": paths.of_one(os.path.dirname),
        "abspath": paths.of_one(os.path.abspath),
        "realpath": paths.of_one(os.path.abspath),
        "normpath": paths.of_one(os.path.normpath),
        "join": paths.join,
        "isdir": loading.is_folder,
    },
    "pathlib": {"Path": paths.path_call, "PurePath": paths.path_call},
    "copy": {"copy": _copy, "deepcopy": _copy},
    "typing": {"cast": _same, "overload": _same},
    "typing_extensions": {"cast": _same, "overload": _same},
    "warnings": {"warn": _nothing, "filterwarnings": _nothing, "simplefilter": _nothing},
    "operator": {name: _operation(name) for name in OPERATIONS},
}
VALUES: dict[str, dict[str, Callable[[Machine], Value]]] = {
    **mappings.VALUES,
    "typing": {
        "TYPE_CHECKING": lambda _m: FALSE,
        "Generic": _closed_class("Generic"),
        "Protocol": _open_class("Protocol"),
        "NamedTuple": _open_class("NamedTuple"),
        "TypedDict": _open_class("TypedDict"),
    },
    "abc": {"ABC": _closed_class("ABC"), "ABCMeta": _closed_class("ABCMeta")},
    "enum": {"Enum": _open_class("Enum"), "IntEnum": _open_class("Enum"), "Flag": _open_class("Flag")},
    "argparse": {"ArgumentParser": _argument_parser},
    "sys": {
        "argv": parsers.command_line,
        "version_info": lambda m: Const(_python(m.environment.python)),
        "platform": lambda m: _marker(m, "sys_platform"),
        "modules": lambda m: m.sys_modules,
        "path": lambda _m: paths.search_path(),
        "meta_path": lambda _m: finders.finder_list(),
    },
    "os": {"environ": lambda m: Instance(m.anything("environ"), {"get": Native("get", _environ_get)}, True)},
    "importlib.metadata": {"PackageNotFoundError": lambda m: m.exception("PackageNotFoundError")},
    "importlib_metadata": {"PackageNotFoundError": lambda m: m.exception("PackageNotFoundError")},
}


class version_info(NamedTuple):  # noqa: N801 - as sys calls it
    """What sys.version_info is, as far as a target says."""

    major: int
    minor: int
    micro: int = 0
    releaselevel: str = "final"
    serial: int = 0


def _python(version: str) -> version_info:
    """The parts of a Python version; one whose micro part is not known counts as a late one of its line."""
    parts = [int(part) for part in re.findall(r"\d+", version)[:3]]
    major, minor, micro = [*parts, 0, 20][:3] if len(parts) < 2 else [*parts, 20][:3]
    return version_info(major, minor, micro)


def _marker(machine: Machine, name: str) -> Value:
    found = machine.environment.markers.get(name)
    return Const(found) if found else UNKNOWN


SUBMODULES = {
    "hydra": ("utils",),
    "importlib": ("util", "metadata"),
    "os": ("path",),
    "packaging": ("version", "specifiers", "requirements", "tags", "utils", "markers"),
}
"""Submodules that are there without being imported (as good as always, another import having loaded them)."""


def module(machine: Machine, name: str) -> Module:
    """A module of Python itself (or packaging): what is known of it, open for the rest."""
    found = Module(name, {}, None, True, "done", True, "python")
    for member, call in NATIVE_MODULES.get(name, {}).items():
        found.ns[member] = Native(member, call)
    for member, make in VALUES.get(name, {}).items():
        found.ns[member] = make(machine)
    for member in SUBMODULES.get(name, ()):
        found.ns[member] = machine.standard(f"{name}.{member}")
    return found
