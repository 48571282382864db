"""What a log says, as text: the error, what may have caused it and what to do, or honestly that it is not known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Explanation, Finding, Origin, Raised, Rule
from sftdoctor.report.environment import env_block
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean, short_path
from sftdoctor.report.rules_text import render_body, render_page
from sftdoctor.report.style import as_text, indent, print_commands, rows, titled
from sftdoctor.report.text import MARKS, fix_line, print_finding

MESSAGE_LINES = 4
MESSAGE_WIDTH = 300
"""Characters of a line of a message that are shown."""
_SITE = re.compile(r".{0,400}[/\\\\](?:site|dist)-packages[/\\\\]")
MOST_OTHERS = 4
MOST_ALSO = 6


def render(explanation: Explanation, console: Console, *, given: Sequence[str] = (), verbose: bool = False) -> None:
    """Print what a log says.

    Args:
        explanation: What was recognised.
        console: Where to; its width is kept.
        given: The words of the command line that name the target, for the advice.
        verbose: Every cause with its page.
    """
    _print_error(explanation, console)
    if not explanation.pages:
        _print_unknown(explanation, console)
    elif len(explanation.pages) == 1 or verbose:
        for finding, rule in zip(explanation.findings, explanation.pages, strict=True):
            _print_cause(_but_what_is_shown(finding, explanation), rule, console)
    else:
        _print_causes(explanation, console)
    _print_rest(explanation, console)
    console.print()
    print_commands(console, _steps(explanation, given))


def _print_error(explanation: Explanation, console: Console) -> None:
    if explanation.exception:
        for line in explanation.exception.splitlines()[:MESSAGE_LINES]:
            console.print(as_text(Text(clean(line, MESSAGE_WIDTH), "bold red")))
    for frame in explanation.frames:
        console.print(indent(as_text(Text(clean(_short(frame)), "dim")), 2))
    root = explanation.root
    if root is not None and root.line and explanation.lines > 1:
        rank = f", rank {clean(root.rank, 20)}" if root.rank else ""
        console.print(Text(f"  line {root.line:,} of {explanation.lines:,}{rank}", "dim"))
    led_to = [raised for raised in explanation.chain if raised is not root and raised.kind]
    if led_to and root is not None and root.line < led_to[-1].line:
        console.print(indent(as_text(Text(f"it led to {clean(_brief(led_to[-1]), 160)}", "dim")), 2))
    for note in explanation.notes if explanation.findings else ():
        console.print(indent(as_text(Text(clean(note), "dim")), 2))


def _short(frame: str) -> str:
    """A frame as people say it: what is installed from its package on, a file of this folder from here on."""
    installed = _SITE.match(frame)
    if installed:
        return frame[installed.end() :]
    path, colon, rest = frame.partition(":")
    return f"{short_path(path)}{colon}{rest}"


def _brief(raised: Raised) -> str:
    lines = str(raised).splitlines()
    return lines[0] if lines else ""


def _but_what_is_shown(finding: Finding, explanation: Explanation) -> Finding:
    """A finding without what was seen, where that stands above it as the error."""
    return replace(finding, symptom="") if finding.symptom in (explanation.exception or "") else finding


def _print_cause(finding: Finding, rule: Rule, console: Console) -> None:
    """One cause: what was found in the environment, or what the exception itself says, else the rule's own page."""
    console.print()
    if _is_there(finding):
        print_finding(finding, console)
        render_body(rule, console)
    else:
        render_page(rule, console, finding)


def _is_there(finding: Finding) -> bool:
    """Whether it was found in an environment, and not only in the log."""
    return finding.cause is not None or finding.location is not None


def _head(finding: Finding) -> Table:
    mark, style = MARKS[finding.severity]
    return titled(Text(f"{mark} {clean(finding.id)}", style), as_text(clean(finding.title)))


def _print_causes(explanation: Explanation, console: Console) -> None:
    """Several causes: each with its remedies, none with its page."""
    console.print()
    number = len(explanation.findings)
    if any(map(_is_there, explanation.findings)):
        said = say("What is seen in the log has {n} known causes. What was found there comes first:", n=number)
    else:
        said = say("What is seen in the log has {n} known causes:", n=number)
    console.print(as_text(said))
    for finding in explanation.findings:
        console.print()
        if _is_there(finding):
            print_finding(_but_what_is_shown(finding, explanation), console)
            continue
        console.print(_head(finding))
        fixes = [(say("or") if at else say("fix"), fix_line(fix)) for at, fix in enumerate(finding.fixes)]
        console.print(indent(rows([*fixes, *((say("evidence"), clean(url)) for url in finding.evidence[:1])])))


def _print_unknown(explanation: Explanation, console: Console) -> None:
    read = count(explanation.lines, "line")
    if explanation.exception:
        said = say("Not known: no rule matches this error ({read} read).", read=read)
    else:
        said = say("Not known: there is no error in it that a rule matches ({read} read).", read=read)
    console.print()
    console.print(as_text(Text(said, "bold")))
    for note in explanation.notes:
        console.print(as_text(clean(note)))
    if explanation.origin is not None:
        _print_origin(explanation.origin, console)
    if explanation.environment is not None:
        console.print("To paste into a report upstream, below the traceback:")
        console.print()
        console.out(env_block(explanation.environment), end="", highlight=False)


def _print_origin(origin: Origin, console: Console) -> None:
    """What the library that raised it says of it itself."""
    if origin.path:
        who, where = f"{origin.distribution} {origin.version}", f"{origin.path}:{origin.line}"
        said = say("{who} raises this itself:", who=clean(who))
        console.print(as_text(f"{said} {clean(origin.function or '<module>')} ({clean(where)})"))
    labels = [say("and") if number else say("when") for number in range(len(origin.conditions))]
    if labels:
        console.print(indent(rows(zip(labels, map(clean, origin.conditions), strict=True))))
    if origin.tracker:
        console.print(as_text(say("Whether others met it:")))
        console.print(Text(f"  {clean(origin.tracker)}"), soft_wrap=True)


def _print_rest(explanation: Explanation, console: Console) -> None:
    if explanation.also:
        console.print()
        console.print(Text("Also in the log:", "bold"))
    for finding in explanation.also[:MOST_ALSO]:
        console.print(_head(finding))
    others = [raised for raised in explanation.others if not raised.secondary]
    if others:
        console.print()
        console.print(Text("Other errors in it:", "bold"))
    for raised in others[-MOST_OTHERS:]:
        line = f"line {raised.line:,}: " if raised.line else ""
        console.print(indent(as_text(clean(line + _brief(raised), 200)), 2))
    if len(others) > MOST_OTHERS:
        console.print(Text(f"  … and {len(others) - MOST_OTHERS} before", "dim"))


def _steps(explanation: Explanation, given: Sequence[str]) -> list[tuple[str, str]]:
    prefix = explanation.environment.target.prefix if explanation.environment else ""
    words = [*given, *(("--python", short_path(prefix)) if prefix and not given else ())]
    target = "".join(f" {shlex.quote(word)}" for word in words)
    if not explanation.findings:
        steps = [(f"sftdoctor check{target}", say("judge the environment itself"))]
        if explanation.environment is None:
            steps.append(("sftdoctor env --python ENV", say("what to paste into a bug report")))
        return steps
    places = [*explanation.scripts, *(one.location.path for one in explanation.findings if one.location)]
    script = shlex.quote(short_path(places[0])) if places else "YOUR_SCRIPT.py"
    if any(map(_is_there, explanation.findings)):
        return [(f"sftdoctor fix {script}{target}", say("show the repair"))]
    steps = [(f"sftdoctor check {script}{target}", say("is it so there, and what else would break?"))]
    if len(explanation.findings) > 1:
        steps.append((f"sftdoctor rules {explanation.findings[0].id}", say("one of them in full")))
    return steps
