"""What becomes one finding: here a library's own refusals beside the rules that tell them with more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sftdoctor.drafts import Draft
from sftdoctor.merging import merged
from sftdoctor.model import Cause, Finding, Location, Place
from tests.test_engine import rule

ERROR = "ValueError: --load_best_model_at_end requires the save and eval strategy to match, but found"
TOLD = replace(rule("CFG901"), symptom="load_best_model_at_end requires")


def refusal(path: str, line: int, end: int, error: str = ERROR) -> Finding:
    caller = Place("", None, "train", line)
    callee = Place("transformers", "5.23.0", "transformers.training_args", 1751)
    made = Draft(Finding("API015", "refused-arguments", TOLD.severity, TOLD.confidence, "refuses", "it raises there."))
    return replace(
        made.finding,
        symptom=error,
        cause=Cause(caller, callee, "SFTConfig", "SFTConfig(…)"),
        location=Location(path, line, end_line=end),
    )


@pytest.mark.parametrize(
    ("refusals", "place", "left"),
    [
        ([refusal("a.py", 4, 6)], Location("a.py", 5), []),
        ([refusal("a.py", 4, 6)], Location("a.py", 20), []),
        ([refusal("a.py", 4, 6), refusal("a.py", 9, 9)], Location("a.py", 5), [9]),
        ([refusal("a.py", 4, 6), refusal("a.py", 9, 9)], Location("a.py", 20), [4, 9]),
        ([refusal("b.py", 4, 6)], Location("a.py", 5), [4]),
        ([refusal("a.py", 4, 6, "ValueError: something else")], Location("a.py", 5), [4]),
        ([refusal("a.py", 4, 6)], None, [4]),
    ],
)
def test_a_refusal_that_a_rule_tells_too(refusals: list[Finding], place: Location | None, left: list[int]) -> None:
    finding = replace(refusals[0], id=TOLD.id, rule=TOLD.name, cause=None, location=place)
    found = merged(refusals, [Draft(finding, TOLD)])
    assert [one.location.line for one in found if one.location and one.id == "API015"] == left
    assert [one.id for one in found].count("CFG901") == 1
