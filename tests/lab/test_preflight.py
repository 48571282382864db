"""Preflight for real: trainers that carry one fault each, healthy ones, runs that must not notice that it looked."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TRAINERS = Path(__file__).parent / "trainers.py"
NAMES = re.findall(r"^@(?:trainer_case|trained)\ndef (\w+)", TRAINERS.read_text(encoding="utf-8"), re.MULTILINE)
CORE = ("healthy_sft_lora_4bit", "healthy_plain_trained", "MDL101_inference_adapter", "DAT101_all_masked")
RUNS = (
    *("healthy_sft_lora_4bit", "healthy_sft_full", "healthy_dpo", "healthy_plain", "healthy_sft_streaming"),
    *("healthy_moe", "healthy_reward", "healthy_grpo"),
)
OLD = ("transformers==4.57.6", "trl==0.24.0", "peft==0.17.1", "accelerate==1.10.1", "datasets==4.3.0")
OLD_BITS = "bitsandbytes==0.48.2"
USES_IN_THE_STACK = ("rich", "packaging", "pyyaml")

Answers = dict[str, dict[str, Any]]


def ask(python: Path, folder: Path, requests: tuple[str, ...], *launcher: str) -> Answers:
    """Run the trainers in a stack's interpreter, by a launcher (the words between it and the script) where wanted."""
    # what sftdoctor itself needs is there already: transformers needs packaging and pyyaml, trl (by typer) rich
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(python), *launcher, str(TRAINERS), str(folder), *requests],
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
        cwd=folder,
        check=False,
    )
    lines = [line.removeprefix("ANSWER ") for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    found = {answer["request"]: answer for answer in map(json.loads, lines)}
    assert set(found) == set(requests), done.stderr[-3000:]
    return found


def expected(name: str) -> list[str]:
    return [] if name.startswith("healthy") else [name[:6]]


def assert_right(answer: dict[str, Any]) -> None:
    assert "failed" not in answer, answer
    assert answer["ids"] == expected(answer["request"]), answer
    assert answer["changed"] == []


@pytest.mark.lab
@pytest.mark.core
def test_a_few_trainers(newest: Path, tmp_path: Path) -> None:
    for answer in ask(newest, tmp_path, CORE).values():
        assert_right(answer)


@pytest.fixture(scope="module")
def answers(newest: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return ask(newest, tmp_path_factory.mktemp("trainers"), tuple(NAMES))


@pytest.mark.lab
@pytest.mark.parametrize("name", NAMES)
def test_trainer(answers: Answers, name: str) -> None:
    assert_right(answers[name])


@pytest.mark.lab
def test_trainers_of_an_older_stack(build: Any, tmp_path: Path) -> None:
    python = build(*OLD, OLD_BITS, *USES_IN_THE_STACK)
    for answer in ask(python, tmp_path, tuple(NAMES)).values():
        assert_right(answer)


@pytest.mark.lab
@pytest.mark.parametrize("name", RUNS)
def test_a_run_does_not_notice(newest: Path, tmp_path: Path, name: str) -> None:
    requests = (f"trajectory:{name}:with", f"trajectory:{name}:without")
    found = ask(newest, tmp_path, requests)
    with_it, without = (found[request] for request in requests)
    assert "failed" not in with_it and without["logs"]
    del with_it["request"], without["request"]
    assert with_it == without


@pytest.mark.lab
def test_two_processes_do_not_notice(newest: Path, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    found = []
    for how in ("with", "without"):  # each in processes of its own, as torchrun starts them
        (tmp_path / how).mkdir()
        found += ask(newest, tmp_path / how, (f"trajectory:healthy_sft_lora_4bit:{how}",), *launcher).values()
    with_it, without = found
    assert "failed" not in with_it and without["logs"]
    del with_it["request"], without["request"]
    assert with_it == without


@pytest.mark.lab
def test_a_run_would_notice_if_nothing_were_put_back(newest: Path, tmp_path: Path) -> None:
    requests = tuple(f"trajectory:healthy_sft_lora_4bit:{how}" for how in ("without", "careless"))
    found = ask(newest, tmp_path, requests)
    without, careless = (found[request] for request in requests)
    assert without["logs"] != careless["logs"] and without["random"] != careless["random"]


@pytest.mark.lab
def test_it_costs_less_than_a_step(newest: Path, tmp_path: Path) -> None:
    cost = ask(newest, tmp_path, ("cost",))["cost"]
    assert cost["preflight"] < cost["step"], cost


@pytest.mark.lab
def test_it_raises_or_warns_as_it_was_told(newest: Path, tmp_path: Path) -> None:
    answer = ask(newest, tmp_path, ("choices",))["choices"]
    assert "failed" not in answer, answer
    said = answer["said"]
    broken = {how: said[f"MDL101_inference_adapter {how}"] for how in ("raise", "warn", "return")}
    assert broken["raise"]["raised"].startswith("MDL101  No weight of the model is trained\n")
    assert "is_trainable=True" in broken["raise"]["raised"] and broken["raise"]["warned"] == []
    assert broken["warn"]["raised"] == "" and broken["warn"]["warned"][0].startswith("sftdoctor: MDL101")
    assert broken["return"] == {"raised": "", "warned": [], "verdict": "breaks"}
    doubtful = said["DAT106_two_starts raise"]
    assert doubtful["raised"] == "" and doubtful["verdict"] == "at-risk" and "DAT106" in doubtful["warned"][0]
    assert said["healthy_plain raise"] == {"raised": "", "warned": [], "verdict": "clean"}
    assert said["callback"] == "MDL101"
    assert answer["ignored"] == []
