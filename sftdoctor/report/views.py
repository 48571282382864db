"""Which formats each command has, besides text: name → what makes it. Nothing is made before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sftdoctor import report as formats
from sftdoctor.model import CaseResult, Explanation, FixResult, Proof, Report, Rule

if TYPE_CHECKING:
    from sftdoctor.report.sarif import Edited

Views = Mapping[str, Callable[[], str]]


def of_check(report: Report, rules: Callable[[], Sequence[Rule]], edited: Edited, given: Sequence[str] = ()) -> Views:
    """The formats of check.

    Args:
        report: What was found.
        rules: Reads the rules that were asked, with their pages.
        edited: Carries out the edits that fixes name, on texts.
        given: The words of the command line that name target and workload, for the advice.
    """
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.to_dict(report)),
        "sarif": lambda: formats.json_report.dumps(formats.sarif.to_dict(report, rules(), edited)),
        "github": lambda: formats.github.render(report),
        "gitlab": lambda: formats.json_report.dumps(formats.gitlab.to_list(report)),
        "junit": lambda: formats.junit.render(report, rules()),
        "markdown": lambda: formats.markdown.render(report, given=given),
        "html": lambda: formats.html.page(report, given=given),
    }


def of_fix(result: FixResult) -> Views:
    """The formats of fix."""
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.fix_to_dict(result)),
        "markdown": lambda: formats.markdown.fix(result),
    }


def of_proof(proof: Proof) -> Views:
    """The formats of prove."""
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.proof_to_dict(proof)),
        "markdown": lambda: formats.markdown.proof(proof),
    }


def of_explanation(explanation: Explanation) -> Views:
    """The formats of explain."""
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.explanation_to_dict(explanation)),
        "markdown": lambda: formats.markdown.explanation(explanation),
    }


def of_rules(chosen: Sequence[Rule], *, page: bool) -> Views:
    """The formats of rules; page: whether one was asked for by its name."""
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.rules_to_dict(chosen)),
        "markdown": lambda: formats.markdown.rules(chosen, page=page),
    }


def of_results(results: Sequence[CaseResult]) -> Views:
    """The formats of rules test."""
    return {
        "json": lambda: formats.json_report.dumps(formats.json_report.results_to_dict(results)),
        "markdown": lambda: formats.markdown.results(results),
    }
