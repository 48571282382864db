"""The engine: order, one finding a root, decoration, crashes, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sftdoctor.engine import judge, verdict
from sftdoctor.model import (
    Case,
    Confidence,
    Distribution,
    Environment,
    Evidence,
    Finding,
    Fix,
    Location,
    NotJudged,
    Report,
    Rule,
    RuleFix,
    Safety,
    Script,
    Severity,
    Verdict,
    Workload,
)
from sftdoctor.predicates import PREDICATES, Context, Judgement
from sftdoctor.predicates.core import fails, fails_if, predicate
from sftdoctor.ruleset import load_rules
from tests.predicates.contexts import (
    SCENARIO,
    Found,
    Keywords,
    KnownLibrary,
    distribution,
    environment,
    finding,
    script_of,
)

TRL = distribution("trl", "0.24.0", "peft>=0.8.0; extra == 'peft'", extras=["peft"])
PEFT = distribution("peft", "0.5.0")
CORE = (TRL, PEFT)
PREPARE = "peft.utils.other:prepare"
LACKS = {"probe": "signature", "callable": PREPARE, "lacks": "extra"}
PAGE = {"probe": "link", "kind": "unexpected-keyword"}


def rule(id_: str = "ENV900", fails: Mapping[str, Any] | None = None, **more: Any) -> Rule:
    """A rule that fails wherever peft is installed, unless it is said otherwise."""
    known: dict[str, Any] = {
        "name": f"rule-{id_.lower()}",
        "title": "a title",
        "severity": Severity.ERROR,
        "message": f"said by {id_}.",
        "explain": "",
        "path": f"{id_}.toml",
        "fails": fails or {"probe": "version", "distribution": "peft", "in": "*"},
        "evidence": (Evidence("a claim", "a source", "2026-11-20", "read it"),),
        "cases": (Case("a", "fail"),),
    }
    return Rule(id=id_, **{**known, **more})


def check(
    *rules: Rule,
    installed: Sequence[Distribution] = CORE,
    links: Sequence[Finding] = (),
    scripts: Sequence[Script] = (),
    signatures: Mapping[str, Keywords] | None = None,
    not_judged: Sequence[NotJudged] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    **more: Any,
) -> Report:
    target: Environment = environment(*installed, **more)
    library = KnownLibrary(signatures or {}, {})
    found = Found(tuple(links), tuple(not_judged))
    workload = Workload(SCENARIO, tuple(scripts))
    return judge(target, workload, rules, found, library, select=select, ignore=ignore)


def ids(report: Report) -> list[str]:
    return [found.id for found in report.findings]


def test_a_rule_that_fails_is_a_finding_with_its_texts() -> None:
    fix = RuleFix("package", Safety.SAFE, "Newer than {peft}.", require=("peft>=0.8.0",))
    told = rule(message="peft {peft} on {python}; {scipy}; {fact.quantization}.", fixes=(fix,), symptom=r"no \w{1,9}")
    found = check(replace(told, applies={"scipy": "absent"})).findings[0]
    assert found.message == "peft 0.5.0 on 3.11.7; (not installed); nf4."
    assert found.fixes == (Fix("package", Safety.SAFE, "peft>=0.8.0", ("peft>=0.8.0",), reason="Newer than 0.5.0."),)
    assert found.symptom == "no …"
    assert found.evidence == ("a claim (a source, 2026-11-20)",)


@pytest.mark.parametrize(
    ("applies", "found"),
    [
        ({}, True),
        ({"peft": "<0.6"}, True),
        ({"peft": "<0.6", "trl": ">=0.15,<0.25"}, True),
        ({"peft": "<0.6", "trl": ">=0.25"}, False),
        ({"python": ">=3.12"}, False),
        ({"scipy": "absent"}, True),
        ({"peft": "absent"}, False),
    ],
)
def test_every_line_of_the_gate_must_hold(applies: dict[str, str], found: bool) -> None:
    assert bool(check(rule(applies=applies)).findings) is found


def test_a_page_tells_the_links_of_its_kind() -> None:
    page = rule("API002", PAGE, title="{link.title}", message="{link.message}", symptom="x")
    link = replace(finding(), fixes=(Fix("package", Safety.SAFE, "peft>=0.6", ("peft>=0.6",)),))
    report = check(page, links=[link])
    assert ids(report) == ["API002"]
    found = report.findings[0]
    assert (found.title, found.message, found.symptom) == (link.title, link.message, link.symptom)
    assert (found.cause, found.fixes) == (link.cause, link.fixes)
    assert found.evidence


def test_the_rule_that_speaks_most_closely_tells_a_link() -> None:
    page = rule("API002", PAGE)
    near = rule("API090", {**PAGE, "callee": "peft"})
    nearer = rule("API091", {**PAGE, "callee": "peft", "name": "extra"})
    report = check(nearer, page, near, links=[finding()])
    assert ids(report) == ["API091"]
    assert report.findings[0].cause == finding().cause


def test_a_link_that_no_rule_tells_stays_as_it_is() -> None:
    assert check(links=[finding()]).findings == (finding(),)


def test_a_rule_that_finds_by_itself_what_the_linker_found_too_is_one_finding() -> None:
    own = rule("API021", LACKS, applies={"trl": "*", "peft": "*"})
    report = check(own, links=[finding()], signatures={PREPARE: Keywords(("model",))})
    assert ids(report) == ["API021"]
    assert report.findings[0].cause == finding().cause
    assert report.findings[0].symptom == "TypeError: extra"


def test_it_does_not_take_over_what_a_script_does_itself() -> None:
    own = rule("API021", LACKS, applies={"trl": "*", "peft": "*"})
    by_hand = finding(location=Location("train.py", 3))
    report = check(own, links=[by_hand], signatures={PREPARE: Keywords(("model",))})
    assert ids(report) == ["API002", "API021"]


def test_who_asks_is_named_where_the_linker_does_not_say_it() -> None:
    own = rule("API021", LACKS, applies={"trl": "*", "peft": "*"})
    cause = check(own, signatures={PREPARE: Keywords(())}).findings[0].cause
    assert cause is not None and cause.caller is not None
    assert (cause.caller.distribution, cause.caller.version) == ("trl", "0.24.0")


def test_many_callers_of_one_broken_thing_are_one_finding() -> None:
    report = check(links=[finding(line=5), finding(line=9), finding(line=9), finding(line=12)])
    assert ids(report) == ["API002"]
    assert report.findings[0].message == "a message of line 5. The same in 2 more places."


def test_the_surest_of_a_group_speaks() -> None:
    report = check(links=[finding(line=5, confidence=Confidence.POSSIBLE), finding(line=9)])
    assert report.findings[0].confidence is Confidence.CERTAIN


def test_different_names_and_different_places_of_a_script_stay_apart() -> None:
    in_script = [finding(location=Location("train.py", line)) for line in (3, 8)]
    assert len(check(links=[finding(name="a"), finding(name="b"), *in_script]).findings) == 4


MISSING = [
    finding("missing-module", "API003", "trl", "scipy", name, symbol, line, versions={"scipy": None})
    for line, (name, symbol) in enumerate([("scipy", "scipy"), ("scipy.stats", "scipy.stats"), ("scipy", "scipy")])
]


def test_a_distribution_that_is_missing_is_one_root() -> None:
    assert ids(check(links=MISSING)) == ["API003"]


def test_what_follows_from_a_missing_core_package_is_not_told_again() -> None:
    absent = rule(
        "ENV003",
        {"probe": "core-missing"},
        message="{name}",
        fixes=(RuleFix("package", Safety.SAFE, "needed", require=("{name}",)),),
    )
    links = [
        finding("missing-module", "API003", "trl", "peft", "peft", "peft", versions={"peft": None}),
        finding("missing-name", "API001", "trl", "transformers", "Gone", "transformers"),
    ]
    declared = rule("ENV001", {"probe": "requirement", "kind": "declared"}, severity=Severity.WARNING)
    report = check(absent, declared, installed=[distribution("trl", "0.24.0", "peft")], links=links)
    assert ids(report) == ["ENV003", "API001"]
    assert report.findings[0].message == "peft"


def test_an_empty_environment_says_what_is_missing_once() -> None:
    report = check(*load_rules(), installed=[])
    errors = [found for found in report.findings if found.severity is Severity.ERROR]
    assert [found.id for found in errors] == ["ENV003"]
    assert errors[0].fixes[0].require == SCENARIO.core
    assert errors[0].title == "not installed: trl and peft"
    assert report.verdict is Verdict.BREAKS


FLOOR = rule(
    "ENV002",
    {"probe": "requirement", "kind": "extra"},
    severity=Severity.WARNING,
    fixes=(RuleFix("package", Safety.SAFE, "declared", require=("{requirement}",)),),
)


def test_a_declared_conflict_alone_is_a_warning() -> None:
    report = check(FLOOR)
    assert (ids(report), report.verdict) == (["ENV002"], Verdict.AT_RISK)
    assert report.findings[0].fixes[0].require == ("peft>=0.8.0",)


def test_a_declared_conflict_is_told_with_the_break_of_the_same_pair() -> None:
    report = check(FLOOR, links=[finding()])
    assert ids(report) == ["API002"]
    assert "trl's extra 'peft' asks for peft>=0.8.0." in report.findings[0].message
    assert report.findings[0].fixes[0].require == ("peft>=0.8.0",)


def test_a_declared_conflict_of_another_pair_stays() -> None:
    assert ids(check(FLOOR, links=[finding(callee="transformers")])) == ["API002", "ENV002"]


def test_the_remedy_of_the_break_is_kept() -> None:
    mended = replace(finding(), fixes=(Fix("package", Safety.SAFE, "peft>=0.6", ("peft>=0.6",)),))
    assert check(FLOOR, links=[mended]).findings[0].fixes == mended.fixes


def test_worst_and_surest_first() -> None:
    report = check(
        rule("ENV901", severity=Severity.INFO),
        rule("ENV902", severity=Severity.WARNING),
        rule("ENV903", confidence=Confidence.POSSIBLE),
        rule("ENV904"),
    )
    assert ids(report) == ["ENV904", "ENV903", "ENV902", "ENV901"]


@pytest.fixture
def crashing() -> Iterator[None]:
    @predicate("test-crash", {})
    def crash(context: Context, arguments: Mapping[str, Any]) -> Judgement:
        """Stumbles."""
        raise ZeroDivisionError("by chance")

    yield
    del PREDICATES["test-crash"]


def test_a_crash_in_one_rule_is_not_judged_and_the_others_go_on(crashing: None) -> None:
    report = check(rule("ENV901", {"probe": "test-crash"}), rule("ENV902"))
    assert ids(report) == ["ENV902"]
    assert report.not_judged == (NotJudged("rule ENV901", "ZeroDivisionError: by chance"),)


def test_rules_that_cannot_know_are_told_by_reason() -> None:
    unknown = {"probe": "gpu", "present": True}
    said = NotJudged("a link", "a reason")
    report = check(rule("GPU902", unknown), rule("GPU901", unknown), not_judged=[said], accelerators=None)
    assert report.not_judged[0] == said
    assert report.not_judged[1].what == "rules GPU901, GPU902"
    assert report.verdict is Verdict.CLEAN


def test_each_script_is_judged_by_itself() -> None:
    both = {"bf16": True, "fp16": True}
    clash = rule(
        "CFG900",
        {"probe": "facts", "where": both},
        message="{fact.bf16}",
        fixes=(
            RuleFix(
                "edit",
                Safety.UNSAFE,
                "one",
                "remove fp16",
                operation="remove_keyword",
                anchor="fp16",
                arguments={"name": "fp16"},
            ),
        ),
    )
    mixed = [script_of({"bf16": True}, "a.py"), script_of({"fp16": True}, "b.py")]
    assert check(clash, scripts=mixed).findings == ()
    report = check(clash, scripts=[*mixed, script_of(both, "c.py"), script_of(both, "d.py")])
    assert [found.location for found in report.findings] == [Location("c.py", 1), Location("d.py", 1)]
    edit = report.findings[0].fixes[0].edit
    assert edit is not None and (edit.location, edit.arguments) == (Location("c.py", 2), {"name": "fp16"})


def test_what_is_the_same_for_all_scripts_is_told_once() -> None:
    assert ids(check(rule(), scripts=[script_of({}, "a.py"), script_of({}, "b.py")])) == ["ENV900"]


@pytest.fixture
def counted() -> Iterator[list[str]]:
    """What two probes were asked: one about the environment, one that looks at the script."""
    asked: list[str] = []

    @predicate("test-environment", {})
    def of_environment(context: Context, arguments: Mapping[str, Any]) -> Judgement:
        """Does not look at the script."""
        asked.append("environment")
        return fails()

    @predicate("test-script", {})
    def of_script(context: Context, arguments: Mapping[str, Any]) -> Judgement:
        """Looks at it."""
        asked.append(context.script.path if context.script else "none")
        return fails_if(bool(context.facts.get("bf16")))

    yield asked
    del PREDICATES["test-environment"], PREDICATES["test-script"]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        ({"probe": "test-environment"}, ["environment"]),
        ({"probe": "test-script"}, ["a.py", "b.py", "c.py"]),
        (
            {"probe": "all", "of": [{"probe": "test-environment"}, {"probe": "test-script"}]},
            ["environment", "a.py", "b.py", "c.py"],
        ),
    ],
)
def test_the_environment_is_asked_once_for_all_scripts(
    probe: dict[str, Any], expected: list[str], counted: list[str]
) -> None:
    scripts = [script_of({}, "a.py"), script_of({"bf16": True}, "b.py"), script_of({}, "c.py")]
    assert len(check(rule(fails=probe), scripts=scripts).findings) == 1
    assert counted == expected


def test_an_edit_without_a_script_is_advice() -> None:
    advice = RuleFix(
        "edit",
        Safety.SAFE,
        "why",
        "say bf16=True",
        operation="set_keyword",
        anchor="bf16",
        arguments={"name": "bf16", "value": "True"},
    )
    assert check(rule(fixes=(advice,))).findings[0].fixes == (
        Fix("config", Safety.MANUAL, "say bf16=True", reason="why"),
    )


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ([], [], ["API002", "ENV900"]),
        (["API"], [], ["API002"]),
        (["ENV900"], [], ["ENV900"]),
        (["rule-env900"], [], ["ENV900"]),
        ([], ["API"], ["ENV900"]),
        ([], ["unexpected-keyword"], ["ENV900"]),
        (["API", "ENV"], ["ENV9"], ["API002"]),
    ],
)
def test_select_and_ignore(select: list[str], ignore: list[str], expected: list[str]) -> None:
    assert ids(check(rule(), links=[finding()], select=select, ignore=ignore)) == expected


def test_what_is_ignored_does_not_break_the_run() -> None:
    assert check(rule(), ignore=["ENV900"]).verdict is Verdict.CLEAN


@pytest.mark.parametrize(
    ("findings", "core_unknown", "expected"),
    [
        ([], False, Verdict.CLEAN),
        ([(Severity.INFO, Confidence.CERTAIN)], False, Verdict.CLEAN),
        ([(Severity.WARNING, Confidence.CERTAIN)], False, Verdict.AT_RISK),
        ([(Severity.ERROR, Confidence.POSSIBLE)], False, Verdict.AT_RISK),
        ([(Severity.ERROR, Confidence.LIKELY)], False, Verdict.BREAKS),
        ([(Severity.ERROR, Confidence.CERTAIN)], True, Verdict.BREAKS),
        ([(Severity.WARNING, Confidence.CERTAIN)], True, Verdict.UNKNOWN),
        ([], True, Verdict.UNKNOWN),
    ],
)
def test_verdict(findings: list[tuple[Severity, Confidence]], core_unknown: bool, expected: Verdict) -> None:
    made = [replace(finding(), severity=severity, confidence=confidence) for severity, confidence in findings]
    assert verdict(made, core_unknown) is expected


@pytest.mark.parametrize(
    ("installed", "complete"),
    [((TRL,), False), ((TRL, replace(PEFT, root=None)), True)],
)
def test_a_core_that_could_not_be_read_is_unknown(installed: tuple[Distribution, ...], complete: bool) -> None:
    report = check(installed=installed, complete=complete)
    assert report.verdict is Verdict.UNKNOWN
    assert report.not_judged[0].what == "peft"


def test_a_script_that_does_not_use_it_may_do_without() -> None:
    report = check(installed=(TRL,), complete=False, scripts=[script_of({}, source="import trl")])
    assert report.verdict is Verdict.CLEAN
