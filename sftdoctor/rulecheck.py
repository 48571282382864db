"""One rule file: its TOML checked strictly.

Every refusal is a RuleError that names the file, the line where it can be found, and the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sftdoctor.model import OUTSIDE, Confidence, Safety, Severity
from sftdoctor.operations import OPERATIONS
from sftdoctor.predicates import PREDICATES, Argument
from sftdoctor.rulefile import CASE_DATA, FINDING, PLACEHOLDER, Source, as_list, plain
from sftdoctor.symptoms import compile_symptom

HEADINGS = ("## What happens", "## Why", "## Fix safety")
FIX_KINDS = ("package", "edit", "config", "command")
EXPECT = ("pass", "fail", "unknown")

_ID = re.compile(r"[A-Z]{3}\d{3}")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TOP = ("schema", "id", "name", "title", "severity", "confidence", "message", "symptom", "explain", "applies", "fails")
_TOP_REQUIRED = ("schema", "id", "name", "title", "severity", "message", "explain", "fails")
_FIX = ("kind", "safety", "reason", "summary", "require", "operation", "anchor", "arguments", "names", "when")
_EVIDENCE = ("claim", "source", "checked", "method")
_CASE = ("name", "expect", "distributions", "source", "facts", *CASE_DATA)


def check_rule(source: Source, stem: str) -> Mapping[str, Any]:
    """Check the data of one rule file.

    Args:
        source: The file.
        stem: Its file name without ".toml"; the rule's id must be the same.

    Returns:
        The data as JSON can hold it: dates as ISO text.

    Raises:
        RuleError: Something in it is missing, wrong or unknown.
    """
    data: Mapping[str, Any] = plain(source.data)
    check_keys(source, data, (*_TOP, "fix", "evidence", "case"), _TOP_REQUIRED)
    if data["schema"] != 1 or isinstance(data["schema"], bool):
        raise source.error("must be 1", "schema")
    if not _ID.fullmatch(data["id"]) or data["id"] != stem:
        raise source.error(f"must be three capitals and three digits and the file's name ({stem})", "id")
    if not _NAME.fullmatch(data["name"]):
        raise source.error("must be words in lower case with dashes between", "name")
    _check_choice(source, data, "severity", [severity.value for severity in Severity])
    _check_choice(source, data, "confidence", [confidence.value for confidence in Confidence])
    _check_explain(source, data["explain"])
    _check_pattern(source, data.get("symptom"), "symptom")
    _check_applies(source, table(source, data, "applies"))
    probe = table(source, data, "fails")
    _check_probe(source, probe, "fails")
    if probe["probe"] == OUTSIDE and not data.get("symptom"):
        raise source.error("a rule that logs alone show needs a symptom", "symptom")
    if probe["probe"] == OUTSIDE:
        for name in ("frame", "raiser", "alone"):
            _check_pattern(source, probe.get(name), name, "fails")
    fixes = _tables(source, data, "fix")
    for index, fix in enumerate(fixes):
        _check_fix(source, fix, index)
    _check_placeholders(source, data, probe, fixes)
    _check_evidence(source, _tables(source, data, "evidence"))
    _check_cases(source, _tables(source, data, "case"), logs_alone=probe["probe"] == OUTSIDE)
    return data


def check_keys(
    source: Source,
    data: Mapping[str, Any],
    known: tuple[str, ...],
    required: tuple[str, ...],
    table: str = "",
    index: int = 0,
) -> None:
    """Refuse unknown keys, missing ones, and texts that are none or empty.

    Args:
        source: The file, for the message.
        data: What it says at this place.
        known: The keys there may be.
        required: The keys there must be.
        table: The place: a table's name, "" for the top.
        index: Which of several such tables.

    Raises:
        RuleError: A key is unknown or missing, or its text is none.
    """
    for key in data:
        if key not in known:
            raise source.error(f"unknown key (known: {', '.join(known)})", key, table, index)
        # a case's `source` is a table, an evidence's a text
        if key in _TEXTS and table != "case" and not isinstance(data[key], str):
            raise source.error("must be a text", key, table, index)
    for key in required:
        if key not in data:
            raise source.error(f"{key} is missing", "", table, index)
        if isinstance(data[key], str) and not data[key].strip():
            raise source.error("is empty", key, table, index)


_TEXTS = (
    *("id", "name", "title", "severity", "message", "explain"),
    *("claim", "source", "checked", "method"),
    *("kind", "safety", "reason", "summary", "operation", "anchor", "expect"),
)


def _check_choice(source: Source, data: Mapping[str, Any], key: str, choices: list[str]) -> None:
    if key in data and data[key] not in choices:
        raise source.error(f"{data[key]!r} is none of {', '.join(choices)}", key)


def _check_explain(source: Source, explain: str) -> None:
    lines = [line.strip() for line in explain.splitlines()]
    found = [line for line in lines if line.startswith("#")]
    if found != list(HEADINGS):
        raise source.error(f"must have exactly the headings {', '.join(HEADINGS)}, in this order", "explain")
    for heading, following in zip(HEADINGS, (*HEADINGS[1:], None), strict=True):
        end = lines.index(following) if following else len(lines)
        if not any(lines[lines.index(heading) + 1 : end]):
            raise source.error(f"nothing is said under {heading!r}", "explain")


def _check_pattern(source: Source, pattern: Any, key: str, table: str = "") -> None:
    if pattern is None:
        return
    if not isinstance(pattern, str):
        raise source.error("must be a text", key, table)
    try:
        compile_symptom(pattern)
    except ValueError as error:
        raise source.error(str(error), key, table) from error


def _check_applies(source: Source, applies: Mapping[str, Any]) -> None:
    for name, specifier in applies.items():
        if canonicalize_name(name) != name:
            raise source.error(f"write the canonical name {canonicalize_name(name)!r}", name, "applies")
        problem = _SPECIFIER.problem(specifier)
        if problem:
            raise source.error(problem, name, "applies")


_SPECIFIER = Argument("specifier", "")


def _check_probe(source: Source, probe: Any, where: str) -> None:
    name = probe.get("probe") if isinstance(probe, Mapping) else None
    if not isinstance(name, str) or name not in PREDICATES:
        raise source.error(f"probe {name!r} is none of {', '.join(sorted(PREDICATES))}", "probe", where)
    registered = PREDICATES[name]
    for key, value in probe.items():
        if key == "probe":
            continue
        if key not in registered.arguments:
            known = ", ".join(registered.arguments) or "none"
            raise source.error(f"{name} has no argument {key!r} (it has: {known})", key, where)
        problem = registered.arguments[key].problem(value)
        if problem:
            raise source.error(f"{name}: {problem}", key, where)
        for part in _parts(registered.arguments[key], value):
            _check_probe(source, part, where)
    for key, argument in registered.arguments.items():
        if argument.required and key not in probe:
            raise source.error(f"{name} needs {key}", "", where)
    if registered.one_of and not any(key in probe for key in registered.one_of):
        raise source.error(f"{name} needs one of {', '.join(registered.one_of)}", "", where)


def _parts(argument: Argument, value: Any) -> tuple[Any, ...]:
    if argument.kind == "probes":
        return tuple(value)
    return (value,) if argument.kind == "probe" else ()


def _check_fix(source: Source, fix: Mapping[str, Any], index: int) -> None:
    check_keys(source, fix, _FIX, ("kind", "safety", "reason"), "fix", index)
    if fix["kind"] not in FIX_KINDS:
        raise source.error(f"{fix['kind']!r} is none of {', '.join(FIX_KINDS)}", "kind", "fix", index)
    if fix["safety"] not in [safety.value for safety in Safety]:
        raise source.error(f"{fix['safety']!r} is none of safe, unsafe, manual", "safety", "fix", index)
    if fix["kind"] == "package":
        _check_requirements(source, fix, index)
    elif fix["kind"] == "edit":
        _check_edit(source, fix, index)
    if not all(isinstance(name, str) and name for name in as_list(fix.get("names"))):
        raise source.error("must be a name or a list of them", "names", "fix", index)
    if "when" in fix:
        _check_probe(source, fix["when"], "fix")
    if fix["kind"] != "package" and not fix.get("summary"):
        raise source.error("must say what is done", "summary", "fix", index)


def _check_requirements(source: Source, fix: Mapping[str, Any], index: int) -> None:
    required = as_list(fix.get("require"))
    if not required:
        raise source.error("must be a requirement or a list of them", "require", "fix", index)
    for line in required:
        try:
            # a placeholder stands for a name or a range: any will do to see whether the rest is right
            Requirement(PLACEHOLDER.sub(lambda match: _STAND_IN.get(match[1], "x"), line))
        except (InvalidRequirement, TypeError) as error:
            raise source.error(f"{line!r} is no requirement", "require", "fix", index) from error


_STAND_IN = {"specifier": ">=1"}


def _check_edit(source: Source, fix: Mapping[str, Any], index: int) -> None:
    operation = fix.get("operation", "")
    if operation not in OPERATIONS:
        raise source.error(f"{operation!r} is none of {', '.join(OPERATIONS)}", "operation", "fix", index)
    arguments = fix.get("arguments", {})
    if not isinstance(arguments, Mapping) or not all(isinstance(text, str) for text in arguments.values()):
        raise source.error("must be a table of texts", "arguments", "fix", index)
    needed, optional = OPERATIONS[operation]
    if not set(needed) <= set(arguments) <= {*needed, *optional}:
        raise source.error(f"{operation} needs {', '.join((*needed, *optional))}", "arguments", "fix", index)
    if not fix.get("anchor"):
        raise source.error(f"must be the name of a fact, or {FINDING!r}", "anchor", "fix", index)


def _check_placeholders(
    source: Source, data: Mapping[str, Any], probe: Mapping[str, Any], fixes: list[Mapping[str, Any]]
) -> None:
    known = {"python", *data.get("applies", ()), *_values(probe)}
    texts = [(data["title"], "title", "", 0), (data["message"], "message", "", 0)]
    for index, fix in enumerate(fixes):
        texts += [(text, "", "fix", index) for text in _fix_texts(fix)]
    for text, key, table, index in texts:
        for match in PLACEHOLDER.finditer(text):
            if match[1] not in known and not match[1].startswith("fact."):
                known_words = ", ".join(sorted(known))
                raise source.error(f"{match[0]} stands for nothing (known: {known_words}, fact.…)", key, table, index)


def _values(probe: Mapping[str, Any]) -> Iterator[str]:
    registered = PREDICATES[probe["probe"]]
    yield from registered.values
    if "distribution" in probe and registered.name == "version":
        yield probe["distribution"]
    for key, argument in registered.arguments.items():
        for part in _parts(argument, probe[key]) if key in probe else ():
            yield from _values(part)


def _fix_texts(fix: Mapping[str, Any]) -> list[str]:
    asked = [text for text in _texts_in(fix.get("when", {})) if PLACEHOLDER.search(text)]
    said = [fix["reason"], fix.get("summary", ""), *as_list(fix.get("require"))]
    return [*said, *fix.get("arguments", {}).values(), *asked]


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(part)


def _check_evidence(source: Source, evidence: list[Mapping[str, Any]]) -> None:
    if not evidence:
        raise source.error("at least one [[evidence]] is needed")
    for index, one in enumerate(evidence):
        check_keys(source, one, _EVIDENCE, _EVIDENCE, "evidence", index)
        try:
            date.fromisoformat(one["checked"])
        except ValueError as error:
            raise source.error("must be a date, 2026-11-20", "checked", "evidence", index) from error


def _check_cases(source: Source, cases: list[Mapping[str, Any]], *, logs_alone: bool) -> None:
    for index, case in enumerate(cases):
        check_keys(source, case, _CASE, ("name", "expect"), "case", index)
        if case["expect"] not in EXPECT:
            raise source.error(f"{case['expect']!r} is none of {', '.join(EXPECT)}", "expect", "case", index)
        for key, kind in {"distributions": dict, "source": dict, "facts": dict, **CASE_DATA}.items():
            if key in case and not isinstance(case[key], kind):
                raise source.error("has the wrong type", key, "case", index)
        if logs_alone and "log" not in case:
            raise source.error("a rule that logs alone show needs a log in each case", "", "case", index)
    expected = {case["expect"] for case in cases}
    if not {"pass", "fail"} <= expected:
        raise source.error("at least one case that fails and one that passes are needed ([[case]])")


def table(source: Source, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table of that key; empty where there is none.

    Raises:
        RuleError: It is no table.
    """
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        raise source.error("must be a table", key)
    return value


def _tables(source: Source, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise source.error(f"must be tables, [[{key}]]", key)
    return value
