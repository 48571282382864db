"""The JSON report, schema 1, described by schema/*.json: keys may be added, never renamed or removed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any

from sftdoctor import __version__
from sftdoctor.fingerprint import fingerprints
from sftdoctor.model import (
    SCHEMA,
    Action,
    CaseResult,
    Cause,
    Environment,
    Explanation,
    Finding,
    FixResult,
    Location,
    Place,
    Proof,
    Raised,
    Report,
    Rule,
    Severity,
)
from sftdoctor.report.environment import against_pip
from sftdoctor.report.redact import redact_all

JSON = dict[str, Any]


def dumps(value: JSON | list[JSON]) -> str:
    """One JSON text, ASCII only, so that every stream can carry it; "##", by which a CI runner knows commands, is
    spelled with an escape."""
    return json.dumps(_plain(value), indent=1, allow_nan=False).replace("##", "#\\u0023") + "\n"


def to_dict(report: Report) -> JSON:
    """A Report as `check --format json` prints it.

    Args:
        report: What was found.

    Returns:
        Plain values.
    """
    environment = report.environment
    target = environment.target
    return {
        "schema": SCHEMA,
        "tool": {"name": "sftdoctor", "version": __version__},
        "target": {"kind": target.kind.value, "path": target.path, "python": target.python},
        "verdict": report.verdict.value,
        "environment": environment_to_dict(environment),
        "scenario": report.workload.scenario.name,
        "findings": _with_fingerprints(report.findings),
        "suppressed": [
            {"by": one.by, "reason": one.reason, "finding": finding_to_dict(one.finding)} for one in report.suppressed
        ],
        "unproved": list(report.unproved),
        "prove_anew": report.prove_anew or None,
        "not_judged": [{"what": gap.what, "reason": gap.reason} for gap in report.not_judged],
        "summary": {
            **{severity.value: report.count(severity) for severity in Severity},
            "not_judged": len(report.not_judged),
            "suppressed": len(report.suppressed),
            "outlived": report.outlived,
            "seconds": round(report.seconds, 3),
        },
    }


def _with_fingerprints(findings: Sequence[Finding]) -> list[JSON]:
    marks = fingerprints(findings)
    return [{**finding_to_dict(one), "fingerprint": mark} for one, mark in zip(findings, marks, strict=True)]


def environment_to_dict(environment: Environment) -> JSON:
    """The facts of a target that a reader of a report wants: versions, devices, problems; no search paths."""
    return {
        "prefix": environment.target.prefix,
        "python": environment.python,
        "platform": {
            key: environment.markers[key] for key in ("sys_platform", "platform_machine") if key in environment.markers
        },
        "distributions": {name: found.version for name, found in sorted(environment.distributions.items())},
        "accelerators": _plain(environment.accelerators),
        "driver": environment.driver,
        "driver_cuda": environment.driver_cuda,
        "torch_build": _plain(environment.torch_build),
        "problems": _plain(environment.problems),
        "complete": environment.complete,
        "notes": list(environment.notes),
    }


def env_to_dict(environment: Environment, pip: str | None = None, listed: Mapping[str, str] | None = None) -> JSON:
    """A target as `env --format json` prints it, without tokens, users' names and private addresses.

    Args:
        environment: Its facts.
        pip: Version of the pip that was asked too; None where none was.
        listed: What it lists, name → version.
    """
    differing = [{"what": one.what, "here": one.a, "there": one.b} for one in against_pip(environment, listed or {})]
    said: JSON = {
        "schema": SCHEMA,
        "environment": environment_to_dict(environment),
        "pip": {"version": pip, "differences": differing} if pip is not None else None,
    }
    return {key: redact_all(value) for key, value in said.items()}


def finding_to_dict(finding: Finding) -> JSON:
    """One Finding."""
    return {
        "id": finding.id,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "title": finding.title,
        "message": finding.message,
        "symptom": finding.symptom,
        "cause": _cause(finding.cause),
        "location": _location(finding.location),
        "fixes": [
            {
                "kind": fix.kind,
                "safety": fix.safety.value,
                "summary": fix.summary,
                "require": list(fix.require),
                "reason": fix.reason,
            }
            for fix in finding.fixes
        ],
        "evidence": list(finding.evidence),
    }


def _cause(cause: Cause | None) -> JSON | None:
    if cause is None:
        return None
    return {
        "caller": _place(cause.caller),
        "callee": _place(cause.callee),
        "name": cause.name,
        "expression": cause.expression,
    }


def _place(place: Place | None) -> JSON | None:
    return None if place is None else asdict(place)


def _location(location: Location | None) -> JSON | None:
    return None if location is None else asdict(location)


def proof_to_dict(proof: Proof) -> JSON:
    """A Proof as `prove --format json` prints it."""
    failure = proof.failure
    return {
        "schema": SCHEMA,
        "verdict": proof.verdict,
        "reason": proof.reason,
        "device": proof.device,
        "quantization": proof.quantization,
        "settings": _plain(dict(proof.settings)),
        "model": proof.model,
        "notes": list(proof.notes),
        "checks": [
            {"name": check.name, "passed": check.passed, "value": _plain(check.value)} for check in proof.checks
        ],
        "seconds": round(proof.seconds, 3),
        "seconds_per_step": proof.seconds_per_step,
        "peak_memory_bytes": proof.peak_memory_bytes,
        "operators": list(proof.operators),
        "failure": None
        if failure is None
        else {
            "stage": failure.stage,
            "exception": failure.exception,
            "message": failure.message,
            "traceback": failure.traceback,
            "findings": [finding_to_dict(finding) for finding in failure.findings],
        },
        "not_settled": list(proof.not_settled),
        "script": proof.script or None,
        "replaced": list(proof.replaced),
        "runs": [proof_to_dict(run) for run in proof.runs],
        "certificate": _plain(proof.certificate),
    }


def fix_to_dict(result: FixResult) -> JSON:
    """A FixResult as `fix --format json` prints it."""
    return {
        "schema": SCHEMA,
        "outcome": result.outcome,
        "reason": result.reason,
        "actions": [_action(action) for action in result.plan.actions],
        "left_out": [{"action": _action(left.action), "reason": left.reason} for left in result.plan.left_out],
        "alternatives": [{"versions": dict(one.versions), "reason": one.reason} for one in result.plan.alternatives],
        "journal": result.journal,
        "before": to_dict(result.before),
        "after": to_dict(result.after) if result.after else None,
        "proof": proof_to_dict(result.proof) if result.proof else None,
        "proof_before": proof_to_dict(result.proof_before) if result.proof_before else None,
        "recovered": list(result.recovered),
        "advice": list(result.advice),
    }


def _action(action: Action) -> JSON:
    return {
        "kind": action.kind,
        "name": action.name,
        "from": action.old,
        "to": action.new,
        "safety": action.safety.value,
        "reason": action.reason,
        "findings": list(action.findings),
        "diff": action.diff,
        "along": action.along,
    }


def explanation_to_dict(explanation: Explanation) -> JSON:
    """An Explanation as `explain --format json` prints it."""
    environment = explanation.environment
    return {
        "schema": SCHEMA,
        "known": bool(explanation.findings),
        "exception": explanation.exception,
        "frames": list(explanation.frames),
        "root": _raised(explanation.root) if explanation.root else None,
        "chain": [_raised(raised) for raised in explanation.chain],
        "others": [_raised(raised) for raised in explanation.others],
        "findings": [finding_to_dict(finding) for finding in explanation.findings],
        "also": [finding_to_dict(finding) for finding in explanation.also],
        "pages": {rule.id: rule.explain for rule in explanation.pages},
        "environment": environment_to_dict(environment) if environment else None,
        "notes": list(explanation.notes),
        "origin": asdict(explanation.origin) if explanation.origin else None,
        "lines": explanation.lines,
    }


def _raised(raised: Raised) -> JSON:
    return {
        "kind": raised.kind,
        "message": raised.message,
        "relation": raised.relation or None,
        "rank": raised.rank or None,
        "line": raised.line,
        "frames": [asdict(frame) for frame in raised.frames],
    }


def rule_to_dict(rule: Rule) -> JSON:
    """A Rule as `rules --format json` lists it."""
    return {
        "id": rule.id,
        "name": rule.name,
        "title": rule.title,
        "severity": rule.severity.value,
        "confidence": rule.confidence.value,
        "symptom": rule.symptom,
        "explain": rule.explain,
        "applies": _plain(rule.applies),
        "fails": _plain(rule.fails),
        "fixes": [_plain(asdict(fix)) for fix in rule.fixes],
        "evidence": [asdict(evidence) for evidence in rule.evidence],
        "since": rule.since,
        "cases": [{"name": case.name, "expect": case.expect} for case in rule.cases],
    }


def rules_to_dict(rules: Sequence[Rule]) -> JSON:
    """Rules as `rules --format json` lists them."""
    return {"schema": SCHEMA, "rules": [rule_to_dict(rule) for rule in rules]}


def results_to_dict(results: Sequence[CaseResult]) -> dict[str, Any]:
    """Results of cases, as `rules test --format json` prints them."""
    names = ("rule", "case", "expected", "got", "reason", "passed")
    return {"schema": SCHEMA, "cases": [{name: getattr(result, name) for name in names} for result in results]}


def _plain(value: Any) -> Any:
    """Anything as JSON can say it; numbers that JSON lacks (nan, inf) as strings."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return str(value)
