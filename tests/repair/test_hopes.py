"""What need not be linked: versions between two that do not help, and others of a package that has done its part."""

from __future__ import annotations

import pytest

from sftdoctor.model import (
    Cause,
    Confidence,
    Environment,
    Finding,
    Place,
    Report,
    Scenario,
    Severity,
    Target,
    TargetKind,
    Verdict,
    Workload,
)
from sftdoctor.repair.candidates import Move
from sftdoctor.repair.hopes import is_hopeless, is_settled
from sftdoctor.repair.search import Candidate


def broken(identity: str, caller: str, callee: str, name: str = "work") -> Finding:
    cause = Cause(Place(caller, "1.0"), Place(callee, "1.0"), name)
    return Finding(identity, "t", Severity.ERROR, Confidence.CERTAIN, "t", "m", cause=cause)


def report(*findings: Finding) -> Report:
    environment = Environment(Target(TargetKind.PINS, "x", "3.11"), "3.11")
    return Report(environment, Workload(Scenario("t", "t", ())), Verdict.BREAKS, findings)


LINK, OTHER = broken("API001", "trl", "pyarrow"), broken("API003", "trl", "rich")
OURS = broken("API001", "datasets", "pyarrow", "came")


def tried(version: str, *left: Finding, cost: float = 3.0) -> Candidate:
    move = Move({"pyarrow": f"=={version}"}, ("API001",), "")
    return Candidate({"pyarrow": version}, (move,), cost, report(*left), cost)


HOPELESS = {
    "between": ("21.0", "26.0", [tried("16.0", LINK)], True),
    "the same": ("16.0", "26.0", [tried("16.0", LINK)], True),
    "upwards": ("27.0", "26.0", [tried("28.0", LINK)], True),
    "beyond": ("15.0", "26.0", [tried("16.0", LINK)], False),
    "on the other side": ("27.0", "26.0", [tried("16.0", LINK)], False),
    "it was cured": ("21.0", "26.0", [tried("16.0", OTHER)], False),
    "nothing tried": ("21.0", "26.0", [], False),
    "not there before": ("21.0", None, [tried("16.0", LINK)], False),
    "no version": ("nightly", "26.0", [tried("16.0", LINK)], False),
}


@pytest.mark.parametrize("case", HOPELESS)
def test_what_lies_between_two_that_lack_a_name_is_taken_to_lack_it(case: str) -> None:
    version, now, before, expected = HOPELESS[case]
    move = Move({"pyarrow": f"=={version}"}, ("API001",), "")
    assert is_hopeless(move, now, [LINK], before) is expected


SETTLED = {
    "cured, and nothing came": (3.0, [tried("16.0")], True),
    "what came was hidden before": (3.0, [tried("16.0", OTHER)], True),
    "what came may be of this version": (3.0, [tried("16.0", OURS)], False),
    "it was not cured": (3.0, [tried("16.0", LINK)], False),
    "this one may cost less": (2.0, [tried("16.0")], False),
}


@pytest.mark.parametrize("case", SETTLED)
def test_another_version_is_no_better_where_one_has_done_its_part(case: str) -> None:
    least, before, expected = SETTLED[case]
    move = Move({"pyarrow": "==18.0"}, ("API001",), "")
    assert is_settled(move, least, [LINK], report(LINK), before) is expected
