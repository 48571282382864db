"""Preflight without a stack: what it refuses, which rules it asks, how the callback behaves to a trainer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

import sftdoctor
from sftdoctor.errors import UsageError
from sftdoctor.live.callback import SFTDoctorCallback
from sftdoctor.live.look import in_words, live_rules
from sftdoctor.model import Confidence, Finding, Fix, Safety, Severity
from sftdoctor.predicates.live import LIVE


@pytest.mark.parametrize(
    ("trainer", "on_error", "what"),
    [
        (SimpleNamespace(model=1, args=2, compute_loss=3), "explode", "on_error='explode' makes no sense"),
        ("train.py", "raise", "str is no trainer"),
        (SimpleNamespace(model=1), "raise", "SimpleNamespace is no trainer"),
    ],
)
def test_what_is_refused(trainer: object, on_error: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        sftdoctor.preflight(trainer, on_error=on_error)  # type: ignore[arg-type]


def test_rules_that_only_preflight_judges_have_ids_from_101_on() -> None:
    rules = live_rules()
    assert rules and all(rule.id[:3] in ("MDL", "DAT") and int(rule.id[3:]) > 100 for rule in rules)


def test_every_measured_fact_is_of_use() -> None:
    texts = "".join(f"{rule.fails} {rule.message} {rule.title}" for rule in live_rules())
    notes = {"rows", "supervised_percent", "parameters", "loss_has_gradient", "trained_in", "kept_in", "devices"}
    assert {name for name in LIVE if name not in texts} <= notes


def test_a_finding_in_words() -> None:
    fix = Fix("config", Safety.MANUAL, "load it with is_trainable=True")
    finding = Finding("MDL101", "x", Severity.ERROR, Confidence.CERTAIN, "Nothing", "None of 3.", fixes=(fix,))
    assert "\x1b" not in in_words(replace(finding, message="RuntimeError: \x1b[31mred"))
    assert in_words(finding) == "MDL101  Nothing\n    None of 3.\n    fix: load it with is_trainable=True"


def test_the_callback_does_nothing_to_other_events() -> None:
    callback = SFTDoctorCallback()
    assert callback.on_step_end(1, 2, 3, model=4) is None
    with pytest.raises(AttributeError, match="no attribute 'state'"):
        _ = callback.state


def test_the_callback_needs_a_trainer_that_calls() -> None:
    with pytest.raises(UsageError, match="no trainer called the callback"):
        SFTDoctorCallback().on_train_begin(None, None, None)
