"""Rules that decorate what the linker found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sftdoctor.model import Location
from sftdoctor.predicates import Context, Outcome, evaluate
from sftdoctor.predicates.core import by_script
from tests.predicates.contexts import Found, context, finding, script_of


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"kind": "unexpected-keyword"}, True),
        ({"kind": ["missing-name", "unexpected-keyword"]}, True),
        ({"kind": "missing-name"}, False),
        ({"kind": "unexpected-keyword", "caller": "trl", "callee": "peft", "name": "extra"}, True),
        ({"kind": "unexpected-keyword", "caller": ["trl", "accelerate"]}, True),
        ({"kind": "unexpected-keyword", "caller": "accelerate"}, False),
        ({"kind": "unexpected-keyword", "caller": "script"}, False),
        ({"kind": "unexpected-keyword", "callee": "trl"}, False),
        ({"kind": "unexpected-keyword", "name": "other"}, False),
        ({"kind": "unexpected-keyword", "symbol": "prepare"}, True),
        ({"kind": "unexpected-keyword", "symbol": "peft.utils.other.prepare"}, True),
        ({"kind": "unexpected-keyword", "symbol": "pare"}, False),
        ({"kind": "unexpected-keyword", "module": "trl.models"}, True),
        ({"kind": "unexpected-keyword", "module": "trl.mod"}, False),
    ],
)
def test_link(arguments: dict[str, Any], found: bool) -> None:
    judgement = evaluate(context(links=[finding()]), {"probe": "link", **arguments})
    assert judgement.outcome is (Outcome.FAILS if found else Outcome.HOLDS)


def test_link_of_a_script() -> None:
    asked = context(links=[finding(location=Location("train.py", 3))])
    probe = {"probe": "link", "kind": "unexpected-keyword", "caller": "script"}
    match = evaluate(asked, probe).matches[0]
    assert match.values["caller"] == "the script"
    assert match.location == Location("train.py", 3)


def test_link_gives_the_values_of_both_sides() -> None:
    match = evaluate(context(links=[finding()]), {"probe": "link", "kind": "unexpected-keyword"}).matches[0]
    assert match.values["where"] == "trl/models/utils.py:5"
    assert (match.values["caller"], match.values["caller_version"]) == ("trl", "0.24.0")
    assert (match.values["callee"], match.values["callee_version"]) == ("peft", "0.5.0")
    assert match.values["link.message"] == "a message of line 5."


def test_what_is_found_in_one_script_is_not_said_of_another() -> None:
    asked = context(links=[finding(location=Location("train.py", 3))])
    scripts = (script_of({}, "train.py"), script_of({}, "other.py"))
    workload = replace(asked.workload, scripts=scripts)
    other = Context(asked.environment, workload, asked.library, Found(asked.links.findings), scripts[1])
    assert evaluate(other, {"probe": "link", "kind": "unexpected-keyword"}).outcome is Outcome.HOLDS


def test_findings_are_sorted_by_script_once() -> None:
    """Each script hears of its own and of nobody's; else each link rule would look at all findings for each."""
    links = [finding(location=Location(path, 3)) for path in ("a.py", "b.py", "config.yaml")] + [finding()]
    asked = context(links=links)
    workload = replace(asked.workload, scripts=(script_of({}, "a.py"), script_of({}, "b.py")))
    found = by_script(asked.links, workload)
    assert {path: len(findings) for path, findings in found.items()} == {"a.py": 1, "b.py": 1, "": 2}
    heard = Context(asked.environment, workload, asked.library, Found(tuple(links)), workload.scripts[0], found)
    places = [one.location.path if one.location else "" for one in heard.links_by_kind["unexpected-keyword"]]
    assert sorted(places) == ["", "a.py", "config.yaml"]
