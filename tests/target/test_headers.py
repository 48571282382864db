from __future__ import annotations

from email.parser import HeaderParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftdoctor.target.headers import WANTED, clean, parse_headers, parse_requires_txt

HEADERS = {
    "plain": ("Name: a\nVersion: 1\n\nName: b\n", {"name": ["a"], "version": ["1"]}),
    "other headers are left out": ("Author: x\n folded\nName: a\n", {"name": ["a"]}),
    "case does not matter": ("NAME: a\nvErSiOn:1", {"name": ["a"], "version": ["1"]}),
    "folded lines": ("Requires-Dist: a\n >=1\n\t,<2\nName: x\n", {"requires-dist": ["a >=1 ,<2"], "name": ["x"]}),
    "windows line ends": ("Name: a\r\nVersion: 1\r\n\r\nName: b", {"name": ["a"], "version": ["1"]}),
    "in order": ("Requires-Dist: b\nRequires-Dist: a\n", {"requires-dist": ["b", "a"]}),
    "ends where no header is": ("Name: a\nno header\nVersion: 1\n", {"name": ["a"]}),
    "begins with a folded line": (" x\nName: a\n", {"name": ["a"]}),
    "control characters": ("Name: a\x1b[31m\nVersion: 1\x00\x7f2\n", {"name": ["a [31m"], "version": ["1 2"]}),
    "empty": ("", {}),
    "empty value": ("Name:\n", {"name": [""]}),
    "a colon alone": (":x\n y\nName: a\n", {"name": ["a"]}),
    "mailbox line": ("From x\n y\nName: a\n", {"name": ["a"]}),
}


@pytest.mark.parametrize(("text", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers(text: str, expected: dict[str, list[str]]) -> None:
    assert parse_headers(text) == expected


LINE = st.one_of(
    st.builds(
        "{}:{}{}".format,
        st.one_of(st.sampled_from(sorted(WANTED)), st.sampled_from(["Name", "VERSION", "Author", "", "A b"])),
        st.sampled_from(["", " ", "\t"]),
        st.text(
            st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=20
        ),
    ),
    st.text(st.sampled_from("ab:; \t-\x00é"), max_size=8),
    st.sampled_from(["From x", "From:", " folded", "\tfolded", "", " "]),
)


@given(st.lists(LINE, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_headers_are_those_of_the_standard_library(lines: list[str], end: str) -> None:
    text = end.join(lines)
    message = HeaderParser().parsestr(text)
    expected = {name: [clean(str(value)) for value in message.get_all(name, [])] for name in WANTED}
    assert parse_headers(text) == {name: values for name, values in expected.items() if values}


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    for values in parse_headers(text).values():
        assert all(value.isprintable() or not value.isascii() for value in values)


REQUIRES = {
    "plain": ("a\nb>=1\n", ("a", "b>=1"), ()),
    "extra": ("a\n\n[x]\nb\n", ("a", 'b; extra == "x"'), ("x",)),
    "marker": ("[:python_version<'3']\nb\n", ("b; (python_version<'3')",), ()),
    "extra and marker": ("[x:os_name=='nt']\nb\n", ("b; (os_name=='nt') and extra == \"x\"",), ("x",)),
    "url": ("[x]\nb @ https://h/b.whl\n", ('b @ https://h/b.whl ; extra == "x"',), ("x",)),
    "comments and blanks": ("# c\n\n  a  \n", ("a",), ()),
    "empty extra": ("[x]\n", (), ("x",)),
}


@pytest.mark.parametrize(("text", "requires", "extras"), REQUIRES.values(), ids=REQUIRES)
def test_requires_txt(text: str, requires: tuple[str, ...], extras: tuple[str, ...]) -> None:
    assert parse_requires_txt(text) == (requires, extras)
