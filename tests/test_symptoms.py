"""Symptoms run in linear time, or are refused."""

from __future__ import annotations

import pytest

from sftdoctor.symptoms import compile_symptom, readable


@pytest.mark.parametrize(
    ("symptom", "line"),
    [
        ("got an unexpected keyword argument 'x' ", "TypeError: f() got an unexpected keyword argument 'x'"),
        (r"name '\w{1,80}' is not defined", "NameError: name 'nn' is not defined"),
        (r"(?:one|two) left.{0,200}end", "two left ...... end"),
        (r"(?P<kind>a|b)?c$", "c"),
        (r"^\s{0,8}[^a-z]{3}\d?", "   ABC1"),
        (r"(?i)cuda ERROR", "CUDA error"),
    ],
)
def test_accepted_and_found(symptom: str, line: str) -> None:
    assert compile_symptom(symptom).search(line)


@pytest.mark.parametrize(
    ("symptom", "why"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("(", "no regular expression"),
        ("(a+)+b", "repeats a group"),
        ("(a{1,9}){1,9}", "repeats a group"),
        ("(?:ab|cd)*c", "repeats a group"),
        ("a.*b", "unbounded repeat"),
        ("a.+?b", "unbounded repeat"),
        (r"\d{1,}", "unbounded repeat"),
        ("a{1,5000}", "unbounded repeat"),
        (r"(a)\1", "backreference"),
        ("(?=a)b", "lookahead"),
        ("(?<!a)b", "lookahead or lookbehind"),
        ("(a)?(?(1)b|c)", "condition"),
        (".{0,400}a.{0,400}b", "ways"),
    ],
)
def test_refused(symptom: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        compile_symptom(symptom)


@pytest.mark.parametrize(
    ("symptom", "text"),
    [
        (r"prepare\(\) got an unexpected keyword argument 'x' ", "prepare() got an unexpected keyword argument 'x'"),
        (r"name '\w{1,80}' is not defined", "name '…' is not defined"),
        (r"(?:first|second) of .{0,20}[a-z]{1,3} them$", "first of … them"),
        (r"arguments?: (?:x )?y", "argument: y"),
        ("", ""),
    ],
)
def test_readable(symptom: str, text: str) -> None:
    assert readable(symptom) == text
