"""Asks of the versions that a rule's package fixes name whether the rule itself would accept them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sftdoctor.model import Case, CaseResult, Rule, RuleFix
from sftdoctor.rulefile import PLACEHOLDER
from sftdoctor.testing import run_case


def run_fixes(rule: Rule) -> tuple[CaseResult, ...]:
    """Ask of each version that a rule's package fixes name whether the rule itself would accept it.

    A fix is refused where the failing case meets its requirement already, so that it would change nothing; and, for
    rules that look at versions alone, where the oldest version that it allows fails as well.

    Args:
        rule: The rule, with its cases.

    Returns:
        One result a failing case and fix; "fail" is what is expected of none.
    """
    results = []
    for case in rule.cases:
        if case.expect != "fail":
            continue
        for fix in rule.fixes:
            if not _is_offered(fix, case):
                continue
            wanted = [Requirement(line) for line in fix.require if not PLACEHOLDER.search(line)]
            # what an extra brings only its package's metadata would tell
            if wanted and not any(line.extras for line in wanted):
                got, reason = _try_fix(rule, case, wanted)
                name = f"{case.name}, after {', '.join(fix.require)}"
                results.append(CaseResult(rule.id, name, "pass", got, reason))
    return tuple(results)


def _is_offered(fix: RuleFix, case: Case) -> bool:
    """Whether a case is about what a fix is for: one of its names, where it has some, and no condition on the code."""
    if fix.when:
        return False
    return not fix.names or any(name in str(case.data.get("script", case.source)) for name in fix.names)


def _try_fix(rule: Rule, case: Case, wanted: Sequence[Requirement]) -> tuple[str, str]:
    installed = dict(case.distributions)
    if all(_allows(line, installed.get(canonicalize_name(line.name))) for line in wanted):
        return "fail", "the fix changes nothing: the case meets it already"
    if not _probes(rule.fails) <= _OF_VERSIONS:
        return "pass", ""
    for line in wanted:
        installed[canonicalize_name(line.name)] = _oldest(line)
    repaired = replace(case, distributions=installed)
    return run_case(rule, repaired).got, "the rule rejects the version that its own fix names"


_OF_VERSIONS = frozenset({"all", "any", "not", "version", "python", "facts", "gpu", "platform", "model"})
"""Probes whose answer a case's versions and facts decide; others ask sources, which a fix would bring anew."""


def _probes(table: Mapping[str, Any]) -> frozenset[str]:
    of = table.get("of", ())
    parts = [of] if isinstance(of, Mapping) else of
    return frozenset({str(table["probe"])}).union(*map(_probes, parts))


def _allows(line: Requirement, version: str | None) -> bool:
    return version is not None and line.specifier.contains(version, prereleases=True)


def _oldest(line: Requirement) -> str:
    """The oldest version that a requirement allows, as far as its own bounds tell."""
    bounds = {clause.operator: clause.version for clause in line.specifier}
    for operator in ("==", ">=", "~="):
        if operator in bounds:
            return bounds[operator].replace(".*", ".0")
    return "0.0.1" if "<" in bounds or "<=" in bounds else "9999"
