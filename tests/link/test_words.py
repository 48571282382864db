"""What parsers make of words: compared with what HfArgumentParser and argparse really make of them."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from sftdoctor.link.keys.reader import refusal
from sftdoctor.link.values import UNKNOWN, Class, Const, Dict, Seq, Value, strip
from sftdoctor.link.words import argued, raw, typed
from sftdoctor.model import OPEN_WORD


def plain(value: Value) -> Any:
    """A value as Python has it; "?" where it is not known."""
    value = strip(value)
    if isinstance(value, Seq):
        return [plain(item) for item in value.items]
    if isinstance(value, Dict):
        return {key: plain(item) for key, item in value.items.items()}
    return value.value if isinstance(value, Const) else "?"


@pytest.mark.parametrize(
    ("given", "annotation", "wanted"),
    [
        ("no", "str", "no"),
        ("no", "Union[IntervalStrategy, str]", "no"),
        ("none", "str | list[str] | None", "none"),
        ("5", "str", "5"),
        ("cosine", "Literal['cosine', 'linear']", "cosine"),
        ("no", "bool", False),
        ("True", "Optional[bool]", True),
        ("maybe", "bool | None", "?"),
        ("5", "int", 5),
        ("1e3", "int", "?"),
        ("1e-4", "float", 1e-4),
        ("1", "Optional[float]", 1.0),
        ("0.5", "Union[dict, None]", "?"),
        ("x", "str | bool", "?"),
        (["a", "1"], "list[str]", ["a", "1"]),
        (["1", "2"], "list[int]", ["?", "?"]),
        (True, "bool", True),
        (0.5, "float", 0.5),
        ({"a": "1"}, "dict", {"a": "1"}),
        (OPEN_WORD + "X", "str", "?"),
    ],
)
def test_words_of_a_dataclass_parser(given: object, annotation: str, wanted: object) -> None:
    assert plain(typed(given, annotation)) == wanted


def test_what_a_file_says_stays_as_it_is() -> None:
    said = {"a": ["1", 2, None, True], "b": "no"}
    assert plain(raw(said)) == said
    assert raw(f"{OPEN_WORD}X") is UNKNOWN


@pytest.mark.parametrize(("name", "kind"), [("", None), ("str", str), ("int", int), ("float", float), ("bool", bool)])
@pytest.mark.parametrize("word", ["no", "7", "1e-4", "False", ""])
def test_words_of_argparse(name: str, kind: Any, word: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--x", **({"type": kind} if kind else {}))
    mine = plain(argued(word, Class(name, None) if name else None))
    try:
        real = parser.parse_args(["--x", word]).x
    except argparse.ArgumentError:
        real = "?"
    assert mine == real and type(mine) is type(real)


def test_words_that_a_function_of_the_script_reads_are_not_known() -> None:
    assert plain(argued("7", UNKNOWN)) == "?"


@pytest.mark.parametrize(
    ("value", "annotation", "says"),
    [
        ("1e3", "int", "invalid int value: '1e3'"),
        ("None", "Optional[int]", "invalid int value: 'None'"),
        ("maybe", "bool", "Truthy value expected: got maybe"),
        ("7", "int", ""),
        ("no", "bool | None", ""),
        ("anything", "str", ""),
        (7, "bool", ""),
        (OPEN_WORD + "X", "int", ""),
    ],
)
def test_words_that_are_refused(value: object, annotation: str, says: str) -> None:
    refused = refusal("x", value, annotation)
    assert (refused[0] if refused else "") == (f"argument --x: {says}" if says else "")
