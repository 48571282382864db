"""The fingerprint holds until something that a proof depends on changes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.errors import ProofError
from sftdoctor.model import (
    Accelerator,
    Check,
    Distribution,
    Environment,
    NotJudged,
    Proof,
    Target,
    TargetKind,
    TorchBuild,
)
from sftdoctor.proof.certificate import certify, fingerprint, read_certificate, subject_of, verify, verify_launch


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    info = tmp_path / "peft-0.17.1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("peft/__init__.py,sha256=abc,10\n")
    return Environment(
        Target(TargetKind.INTERPRETER, "/venv/bin/python", "3.11.7"),
        "3.11.7",
        markers={"sys_platform": "linux", "platform_machine": "x86_64"},
        distributions={
            "peft": Distribution("peft", "0.17.1", metadata=str(info)),
            "rich": Distribution("rich", "14.0"),
        },
        accelerators=(Accelerator("cuda", "NVIDIA T4", 16_000_000_000, (7, 5)),),
        driver="550.1",
        torch_build=TorchBuild("2.6.0+cu124", "12.4"),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.11.8"},
        {"markers": {"sys_platform": "darwin"}},
        {"distributions": {}},
        {"distributions": {"peft": Distribution("peft", "0.17.1")}},
        {"accelerators": ()},
        {"driver": "560.1"},
        {"torch_build": TorchBuild("2.6.0+cpu")},
    ],
)
def test_what_changes_the_fingerprint(environment: Environment, change: dict[str, Any]) -> None:
    assert fingerprint(replace(environment, **change)) != fingerprint(environment)


def test_rebuilt_package_changes_the_fingerprint(environment: Environment) -> None:
    before = fingerprint(environment)
    Path(str(environment.distributions["peft"].metadata), "RECORD").write_text("peft/__init__.py,sha256=abd,10\n")
    assert fingerprint(environment) != before


@pytest.mark.parametrize(
    "change",
    [
        {"target": Target(TargetKind.INTERPRETER, "/moved/bin/python", "3.11.7")},
        {"not_judged": (NotJudged("driver", "slow today"),)},
    ],
)
def test_what_does_not(environment: Environment, change: dict[str, Any]) -> None:
    assert fingerprint(replace(environment, **change)) == fingerprint(environment)


def passed(environment: Environment, subject: dict[str, Any] | None = None) -> dict[str, Any]:
    """The certificate of a proof that passed, as it comes back out of JSON."""
    proof = Proof("passed", "cpu", "nf4", (Check("loss_finite", True, 4.1),), settings={"use_dora": True})
    made: dict[str, Any] = json.loads(
        json.dumps(certify(proof, environment, {"versions": {"peft": "0.17.1"}}, subject))
    )
    return made


def test_a_certificate_holds_for_its_environment_alone(environment: Environment) -> None:
    certificate = passed(environment)
    assert certificate["runs"][0]["checks"] == ["loss_finite"]
    assert certificate["runs"][0]["settings"] == {"use_dora": True}
    assert verify(certificate, environment) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python": "3.12.1"}, ["python: 3.11.7 → 3.12.1"]),
        ({"driver": None}, ["driver: 550.1 → none"]),
        ({"distributions": {"peft": Distribution("peft", "0.18.0")}}, ["peft: 0.17.1 → 0.18.0", "rich: 14.0 → none"]),
        ({"markers": {"sys_platform": "linux", "platform_machine": "arm64"}}, ["platform_machine: x86_64 → arm64"]),
        ({"accelerators": ()}, ['accelerators: [["cuda", "NVIDIA T4", 16000000000]] → none']),
        (
            {"torch_build": TorchBuild("2.6.0+cpu")},
            ['torch: ["2.6.0+cu124", "12.4", null] → ["2.6.0+cpu", null, null]'],
        ),
    ],
)
def test_what_differs_is_said(environment: Environment, change: dict[str, Any], said: list[str]) -> None:
    found = verify(passed(environment), replace(environment, **change))
    assert [line for line in found if "installed files" not in line] == said


def test_edited_packages_are_named(environment: Environment) -> None:
    certificate = passed(environment)
    Path(str(environment.distributions["peft"].metadata), "RECORD").write_text("peft/__init__.py,sha256=abd,10\n")
    assert verify(certificate, environment) == ("peft: its installed files have changed",)


def test_the_model_and_the_script_count(environment: Environment, tmp_path: Path) -> None:
    folder, script = tmp_path / "model", tmp_path / "train.py"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    script.write_text("a")
    certificate = passed(environment, subject_of(folder, script))
    assert verify(certificate, environment) == ()
    assert verify(certificate, environment, subject_of(folder, script)) == ()
    (folder / "config.json").write_text("{ }")
    assert verify(certificate, environment, subject_of(folder, script)) == ("the model has changed",)
    script.write_text("b")
    assert len(verify(certificate, environment, subject_of(folder, script))) == 2
    assert verify(passed(environment), environment, subject_of("qwen3")) == ("the proof trained no model of yours",)


CONFIG = "distributed_type: DEEPSPEED\ndeepspeed_config:\n  deepspeed_config_file: 'ds.json'  # beside it\n"


@pytest.fixture
def launched(environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The certificate of two processes that `accelerate launch` started with a config and DeepSpeed's beside it."""
    monkeypatch.chdir(tmp_path)
    Path("accelerate.yaml").write_text(CONFIG)
    Path("ds.json").write_text("{}")
    return passed(environment, subject_of(ranks=2, config=Path("accelerate.yaml")))


def test_the_launch_is_told(launched: dict[str, Any], environment: Environment) -> None:
    launch = launched["subject"]["launch"]
    assert (launch["launcher"], launch["processes"], launch["config"]) == ("accelerate launch", 2, "accelerate.yaml")
    by_torchrun = passed(environment, subject_of(ranks=2))["subject"]["launch"]
    assert by_torchrun == {"launcher": "torchrun", "processes": 2, "config": None, "digest": None}
    assert subject_of() == {}  # one process has no launcher


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("accelerate.yaml", CONFIG + "zero_stage: 3\n", "the proof was launched with, has changed"),
        ("accelerate.yaml", None, "the proof was launched with, cannot be read"),
        ("ds.json", '{"zero_optimization": {"stage": 3}}', "the proof was launched with, has changed"),
        ("ds.json", None, "the proof was launched with, has changed"),
        ("other.json", "{}", ""),
    ],
)
def test_a_config_of_accelerate_counts(launched: dict[str, Any], file: str, text: str | None, said: str) -> None:
    assert verify_launch(launched) == ()
    Path(file).unlink(missing_ok=True)
    if text is not None:
        Path(file).write_text(text)
    assert [said in line for line in verify_launch(launched)] == ([True] if said else [])


def test_the_config_that_the_job_has_is_the_one_that_counts(launched: dict[str, Any], environment: Environment) -> None:
    assert verify_launch(launched, [Path("accelerate.yaml")]) == ()
    Path("fsdp.yaml").write_text("distributed_type: FSDP\n")
    said = verify_launch(launched, [Path("fsdp.yaml")])
    assert said == ("fsdp.yaml is not the config of accelerate that the proof was launched with",)
    alone = verify_launch(passed(environment), [Path("fsdp.yaml")])
    assert alone == ("the proof ran one process, not those of fsdp.yaml",)
    by_torchrun = passed(environment, subject_of(ranks=2))
    assert verify_launch(by_torchrun, [Path("fsdp.yaml")]) == ("the proof was started by torchrun, not with fsdp.yaml",)
    assert verify_launch(by_torchrun) == ()


def test_a_certificate_may_name_anything_as_its_config(launched: dict[str, Any]) -> None:
    os.mkfifo("pipe")  # which nobody writes to
    for name in ("pipe", "/dev/zero", "a\0b", "x" * 9999, 7, ["a"]):
        launch = {**launched["subject"]["launch"], "config": name}
        assert all(isinstance(line, str) for line in verify_launch({"subject": {"launch": launch}}))
    assert verify_launch({"subject": [], "verdict": 1}) == verify_launch({}) == ()


@pytest.mark.parametrize("verdict", ["failed", "not-possible"])
def test_no_other_verdict_is_accepted(environment: Environment, verdict: str) -> None:
    assert verify(certify(Proof(verdict, "cpu", "nf4"), environment, {}), environment)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": None},
        {"fingerprint": "sha256:0"},
        {"environment": None},
        {"environment": {}},
        {"environment": {"python": ["\x1b[31m"] * 9}},
        {"subject": []},
        {"subject": {"model": "other"}},
        {"verdict": None},
    ],
)
def test_a_certificate_that_was_edited(environment: Environment, change: dict[str, Any]) -> None:
    assert verify({**passed(environment), **change}, environment)


def test_a_certificate_that_says_nothing(environment: Environment) -> None:
    assert verify({}, environment)
    assert verify({"verdict": "passed"}, environment)


@pytest.mark.parametrize("wrap", [(), ("certificate",), ("proof", "certificate")])
def test_it_is_found_in_every_report(environment: Environment, tmp_path: Path, wrap: tuple[str, ...]) -> None:
    data: dict[str, Any] = passed(environment)
    for key in reversed(wrap):
        data = {key: data}
    path = tmp_path / "proof.json"
    path.write_text(json.dumps(data))
    assert read_certificate(path) == passed(environment) | {"date": read_certificate(path)["date"]}


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 10_000, '{"certificate": {}}', "\x00"])
def test_a_file_that_holds_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "proof.json"
    path.write_text(text)
    with pytest.raises(ProofError) as caught:
        read_certificate(path)
    assert "sftdoctor prove" in caught.value.hint
    with pytest.raises(ProofError, match="cannot be read"):
        read_certificate(tmp_path / "none.json")
