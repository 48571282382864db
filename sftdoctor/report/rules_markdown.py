"""The rules of one folder as a Markdown page, from the same texts as their pages on the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sftdoctor.model import FAMILIES, Rule
from sftdoctor.report import words
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.symptoms import readable

COMMAND = "sftdoctor rules pages"
PAGE_LINES = 400
_CODE = re.compile(r"(``.*?``|`[^`]*`)")


def family_page(rules: Sequence[Rule]) -> str:
    """The page of a folder of rules.

    Args:
        rules: Its rules, in order.

    Returns:
        Markdown: a table of them, then each with what happens, why, the fixes and the evidence.
    """
    letters = rules[0].id[:3]
    lines = [
        f"# {letters}: {FAMILIES.get(letters, 'rules of your own')}",
        "",
        f"<!-- written by `{COMMAND}`; change the rules, not this page -->",
        "",
        "| rule | | what it says |",
        "|---|---|---|",
        *(f"| [{rule.id}](#{rule.id.lower()}) | {rule.severity.value} | {_cell(rule.heading())} |" for rule in rules),
    ]
    for rule in rules:
        lines += ["", *_rule(rule)]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule) -> Iterator[str]:
    yield f'## <a id="{rule.id.lower()}"></a>{rule.id} {_text(rule.heading())}'
    yield ""
    yield f"`{clean(rule.name)}` · {rule.severity.value}, {rule.confidence.value} · since {clean(rule.since)}"
    if rule.applies:
        yield ""
        yield "Applies to " + ", ".join(f"`{clean(name)} {clean(value)}`" for name, value in rule.applies.items())
    if rule.symptom:
        yield ""
        yield f"You would see: {_code(readable(rule.symptom))}"
    for line in clean_lines(rule.explain, PAGE_LINES):
        if line.startswith("## "):
            yield ""
            yield f"### {line[3:]}"
            yield ""
        elif line.strip():
            yield _text(line)
    if rule.fixes:
        yield ""
        yield "### Fixes"
        yield ""
    for remedy in words.remedies(rule):
        yield f"- {': '.join(_text(part) for part in remedy if part)}"
    yield ""
    yield "### Evidence"
    yield ""
    for evidence in rule.evidence:
        how = f"{_text(evidence.method)} ({clean(evidence.checked)})"
        yield f"- {_text(evidence.claim)}: {how}. {_text(evidence.source)}"


def _text(line: str) -> str:
    """A line whose signs mean nothing but themselves outside of code."""
    parts = _CODE.split(clean(line, 4000))
    return "".join(part if number % 2 else re.sub(r"([<>*\[\]|])", r"\\\1", part) for number, part in enumerate(parts))


def _cell(line: str) -> str:
    """In a table a bar ends the cell, in code too."""
    return re.sub(r"(?<!\\)\|", r"\\|", _text(line))


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{clean(text)}{space}{fence}"
