"""A rule's texts without a judgement: whole sentences, or none."""

from __future__ import annotations

import re

import pytest

from sftdoctor.explanation import explain
from sftdoctor.model import OUTSIDE, Finding, Rule
from sftdoctor.ruleset import load_rules
from sftdoctor.symptoms import readable
from sftdoctor.wording import fill, is_whole, phrase, sentences

HOLES = re.compile(
    r"\{[A-Za-z][\w.-]*\}|(?<=\S)(?<!\\n)  +(?=[^\s(])| \(\)| [,;:](?:\s|$)| \.$|^\W*$|\(, "
    r"|^(?:imports|declares|needs|is|has|does)\b"
)
"""What is left over where something was left out of a sentence."""
RULES = [rule for rule in load_rules() if rule.symptom]


@pytest.mark.parametrize(
    ("text", "known", "said"),
    [
        ("trl {trl} asks", {}, "trl asks"),
        ("trl {callee_version} asks", {}, "trl asks"),
        ("{caller} {caller_version} imports `{name}`.", {"caller": "triton", "name": "x"}, "triton imports `x`."),
        ("{caller} {caller_version} imports `{name}`.", {"name": "x"}, ""),
        ("It is in {caller_version}. It is new.", {}, "It is new."),
        ("trl is slow. trl {fact.a.b} is not.", {}, "trl is slow."),
        ("Here {gpu} (compute capability {capability}) is old.", {}, "Here the GPU is old."),
        ("It breaks ({where}).", {"where": "a.py:3"}, "It breaks (a.py:3)."),
        ("It breaks ({where}), e.g. {name}. So be it.", {}, "So be it."),
        ("{link.message}", {}, ""),
    ],
)
def test_sentences_are_whole(text: str, known: dict[str, str], said: str) -> None:
    assert sentences(text, known) == said


def test_an_instruction_names_in_capitals_what_is_not_known() -> None:
    assert phrase("rename {path} to {fact.model-path}") == "rename PATH to MODEL_PATH"
    assert phrase("take {name} out", {"name": "AdamW"}) == "take AdamW out"


def test_what_is_filled_in_is_no_template() -> None:
    assert fill("{name} is gone", {"name": "{callee}", "callee": "x"}) != "x is gone"
    assert not is_whole("{name}")


def told(finding: Finding) -> list[str]:
    """Every text of an answer."""
    fixes = [text for fix in finding.fixes for text in (fix.summary, fix.reason, *fix.require)]
    return [finding.title, finding.message, *filter(None, fixes)]


def plain(text: str) -> str:
    """A text without what is only its dress: breaks, indents and a page's quotes."""
    return " ".join(text.split()).translate({ord("‘"): "'", ord("’"): "'"})


def logs_of(rule: Rule) -> list[str]:
    """The logs of a rule's own cases; for a rule that has none, its symptom as a person would see it."""
    own = [case.data["log"] for case in rule.cases if "log" in case.data and case.expect == "fail"]
    return own or [readable(rule.symptom)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_answer_to_a_log_has_a_hole(rule: Rule) -> None:
    for log in logs_of(rule):
        findings = [one for one in explain(log.splitlines(), [rule]).findings if one.id == rule.id]
        assert findings or rule.fails.get("probe") != OUTSIDE
        holes = [text for finding in findings for text in told(finding) if HOLES.search(re.sub("`[^`]*`", "x", text))]
        assert not holes
        assert all(plain(finding.symptom) in plain(log) for finding in findings)
