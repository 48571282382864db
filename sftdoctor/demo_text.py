"""What the demonstration shows, as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sftdoctor.model import Action, FixResult, Proof, Report, Severity
from sftdoctor.report import words
from sftdoctor.report.language import count
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.report.style import rows
from sftdoctor.report.text import SIGN_STYLES

if TYPE_CHECKING:
    from sftdoctor.demo import Case, Outcome, Story
    from sftdoctor.throwaway import Wheel, Workshop


def introduce(
    console: Console, folder: Path, workshop: Workshop, wheels: Sequence[Wheel], room: int, cases: Sequence[Case]
) -> None:
    """What will happen, before anything is fetched."""
    tool = "uv" if workshop.uv else "venv and pip"
    fetched = sum(wheel.size or 0 for wheel in wheels if not wheel.is_local)
    torch = next((wheel for wheel in wheels if wheel.name == "torch"), None)
    unknown = sum(wheel.size is None for wheel in wheels)
    console.print(Text(f"{len(cases)} fine-tuning runs that break, repaired and proved", "bold"))
    pairs = [
        ("where", f"{folder}, removed at the end; nothing else is touched"),
        (
            "installs",
            f"{count(len(wheels), 'package')} with {tool}, one torch for all ({torch.version if torch else '?'})",
        ),
        (
            "downloads",
            f"up to {fetched / 1e6:.0f} MB{_share(torch)}, less what its cache has",
        ),
        ("on disk", f"up to {room / 1e9:.1f} GB"),
    ]
    if unknown:
        pairs.append(("", f"the index does not say the size of {count(unknown, 'file')}"))
    console.print(rows(pairs))


def _share(torch: Wheel | None) -> str:
    if torch is None or torch.size is None or torch.is_local:
        return ""
    return f" ({torch.size / 1e6:.0f} of them torch)"


def announce(console: Console, number: int, of: int, case: Case) -> None:
    """The title of a case."""
    console.print()
    console.print(Text(f"{number}/{of}  {case.title}", "bold"))
    shown = ("trl", "peft", "transformers")
    pins = [pin.replace("==", " ") for pin in case.requirements if pin.partition("==")[0] in shown]
    console.print(Text("     " + " · ".join(pins), "dim"))


def line(console: Console, label: str, text: Text) -> None:
    """A labelled line."""
    console.print(rows([(label, text)], 10))


def run_text(command: str, outcome: Outcome) -> Text:
    """How a script ended."""
    mark, style = ("✓", "green") if outcome.passed else ("✗", "bold red")
    text = Text.assemble((f"{mark} ", style), f"{command}: {clean(outcome.line, 200)}")
    return text.append(f"  {outcome.seconds:.0f} s", "dim")


def check_text(report: Report) -> Text:
    """A verdict and its errors."""
    sign = words.VERDICTS[report.verdict][0]
    text = Text.assemble((f"{sign} ", SIGN_STYLES[sign]), report.verdict.value)
    for finding in report.findings:
        if finding.severity is Severity.ERROR:
            text.append(f"\n{finding.id}  {clean(finding.title)}")
    return text.append(f"  {report.seconds:.1f} s", "dim")


def show_fix(console: Console, case: Case, fixed: FixResult) -> None:
    """What was changed, checked and proved."""
    applied = fixed.outcome == "applied"
    text = Text.assemble(("✓ " if applied else "✗ ", "green" if applied else "bold red"), fixed.outcome)
    if case.unsafe:
        text.append(" with --unsafe", "dim")
    if fixed.reason:
        text.append(f": {clean(fixed.reason)}")
    for action in fixed.plan.actions:
        text.append(f"\n{_action_text(action)}")
    for left in fixed.plan.left_out:
        text.append(f"\nleft out: {clean(left.action.name)}: {clean(left.reason)}", "dim")
    line(console, "fix", text)
    if fixed.after is not None:
        line(console, "check", check_text(fixed.after))
    if fixed.proof is not None:
        line(console, "prove", _proof_text(fixed.proof))


def _action_text(action: Action) -> str:
    if action.kind != "package":
        changed = [line for line in clean_lines(action.diff) if re.match(r"[+-](?![+-]{2})", line)]
        return "\n".join([f"edit {Path(action.name).name}", *(f"  {line}" for line in changed[:8])])
    return f"{action.name} {action.old or '(absent)'} → {action.new or '(removed)'}"


def _proof_text(proof: Proof) -> Text:
    text = Text()
    for number, run in enumerate(proof.runs or (proof,)):
        mark, style = {"passed": ("✓", "green"), "failed": ("✗", "bold red")}.get(run.verdict, ("?", "magenta"))
        text.append("\n" if number else "").append(f"{mark} ", style)
        text.append(f"{run.quantization} on {run.device}: {run.verdict}")
        if run.verdict == "passed":
            text.append(f", {count(len(run.checks), 'check')}")
        elif run.reason or run.failure:
            text.append(f": {clean(run.reason or (run.failure.message if run.failure else ''), 160)}")
    return text.append(f"  {proof.seconds:.0f} s", "dim")


def conclude(console: Console, stories: Sequence[Story]) -> None:
    """Before and after, in a line a case."""
    console.print()
    cured = sum(story.cured for story in stories)
    good = cured == len(stories)
    said = f"{cured} of {len(stories)} runs repaired"
    console.print(Text(f"{'✓' if good else '✗'} {said}", "bold green" if good else "bold red"))
    for story in stories:
        changes = ", ".join(_action_text(action).splitlines()[0] for action in story.fix.plan.actions)
        console.print(rows([(story.case.folder, f"{changes or 'nothing changed'}: {clean(story.after.line, 120)}")]))
    console.print()
    console.print(Text("Next:  sftdoctor check train.py   the same for your own environment and script"))
