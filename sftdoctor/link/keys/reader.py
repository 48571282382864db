"""Keys of a config file against the fields of the dataclasses that a parser makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sftdoctor.link.keys.tell import tell
from sftdoctor.link.near import former, nearest
from sftdoctor.link.signatures import dataclass_fields
from sftdoctor.link.state import CERTAIN, LIKELY, POSSIBLE
from sftdoctor.link.values import Class, Field
from sftdoctor.model import OPEN_WORD, NotJudged

if TYPE_CHECKING:
    from sftdoctor.link.machine import Machine
    from sftdoctor.model import Setting

REFUSES = re.compile(r"Unknown arguments from config file|not used by the TrlParser")
"""How the source of trl's parser refuses a key; that of trl 0.13 to 0.17 does not."""
_OPTIONAL = re.compile(
    r"(?:typing\.)?Optional\[(.*)\]|(.*?)\s*\|\s*None|None\s*\|\s*(.*)|Union\[(.*),\s*(?:None|NoneType)\]"
)
TRUTHS = dict.fromkeys(("yes", "true", "t", "y", "1"), True) | dict.fromkeys(("no", "false", "f", "n", "0"), False)
"""What HfArgumentParser's string_to_bool takes."""


@dataclass(frozen=True)
class Reader:
    """What reads the keys of a config file."""

    classes: Sequence[Class]
    """The dataclasses that are made of it."""
    refuses: bool = True
    """Whether it stops at a key that is no field; else the key has no effect."""
    exception: str = "ValueError"
    message: str = "Unknown arguments from config file: ['--{key}', …]"
    """What it stops with."""
    others: frozenset[str] = frozenset()
    """Keys that it takes for something else."""
    converts: bool = True
    """Whether it makes numbers and truth values of texts, as argparse does of defaults."""
    fields: Mapping[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        found = {one.name: one for cls in self.classes for one in dataclass_fields(cls) or [] if one.init}
        object.__setattr__(self, "fields", found)

    @property
    def open(self) -> bool:
        """Whether one of the classes may have other fields."""
        return any(dataclass_fields(cls) is None for cls in self.classes)

    def owner(self, name: str) -> Class:
        """The class that a key would be a field of: the one that other releases have it in, else the arguments'."""
        homes = {home for home, names in former().items() if name in names}
        bases = [(cls, base) for cls in self.classes for base in cls.mro if base.fields is not None]
        for _, base in bases:
            if base.name in homes and base.module is not None and base.module.distribution:  # none of the user's own
                return base
        return next((cls for cls, base in bases if base.name == "TrainingArguments"), self.classes[0])


def judge_keys(
    machine: Machine,
    path: str,
    settings: Iterable[Setting],
    reader: Reader,
    *,
    doubt: int | None = None,
    least: int = CERTAIN,
) -> None:
    """Say which keys of a file its reader does not know, and which values it cannot take.

    Args:
        machine: Keeps what is found.
        path: The file.
        settings: Its keys.
        reader: What reads it.
        doubt: How sure it is that this reads it; None where the file was given by itself, so that a script of the
            user's own with classes of its own may be the reader.
        least: How much doubt there is at least.
    """
    top = [one for one in settings if len(one.keys) == 1 and not one.repeated and one.name not in reader.others]
    unknown = [] if reader.open else [one for one in top if one.name not in reader.fields]
    every = frozenset().union(*former().values())
    strange = [one for one in unknown if one.name not in every and not nearest(one.name, reader.fields)]
    if strange:
        strange = [one for one in unknown if one.name not in every]  # what is like a field may be a script's own too
    alone = doubt is None
    sure = max(least, (POSSIBLE if strange else LIKELY) if doubt is None else doubt)
    for setting in unknown:
        if alone and setting in strange:
            continue
        _tell_unknown(machine, setting, reader, sure)
    if alone and strange:
        names = ", ".join(one.name for one in strange[:8]) + (", …" if len(strange) > 8 else "")
        reason = (
            "no class of the installed libraries has them, so a script of your own seems to read this file; "
            "name it: check SCRIPT -- --config FILE"
        )
        machine.not_judged[path] = NotJudged(f"{path}: the keys {names}", reason)
    for setting in top:
        if setting.name in reader.fields and reader.converts:
            _tell_value(machine, setting, reader, sure)


def _tell_unknown(machine: Machine, setting: Setting, reader: Reader, doubt: int) -> None:
    name, owner = setting.name, reader.owner(setting.name)
    near = nearest(name, reader.fields)
    homes = [home for home, names in former().items() if name in names]
    if near:
        detail = near
    else:
        others = [home for home in homes if not any(base.name == home for base in owner.mro)]
        detail = f"It is a field of {', '.join(others[:3])}." if others else ""
    if reader.refuses:
        message = reader.message.replace("{key}", name)
        tell(
            machine,
            "unknown-key",
            setting,
            exception=reader.exception,
            message=message,
            callee=owner,
            detail=detail,
            doubt=doubt,
        )
    else:
        tell(machine, "ignored-key", setting, callee=owner, detail=detail, doubt=doubt)


def _tell_value(machine: Machine, setting: Setting, reader: Reader, doubt: int) -> None:
    """A text where argparse wants a number or a truth value."""
    owner = declaring(reader, setting.name)
    refused = refusal(setting.name, setting.value, reader.fields[setting.name].annotation)
    if refused is not None:
        message, detail = refused
        said = {"exception": "error", "message": message, "detail": detail}
        tell(machine, "wrong-value", setting, callee=owner, doubt=doubt, **said)


def refusal(name: str, value: object, annotation: str) -> tuple[str, str] | None:
    """What argparse says of a text that cannot become what a field holds, and why; None where it can, or may.

    Args:
        name: The field.
        value: What it is given.
        annotation: Its type, as it is written.
    """
    wanted = plain_type(annotation)
    if not isinstance(value, str) or OPEN_WORD in value or wanted is None or _takes(wanted, value):
        return None
    short = value if len(value) < 40 else value[:39] + "…"
    says = f"Truthy value expected: got {short}" if wanted == "bool" else f"invalid {wanted} value: {short!r}"
    return f"argument --{name}: {says}", f"`{short}` is no {_KINDS[wanted]}."


_KINDS = {"int": "whole number", "float": "number", "bool": "truth value"}


def declaring(reader: Reader, name: str) -> Class:
    """The class that a field is written in."""
    for cls in reader.classes:
        for base in cls.mro:
            if any(one.name == name for one in base.fields or ()):
                return base
    return reader.classes[0]


def plain_type(annotation: str) -> str | None:
    """int, float or bool, where a field is of that type or None; None for all else."""
    written = annotation.strip("'\"")
    found = _OPTIONAL.fullmatch(written)
    inner = next((part for part in found.groups() if part), "") if found else written
    return inner if inner in _KINDS else None


def _takes(wanted: str, value: str) -> bool:
    if wanted == "bool":
        return value.lower() in TRUTHS
    kind: Any = int if wanted == "int" else float
    try:
        kind(value)
    except ValueError:
        return False
    return True
