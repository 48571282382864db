"""Reports as GitHub Flavored Markdown: for a job summary, an issue, a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sftdoctor import __version__
from sftdoctor.model import (
    CaseResult,
    Confidence,
    Explanation,
    Finding,
    FixResult,
    Origin,
    Plan,
    Proof,
    Report,
    Rule,
    Severity,
)
from sftdoctor.report import words
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.symptoms import readable

NOTES = 12
"""Notes that are shown; the next ones are counted."""


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is: no markup, HTML, link, mention or formula comes of it."""
    # at its beginning it could be indented code, a list or a rule
    return re.sub(r"^([-+=>]|\d{1,9}(?=[.)]))", _first, _escaped(text.lstrip()))


def _first(found: re.Match[str]) -> str:
    return f"{found[0]}<!-- -->" if found[0].isdigit() else f"\\{found[0]}"


def _escaped(text: str) -> str:
    escaped = re.sub(r"([\\`*\[\]<&|~#$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)
    escaped = re.sub(r":(?=//)", r"\\:", escaped)
    escaped = re.sub(r"\b(www|mailto|xmpp)(?=[.:])", r"\1<!-- -->", escaped, flags=re.IGNORECASE)
    return escaped.replace("@", "@<!-- -->")


def inline(text: str) -> str:
    """A text whose `quoted` words are code; all else is shown as it is."""
    first, *parts = re.split(r"`([^`]+)`", text)
    return plain(first) + "".join(_escaped(part) if number % 2 else code(part) for number, part in enumerate(parts))


def code(text: str) -> str:
    """A text as a code span, whatever backticks it holds."""
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""


def block(lines: Iterable[str], language: str = "") -> list[str]:
    """Harmless lines as a fenced block, whatever fences they hold."""
    said = list(lines)
    fence = "`" * max(3, max((len(run) + 1 for line in said for run in re.findall("`+", line)), default=3))
    return [f"{fence}{language}", *said, fence]


def render(report: Report, *, given: Sequence[str] = ()) -> str:
    """A Report.

    Args:
        report: What was found.
        given: The words of the command line that name target and workload, for the advice.

    Returns:
        Markdown; all that comes from others is escaped.
    """
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    notes = [finding for finding in report.findings if finding.severity is Severity.INFO]
    said = [f"## {words.VERDICTS[report.verdict][0]} {plain(words.headline(report))}", "", _target(report), ""]
    if report.unproved:
        said += [f"**✗ {say(words.UNPROVED)}**", "", *(f"- {plain(clean(line))}" for line in report.unproved), ""]
    for finding in serious:
        said += [*_finding(finding), ""]
    said += [f"- {_head(finding)}" for finding in notes[:NOTES]]
    said += [f"- … {count(len(notes) - NOTES, 'note')}"] if len(notes) > NOTES else []
    said += [""] if notes else []
    said += _gaps(report)
    steps = [f"- {code(clean(command))}: {inline(clean(what))}" for command, what in words.next_steps(report, given)]
    return _joined([*said, say("Next:"), "", *steps] if steps else said)


def _joined(lines: Sequence[str]) -> str:
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return f"{text}\n\n<sub>sftdoctor {__version__}</sub>\n"


def _target(report: Report) -> str:
    head, *rest = map(plain, words.target_parts(report.environment))
    notes = "".join(f"  \n{plain(clean(note))}" for note in report.environment.notes)
    return f"**{head}** · {' · '.join(rest)}{notes}"


def _head(finding: Finding) -> str:
    where = f"{code(words.place(finding.location))} " if finding.location else ""
    doubt = "" if finding.confidence is Confidence.CERTAIN else f" ({say(finding.confidence.value)})"
    sign = words.SIGNS[finding.severity]
    return f"{sign} **{plain(clean(finding.id, 40))}** {where}{inline(clean(finding.title))}{doubt}"


def _finding(finding: Finding) -> list[str]:
    return [f"### {_head(finding)}", "", *(f"- {_line(line)}" for line in words.lines(finding))]


def _line(line: words.Line) -> str:
    if line.safety:
        return f"{plain(line.label)}: {inline(line.text)} ({say(line.safety)})"
    if line.is_output:
        return f"{plain(line.label)}: {code(line.text)}"
    if not line.is_place:
        return f"{plain(line.label)}: {inline(line.text)}"
    return f"{plain(line.label)}: {' '.join(filter(None, (code(line.where), code(line.text))))}"


def _gaps(report: Report) -> list[str]:
    groups = words.gaps(report.not_judged).items()
    items = [f"- {plain(', '.join(things))}: {plain(reason)}" for reason, things in groups]
    return [say("Not judged ({n}):", n=len(report.not_judged)), "", *items, ""] if items else []


def fix(result: FixResult) -> str:
    """What a fix came to: the plan with its diffs, before and after, the proof."""
    reason = f": {plain(clean(result.reason))}" if result.reason else ""
    said = [f"## {' '.join(words.outcome(result))}{reason}", "", _target(result.before), ""]
    said += [*(f"- {plain(clean(line))}" for line in result.recovered), "", *_plan(result.plan)]
    if result.after:
        for name, report in (("before", result.before), ("after", result.after)):
            said.append(f"- {name}: {plain(words.headline(report))}")
    said += [*(f"- {plain(clean(line))}" for line in result.advice)]
    if result.journal and result.outcome == "applied":
        said += ["", f"`sftdoctor undo {clean(result.journal, 80)}` takes it all back."]
    if result.proof and result.proof_before:
        said += ["", plain(clean(words.step_before(result.proof_before)))]
    said += ["", *_proof(result.proof)] if result.proof else []
    return _joined(said)


def _plan(plan: Plan) -> list[str]:
    said = []
    for action in plan.actions:
        why = ": ".join(filter(None, (" ".join(action.findings), action.reason)))
        said.append(f"- **{plain(words.step(action))}** ({action.safety.value}) {plain(clean(why))}")
        said += ["", *block(clean_lines(action.diff), "diff"), ""] if action.diff else []
    left = dict.fromkeys(f"{words.step(left.action)}: {clean(left.reason)}" for left in plan.left_out)
    said += ["", f"Left out ({len(left)}):", "", *(f"- {plain(text)}" for text in left)] if left else []
    return [*said, ""]


def proof(result: Proof) -> str:
    """A Proof with its checks and figures."""
    return _joined(_proof(result))


def _proof(result: Proof) -> list[str]:
    said = [f"## {plain(' '.join(words.proof_headline(result)))} ({result.seconds:.0f} s)", ""]
    said += [plain(clean(result.reason)), ""] if result.reason else []
    said += [f"{plain(clean(words.trained(result)))}", ""] if result.model else []
    if words.is_matrix(result):
        said += _matrix(result)
    for run in result.runs or (result,):
        said += [] if words.is_matrix(result) and run.failure is None else _run(run)
    for title, lines in (("Replaced:", result.replaced), ("Not settled here:", result.not_settled)):
        said += ["", title, "", *(f"- {plain(clean(line))}" for line in lines)] if lines else []
    return said


def _matrix(result: Proof) -> list[str]:
    rows = ["| | run | s a step | peak MiB | |", "| --- | --- | --- | --- | --- |"]
    for run in result.runs:
        cells = (
            words.PROOFS[run.verdict][0],
            code(clean(run.name)),
            *words.figures(run),
            plain(clean(words.came_to(run))),
        )
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return [*rows, ""]


def _run(run: Proof) -> list[str]:
    said = [f"### {plain(clean(words.run_line(run)))}", ""]
    for check in run.checks:
        sign = "✓" if check.passed else "✗"
        value = words.value_of(check.value)
        said.append(f"- {sign} {plain(clean(check.name.replace('_', ' ')))}{f': {code(value)}' if value else ''}")
    if run.operators:
        said.append(f"- ran: {code(clean(', '.join(run.operators)))}")
    if run.failure:
        failure = run.failure
        said += ["", f"Failed at {plain(clean(failure.stage))}:", ""]
        lines = [*clean_lines(failure.traceback)[-12:], clean(f"{failure.exception}: {failure.message}")]
        said += [*block(lines, "text"), ""]
        for finding in failure.findings:
            said += [*_finding(finding), ""]
    return [*said, ""]


def explanation(result: Explanation) -> str:
    """What a traceback or log says."""
    said = [*block([clean(result.exception)], "text"), ""] if result.exception else []
    if not result.pages:
        said += [f"Not known: no rule matches this log ({count(result.lines, 'line')} read).", ""]
        said += [f"- {code(clean(frame))}" for frame in result.frames]
        said += _origin(result.origin) if result.origin else []
    if len(result.pages) > 1:
        said += [say("What is seen in the log has {n} known causes:", n=len(result.pages)), ""]
    for finding, rule in zip(result.findings, result.pages, strict=True):
        if finding.cause is not None or finding.location is not None:  # it was found in an environment
            said += [*_finding(finding), ""]
        else:
            said += _page(rule, finding, brief=len(result.pages) > 1)
    return _joined(said)


def _origin(origin: Origin) -> list[str]:
    """What the library that raised an unknown error says of it itself."""
    said = [""]
    if origin.path:
        who = plain(clean(f"{origin.distribution} {origin.version}"))
        where = code(clean(f"{origin.path}:{origin.line}"))
        said += [f"{who} raises this itself ({where}){', when:' if origin.conditions else '.'}", ""]
        said += [f"- {code(clean(condition))}" for condition in origin.conditions]
    return [*said, "", f"Whether others met it: {code(clean(origin.tracker))}"] if origin.tracker else said


def rules(chosen: Sequence[Rule], *, page: bool = False) -> str:
    """The list of the rules, or the page of the one that was asked for."""
    if page and len(chosen) == 1:
        return _joined(_page(chosen[0]))
    return _joined([f"## {count(len(chosen), 'rule')}", "", *(f"- {_rule_head(rule)}" for rule in chosen)])


def _rule_head(rule: Rule, told: Finding | None = None) -> str:
    title = told.title if told else rule.heading()
    return f"{words.SIGNS[rule.severity]} **{plain(clean(rule.id))}** {inline(clean(title))}"


def _page(rule: Rule, told: Finding | None = None, *, brief: bool = False) -> list[str]:
    """A rule's page; where one case of it is known, with what is known of it."""
    said = [f"### {_rule_head(rule, told)}", ""]
    if told is not None and told.message != told.title:
        said += [f"- why: {inline(clean(told.message))}"]
    seen = told.symptom if told else readable(rule.symptom)
    said += [f"- {'seen' if told else 'you would see'}: {code(clean(seen))}"] if seen else []
    for number, remedy in enumerate(words.remedies(rule, told)):
        said.append(f"- {'or' if number else 'fix'}: {inline(': '.join(filter(None, remedy)))}")
    if brief:
        return [*said, ""]
    said += ["", *(_page_line(line) for line in clean_lines(rule.explain)), "", "#### Evidence", ""]
    for evidence in rule.evidence:
        claim = f"{evidence.claim}: {evidence.method} ({evidence.checked}), {evidence.source}"
        said.append(f"- {plain(clean(claim))}")
    return [*said, ""]


def _page_line(line: str) -> str:
    """A line of a page, which is Markdown itself, below the page's own heading and without HTML."""
    line = line.replace("<", "&lt;")
    return f"##{line}" if line.startswith("#") else line


def results(cases: Sequence[CaseResult]) -> str:
    """Results of the cases of rules."""
    failed = [case for case in cases if not case.passed]
    said = [f"## {count(len(cases), 'case')}: {f'{len(failed)} failed' if failed else 'all as expected'}", ""]
    for case in failed:
        told = f"{case.case}: expected {case.expected}, got {case.got}{f': {case.reason}' if case.reason else ''}"
        said.append(f"- ✗ **{plain(clean(case.rule))}** {plain(clean(told))}")
    return _joined(said)
