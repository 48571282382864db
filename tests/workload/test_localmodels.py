"""The model that a script loads, found where it lies; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sftdoctor.model import Scenario
from sftdoctor.workload import read_workload

SCENARIO = Scenario("sft", "a run", ("trl:SFTTrainer",))
COMMIT = "0123456789" * 4


def script(folder: Path, *names: str) -> list[Path]:
    paths = []
    for number, name in enumerate(names):
        path = folder / f"train{number}.py"
        path.write_text(f'from trl import SFTTrainer\nSFTTrainer(model="{name}").train()\n')
        paths.append(path)
    return paths


def model(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    return folder


def cached(hub: Path, name: str, commit: str = COMMIT) -> None:
    repository = hub / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "blobs").mkdir()
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    auto_map = {"AutoModelForCausalLM": "modeling_x.X"}
    for file, text in (("config.json", json.dumps({"auto_map": auto_map})), ("modeling_x.py", "class X: ...\n")):
        (repository / "blobs" / file).write_text(text)
        (snapshot / file).symlink_to(repository / "blobs" / file)


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_a_folder_beside_the_script(tmp_path: Path) -> None:
    model(tmp_path / "own" / "tiny")
    found = read_workload(script(tmp_path / "own", "tiny"), model=None, scenario=SCENARIO).model
    assert found is not None
    assert found.config["model_type"] == "llama"


def test_a_name_in_the_cache_with_code_of_its_own(tmp_path: Path) -> None:
    cached(tmp_path / "home" / "hub", "org/name")
    found = read_workload(script(tmp_path, "org/name"), model=None, scenario=SCENARIO).model
    assert found is not None
    assert len(found.code) == 1


def test_what_the_cache_has_not_will_be_fetched(tmp_path: Path) -> None:
    cached(tmp_path / "home" / "hub", "org/name")
    snapshot = tmp_path / "home" / "hub" / "models--org--name" / "snapshots" / COMMIT
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a.weight": "b.safetensors"}}))
    found = read_workload(script(tmp_path, "org/name"), model=None, scenario=SCENARIO).model
    assert found is not None
    assert not [fact for fact in found.facts if fact.name == "missing_shard"]


@pytest.mark.parametrize("commit", ["../../../x", "main", ""])
def test_a_reference_that_is_no_commit_leads_nowhere(tmp_path: Path, commit: str) -> None:
    cached(tmp_path / "home" / "hub", "org/name", commit)
    assert read_workload(script(tmp_path, "org/name"), model=None, scenario=SCENARIO).model is None


def test_two_models_or_none_at_hand(tmp_path: Path) -> None:
    model(tmp_path / "a")
    model(tmp_path / "b")
    assert read_workload(script(tmp_path, "a", "b"), model=None, scenario=SCENARIO).model is None
    assert read_workload(script(tmp_path, "org/other"), model=None, scenario=SCENARIO).model is None


def test_what_was_named_counts(tmp_path: Path) -> None:
    model(tmp_path / "a")
    named = model(tmp_path / "b", model_type="gpt2")
    found = read_workload(script(tmp_path, "a"), model=named, scenario=SCENARIO).model
    assert found is not None
    assert found.config["model_type"] == "gpt2"


def test_a_broken_folder_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{")
    workload = read_workload(script(tmp_path, "tiny"), model=None, scenario=SCENARIO)
    assert workload.model is None
    assert "no valid JSON" in workload.not_judged[0].reason
