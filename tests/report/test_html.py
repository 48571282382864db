"""HTML: well-formed, alone in its scope, without network or script; drawn by a real browser where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sftdoctor.model import Report
from sftdoctor.report import html
from tests.report import samples
from tests.report.hostile import TRICKS

VOID = {"meta", "br"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Reader(HTMLParser):
    """What a page holds: its tags in order, its text outside <style>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        assert not {name for name, _ in attrs} - {"class", "lang", "charset", "http-equiv", "content", "name"}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"


@pytest.mark.parametrize("report", [samples.BROKEN, samples.HEALTHY])
def test_every_tag_is_closed_and_nothing_is_fetched(report: Report) -> None:
    page = html.page(report)
    read = Reader(page)
    assert read.open == []
    assert not {"script", "img", "link", "iframe", "a", "object", "form"} & set(read.tags)
    assert not re.search(r"url\(|@import|src=|href=", page)


def test_a_page_says_what_the_text_says() -> None:
    said = " ".join(Reader(html.page(samples.BROKEN, given=("train.py",))).text.split())
    for words in (
        "✗ This run will break: 2 errors, 1 warning, 1 not judged",
        "✗ API021 trl passes an argument that peft does not take",
        "trl/models/utils.py:538",
        "train.py:31 SFTConfig(max_seq_length=2048): renamed to max_length in trl 0.20 (likely)",
        "install peft>=0.8.0 (safe)",
        "GPU001: no GPU here",
        "sftdoctor fix train.py --apply",
    ):
        assert words in said


def test_the_style_of_a_fragment_touches_nothing_else() -> None:
    fragment = html.fragment(samples.BROKEN)
    style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
    selectors = re.findall(r"(?:^|\})\s*(?:@media[^{]*\{)?\s*([^{}@]+)\{", style)
    assert len(selectors) > 20
    assert all(".sftdoctor" in part for selector in selectors for part in re.split(r",(?![^(]*\))", selector))


def test_quoted_words_are_code() -> None:
    assert "<code>gradient_checkpointing_kwargs</code>" in html.fragment(samples.BROKEN)


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a headless browser on a file."""
    assert BROWSER
    profile = f"--user-data-dir={page.parent / 'profile'}"
    return subprocess.run(
        [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", profile, *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )


HOSTILE = samples.report(replace(samples.LINK, title="".join(TRICKS[9:]), message="".join(TRICKS), symptom="x" * 500))
PROBE = """<!DOCTYPE html><body style="margin:0"><iframe id="f" width="%d" height="800" srcdoc="%s"></iframe><script>
document.getElementById("f").onload = event => {
  const seen = event.target.contentDocument, root = seen.documentElement;
  document.body.insertAdjacentHTML("beforeend", "<pre>wide=" + (root.scrollWidth > root.clientWidth) +
    " back=" + seen.defaultView.getComputedStyle(seen.querySelector(".sftdoctor")).backgroundColor +
    " ran=" + (seen.defaultView.ran === true) + "</pre>");
};
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("report", [samples.BROKEN, HOSTILE], ids=["broken", "hostile"])
def test_a_browser_shows_it_on_a_phone_and_a_desk_and_runs_nothing(
    report: Report, width: int, dark: bool, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PROBE % (width, escape(html.page(report))), encoding="utf-8")
    done = browse(
        page, "--dump-dom", "--virtual-time-budget=2000", f"--blink-settings=preferredColorScheme={0 + (not dark)}"
    )
    back = "rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)"
    assert f"<pre>wide=false back={back} ran=false</pre>" in done.stdout, done.stdout[-500:] + done.stderr
