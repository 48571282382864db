"""The first screen: will it run, what breaks and why, what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Environment, Finding, Fix, NotJudged, Report, Severity
from sftdoctor.report import words
from sftdoctor.report.anchor import cell
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean
from sftdoctor.report.style import as_text, indent, print_commands, rows, titled

IN_FULL = 6
"""Findings of one severity that are shown in full; the next ones get a line."""
IN_BRIEF = 12
SUPPRESSED_BY = {"comment": "comments", "ignore": "the configuration", "baseline": "the baseline"}
NOT_JUDGED = 4
"""Reasons for not judging that are shown."""

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "cyan"}
MARKS = {severity: (words.SIGNS[severity], style) for severity, style in STYLES.items()}
SAFETIES = {"safe": "green", "unsafe": "yellow", "manual": "magenta"}
SIGN_STYLES = {"✗": "bold red", "!": "bold yellow", "✓": "bold green", "?": "bold magenta", "→": "bold"}


def render(report: Report, console: Console, *, given: Sequence[str] = (), verbose: bool = False) -> None:
    """Print a Report.

    Args:
        report: What was found.
        console: Where to; its width is kept.
        given: The words of the command line that name target and workload, for the advice.
        verbose: Everything in full, with evidence.
    """
    console.print(target_line(report.environment, console.width))
    for note in report.environment.notes:
        console.print(indent(Text(clean(note), "dim"), 2))
    for path in report.workload.launched_by:
        console.print(indent(Text(say("as {path} starts it, which was found beside it", path=clean(path)), "dim"), 2))
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    healthy = not serious and not report.not_judged and not report.unproved and not verbose
    if not healthy:
        console.print()
    console.print(_verdict_line(report))
    if report.unproved:
        console.print(Text(f"✗ {say(words.UNPROVED)}", SIGN_STYLES["✗"]))
        for line in report.unproved[: words.UNPROVED_MOST]:
            console.print(indent(as_text(clean(line)), 4))
        if len(report.unproved) > words.UNPROVED_MOST:
            console.print(indent(as_text(say("and {n} more", n=len(report.unproved) - words.UNPROVED_MOST)), 4))
    for severity in Severity:
        findings = [finding for finding in report.findings if finding.severity is severity]
        if findings and serious and severity is Severity.INFO:
            console.print()
        _print_findings(findings, report, console, verbose)
    if report.suppressed or report.outlived:
        console.print()
        _print_suppressed(report, console, verbose)
    if report.not_judged:
        console.print()
        _print_not_judged(report.not_judged, console, verbose)
    pairs = words.next_steps(report, given)
    if pairs:
        if not healthy:
            console.print()
        print_commands(console, pairs)


def target_line(environment: Environment, width: int) -> Text:
    """ ".venv (Python 3.11.7) · trl 0.24.0 · … · no GPU", broken between its parts only."""
    parts = words.target_parts(environment)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(f"  {part}")
    text = as_text("\n".join(lines))
    text.stylize("bold", 0, len(parts[0]))
    return text


def _verdict_line(report: Report) -> RenderableType:
    # notes that are alone stand below, a line each: they need no counting
    sign = words.VERDICTS[report.verdict][0]
    line = f"{sign} {words.headline(report, notes=len(report.findings) > IN_BRIEF)}"
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(Text(line, SIGN_STYLES[sign]), Text(words.duration(report.seconds), "dim"))
    return grid


def _print_findings(findings: Sequence[Finding], report: Report, console: Console, verbose: bool) -> None:
    if not findings:
        return
    full = len(findings) if verbose else 0 if findings[0].severity is Severity.INFO else IN_FULL
    for finding in findings[:full]:
        console.print()
        print_finding(finding, console, verbose=verbose, cell=cell(report, finding.location))
    brief = findings[full : full + IN_BRIEF]
    if brief and full:
        console.print()
    for finding in brief:
        console.print(_head(finding, cell(report, finding.location)))
    rest = len(findings) - full - len(brief)
    if rest > 0:
        more = count(rest, words.noun(findings[0].severity))
        console.print(Text(say("  … and {more} more: add --verbose", more=more), "dim"))
    elif brief and full:
        console.print(Text(say("  add --verbose to see why, and what to do"), "dim"))


def print_finding(finding: Finding, console: Console, *, verbose: bool = False, cell: str = "") -> None:
    """Print one Finding: its head, both places, why, what one would see, the fixes.

    Args:
        finding: What is wrong.
        console: Where to.
        verbose: Every fix, and the evidence.
        cell: Of a notebook's: "cell 3, line 2", as anchor.cell says it.
    """
    console.print(_head(finding, cell))
    said = words.lines(finding, verbose=verbose)
    owners = [line.label for line in said if line.is_place]
    width = min(max(14, *map(len, owners), 0), 26)
    console.print(indent(rows((_row(line) for line in said), width)))


def fix_line(fix: Fix) -> Text:
    """What a Fix does and how safe that is."""
    return _with_safety(words.fix_words(fix), fix.safety.value)


def _with_safety(what: str, safety: str) -> Text:
    return Text.assemble(what, "  ", (f"({say(safety)})", SAFETIES[safety]))


def _row(line: words.Line) -> tuple[str | Text, str | Text]:
    if line.safety:
        return line.label, _with_safety(line.text, line.safety)
    if not line.is_place:
        return line.label, line.text
    gap = "  " if line.where and line.text else ""
    return Text(line.label), Text.assemble(line.where, gap, (line.text, "italic"))


def _head(finding: Finding, cell: str = "") -> Table:
    mark, style = MARKS[finding.severity]
    where = f"{words.place(finding.location, cell)}  " if finding.location else ""
    doubt = "" if finding.confidence.value == "certain" else f" ({say(finding.confidence.value)})"
    title = Text.assemble((where, "bold"), clean(finding.title), (doubt, "dim"))
    return titled(Text(f"{mark} {clean(finding.id, 40)}", style), title)


def _print_suppressed(report: Report, console: Console, verbose: bool) -> None:
    """What the project has decided to live with: a line, or each of them with the reason."""
    by = Counter(one.by for one in report.suppressed)
    said = ", ".join(f"{number} by {SUPPRESSED_BY[name]}" for name, number in by.items())
    more = "" if verbose else "; --verbose lists them"
    if by:
        number = count(len(report.suppressed), "finding")
        console.print(as_text(Text(f"Suppressed: {number} ({said}){more}", "dim")))
    for one in report.suppressed if verbose else ():
        finding = one.finding
        where = f"{words.place(finding.location)}  " if finding.location else ""
        reason = f": {one.reason}" if one.reason else ""
        console.print(indent(as_text(clean(f"{finding.id}  {where}{finding.title} ({one.by}{reason})")), 2))
    if report.outlived:
        gone = count(report.outlived, "finding")
        console.print(as_text(Text(f"{gone} of the baseline not found any more: write it anew", "dim")))


def _print_not_judged(gaps: Sequence[NotJudged], console: Console, verbose: bool) -> None:
    console.print(Text(say("Not judged ({n}):", n=len(gaps))))
    groups = list(words.gaps(gaps).items())
    shown = len(groups) if verbose else NOT_JUDGED
    for reason, things in groups[:shown]:
        names = things if verbose else things[:4]
        more = say(" and {n} more", n=len(things) - len(names)) if len(things) > len(names) else ""
        console.print(indent(as_text(f"{clean(', '.join(names))}{more}: {reason}"), 2))
    if len(groups) > shown:
        more = count(len(groups) - shown, "reason")
        console.print(Text(say("  … and {more} more: add --verbose", more=more), "dim"))
