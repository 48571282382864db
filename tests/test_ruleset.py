"""Rule files: what is refused and where, the cache, selection, scenarios."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor import folders, rulecheck, ruleset
from sftdoctor.errors import RuleError, UsageError
from sftdoctor.model import OUTSIDE, Confidence, Rule, Safety, Severity
from sftdoctor.predicates import PREDICATES
from sftdoctor.predicates.live import LIVE, PREFIX
from sftdoctor.repair.operations import FUNCTIONS
from sftdoctor.ruleset import load_rules, load_scenario, read_rule, read_rules, scenarios, select_rules
from sftdoctor.workload import VOCABULARY
from tests.rule_files import RULE, write_rule

OWN_FACTS = {"peft"}
"""What only a scenario says."""


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("schema = 1", "schema = 2", 1, "schema: must be 1"),
        ("schema = 1", "schema = 1\nsurprise = 1", 2, "surprise: unknown key"),
        ('title = "peft is old"\n', "", None, "title is missing"),
        ('title = "peft is old"', 'title = " "', 4, "title: is empty"),
        ('title = "peft is old"', "title = 3", 4, "title: must be a text"),
        ('"API900"', '"API901"', 2, "id: must be"),
        ('"a-rule"', '"A rule"', 3, "name: must be words"),
        ('severity = "error"', 'severity = "fatal"', 5, "'fatal' is none of error, warning, info"),
        ('severity = "error"', 'severity = "error"\nconfidence = "sure"', 6, "'sure' is none of"),
        ("{peft} is", "{trl} is", 6, r"\{trl\} stands for nothing"),
        ("\\\\w{1,20}", "(a+)+", 7, "symptom: repeats a group"),
        ("## Why\n", "", 8, "explain: must have exactly the headings"),
        ("It is old.\n", "\n", 8, "nothing is said under '## Why'"),
        ('peft = "<0.6"', 'peft = "old"', 20, "applies.peft: must be a PEP 440"),
        ('peft = "<0.6"', 'Peft_x = "<0.6"', 20, "write the canonical name 'peft-x'"),
        ('probe = "version"', 'probe = "versions"', 23, "probe 'versions' is none of"),
        ('probe = "version"\n', "", 22, "probe None is none of"),
        ('in = "*"', 'In = "*"', 25, "version has no argument 'In'"),
        ('in = "*"', "", 22, "version needs in"),
        ('in = "*"', 'in = "old"', 25, "fails.in: version: must be a PEP 440"),
        (
            'probe = "version"\ndistribution = "peft"\nin = "*"',
            'probe = "log"\nframe = "(a+)+"',
            24,
            "frame: repeats a group",
        ),
        ('kind = "package"', 'kind = "magic"', 28, "'magic' is none of package"),
        ('require = "peft>=0.8.0"', 'require = "peft>>1"', 29, "is no requirement"),
        ('require = "peft>=0.8.0"\n', "", 27, "must be a requirement"),
        ('safety = "safe"', 'safety = "maybe"', 30, "'maybe' is none of safe"),
        ('reason = "It is newer."', 'reason = "{who}"', 27, r"\{who\} stands for nothing"),
        ('kind = "package"', 'kind = "command"', 27, "must say what is done"),
        ('kind = "package"', 'kind = "edit"', 27, "'' is none of rename_keyword"),
        ("checked = 2026-11-20", 'checked = "soon"', 36, "must be a date"),
        ('method = "read it"\n', "", 33, "method is missing"),
        ('expect = "pass"', 'expect = "perhaps"', 47, "'perhaps' is none of"),
        ('expect = "pass"', 'expect = "fail"', None, "at least one case that fails and one that passes"),
        ('distributions = { peft = "0.6.0" }', "distributions = 3", 46, "has the wrong type"),
        ('distributions = { peft = "0.6.0" }', "versions = 3", 46, r"case\[1\].versions: unknown key"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, line: int | None, what: str) -> None:
    path = write_rule(tmp_path, old, new)
    with pytest.raises(RuleError, match=what) as caught:
        read_rule(path)
    assert caught.value.message.startswith(f"{path}:{line}:" if line else f"{path}: ")
    assert caught.value.hint


def test_refused_without_evidence(tmp_path: Path) -> None:
    start, end = RULE.index("[[evidence]]"), RULE.index("[[case]]")
    with pytest.raises(RuleError, match="at least one"):
        read_rule(write_rule(tmp_path, RULE[start:end], ""))


@pytest.mark.parametrize(
    ("fix", "what"),
    [
        ('operation = "set_keyword"\nanchor = "bf16"\narguments = { name = "x" }', "set_keyword needs name, value"),
        ('operation = "set_keyword"\narguments = { name = "x", value = "y" }', "must be the name of a fact"),
        ('operation = "set_keyword"\nanchor = "bf16"\narguments = { name = 1, value = "y" }', "a table of texts"),
        ('operation = "burn"\nanchor = "bf16"', "'burn' is none of"),
    ],
)
def test_refused_edits(tmp_path: Path, fix: str, what: str) -> None:
    edit = f'kind = "edit"\nsummary = "say it"\n{fix}\n'
    with pytest.raises(RuleError, match=what):
        read_rule(write_rule(tmp_path, 'kind = "package"\nrequire = "peft>=0.8.0"\n', edit))


def test_edits_that_rules_may_ask_for_are_those_that_repair_carries_out() -> None:
    of_launch_scripts = {"rename_option"}
    assert set(rulecheck.OPERATIONS) == FUNCTIONS.keys() | of_launch_scripts


@pytest.mark.parametrize("text", ["id = ", "a = 1\na = 2", "\x00", '"' * 5])
def test_no_toml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "API900.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match="no TOML") as caught:
        read_rule(path)
    assert str(path) in caught.value.message


def test_no_text(tmp_path: Path) -> None:
    (tmp_path / "API900.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RuleError, match="cannot be read"):
        read_rule(tmp_path / "API900.toml")


def test_too_large(tmp_path: Path) -> None:
    (tmp_path / "API900.toml").write_text("#" * (ruleset.LARGEST_FILE + 1), encoding="utf-8")
    with pytest.raises(RuleError, match="larger than"):
        read_rule(tmp_path / "API900.toml")


def test_what_becomes_of_a_file(tmp_path: Path) -> None:
    path = write_rule(tmp_path)
    rule = next(rule for rule in load_rules(tmp_path) if rule.id == "API900")
    assert (rule.severity, rule.confidence, rule.path) == (Severity.ERROR, Confidence.CERTAIN, str(path))
    assert rule.fixes[0].require == ("peft>=0.8.0",) and rule.fixes[0].safety is Safety.SAFE
    assert rule.evidence[0].checked == "2026-11-20"
    assert [case.expect for case in rule.cases] == ["fail", "pass"]
    assert rule.explain.startswith("## What happens")


def test_a_broken_file_stops_no_other(tmp_path: Path) -> None:
    write_rule(tmp_path, name="API901")
    write_rule(tmp_path, "schema = 1", "schema = 2", name="API902")
    rules, broken = read_rules(tmp_path)
    assert "API901" in [rule.id for rule in rules]
    assert len(broken) == 1 and "API902.toml:1" in broken[0].message
    with pytest.raises(RuleError, match="API902"):
        load_rules(tmp_path)


def test_ids_must_not_collide(tmp_path: Path) -> None:
    write_rule(tmp_path, name="API021")
    with pytest.raises(RuleError, match=r"API021 is taken by .*API021\.toml"):
        load_rules(tmp_path)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is parsed from now on."""
    files: list[Path] = []
    real = ruleset.read_rule
    monkeypatch.setattr(ruleset, "read_rule", lambda path: (files.append(path), real(path))[1])
    return files


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("rules-cache")
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(cache))
    return cache


def test_a_second_reading_parses_nothing(tmp_path: Path, own_cache: Path, parsed: list[Path]) -> None:
    write_rule(tmp_path)
    first = load_rules(tmp_path)
    assert parsed
    parsed.clear()
    assert load_rules(tmp_path) == first
    assert not parsed


def test_a_first_reading_that_judges_reads_own_rules_briefly_and_the_same(own_cache: Path, parsed: list[Path]) -> None:
    briefly = load_rules(pages=False)
    assert not parsed
    whole = load_rules(cached=False)
    assert briefly == tuple(_for_judging(rule) for rule in whole)
    assert not list((own_cache / "rules").glob("*.pages.json"))
    assert load_rules() == load_rules() == whole
    assert load_rules(pages=False) == briefly


def _for_judging(rule: Rule) -> Rule:
    """A rule without what judging does not need."""
    brief = replace(rule, explain="", cases=())
    return replace(brief, fixes=(), evidence=()) if rule.fails.get("probe") == OUTSIDE else brief


def test_a_change_is_seen(tmp_path: Path, own_cache: Path) -> None:
    write_rule(tmp_path)
    load_rules(tmp_path)
    write_rule(tmp_path, "peft is old", "peft is ancient")
    assert {rule.title for rule in load_rules(tmp_path) if rule.id == "API900"} == {"peft is ancient"}
    write_rule(tmp_path, name="API901")
    assert "API901" in [rule.id for rule in load_rules(tmp_path)]
    (tmp_path / "API901.toml").unlink()
    assert "API901" not in [rule.id for rule in load_rules(tmp_path)]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"stamp": 1}', "\x00", '{"stamp": [], "rules": 3}'])
def test_a_damaged_cache_is_ignored(tmp_path: Path, own_cache: Path, damage: str) -> None:
    write_rule(tmp_path)
    first = load_rules(tmp_path)
    kept = list((own_cache / "rules").iterdir())
    assert kept
    for file in kept:
        file.write_text(damage, encoding="utf-8")
    assert load_rules(tmp_path) == first


def test_damage_within_a_rule_is_ignored(tmp_path: Path, own_cache: Path) -> None:
    write_rule(tmp_path)
    first = load_rules(tmp_path)
    for file in (own_cache / "rules").iterdir():
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('"severity":"error"', '"severity":"purple"'), encoding="utf-8")
    assert load_rules(tmp_path) == first


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(tmp_path / "cache"))
    assert load_rules()


def test_a_cache_that_is_a_file_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(tmp_path / "file"))
    assert load_rules()


def test_without_cache_nothing_is_written(own_cache: Path) -> None:
    load_rules(cached=False)
    assert not list(own_cache.iterdir())
    assert folders.cache_folder() == own_cache


@pytest.mark.parametrize("cached", [False, True])
def test_judging_needs_no_pages(own_cache: Path, cached: bool) -> None:
    whole = {rule.id: rule for rule in load_rules(cached=cached)}
    bare = {rule.id: rule for rule in load_rules(cached=cached, pages=False)}
    assert whole.keys() == bare.keys()
    for id_, rule in bare.items():
        assert (rule.message, rule.fails) == (whole[id_].message, whole[id_].fails)
        judged = rule.fails.get("probe") != OUTSIDE
        assert rule.fixes == (whole[id_].fixes if judged else rule.fixes)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["API021"], ["API021"]),
        (["api021"], ["API021"]),
        (["peft-lacks-gc-kwargs"], ["API021"]),
        (["API021", "GPU001"], ["API021", "GPU001"]),
    ],
)
def test_select(names: list[str], expected: list[str]) -> None:
    assert [rule.id for rule in select_rules(load_rules(), names)] == expected


def test_select_by_family_and_all() -> None:
    rules = load_rules()
    assert select_rules(rules, []) == rules
    assert {rule.id[:3] for rule in select_rules(rules, ["GPU"])} == {"GPU"}
    with pytest.raises(UsageError, match="no rule is called XYZ"):
        select_rules(rules, ["XYZ"])


@pytest.mark.parametrize("name", [None, *scenarios()])
def test_scenarios(name: str | None) -> None:
    scenario = load_scenario(name)
    assert scenario.name == (name or "sft-lora-4bit")
    assert scenario.entry_points and scenario.title
    assert {point.partition(":")[0].partition(".")[0] for point in scenario.entry_points} <= set(scenario.core)
    assert set(scenario.facts) <= {*VOCABULARY, *OWN_FACTS}


def test_all_scenarios_are_there() -> None:
    expected = {"sft-lora-4bit", "sft-lora-8bit", "sft-lora", "sft-full", "dpo", "grpo", "reward"}
    assert set(scenarios()) == expected


@pytest.mark.parametrize("name", ["nothing", "../api/API021", ""])
def test_no_such_scenario(name: str) -> None:
    if name == "":
        assert load_scenario(name).name == "sft-lora-4bit"
        return
    with pytest.raises(UsageError, match="no scenario is called"):
        load_scenario(name)


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.id)
def test_facts_that_a_rule_asks_for_are_known(rule: Rule) -> None:
    assert _facts_of(rule.fails) <= {*VOCABULARY, *OWN_FACTS, *(PREFIX + name for name in LIVE)}


def _facts_of(probe: object) -> set[str]:
    if not isinstance(probe, dict):
        return set()
    if probe["probe"] == "live":
        return {PREFIX + name for name in probe["where"]}
    own = set(probe["where"]) if probe["probe"] == "facts" else set()
    nested = [
        part
        for key, argument in PREDICATES[probe["probe"]].arguments.items()
        if "probe" in argument.kind
        for part in (probe[key] if isinstance(probe[key], list) else [probe[key]])
    ]
    return own.union(*map(_facts_of, nested))


@pytest.mark.parametrize("rule", load_rules(), ids=lambda rule: rule.id)
def test_a_rule_lies_in_the_folder_of_its_family(rule: Rule) -> None:
    assert Path(rule.path).parent.name == rule.id[:3].lower()


def test_one_rule_alone_is_the_same_rule() -> None:
    by_id = {rule.id: rule for rule in load_rules(cached=False)}
    assert ruleset.read_own("API002") == by_id["API002"]
    assert [ruleset.read_own(name) for name in ("API999", "API", "../x", "unknown-keyword")] == [None] * 4
