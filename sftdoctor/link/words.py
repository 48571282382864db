"""What parsers make of the words of a command line, or of the texts of a config file: by the type of the field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sftdoctor.link.keys.reader import TRUTHS, plain_type
from sftdoctor.link.values import UNKNOWN, Class, Const, Dict, Seq, Value, strip
from sftdoctor.model import OPEN_WORD

_TEXT = re.compile(r"\b(?:str|Literal)\b")


def raw(given: object) -> Value:
    """A plain value as it is: nothing makes numbers of its texts."""
    if isinstance(given, str) and OPEN_WORD in given:
        return UNKNOWN
    if isinstance(given, list):
        return Seq("list", [raw(item) for item in given])
    if isinstance(given, dict):
        return Dict({key: raw(item) for key, item in given.items()})
    return Const(given)


def typed(given: object, annotation: str) -> Value:
    """What HfArgumentParser makes of a word for a field of a dataclass (transformers, hf_argparser.py).

    Args:
        given: A word, several, or what a config file sets instead.
        annotation: The field's type, as it is written.

    Returns:
        UNKNOWN where that hangs on more than the type.
    """
    if isinstance(given, list):
        return Seq("list", [typed(item, "str" if _TEXT.search(annotation) else "?") for item in given])
    if not isinstance(given, str) or OPEN_WORD in given:
        return raw(given)
    wanted = plain_type(annotation)
    if wanted is not None:
        return _converted(given, wanted)
    return Const(given) if _TEXT.search(annotation) and "bool" not in annotation else UNKNOWN


def argued(given: object, kind: Value | None) -> Value:
    """What argparse makes of a word for an argument.

    Args:
        given: A word, several, or what a switch stands for.
        kind: Its `type=`; None where it has none.
    """
    if isinstance(given, list):
        return Seq("list", [argued(item, kind) for item in given])
    cls = strip(kind) if kind is not None else None
    if not isinstance(given, str) or OPEN_WORD in given or cls is None:
        return raw(given)
    name = cls.name if isinstance(cls, Class) and cls.module is None else ""
    if name == "bool":
        return Const(bool(given))
    return Const(given) if name == "str" else _converted(given, name)


_KINDS: Mapping[str, Callable[[str], object]] = {"int": int, "float": float}


def _converted(word: str, wanted: str) -> Value:
    if wanted == "bool":
        truth = TRUTHS.get(word.lower())
        return UNKNOWN if truth is None else Const(truth)
    try:
        return Const(_KINDS[wanted](word))
    except (ValueError, KeyError):
        return UNKNOWN
