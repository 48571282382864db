"""What the linker found: `link`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sftdoctor.model import Finding, Place
from sftdoctor.predicates.core import Argument, Context, Judgement, Match, as_texts, fails_each, predicate

KINDS = (
    "missing-name",
    "unexpected-keyword",
    "missing-module",
    "missing-distribution",
    "missing-attribute",
    "missing-argument",
    "import-order",
    "abstract-method",
    "unknown-option",
    "clashing-field",
    "copied-field",
    "unknown-key",
    "ignored-key",
    "wrong-value",
    "number-as-text",
    "truth-as-text",
    "repeated-key",
    "too-many-positionals",
    "override-mismatch",
    "refused-arguments",
    "version-gate",
    "unbound-name",
    "numpy-binary-interface",
    "extension-cannot-load",
)
"""What the linker calls its findings (Finding.rule)."""

SCRIPT = "script"
"""How a rule names a caller or callee that is a file of the user's and not of a distribution."""

ASKS = {"unknown-key": "The config passes"}
"""How a finding of that kind asks, as the beginning of a sentence; of all others a script does."""

VALUES = (
    "name",
    "value",
    "asks",
    "caller",
    "caller_version",
    "callee",
    "callee_version",
    "symbol",
    "callable",
    "module",
    "where",
    "link.title",
    "link.message",
    "link.symptom",
)


@predicate(
    "link",
    {
        "kind": Argument("texts", "kind of the linker's finding", required=True, choices=KINDS),
        "caller": Argument("texts", f'distribution that asks; "{SCRIPT}" for a file of the user\'s'),
        "callee": Argument("texts", f'distribution that is asked; "{SCRIPT}" for a file of the user\'s'),
        "name": Argument("texts", "the name, keyword or module that is asked for"),
        "symbol": Argument("texts", "what is asked: dotted name, or its end (prepare_model_for_kbit_training)"),
        "module": Argument("texts", "module of the caller, or a package that it lies in"),
        "expression": Argument("texts", "words that stand in the code that asks"),
    },
    values=VALUES,
)
def link(context: Context, arguments: Mapping[str, Any]) -> Judgement:
    """The linker found a break of that kind; the rule's texts and fixes replace the linker's, its cause stays."""
    candidates = (finding for kind in as_texts(arguments["kind"]) for finding in context.links_by_kind.get(kind, ()))
    return fails_each(_match(finding) for finding in candidates if _fits(finding, arguments))


_ASKED = ("caller", "callee", "name", "symbol", "module", "expression")


def _fits(finding: Finding, arguments: Mapping[str, Any]) -> bool:
    cause = finding.cause
    if cause is None:
        return not any(part in arguments for part in _ASKED)
    symbol = (cause.callee.symbol or "") if cause.callee else ""
    module = cause.caller.module if cause.caller else ""
    return (
        _one_of(arguments.get("caller"), _distribution(cause.caller, finding))
        and _one_of(arguments.get("callee"), _distribution(cause.callee, finding))
        and _one_of(arguments.get("name"), cause.name)
        and _any(arguments.get("symbol"), lambda wanted: f".{symbol}".endswith(f".{wanted}"))
        and _any(arguments.get("module"), lambda wanted: f"{module}.".startswith(f"{wanted}."))
        and _any(arguments.get("expression"), lambda wanted: wanted in cause.expression)
    )


def _one_of(wanted: Any, value: str) -> bool:
    return wanted is None or value in as_texts(wanted)


def _any(wanted: Any, test: Any) -> bool:
    return wanted is None or any(test(text) for text in as_texts(wanted))


def _distribution(place: Place | None, finding: Finding) -> str:
    own = finding.location.path if finding.location else ""
    return SCRIPT if place is None or place.distribution in ("", own) else place.distribution


def _match(finding: Finding) -> Match:
    values: dict[str, str | tuple[str, ...]] = {
        "link.title": finding.title,
        "link.message": finding.message,
        "link.symptom": finding.symptom,
    }
    cause = finding.cause
    if cause is not None:
        values |= {
            "name": cause.name,
            "value": cause.value,
            **_side("caller", cause.caller),
            **_side("callee", cause.callee),
        }
        values["symbol"] = (cause.callee.symbol if cause.callee else None) or cause.name
        values["module"] = (cause.callee.module if cause.callee else "") or ""
        values["callable"] = _callable(cause.callee)
        values["where"] = _where(cause.caller)
        values["asks"] = ASKS.get(finding.rule, "The script passes")
    return Match(values, cause, finding.location, finding)


def _callable(place: Place | None) -> str:
    """What is called, as the signature probe names it: "trl.trainer.sft_config:SFTConfig"."""
    if place is None or not place.symbol or not place.module:
        return ""
    return f"{place.module}:{place.symbol.removeprefix(place.module + '.').removesuffix('.__init__')}"


def _side(side: str, place: Place | None) -> dict[str, str | tuple[str, ...]]:
    if place is None:
        return {side: "the script", f"{side}_version": ""}
    return {side: place.distribution or "the script", f"{side}_version": place.version or ""}


def _where(place: Place | None) -> str:
    if place is None:
        return "the script"
    return f"{place.path or place.module}:{place.line}" if place.line else place.path or place.module


def places(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Where each finding's caller asks, "trl/models/utils.py:538", without repetition and in order."""
    return tuple(dict.fromkeys(_where(finding.cause.caller) for finding in findings if finding.cause))
