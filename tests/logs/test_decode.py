"""Bytes → lines: encodings, ends, lengths, what a terminal would obey."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.logs import LINE_LIMIT, lines_of, read_blocks, undecorated
from sftdoctor.logs.decode import READ, blocks, encoding_of

TEXT = "Traceback (most recent call last):\nValueError: größe\n"


def read(data: bytes) -> str:
    return "\n".join(read_blocks(io.BytesIO(data)))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_every_encoding_is_read(encoding: str) -> None:
    assert "ValueError: gr" in read(TEXT.encode(encoding))
    assert ("größe" in read(TEXT.encode(encoding))) is (encoding != "latin-1")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        (b"\0\0\0\0\0\0", "utf-8"),
        (b"abc", "utf-8"),
        (b"a\0b\0c\0\n\0", "utf-16-le"),
        (b"\0a\0b\0c\0\n", "utf-16-be"),
        (bytes(range(256)), "utf-8"),
    ],
)
def test_which_encoding_is_taken(data: bytes, encoding: str) -> None:
    assert encoding_of(data) == encoding


def test_a_carriage_return_ends_a_line() -> None:
    assert read(b"1%\r2%\r\nTypeError: x\r\n").split("\n") == ["1%", "2%", "TypeError: x"]


def test_a_line_without_end_comes_in_pieces() -> None:
    data = b"x" * (3 * READ) + b"\nend"
    assert max(map(len, read_blocks(io.BytesIO(data)))) <= 2 * READ + 1
    pieces = [line for block in read_blocks(io.BytesIO(data)) for _, line in lines_of(block)]
    assert max(map(len, pieces)) == LINE_LIMIT
    assert pieces[-1] == "end"


def test_how_much_was_read_is_told() -> None:
    told: list[int] = []
    list(read_blocks(io.BytesIO(b"x\n" * READ), told.append))
    assert told == [READ, 2 * READ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b[2K\x1b[1A", "x"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\0b\x08c\x7f", "abc"),
        ("tab\tstays", "tab\tstays"),
        ("[bold]markup[/bold] stays", "[bold]markup[/bold] stays"),
        ("x\r\n", "x"),
        ("cannot import name ‘y’ from “z”", "cannot import name 'y' from \"z\""),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(line: str, expected: str) -> None:
    assert undecorated(line) == expected


@given(st.binary(max_size=400))
def test_no_bytes_are_a_crash(data: bytes) -> None:
    for block in read_blocks(io.BytesIO(data)):
        for _, line in lines_of(block):
            assert "\x1b" not in undecorated(line)


@given(st.lists(st.text(alphabet="ab ", max_size=5), max_size=30))
def test_lines_keep_their_numbers(lines: list[str]) -> None:
    joined = list(blocks(lines))
    assert "\n".join(joined) == "\n".join(lines)
