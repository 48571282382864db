"""Scenario files: what one takes over from another, what is refused, and that each run is a program."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from sftdoctor.errors import RuleError
from sftdoctor.rulefile import Source
from sftdoctor.ruleset import load_scenario, scenarios
from sftdoctor.scenariofile import check_scenario

BASE = {
    "schema": 1,
    "title": "A run",
    "entry_points": ["trl:SFTTrainer", "bitsandbytes"],
    "core": ["trl"],
    "facts": {"quantization": "nf4", "peft": True},
    "run": {"load": "a = 1\n", "train": "b = 2\n"},
}
OWN: dict[str, Any] = {"schema": 1, "title": "Another run", "based_on": "base"}


def source(data: dict[str, Any]) -> Source:
    return Source("scenario.toml", "", data)


def test_by_itself() -> None:
    scenario = check_scenario(source(BASE), "base")
    assert scenario.entry_points == ("trl:SFTTrainer", "bitsandbytes")
    assert scenario.run == "a = 1\n\nb = 2\n"
    assert check_scenario(source({**BASE, "run": {}}), "base").run == ""


@pytest.mark.parametrize(
    ("own", "key", "expected"),
    [
        ({}, "title", "Another run"),
        ({}, "core", ("trl",)),
        ({"core": ["trl", "peft"]}, "core", ("trl", "peft")),
        ({"entry_points": ["trl:DPOTrainer"]}, "entry_points", ("trl:DPOTrainer",)),
        ({"facts": {"quantization": "int8"}}, "facts", {"quantization": "int8", "peft": True}),
        ({}, "run", "a = 1\n\nb = 2\n"),
        ({"run": {"train": "b = 3\n"}}, "run", "a = 1\n\nb = 3\n"),
        ({"run": {"train": "b = 3\n", "load": "a = 4\n"}}, "run", "a = 4\n\nb = 3\n"),
    ],
)
def test_taken_over(own: dict[str, Any], key: str, expected: object) -> None:
    assert getattr(check_scenario(source({**OWN, **own}), "own", source(BASE)), key) == expected


def test_the_run_on_a_model_that_is_not_quantised() -> None:
    assert check_scenario(source({**BASE, "unquantized": "other"}), "base", plain_run="c = 3\n").plain_run == "c = 3\n"
    based = check_scenario(source(OWN), "own", source({**BASE, "unquantized": "other"}))
    assert based.plain_run == ""
    default = load_scenario()
    assert default.plain_run == load_scenario("sft-lora").run != default.run


@pytest.mark.parametrize(
    ("own", "base", "what"),
    [
        ({"schema": 2}, BASE, "schema: must be 1"),
        ({"surprise": 1}, BASE, "surprise: unknown key"),
        ({"run": {"loda": ""}}, BASE, r"run.loda: base has no such piece \(it has: load, train\)"),
        ({"run": "a = 1"}, BASE, "run: must be a table"),
        ({"run": {"load": 1}}, BASE, "run: must be a table of texts"),
        ({"facts": []}, BASE, "facts: must be a table"),
        ({"core": []}, BASE, "core: must be a list"),
        ({"entry_points": ["trl SFTTrainer"]}, BASE, "entry_points: 'trl SFTTrainer' is no"),
        ({}, {**BASE, "based_on": "third"}, "based_on: that scenario is itself based on another"),
        ({}, {"schema": 1, "title": "A run"}, "entry_points is missing"),
    ],
)
def test_refused(own: dict[str, Any], base: dict[str, Any], what: str) -> None:
    with pytest.raises(RuleError, match=what):
        check_scenario(source({**OWN, **own}), "own", source(base))


@pytest.mark.parametrize("key", ["based_on", "unquantized"])
def test_no_such_base(key: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "own.toml").write_text(f'schema = 1\n{key} = "nothing"\ntitle = "t"\n', encoding="utf-8")
    monkeypatch.setattr("sftdoctor.ruleset.find_rules_folder", lambda: tmp_path)
    with pytest.raises(RuleError, match=re.escape(f"own.toml:2: {key}: no scenario is called 'nothing'")):
        load_scenario("own")


@pytest.mark.parametrize("name", scenarios())
def test_each_run_is_a_program_that_trains_what_it_says(name: str) -> None:
    scenario = load_scenario(name)
    names = {node.attr for node in ast.walk(ast.parse(scenario.run)) if isinstance(node, ast.Attribute)}
    assert {"train", "training_step", "save_model"} <= names
    imported = {
        f"{node.module}:{alias.name}"
        for node in ast.walk(ast.parse(scenario.run))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert f"trl:{scenario.facts['trainer_class']}" in imported
    assert ("peft:LoraConfig" in imported) == scenario.facts["peft"]
    assert ("transformers:BitsAndBytesConfig" in imported) == (scenario.facts["quantization"] != "none")
