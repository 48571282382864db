"""An Environment as JSON values, and back with every value checked: what a snapshot holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sftdoctor.folders import home_folder
from sftdoctor.model import Accelerator, Distribution, Environment, NotJudged, Problem, Target, TargetKind, TorchBuild

_Item = TypeVar("_Item")


class BadValueError(Exception):
    """A value has the wrong type or form; the text says which."""


def to_dict(environment: Environment) -> dict[str, Any]:
    """The environment as JSON values; the home folder stands as "~" in its paths."""
    return {
        "target": {
            "kind": environment.target.kind.value,
            "path": _shorten(environment.target.path),
            "python": environment.target.python,
            "prefix": _shorten(environment.target.prefix),
        },
        "python": environment.python,
        "markers": dict(environment.markers),
        "distributions": [_distribution_to_dict(each) for each in environment.distributions.values()],
        "paths": [_shorten(each) for each in environment.paths],
        "modules": {name: _shorten(each) for name, each in environment.modules.items()},
        "owners": {name: _shorten(each) for name, each in environment.owners.items()},
        "notes": list(environment.notes),
        "variables": dict(environment.variables),
        "stdlib": _shorten(environment.stdlib),
        "problems": [[each.kind, each.name, _shorten(each.path), each.detail] for each in environment.problems],
        "accelerators": _accelerators_to_list(environment.accelerators),
        "driver": environment.driver,
        "driver_cuda": environment.driver_cuda,
        "torch_build": _torch_to_dict(environment.torch_build),
        "complete": environment.complete,
        "not_judged": [[each.what, each.reason] for each in environment.not_judged],
    }


def from_dict(environment: Any) -> Environment:
    """The environment from JSON values, every one checked.

    Args:
        environment: What to_dict gave, or anything else.

    Raises:
        BadValueError: A value is missing, or has the wrong type.
    """
    said = _mapping(environment, "environment")
    distributions = [_distribution(each) for each in _list(said, "distributions")]
    target = _mapping(said.get("target"), "target")
    accelerators = said.get("accelerators")
    return Environment(
        target=Target(_kind(target), _path(target, "path") or "", _text(target, "python"), _path(target, "prefix")),
        python=_text(said, "python"),
        markers=_texts_by_name(said, "markers"),
        distributions={each.name: each for each in distributions},
        paths=tuple(_expand(each) for each in _texts(said, "paths")),
        modules={name: _expand(each) for name, each in _texts_by_name(said, "modules").items()},
        owners={name: _expand(each) for name, each in _texts_by_name(said, "owners").items()},
        notes=_texts(said, "notes"),
        variables=_texts_by_name(said, "variables"),
        stdlib=_path(said, "stdlib"),
        problems=tuple(_problem(each) for each in _list(said, "problems")),
        accelerators=None if accelerators is None else _each(said, "accelerators", _accelerator),
        driver=_optional(said, "driver"),
        driver_cuda=_optional(said, "driver_cuda"),
        torch_build=None if said.get("torch_build") is None else _torch(_mapping(said["torch_build"], "torch_build")),
        complete=_flag(said, "complete"),
        not_judged=tuple(NotJudged(*_row(each, 2, "not_judged")) for each in _list(said, "not_judged")),
    )


def _distribution_to_dict(each: Distribution) -> dict[str, Any]:
    facts = {
        "name": each.name,
        "version": each.version,
        "root": _shorten(each.root),
        "metadata": _shorten(each.metadata),
        "requires": list(each.requires),
        "extras": list(each.extras),
        "requires_python": each.requires_python,
        "top_level": list(each.top_level),
        "editable": each.editable,
        "installer": each.installer,
        "numpy": each.numpy,
    }
    return {name: value for name, value in facts.items() if value not in (None, [], False)}


def _distribution(said: Any) -> Distribution:
    row = _mapping(said, "distributions")
    return Distribution(
        name=_text(row, "name"),
        version=_text(row, "version"),
        root=_path(row, "root"),
        metadata=_path(row, "metadata"),
        requires=_texts(row, "requires"),
        extras=_texts(row, "extras"),
        requires_python=_optional(row, "requires_python"),
        top_level=_texts(row, "top_level"),
        editable=_flag(row, "editable", default=False),
        installer=_optional(row, "installer"),
        numpy=_optional(row, "numpy"),
    )


def _accelerators_to_list(accelerators: tuple[Accelerator, ...] | None) -> list[dict[str, Any]] | None:
    if accelerators is None:
        return None
    return [
        {
            "kind": each.kind,
            "name": each.name,
            "memory": each.memory,
            "capability": None if each.capability is None else list(each.capability),
        }
        for each in accelerators
    ]


def _accelerator(said: Any) -> Accelerator:
    row = _mapping(said, "accelerators")
    memory, capability = row.get("memory"), row.get("capability")
    if memory is not None and not _is_number(memory):
        raise BadValueError("the memory of an accelerator is no number")
    if capability is not None and not (_is_pair(capability) and all(map(_is_number, capability))):
        raise BadValueError("the capability of an accelerator is no pair of numbers")
    able = None if capability is None else (capability[0], capability[1])
    return Accelerator(_text(row, "kind"), _text(row, "name"), memory, able)


def _torch_to_dict(build: TorchBuild | None) -> dict[str, Any] | None:
    if build is None:
        return None
    return {
        "version": build.version,
        "cuda": build.cuda,
        "hip": build.hip,
        "architectures": list(build.architectures),
    }


def _torch(row: Mapping[str, Any]) -> TorchBuild:
    return TorchBuild(
        _text(row, "version"), _optional(row, "cuda"), _optional(row, "hip"), _texts(row, "architectures")
    )


def _problem(said: Any) -> Problem:
    kind, name, path, detail = _row(said, 4, "problems")
    return Problem(kind, name, _expand(path), detail)


def _shorten(path: str | None) -> str | None:
    """The path with the home folder as "~", which names no user."""
    home = str(home_folder())
    if path is None or home == "/" or not (path + "/").startswith(home + "/"):
        return path
    return "~" + path[len(home) :]


def _expand(path: str) -> str:
    return str(home_folder()) + path[1:] if path == "~" or path.startswith("~/") else path


def _mapping(said: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise BadValueError(f"{name} is no table")
    return said


def _list(said: Mapping[str, Any], name: str) -> list[Any]:
    found = said.get(name, [])
    if not isinstance(found, list):
        raise BadValueError(f"{name} is no list")
    return found


def _each(said: Mapping[str, Any], name: str, read: Callable[[Any], _Item]) -> tuple[_Item, ...]:
    return tuple(read(each) for each in _list(said, name))


def _text(said: Mapping[str, Any], name: str) -> str:
    found = said.get(name)
    if not isinstance(found, str):
        raise BadValueError(f"{name} is no text")
    return found


def _optional(said: Mapping[str, Any], name: str) -> str | None:
    return None if said.get(name) is None else _text(said, name)


def _path(said: Mapping[str, Any], name: str) -> str | None:
    found = _optional(said, name)
    return None if found is None else _expand(found)


def _texts(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = _list(said, name)
    if not all(isinstance(each, str) for each in found):
        raise BadValueError(f"{name} holds something that is no text")
    return tuple(found)


def _texts_by_name(said: Mapping[str, Any], name: str) -> dict[str, str]:
    found = _mapping(said.get(name, {}), name)
    if not all(isinstance(each, str) for each in found.values()):
        raise BadValueError(f"{name} holds something that is no text")
    return dict(found)


def _row(said: Any, length: int, name: str) -> list[str]:
    if not isinstance(said, list) or len(said) != length or not all(isinstance(each, str) for each in said):
        raise BadValueError(f"{name} holds something that is no row of {length} texts")
    return said


def _flag(said: Mapping[str, Any], name: str, *, default: bool = True) -> bool:
    found = said.get(name, default)
    if not isinstance(found, bool):
        raise BadValueError(f"{name} is neither true nor false")
    return found


def _kind(target: Mapping[str, Any]) -> TargetKind:
    try:
        return TargetKind(_text(target, "kind"))
    except ValueError as why:
        raise BadValueError("the kind of the target is not known") from why


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2
