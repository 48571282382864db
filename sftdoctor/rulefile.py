"""One rule file: its text and data, and the Rule made of data that rulecheck has accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sftdoctor.errors import RuleError
from sftdoctor.model import Case, Confidence, Evidence, Rule, RuleFix, Safety, Severity

FINDING = "finding"
"""Anchor of an edit that is made where the finding itself is, and at no fact."""
PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_.-]*)\}")
CASE_DATA: Mapping[str, type | tuple[type, ...]] = {
    "python": str,
    "platform": dict,
    "gpu": str,
    "variables": dict,
    "driver": str,
    "driver_cuda": str,
    "torch": dict,
    "requires": dict,
    "extras": dict,
    "requires_python": dict,
    "files": dict,
    "elf": dict,
    "problems": list,
    "entry_points": list,
    "complete": bool,
    "script": str,
    "config": str,
    "beside": dict,
    "arguments": list,
    "model": dict,
    "scenario": str,
    "log": str,
}
"""What else a case may say, and of which type; testing.py documents each."""


class Source:
    """A TOML file's text and data, to say where a key stands.

    Args:
        path: As messages name it.
        text: The file's text.
        data: What the text says.
    """

    def __init__(self, path: str, text: str, data: Mapping[str, Any]) -> None:
        self.path = path
        self.text = text
        self.data = data

    def error(self, message: str, key: str = "", table: str = "", index: int = 0) -> RuleError:
        """The RuleError for a key of a table (of the index-th, where there are several)."""
        line = self._line(key, table, index)
        where = ".".join(part for part in (f"{table}[{index}]" if table and index else table, key) if part)
        at = f"{self.path}:{line}" if line else self.path
        return RuleError(
            f"{at}: {where}: {message}" if where else f"{at}: {message}",
            "Mend the file; `sftdoctor rules test` tells whether it is right.",
        )

    def _line(self, key: str, table: str, index: int) -> int | None:
        lines = self.text.splitlines()
        start = 0
        if table:
            header = re.compile(rf"\s*\[\[?\s*{re.escape(table)}\s*\]\]?")
            headers = [number for number, line in enumerate(lines) if header.match(line)]
            if index < len(headers):
                start = headers[index]
        assignment = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        for number in range(start, len(lines)) if key else ():
            if assignment.match(lines[number]):
                return number + 1
        return start + 1 if table else None


def make_rule(data: Mapping[str, Any], path: str) -> Rule:
    """The Rule of data that check_rule has accepted.

    Args:
        data: As check_rule gives it back; without explain and case, or of a rule that a log alone shows without fix
            and evidence, the rule is good for judging alone.
        path: The rule's file.

    Returns:
        The rule.
    """
    return Rule(
        id=data["id"],
        name=data["name"],
        title=data["title"],
        severity=Severity(data["severity"]),
        message=data["message"].strip(),
        explain=data.get("explain", "").strip(),
        path=path,
        symptom=data.get("symptom", "").strip(),
        confidence=Confidence(data.get("confidence", "certain")),
        applies=data.get("applies", {}),
        fails=data["fails"],
        fixes=tuple(_make_fix(fix) for fix in data.get("fix", ())),
        evidence=tuple(Evidence(**evidence) for evidence in data.get("evidence", ())),
        cases=tuple(_make_case(case) for case in data.get("case", ())),
    )


def _make_fix(data: Mapping[str, Any]) -> RuleFix:
    return RuleFix(
        kind=data["kind"],
        safety=Safety(data["safety"]),
        reason=data["reason"].strip(),
        summary=data.get("summary", "").strip(),
        require=tuple(as_list(data.get("require"))),
        operation=data.get("operation", ""),
        anchor=data.get("anchor", ""),
        arguments=data.get("arguments", {}),
        names=tuple(as_list(data.get("names"))),
        when=data.get("when", {}),
    )


def _make_case(data: Mapping[str, Any]) -> Case:
    return Case(
        name=data["name"],
        expect=data["expect"],
        distributions=data.get("distributions", {}),
        source=data.get("source", {}),
        facts=data.get("facts", {}),
        data={key: data[key] for key in CASE_DATA if key in data},
    )


def as_list(value: Any) -> list[Any]:
    """A value that may be one text or a list of them, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def plain(value: Any) -> Any:
    """The same data with dates as ISO text, so that JSON can hold it."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
