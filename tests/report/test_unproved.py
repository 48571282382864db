"""A required proof that does not hold: every format says why, and what to type."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from sftdoctor.report import anchor, html, junit, sarif, views, words
from tests.report import samples
from tests.report.test_ci_formats import JUNIT, RULES
from tests.report.test_hostile import made
from tests.report.test_html import Reader
from tests.report.test_json_report import validate
from tests.report.test_sarif import log

ANEW = samples.UNPROVED.prove_anew


@pytest.mark.parametrize("name", ["text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html"])
def test_every_format_says_why_and_what_to_type(name: str) -> None:
    said = made(samples.UNPROVED, name)
    if name == "html":
        said = Reader(said).text
    plain = said.replace("\\u2192", "→").replace("&#8594;", "→").replace("\\", "")
    for wanted in ("peft: 0.17.1 → 0.5.0", "the script has changed", ANEW):
        assert wanted in plain, said
    if name != "json":
        assert words.UNPROVED in plain


@pytest.mark.parametrize("name", ["text", "sarif", "github", "gitlab", "junit", "markdown", "html"])
def test_a_proof_that_holds_is_not_spoken_of(name: str) -> None:
    assert words.UNPROVED not in made(samples.HEALTHY, name)


def test_json_is_valid_and_carries_both() -> None:
    said = json.loads(made(samples.UNPROVED, "json"))
    validate("check", said)
    assert (said["unproved"], said["prove_anew"]) == (list(samples.UNPROVED.unproved), ANEW)
    assert json.loads(made(samples.HEALTHY, "json"))["prove_anew"] is None


def test_sarif_is_valid_and_has_it_as_its_first_result() -> None:
    run = log(replace(samples.BROKEN, unproved=samples.UNPROVED.unproved, prove_anew=ANEW))
    first = run["results"][0]
    assert (first["ruleId"], first["level"], first["suppressions"]) == ("PROOF", "error", [])
    assert len(run["results"]) == len(samples.BROKEN.findings) + 1
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == "PROOF"


def test_junit_is_valid_and_has_it_as_a_failed_case() -> None:
    text = junit.render(samples.UNPROVED, RULES)
    JUNIT.validate(text)
    failed = [case for case in ElementTree.fromstring(text).iter("testcase") if case.find("failure") is not None]
    assert [case.attrib["name"] for case in failed] == [f"PROOF {words.UNPROVED}"]


def test_code_quality_is_valid_and_counts_it_as_critical() -> None:
    (issue,) = json.loads(made(samples.UNPROVED, "gitlab"))
    validate("gitlab", [issue])
    assert issue["severity"] == "critical"


def test_an_annotation_has_it_even_where_a_level_overflows() -> None:
    many = tuple(replace(samples.SCRIPT, id=f"API{n:03}") for n in range(30))
    report = samples.report(*many, unproved=samples.UNPROVED.unproved, prove_anew=ANEW)
    first = views.of_check(report, lambda: (), lambda edit: None)["github"]().splitlines()[0]
    assert first.startswith(f"::error title=PROOF {words.UNPROVED}")


def test_many_differences_are_counted() -> None:
    many = tuple(f"package{n}: 1 → 2" for n in range(50))
    (finding,) = words.unproved(replace(samples.UNPROVED, unproved=many))
    assert finding.message.endswith("and 42 more")
    assert anchor.verdict_line(samples.UNPROVED).count(words.UNPROVED) == 1
    assert words.UNPROVED in html.page(samples.UNPROVED)
    assert sarif.to_dict(samples.UNPROVED)["runs"][0]["results"]


def test_the_next_step_is_the_proof() -> None:
    assert [command for command, _ in words.next_steps(samples.UNPROVED)] == [ANEW]
    assert ANEW in [command for command, _ in words.next_steps(replace(samples.BROKEN, prove_anew=ANEW))]
