"""The first screen: will it run, what breaks and why, what to type next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sftdoctor.model import (
    Environment,
    Finding,
    Fix,
    Location,
    NotJudged,
    Place,
    Report,
    Safety,
    Severity,
    TargetKind,
    Verdict,
)
from sftdoctor.report.environment import devices
from sftdoctor.report.plain import clean, count, short_path
from sftdoctor.report.style import as_text, indent, print_commands, rows, titled

HEADLINERS = ("trl", "transformers", "peft", "torch")
"""Distributions that the first line names."""
IN_FULL = 6
"""Findings of one severity that are shown in full; the next ones get a line."""
IN_BRIEF = 12
SUPPRESSED_BY = {"comment": "comments", "ignore": "the configuration", "baseline": "the baseline"}
NOT_JUDGED = 4
"""Reasons for not judging that are shown."""

MARKS = {Severity.ERROR: ("✗", "bold red"), Severity.WARNING: ("!", "bold yellow"), Severity.INFO: ("·", "cyan")}


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
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    healthy = not serious and not report.not_judged and not verbose
    if not healthy:
        console.print()
    console.print(_verdict_line(report))
    for severity in Severity:
        findings = [finding for finding in report.findings if finding.severity is severity]
        if findings and serious and severity is Severity.INFO:
            console.print()
        _print_findings(findings, console, verbose)
    if report.suppressed or report.outlived:
        console.print()
        _print_suppressed(report, console, verbose)
    if report.not_judged:
        console.print()
        _print_not_judged(report.not_judged, console, verbose)
    pairs = next_steps(report, given)
    if pairs:
        if not healthy:
            console.print()
        print_commands(console, pairs)


def target_line(environment: Environment, width: int) -> Text:
    """ ".venv (Python 3.11.7) · trl 0.24.0 · … · no GPU", broken between its parts only."""
    target = environment.target
    name = short_path(target.prefix or target.path) if target.kind is TargetKind.INTERPRETER else target.path
    kind = "" if target.kind is TargetKind.INTERPRETER else f"{target.kind.value}, "
    versions = [f"{name} {environment.version(name) or 'missing'}" for name in HEADLINERS]
    parts = [f"{clean(name)} ({kind}Python {clean(environment.python)})", *map(clean, versions), devices(environment)]
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 3 + len(part) <= width:
            lines[-1] += f" · {part}"
        else:
            lines.append(f"  {part}")
    text = as_text("\n".join(lines))
    text.stylize("bold", 0, len(parts[0]))
    return text


def tally(report: Report) -> str:
    """ "2 errors, 1 warning"; empty where there is nothing."""
    numbers = [(report.count(severity), severity) for severity in Severity]
    return ", ".join(count(number, _noun(severity)) for number, severity in numbers if number)


def _noun(severity: Severity) -> str:
    return "note" if severity is Severity.INFO else severity.value


def _verdict_line(report: Report) -> RenderableType:
    found = tally(report)
    gaps = f"{len(report.not_judged)} not judged" if report.not_judged else ""
    notes_alone = len(report.findings) == report.count(Severity.INFO) <= IN_BRIEF  # they stand below, a line each
    said = ", ".join(filter(None, ("" if notes_alone else found, gaps)))
    mark, style, words = {
        Verdict.BREAKS: ("✗", "bold red", "This run will break"),
        Verdict.AT_RISK: ("!", "bold yellow", "This run may go wrong"),
        Verdict.CLEAN: ("✓", "bold green", "This run will start: nothing that breaks it was found"),
        Verdict.UNKNOWN: ("?", "bold magenta", "Whether this run starts could not be judged"),
    }[report.verdict]
    if report.verdict is Verdict.CLEAN and any(one.finding.severity is Severity.ERROR for one in report.suppressed):
        words = "Nothing new was found; what is suppressed may still break this run"
    joint = ": " if report.verdict is not Verdict.CLEAN else "; "
    line = Text(f"{mark} {words}{joint}{said}" if said else f"{mark} {words}", style)
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(line, Text(f" {report.seconds:.{1 if report.seconds >= 0.1 else 2}f} s", "dim"))
    return grid


def _print_findings(findings: Sequence[Finding], console: Console, verbose: bool) -> None:
    if not findings:
        return
    full = len(findings) if verbose else 0 if findings[0].severity is Severity.INFO else IN_FULL
    for finding in findings[:full]:
        console.print()
        print_finding(finding, console, verbose=verbose)
    brief = findings[full : full + IN_BRIEF]
    if brief and full:
        console.print()
    for finding in brief:
        console.print(_head(finding))
    rest = len(findings) - full - len(brief)
    if rest > 0:
        console.print(Text(f"  … and {count(rest, _noun(findings[0].severity))} more: add --verbose", "dim"))


def print_finding(finding: Finding, console: Console, *, verbose: bool = False) -> None:
    """Print one Finding: its head, both places, why, what one would see, the fixes."""
    console.print(_head(finding))
    console.print(indent(rows(_facts(finding, verbose), _label_width(finding))))


def _label_width(finding: Finding) -> int:
    places = [finding.cause.caller, finding.cause.callee] if finding.cause else []
    return min(max(14, *(len(_owner(place)) for place in places if place), 0), 26)


def _head(finding: Finding) -> Table:
    mark, style = MARKS[finding.severity]
    where = f"{place(finding.location)}  " if finding.location else ""
    doubt = "" if finding.confidence.value == "certain" else f" ({finding.confidence.value})"
    words = Text.assemble((where, "bold"), clean(finding.title), (doubt, "dim"))
    return titled(Text(f"{mark} {clean(finding.id, 40)}", style), words)


def place(location: Location) -> str:
    """ "train.py:31", as an editor opens it."""
    line = "" if location.line is None else f":{location.line}"
    return clean(short_path(location.path), 200) + line


def _facts(finding: Finding, verbose: bool) -> list[tuple[str | Text, str | Text]]:
    pairs: list[tuple[str | Text, str | Text]] = []
    cause = finding.cause
    words = (cause.expression or cause.name) if cause else ""
    if cause and cause.caller and (cause.caller.path or cause.caller.module or words != cause.caller.distribution):
        pairs.append((Text(_owner(cause.caller)), _site(cause.caller, words)))
    if cause and cause.callee and _says_more(cause.callee):
        pairs.append((Text(_owner(cause.callee)), _site(cause.callee, cause.callee.symbol or cause.name)))
    if finding.message and finding.message != finding.title:
        pairs.append(("why", clean(finding.message)))
    if finding.symptom:
        pairs.append(("you would see", clean(finding.symptom)))
    shown = finding.fixes if verbose else finding.fixes[:3]
    pairs += [("or" if number else "fix", fix_line(fix)) for number, fix in enumerate(shown)]
    if verbose:
        pairs += [("evidence", clean(source)) for source in finding.evidence]
    return pairs


def _says_more(place: Place) -> bool:
    """Whether the line of a place would say more than the name that it starts with."""
    return place.version is None or bool(
        place.path or place.module or (place.symbol or place.distribution) != place.distribution
    )


def _owner(place: Place) -> str:
    return clean(f"{place.distribution} {place.version or 'missing'}", 60)


def _site(place: Place, words: str) -> Text:
    """ "trl/models/utils.py:538  prepare(…)": where, and what is said or looked for there."""
    where = place.path or place.module
    line = f":{place.line}" if place.line is not None and where else ""
    gap = "  " if where and words else ""
    words = words.removeprefix(f"{place.module}.") if place.module else words
    return Text.assemble(clean(where, 200) + line, gap, (clean(words, 200), "italic"))


def fix_line(fix: Fix) -> Text:
    """What a Fix does and how safe that is."""
    what = fix.summary or ", ".join(fix.require) or fix.reason
    what = f"install {what}" if what == ", ".join(fix.require) else what
    style = {Safety.SAFE: "green", Safety.UNSAFE: "yellow", Safety.MANUAL: "magenta"}[fix.safety]
    return Text.assemble(clean(what), "  ", (f"({fix.safety.value})", style))


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
        where = f"{place(finding.location)}  " if finding.location else ""
        reason = f": {one.reason}" if one.reason else ""
        console.print(indent(as_text(clean(f"{finding.id}  {where}{finding.title} ({one.by}{reason})")), 2))
    if report.outlived:
        gone = count(report.outlived, "finding")
        console.print(as_text(Text(f"{gone} of the baseline not found any more: write it anew", "dim")))


def _print_not_judged(gaps: Sequence[NotJudged], console: Console, verbose: bool) -> None:
    by_reason: dict[str, list[str]] = {}
    for gap in gaps:
        by_reason.setdefault(gap.reason, []).append(gap.what)
    console.print(Text(f"Not judged ({len(gaps)}):"))
    groups = list(by_reason.items())
    shown = len(groups) if verbose else NOT_JUDGED
    for reason, things in groups[:shown]:
        names = things if verbose else things[:4]
        more = f" and {len(things) - len(names)} more" if len(things) > len(names) else ""
        console.print(indent(as_text(f"{clean(', '.join(names))}{more}: {clean(reason)}"), 2))
    if len(groups) > shown:
        console.print(Text(f"  … and {count(len(groups) - shown, 'reason')} more: add --verbose", "dim"))


def next_steps(report: Report, given: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What to type next, and what it does.

    Args:
        report: What was found.
        given: Words that name the target and the workload.

    Returns:
        Pairs of command and explanation.
    """
    arguments = "".join(f" {shlex.quote(word)}" for word in given)
    installed = report.environment.target.kind is TargetKind.INTERPRETER
    steps = []
    repairs = _repairs(report)
    if repairs:
        steps.append((f"sftdoctor fix{arguments}", f"show the plan: {repairs}"))
        if installed:
            steps.append(
                (f"sftdoctor fix{arguments} --apply", "carry it out and prove it; `sftdoctor undo` takes it back")
            )
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    if serious:
        steps.append((f"sftdoctor rules {serious[0].id}", "why this happens"))
    elif installed:
        python = _option(given, "--python")
        steps.append((f"sftdoctor prove{python}", "train a real 4-bit LoRA step here"))
    return steps


def _option(given: Sequence[str], name: str) -> str:
    at = list(given).index(name) if name in given else -1
    return "".join(f" {shlex.quote(word)}" for word in given[at : at + 2]) if at >= 0 else ""


def _repairs(report: Report) -> str:
    """ "1 package, 2 edits": the first fix of each finding that is more than a note and not left to the user."""
    first = [
        next((fix for fix in finding.fixes if fix.safety is not Safety.MANUAL), None)
        for finding in report.findings
        if finding.severity is not Severity.INFO
    ]
    # two findings that ask for one package are cured by one change
    distinct = dict.fromkeys((fix.kind, fix.require or (number,)) for number, fix in enumerate(first) if fix)
    kinds = Counter(kind for kind, _ in distinct)
    return ", ".join(count(number, "change" if kind == "config" else kind) for kind, number in kinds.items())
