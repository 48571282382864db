"""Rules and explanations as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import FAMILIES, CaseResult, Finding, Rule, Severity
from sftdoctor.report import words
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.report.style import as_text, indent, rows, titled
from sftdoctor.report.text import MARKS
from sftdoctor.symptoms import readable

PAGE_LINES = 400


def render_list(rules: Sequence[Rule], console: Console) -> None:
    """Print all rules, a line each, family by family."""
    for letters, members in by_family(rules).items():
        grid = Table.grid(padding=(0, 2, 0, 0))
        for rule in members:
            mark, style = MARKS[rule.severity]
            grid.add_row(Text(f"{mark} {clean(rule.id)}", style), as_text(clean(rule.heading())))
        console.print(Text.assemble((clean(letters), "bold"), f"  {FAMILIES.get(letters, 'your own')}"))
        console.print(grid)
        console.print()
    errors = sum(rule.severity is Severity.ERROR for rule in rules)
    console.print(Text(f"{count(len(rules), 'rule')}, {errors} of them errors; `sftdoctor rules ID` shows one", "dim"))


def by_family(rules: Sequence[Rule]) -> Mapping[str, Sequence[Rule]]:
    """Rules by the first three letters of their ids, sftdoctor's families first."""
    found: dict[str, list[Rule]] = {letters: [] for letters in FAMILIES}
    for rule in rules:
        found.setdefault(rule.id[:3], []).append(rule)
    return {letters: members for letters, members in found.items() if members}


def render_page(rule: Rule, console: Console, told: Finding | None = None) -> None:
    """Print the page of one rule: what happens, why, the fixes and the evidence.

    Args:
        rule: The rule.
        console: Where to.
        told: What is known of the case at hand; its title, fixes and what was seen are said instead of the rule's own.
    """
    mark, style = MARKS[rule.severity]
    console.print(
        titled(Text(f"{mark} {clean(rule.id)}", style), Text(clean(told.title if told else rule.heading()), "bold"))
    )
    pairs: list[tuple[str | Text, str | Text]]
    sure = told or rule
    why = told.message if told and told.message != told.title else ""
    pairs = [(say("why"), clean(why)), (say("name"), clean(rule.name))]
    pairs += [(say("severity"), f"{say(sure.severity.value)}, {say(sure.confidence.value)}")]
    pairs += [(say("applies to"), clean(", ".join(f"{name} {value}" for name, value in rule.applies.items())))]
    pairs += [(say("you would see"), clean(told.symptom if told else readable(rule.symptom)))]
    pairs += _fixes(rule, told)
    pairs += [(say("since"), clean(rule.since))]
    console.print(indent(rows(pair for pair in pairs if pair[1])))
    render_body(rule, console)
    if rule.evidence:
        console.print()
        console.print(Text(say("Evidence"), "bold"))
    for evidence in rule.evidence:
        console.print(
            indent(as_text(f"{clean(evidence.claim)}: {clean(evidence.method)} ({clean(evidence.checked)})"), 2)
        )
        console.print(indent(as_text(Text(clean(evidence.source), "dim")), 2))


def render_body(rule: Rule, console: Console) -> None:
    """Print the texts of a rule's page, below a head that stands already."""
    _print_markdown(rule.explain, console)


def _fixes(rule: Rule, told: Finding | None) -> list[tuple[str | Text, str | Text]]:
    remedies = words.remedies(rule, told)
    return [
        (say("or") if number else say("fix"), ": ".join(filter(None, remedy))) for number, remedy in enumerate(remedies)
    ]


def _print_markdown(text: str, console: Console) -> None:
    """Headings bold, paragraphs joined and wrapped, code and lists as they are."""
    paragraph: list[str] = []
    fenced = False

    def flush() -> None:
        if paragraph:
            console.print(indent(as_text(" ".join(paragraph)), 2))
            paragraph.clear()

    for line in clean_lines(text, PAGE_LINES):
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        literal = fenced or line.startswith(("    ", "- ", "* ", "|"))
        if fence or literal or not line.strip() or line.startswith("#"):
            flush()
        if fence:
            continue
        if line.startswith("#") and not fenced:
            console.print()
            console.print(Text(line.lstrip("# "), "bold", overflow="fold"))
        elif literal:
            console.print(indent(as_text(line), 2))
        elif line.strip():
            paragraph.append(line.strip())
    flush()


def render_results(results: Sequence[CaseResult], console: Console) -> None:
    """Print the results of cases: a line a rule, and each case that failed."""
    by_rule: dict[str, list[CaseResult]] = {}
    for result in results:
        by_rule.setdefault(result.rule, []).append(result)
    for name, cases in by_rule.items():
        failed = [case for case in cases if not case.passed]
        mark, style = ("✗", "bold red") if failed else ("✓", "green")
        console.print(titled(Text(f"{mark} {clean(name)}", style), Text(count(len(cases), "case"))))
        for case in failed:
            came = f"{clean(case.case)}: expected {clean(case.expected)}, got {clean(case.got)}"
            console.print(indent(as_text(f"{came}{f': {clean(case.reason)}' if case.reason else ''}")))
    failures = sum(not result.passed for result in results)
    console.print()
    told = f"{count(len(results), 'case')} of {count(len(by_rule), 'rule')}: "
    said = f"{failures} failed" if failures else "all as expected"
    console.print(Text(told + said, "bold red" if failures else "bold green"))
