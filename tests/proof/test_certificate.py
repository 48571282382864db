"""The fingerprint holds until something that a proof depends on changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

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
from sftdoctor.proof.certificate import certify, fingerprint, verify


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


def test_a_certificate_holds_for_its_environment_alone(environment: Environment) -> None:
    proof = Proof("passed", "cpu", "nf4", (Check("loss_finite", True, 4.1),))
    certificate = certify(proof, environment, {"versions": {"peft": "0.17.1"}})
    assert certificate["runs"][0]["checks"] == ["loss_finite"]
    assert verify(certificate, environment)
    assert not verify(certificate, replace(environment, python="3.12.1"))


@pytest.mark.parametrize("verdict", ["failed", "not-possible"])
def test_no_other_verdict_is_accepted(environment: Environment, verdict: str) -> None:
    assert not verify(certify(Proof(verdict, "cpu", "nf4"), environment, {}), environment)


@pytest.mark.parametrize("certificate", [{}, {"verdict": "passed"}, {"verdict": "passed", "fingerprint": None}])
def test_a_certificate_that_says_nothing(environment: Environment, certificate: dict[str, Any]) -> None:
    assert not verify(certificate, environment)
