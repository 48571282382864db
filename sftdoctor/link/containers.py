"""The methods of constants, lists and dictionaries that guards and argument lists are made with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from sftdoctor.link import enumerations, expressions, finders, guards, paths
from sftdoctor.link.state import POSSIBLE
from sftdoctor.link.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Const,
    Dict,
    Instance,
    Likely,
    MaybeUnbound,
    Native,
    Seq,
    Value,
    origin,
    strip,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

PURE: dict[Any, frozenset[str]] = {
    str: frozenset(
        {"startswith", "endswith", "split", "rsplit", "strip", "lstrip", "rstrip", "lower", "upper", "title", "replace"}
        | {"partition", "rpartition", "join", "format", "removeprefix", "removesuffix", "isdigit", "isidentifier"}
        | {"capitalize", "count", "find", "index", "splitlines"}
    ),
    bytes: frozenset({"decode"}),
    frozenset: frozenset({"issubset", "union", "intersection"}),
}
"""Methods of constants without side effects; those of versions are attributes, see VERSION."""
VERSION = frozenset(
    {"major", "minor", "micro", "release", "base_version", "public", "local"}
    | {"is_prerelease", "is_devrelease", "is_postrelease"}
)
MUTATORS = frozenset({"remove", "pop", "sort", "clear", "reverse", "discard"})
TAKERS = frozenset({"remove", "pop", "clear", "discard"})
MAX_RESULT = 50_000


def wrap(value: Any) -> Value:
    """A Python object as a Value."""
    if isinstance(value, tuple | list | set):
        return Seq(type(value).__name__, [wrap(item) for item in value])
    if isinstance(value, dict):
        return Dict({key: wrap(item) for key, item in value.items()})
    return Const(value)


def method(machine: Machine, owner: Const | Seq | Dict, name: str) -> Value:
    """What `owner.name` stands for."""
    if isinstance(owner, Const):
        return _of_constant(owner, name)
    if name == "copy":
        return Native(name, lambda _m, _a: _copy(owner))
    if isinstance(owner, Dict):
        known = DICT.get(name)
        if known is None:
            forget(owner)
        return Native(name, lambda m, a: known(m, owner, a), {"__self__": owner}) if known else UNKNOWN
    act = SEQ.get(name)
    if act is None and name in MUTATORS:
        owner.open = True
        if name in TAKERS:
            owner.items.clear()
    return Native(name, lambda m, a: act(m, owner, a), {"__self__": owner}) if act else UNKNOWN


def doubt(instance: Instance, names: Collection[str] | None = None) -> None:
    """What is unknown may have set attributes of an object: what each was is no more than likely.

    Args:
        instance: The object.
        names: Those that may be set; None for all.
    """
    held = instance.attrs
    held.update({name: Likely(strip(value)) for name, value in held.items() if names is None or name in names})


def forget(owner: Dict) -> None:
    """Something unseen may have been done to a dictionary: keys taken away or added."""
    owner.open = True
    for key, value in owner.items.items():
        owner.items[key] = MaybeUnbound(strip(value))


def take(owner: Dict, source: Dict) -> None:
    """What `owner.update(source)` does, with where the keys of config files stand."""
    owner.items.update(source.items)
    owner.open |= source.open
    for key in source.items:
        owner.place(key, (source.settings or {}).get(key))


def _copy(owner: Seq | Dict) -> Value:
    if isinstance(owner, Dict):
        return Dict(dict(owner.items), owner.open, owner.settings, owner.dotted)
    return Seq(owner.kind, list(owner.items), owner.open)


def _of_constant(owner: Const, name: str) -> Value:
    value = owner.value
    if name in VERSION and type(value).__name__ in ("Version", "version_info", "TorchRelease"):
        return wrap(getattr(value, name))
    if isinstance(value, enumerations.Member):
        if name == "value":
            return Const(str.__str__(value))
        value = str.__str__(value)
    pure = PURE.get(type(value))
    if pure is None or name not in pure:
        return UNKNOWN

    def call(_machine: Machine, args: Arguments) -> Value:
        plain = [guards.plain(arg) for arg in args.positional]
        if (
            args.star
            or args.keywords
            or any(p is None and strip(a) is not NONE for p, a in zip(plain, args.positional, strict=True))
        ):
            return UNKNOWN
        if name in ("replace", "join", "format") and (
            (len(value) + 1) * sum(len(str(p)) for p in plain) > MAX_RESULT or expressions.may_swell(value)
        ):
            return UNKNOWN
        try:
            return wrap(getattr(value, name)(*plain))
        except Exception:
            return UNKNOWN

    return Native(name, call)


def _key(args: Arguments) -> Any:
    """The key that a method is asked for; None where it is not known (or no key can be like that)."""
    key = guards.plain(args.positional[0]) if args.positional else None
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _doubtful(machine: Machine) -> bool:
    return machine.doubt >= POSSIBLE


def _get(machine: Machine, owner: Dict, args: Arguments) -> Value:
    key = _key(args)
    asked = args.positional[0] if args.positional else UNKNOWN
    if key is None and not isinstance(strip(asked), Const):
        return UNKNOWN
    if owner is machine.sys_modules and key in machine.modules:
        return machine.modules[key]
    try:
        found = owner.items.get(key)
    except TypeError:
        return UNKNOWN
    if isinstance(found, MaybeUnbound):
        return UNKNOWN
    value = found if found is not None else args.get(1, "default") or NONE
    doubtful = isinstance(asked, Likely | MaybeUnbound) or (found is None and owner.open)
    return Likely(strip(value)) if doubtful else value


def _pop(machine: Machine, owner: Dict, args: Arguments) -> Value:
    key = _key(args)
    if key is None or isinstance(key, list):
        owner.open = True
        return UNKNOWN
    if _doubtful(machine):
        if key in owner.items:
            owner.items[key] = MaybeUnbound(strip(owner.items[key]))
        return UNKNOWN
    found = owner.items.pop(key, None)
    if found is not None:
        return found if not isinstance(found, MaybeUnbound) else UNKNOWN
    default = args.get(1, "default")
    return UNKNOWN if owner.open or default is None else default


def _set_default(machine: Machine, owner: Dict, args: Arguments) -> Value:
    key = _key(args)
    default = args.get(1, "default") or NONE
    if key is None or isinstance(key, list) or _doubtful(machine) or owner.open:
        owner.open = True
        return UNKNOWN
    if key not in owner.items:
        owner.place(key, origin(args.positional[0]))
    return owner.items.setdefault(key, default)


def _update(machine: Machine, owner: Dict, args: Arguments) -> Value:
    for source in args.positional:
        source = strip(source)
        if isinstance(source, Dict) and not _doubtful(machine):
            take(owner, source)
        elif isinstance(source, Dict) and not source.open:
            for key, value in source.items.items():
                owner.items[key] = MaybeUnbound(strip(value))
        else:
            owner.open = True
    for key, value in args.keywords.items():
        owner.items[key] = MaybeUnbound(strip(value)) if _doubtful(machine) else value
        owner.place(key, args.settings.get(key))
    owner.open |= args.double_star
    return NONE


def _keys(_machine: Machine, owner: Dict, _args: Arguments) -> Value:
    return Seq("list", [owner.key(key) for key in owner.items], owner.open)


def _values(_machine: Machine, owner: Dict, _args: Arguments) -> Value:
    return Seq("list", list(owner.items.values()), owner.open)


def _items(_machine: Machine, owner: Dict, _args: Arguments) -> Value:
    pairs: list[Value] = [Seq("tuple", [owner.key(key), value]) for key, value in owner.items.items()]
    return Seq("list", pairs, owner.open)


def _clear(_machine: Machine, owner: Dict, _args: Arguments) -> Value:
    owner.items.clear()
    return NONE


def _append(machine: Machine, owner: Seq, args: Arguments) -> Value:
    if paths.is_search_path(machine, owner):
        paths.append(machine, owner, args.positional[:1])
    elif _doubtful(machine) or args.star:
        owner.open = True
    else:
        owner.items.extend(args.positional[:1])
    if args.positional:
        finders.note(machine, owner, args.positional[0])
    return NONE


def _insert(machine: Machine, owner: Seq, args: Arguments) -> Value:
    finders.note(machine, owner, args.get(1, "object") or UNKNOWN)
    return paths.insert(machine, owner, args)


def _extend(machine: Machine, owner: Seq, args: Arguments) -> Value:
    source = strip(args.positional[0]) if args.positional else UNKNOWN
    if paths.is_search_path(machine, owner):
        paths.append(machine, owner, source.items if isinstance(source, Seq) and not source.open else [UNKNOWN])
    elif isinstance(source, Seq) and not _doubtful(machine) and len(owner.items) <= expressions.MAX_ITEMS:
        owner.items.extend(source.items)
        owner.open |= source.open
    else:
        owner.open = True
    return NONE


def _union(_machine: Machine, owner: Seq, args: Arguments) -> Value:
    found = Seq(owner.kind, list(owner.items), owner.open)
    for source in args.positional:
        source = strip(source)
        if isinstance(source, Seq) and len(found.items) <= expressions.MAX_ITEMS:
            found.items.extend(source.items)
            found.open |= source.open
        else:
            found.open = True
    return found


DICT: dict[str, Callable[[Machine, Dict, Arguments], Value]] = {
    "get": _get,
    "pop": _pop,
    "setdefault": _set_default,
    "update": _update,
    "keys": _keys,
    "values": _values,
    "items": _items,
    "clear": _clear,
}
SEQ: dict[str, Callable[[Machine, Seq, Arguments], Value]] = {
    "append": _append,
    "add": _append,
    "extend": _extend,
    "insert": _insert,
    "update": _extend,
    "union": _union,
    "index": lambda _m, _o, _a: UNKNOWN,
    "count": lambda _m, _o, _a: UNKNOWN,
}
