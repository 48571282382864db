"""Dictionaries whose keys are attributes too: OmegaConf's configs, Munch, EasyDict, Box, SimpleNamespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sftdoctor.link import files, signatures
from sftdoctor.link.native.builtin import make_dict
from sftdoctor.link.values import (
    NONE,
    UNKNOWN,
    Arguments,
    Class,
    Dict,
    Instance,
    MaybeUnbound,
    Native,
    Seq,
    Value,
    strip,
    text,
)

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine

Call = Callable[["Machine", Arguments], Value]


def dotted(value: Value) -> Value:
    """A copy of dictionaries, at any depth, whose keys are attributes too; what is none stays."""
    return _converted(value, attributes=True)


def plain(value: Value) -> Value:
    """The same without."""
    return _converted(value, attributes=False)


def _converted(value: Value, *, attributes: bool, keeps_places: bool = True) -> Value:
    inner = strip(value)

    def convert(item: Value) -> Value:
        return _converted(item, attributes=attributes, keeps_places=keeps_places)

    if isinstance(inner, Dict):
        items = {key: convert(item) for key, item in inner.items.items()}
        return Dict(items, inner.open, inner.settings if keeps_places else None, attributes)
    if isinstance(inner, Seq):
        return Seq(inner.kind, [convert(item) for item in inner.items], inner.open)
    return value


def merge(target: Dict, source: Dict) -> None:
    """Merge a config into another, at any depth, as OmegaConf and Hydra do."""
    settings = source.settings or {}
    for key, value in source.items.items():
        held, inner = target.items.get(key), strip(value)
        own = held is not None and not (target.settings and key in target.settings)  # the program has the key as well
        if isinstance(held, Dict) and isinstance(inner, Dict):
            merge(held, inner)
        else:
            target.items[key] = _converted(value, attributes=True, keeps_places=False) if own else value
        if not own:
            target.place(key, settings.get(key))
    target.open |= source.open


def unsettle(config: Dict) -> None:
    """A command line may set what is there, or add to it."""
    config.open = True
    for key, value in config.items.items():
        inner = strip(value)
        if isinstance(inner, Dict):
            unsettle(inner)
        else:
            config.items[key] = UNKNOWN


# ---------------------------------------------------------------- OmegaConf


def _load(machine: Machine, args: Arguments) -> Value:
    given = args.get(0, "file_") or UNKNOWN
    return dotted(files.load_12(machine, Arguments([given])))


def _create(machine: Machine, args: Arguments) -> Value:
    given = strip(args.get(0, "obj") or Dict())
    if isinstance(given, Dict | Seq):
        return dotted(given)
    return _structured(machine, args)


def _structured(_machine: Machine, args: Arguments) -> Value:
    """What a dataclass's fields, or an object of one, are as a config."""
    given = strip(args.get(0, "obj") or UNKNOWN)
    cls = given.cls if isinstance(given, Instance) else given
    fields = signatures.dataclass_fields(cls) if isinstance(cls, Class) else None
    if not fields:
        return UNKNOWN
    held = given.attrs if isinstance(given, Instance) else {field.name: field.default for field in fields}
    return Dict({field.name: held.get(field.name, UNKNOWN) for field in fields}, False, None, True)


def _merge(machine: Machine, args: Arguments) -> Value:
    found = Dict({}, args.star, None, True)
    for given in args.positional:
        source = strip(given)
        if isinstance(source, Class | Instance):
            source = _structured(machine, Arguments([source]))
        if isinstance(source, Dict):
            copied = dotted(source)
            assert isinstance(copied, Dict)
            merge(found, copied)
        else:
            unsettle(found)
    return found


def _to_container(_machine: Machine, args: Arguments) -> Value:
    return plain(args.get(0, "cfg") or UNKNOWN)


def _select(_machine: Machine, args: Arguments) -> Value:
    value, path = strip(args.get(0, "cfg") or UNKNOWN), text(args.get(1, "key"))
    for name in path.split(".") if path else ():
        if not isinstance(value, Dict) or isinstance(value.items.get(name), MaybeUnbound | None):
            return UNKNOWN
        value = strip(value.items[name])
    return value if path else UNKNOWN


def _nothing(_machine: Machine, _args: Arguments) -> Value:
    return NONE


OMEGACONF: dict[str, Call] = {
    "load": _load,
    "create": _create,
    "structured": _structured,
    "merge": _merge,
    "unsafe_merge": _merge,
    "to_container": _to_container,
    "to_object": _to_container,
    "select": _select,
    "resolve": _nothing,
    "set_struct": _nothing,
    "set_readonly": _nothing,
}


def omega_conf(_machine: Machine) -> Value:
    """The class OmegaConf, of which only static methods are used."""
    return Native("OmegaConf", lambda _m, _a: UNKNOWN, {name: Native(name, call) for name, call in OMEGACONF.items()})


# ---------------------------------------------------------------- dictionaries


def mapping(machine: Machine, args: Arguments) -> Value:
    """Munch(…), EasyDict(…), Box(…), munchify(…): a dictionary whose keys are attributes."""
    made = make_dict(machine, Arguments(args.positional[:1], args.keywords, args.star, args.double_star, args.settings))
    known = not args.positional or isinstance(strip(args.positional[0]), Dict)
    return dotted(made) if known else UNKNOWN


def _from_file(machine: Machine, args: Arguments) -> Value:
    name = args.keywords.get("filename")
    return UNKNOWN if name is None else dotted(files.load_12(machine, Arguments([name])))


def boxed(_machine: Machine) -> Value:
    """The class Box."""
    readers: dict[str, Value] = {name: Native(name, _from_file) for name in ("from_yaml", "from_json", "from_toml")}
    return Native("Box", mapping, readers)


def namespace(machine: Machine, args: Arguments) -> Value:
    """SimpleNamespace(**…), argparse.Namespace(**…)."""
    settings: dict[Any, Any] = dict(args.settings)
    return Instance(machine.anything("Namespace"), dict(args.keywords), args.double_star, settings or None)


def ruamel(_machine: Machine, args: Arguments) -> Value:
    """ruamel.yaml.YAML(…): it reads YAML 1.2."""
    return Instance(_machine.anything("YAML"), {"load": Native("load", files.load_12)}, True)


NATIVE: dict[str, dict[str, Call]] = {
    "munch": {"munchify": mapping, "Munch": mapping},
    "easydict": {"EasyDict": mapping},
    "addict": {"Dict": mapping},
    "ml_collections": {"ConfigDict": mapping},
    "types": {"SimpleNamespace": namespace},
    "argparse": {"Namespace": namespace},
    "ruamel.yaml": {"YAML": ruamel},
    "omegaconf": {},
    "box": {},
}
VALUES: dict[str, dict[str, Callable[[Machine], Value]]] = {
    "omegaconf": {
        "OmegaConf": omega_conf,
        "DictConfig": lambda _m: Native("DictConfig", lambda m, a: _create(m, Arguments(a.positional[:1]))),
    },
    "box": {"Box": boxed},
}
