"""The fingerprint holds until something that a proof depends on changes."""

from __future__ import annotations

import json
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
from sftdoctor.proof.certificate import certify, fingerprint, read_certificate, subject_of, verify


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
