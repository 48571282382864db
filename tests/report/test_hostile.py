"""Whatever names and messages say, in every format they come out as text."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from sftdoctor.model import Explanation, FixResult, Report
from sftdoctor.report import explanation_text, github, html, junit, markdown, repair_text, text, views
from sftdoctor.report.plain import clean
from sftdoctor.report.style import rendered
from tests.report.hostile import WORDS, explanations, fixes, reports
from tests.report.test_html import Reader

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = {"h2", "h3", "p", "strong", "code", "ul", "li", "br", "sub", "em"}
"""Elements that our own Markdown makes."""
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def made(report: Report, name: str) -> str:
    """A report in one format, as `check` makes it."""
    if name == "text":
        stream = io.StringIO()
        return rendered(stream, lambda console: text.render(report, console, verbose=True))
    return views.of_check(report, lambda: (), lambda edit: None)[name]()


@pytest.mark.parametrize("name", ["text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html"])
@given(report=reports())
@settings(max_examples=15, deadline=None)
def test_nothing_obeys_it(name: str, report: Report) -> None:
    said = made(report, name)
    assert not HARMFUL.search(said)
    said.encode("utf-8")
    assert not re.search(r"##\w*\[", said)
    if name != "github":
        assert not [line for line in said.splitlines() if line.lstrip().startswith("::")]


Draw = Callable[[Console], None]


@given(result=fixes(), explanation=explanations())
@settings(max_examples=15, deadline=None)
def test_nothing_obeys_it_in_other_commands_either(result: FixResult, explanation: Explanation) -> None:
    assert result.proof
    draws: list[Draw] = [
        lambda console: repair_text.render_fix(result, console),
        lambda console: explanation_text.render(explanation, console),
    ]
    pages = [views.of_fix(result), views.of_proof(result.proof), views.of_explanation(explanation)]
    said = [rendered(io.StringIO(), draw) for draw in draws] + [make() for page in pages for make in page.values()]
    for text_ in said:
        assert not HARMFUL.search(text_)
        assert not re.search(r"##\w*\[", text_)
        assert not [line for line in text_.splitlines() if line.lstrip().startswith("::")]
    for page in pages:
        shown = MARKDOWN.render(page["markdown"]()).replace("<!-- -->", "").replace("<sub>", "").replace("</sub>", "")
        assert set(re.findall(r"<([a-zA-Z][\w-]*)", shown)) <= OURS | {"pre", "h4"}
        assert not re.search(r"<[^>]*\s(href|src|on\w+)=", shown)


@given(report=reports())
@settings(max_examples=15, deadline=None)
def test_a_page_holds_no_element_of_theirs(report: Report) -> None:
    tags = Reader(html.page(report)).tags
    assert not {"script", "img", "a"} & set(tags)
    ours = "html head meta title style body main div p b span table tbody tr td dl dt dd code ul li h2 br"
    assert set(tags) <= set(ours.split())
    assert tags.count("style") == 2


@given(report=reports())
@settings(max_examples=30, deadline=None)
def test_markdown_makes_no_markup_of_theirs(report: Report) -> None:
    page = MARKDOWN.render(markdown.render(report))
    page = page.replace("<!-- -->", "").replace("<sub>", "").replace("</sub>", "")
    assert set(re.findall(r"<([a-zA-Z][\w-]*)", page)) <= OURS - {"sub", "em"}
    assert not re.search(r"<[^>]*\s(href|src|on\w+)=", page)


@pytest.mark.parametrize("before", ["- ", "- x: ", "## "])
@pytest.mark.parametrize("show", [markdown.plain, markdown.code], ids=["plain", "code"])
@given(words=WORDS | st.text("-+=1.)# \t>:|`*", max_size=8))
@settings(max_examples=30, deadline=None)
def test_markdown_shows_the_words_themselves(show: Callable[[str], str], before: str, words: str) -> None:
    page = MARKDOWN.render(f"{before}{show(clean(words))}").replace("<!-- -->", "")
    shown = unescape(re.sub(r"</?(ul|li|p|code|h2)>", "", page))
    assert "".join(shown.split()) == "".join(f"{before.lstrip('-# ')}{clean(words)}".split())


@given(report=reports())
@settings(max_examples=30, deadline=None)
def test_annotations_are_one_a_line_and_the_runner_reads_the_words_back(report: Report) -> None:
    *commands, verdict = github.render(report).splitlines()
    assert verdict.startswith("sftdoctor: ")
    titles = []
    for line in commands:
        found = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
        assert found
        pairs = [pair.partition("=") for pair in found[2].split(",")]
        assert {key for key, _, _ in pairs} <= {"title", "file", "line", "endLine", "col", "endColumn"}
        titles.append(next(value for key, _, value in pairs if key == "title"))
        assert not re.search("%(?!25|0A)", found[3])
    assert len(titles) == len(report.findings) + bool(report.unproved) + 1


@given(report=reports())
@settings(max_examples=15, deadline=None)
def test_xml_and_json_can_be_read(report: Report) -> None:
    root = ElementTree.fromstring(junit.render(report))
    assert len(root.findall(".//failure")) <= len(report.findings) + 1
    for name in ("json", "sarif", "gitlab"):
        json.loads(made(report, name))
