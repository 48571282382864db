"""A Report as HTML: a fragment for a notebook, and one file that needs no network and no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from sftdoctor import __version__
from sftdoctor.model import Confidence, Finding, Report, Severity
from sftdoctor.report import anchor as anchors
from sftdoctor.report import words
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Content security policy of a page: nothing is fetched, nothing is run."""
NOTES = 12
"""Notes that are shown; the next ones are counted."""


def page(report: Report, *, given: Sequence[str] = ()) -> str:
    """A whole page.

    Args:
        report: What was found.
        given: The words of the command line that name target and workload, for the advice.

    Returns:
        An HTML document.
    """
    title = escape(f"sftdoctor: {words.headline(report)}")
    return f"""<!DOCTYPE html>
<html lang="{say("en")}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
html {{ background: #ffffff; }}
@media (prefers-color-scheme: dark) {{ html {{ background: #0d1117; }} }}
body {{ margin: 0 auto; padding: 1em; max-width: 62em; }}
</style>
</head>
<body>
<main>
{fragment(report, given=given, verbose=True)}</main>
</body>
</html>
"""


def fragment(report: Report, *, given: Sequence[str] = (), verbose: bool = False) -> str:
    """A Report as one `<div>` with its own style, which touches nothing outside it.

    Args:
        report: What was found.
        given: The words of the command line that name target and workload, for the advice.
        verbose: Every fix, and the evidence.

    Returns:
        HTML without scripts; all that comes from others is escaped.
    """
    style = Path(__file__).with_name("html.css").read_text(encoding="utf-8")
    parts = [f"<style>\n{style}</style>", _target(report), _verdict(report)]
    serious = [finding for finding in anchors.shown(report) if finding.severity is not Severity.INFO]
    notes = [finding for finding in report.findings if finding.severity is Severity.INFO]
    shown = [*serious, *notes[:NOTES]]
    if shown:
        rows = "".join(_row(finding, verbose) for finding in shown)
        parts.append(f'<table class="found"><tbody>\n{rows}</tbody></table>')
    if len(notes) > NOTES:
        parts.append(f'<p class="dim">… {count(len(notes) - NOTES, "note")}</p>')
    parts += [_gaps(report), _next(report, given), _foot(report)]
    return '<div class="sftdoctor">\n' + "\n".join(filter(None, parts)) + "\n</div>\n"


def _target(report: Report) -> str:
    head, *rest = map(escape, words.target_parts(report.environment))
    notes = "".join(f"<br>{escape(clean(note))}" for note in report.environment.notes)
    return f'<p class="target"><b>{head}</b> · {" · ".join(rest)}{notes}</p>'


def _verdict(report: Report) -> str:
    sign = words.VERDICTS[report.verdict][0]
    return f'<p class="verdict {report.verdict.value}">{sign} {escape(words.headline(report))}</p>'


def _row(finding: Finding, verbose: bool) -> str:
    level = finding.severity.value
    head = f'<td class="{level}">{words.SIGNS[finding.severity]} {escape(clean(finding.id, 40))}</td>'
    where = f"<code>{escape(words.place(finding.location))}</code> " if finding.location else ""
    doubt = "" if finding.confidence is Confidence.CERTAIN else f"({say(finding.confidence.value)})"
    said = [] if finding.severity is Severity.INFO and not verbose else words.lines(finding, verbose=verbose)
    facts = "".join(f"<dt>{escape(line.label)}</dt><dd>{_line(line)}</dd>" for line in said)
    body = f"<dl>{facts}</dl>" if facts else ""
    title = f'{where}{_inline(clean(finding.title))} <span class="dim">{doubt}</span>'
    return f'<tr>{head}<td><p class="title">{title}</p>{body}</td></tr>\n'


def _line(line: words.Line) -> str:
    if line.safety:
        return f'{_inline(line.text)} <span class="{line.safety}">({say(line.safety)})</span>'
    if line.is_output:
        return f"<code>{escape(line.text)}</code>"
    if not line.is_place:
        return _inline(line.text)
    where = f'<code class="where">{escape(line.where)}</code>' if line.where else ""
    return f"{where}<code>{escape(line.text)}</code>"


def _inline(text: str) -> str:
    """A text whose `quoted` words are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _gaps(report: Report) -> str:
    items = "".join(
        f"<li>{escape(', '.join(things))}: {escape(reason)}</li>"
        for reason, things in words.gaps(report.not_judged).items()
    )
    return f"<h2>{say('Not judged ({n}):', n=len(report.not_judged))}</h2><ul>{items}</ul>" if items else ""


def _next(report: Report, given: Sequence[str]) -> str:
    steps = words.next_steps(report, given)
    items = "".join(
        f"<li><code>{escape(clean(command))}</code><br>{_inline(clean(what))}</li>" for command, what in steps
    )
    return f'<h2>{say("Next:")}</h2><ul class="next">{items}</ul>' if items else ""


def _foot(report: Report) -> str:
    scenario = escape(clean(report.workload.scenario.name))
    return f'<p class="dim">sftdoctor {__version__} · {scenario} · {report.seconds:.1f} s</p>'
