"""A Proof as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Proof
from sftdoctor.report import words
from sftdoctor.report.language import say
from sftdoctor.report.plain import clean, clean_lines
from sftdoctor.report.style import as_text, indent
from sftdoctor.report.text import SIGN_STYLES, print_finding

TRACEBACK_LINES = 12


def render(proof: Proof, console: Console) -> None:
    """Print a Proof with its checks and figures.

    Args:
        proof: What was trained and checked.
        console: Where to.
    """
    sign, said = words.proof_headline(proof)
    console.print(as_text(Text(f"{sign} {said}", SIGN_STYLES[sign]).append(f"  {proof.seconds:.0f} s", "dim")))
    if proof.script:
        console.print(indent(as_text(say("your own code was run, with the world around it made small")), 2))
    if proof.reason:
        console.print(indent(as_text(clean(proof.reason)), 2))
    if proof.model:
        console.print(indent(as_text(clean(words.trained(proof))), 2))
    for note in proof.notes:
        console.print(indent(as_text(Text(clean(note), "dim")), 4))
    if words.is_matrix(proof):
        console.print()
        console.print(indent(_matrix(proof.runs), 2))
        for run in proof.runs:
            if run.failure:
                failed = tuple(check for check in run.checks if not check.passed)
                _print_run(replace(run, checks=failed), console)
    else:
        for run in proof.runs or (proof,):
            _print_run(run, console)
    _print_list(say("replaced:"), proof.replaced, console)
    _print_list(say("not settled here:"), proof.not_settled, console)


def render_brief(proof: Proof, console: Console) -> None:
    """Print a Proof that passed, one line a run; one that did not in full."""
    if proof.verdict != "passed":
        render(proof, console)
        return
    sign, said = words.proof_headline(proof)
    console.print(as_text(Text(f"{sign} {said}", SIGN_STYLES[sign]).append(f"  {proof.seconds:.0f} s", "dim")))
    console.print(indent(_matrix(proof.runs or (proof,)), 2))
    _print_list(say("not settled here:"), proof.not_settled, console)


def _print_list(title: str, lines: Sequence[str], console: Console) -> None:
    if not lines:
        return
    console.print()
    console.print(indent(as_text(title), 2))
    grid = Table.grid(padding=(0, 1, 0, 0))
    for line in lines:
        grid.add_row("-", as_text(clean(line)))
    console.print(indent(grid, 4))


def _matrix(runs: Sequence[Proof]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for title in ("", "run", "s a step", "peak MiB", ""):
        grid.add_column(title, justify="right" if title[:1] in "sp" and title else "left", overflow="fold")
    grid.add_row("", *(Text(say(title), "dim") for title in ("run", "s a step", "peak MiB")), "")
    for run in runs:
        sign = words.PROOFS[run.verdict][0]
        cells = (clean(run.name), *words.figures(run), clean(words.came_to(run)))
        grid.add_row(Text(sign, SIGN_STYLES[sign]), *(as_text(cell) for cell in cells))
    return grid


def _print_run(run: Proof, console: Console) -> None:
    sign = words.PROOFS[run.verdict][0]
    figures = [words.run_line(run)]
    if run.seconds_per_step is not None:
        figures.append(f"{run.seconds_per_step:.2f} s a step")
    if run.peak_memory_bytes:
        figures.append(f"{run.peak_memory_bytes / 2**20:.0f} MiB at the peak")
    console.print()
    console.print(as_text(Text.assemble((f"  {sign} ", SIGN_STYLES[sign]), clean(" · ".join(figures)))))
    if run.checks:
        console.print(indent(_checks(run), 4))
    if run.operators:
        console.print(indent(Text(clean(f"ran: {', '.join(run.operators)}"), "dim"), 4))
    if run.reason and run.verdict != "passed":
        console.print(indent(as_text(clean(run.reason))))
    if run.failure:
        failure = run.failure
        console.print(
            indent(as_text(f"failed at {clean(failure.stage)}: {clean(failure.exception)}: {clean(failure.message)}"))
        )
        for line in clean_lines(failure.traceback)[-TRACEBACK_LINES:]:
            console.print(Text(f"      {line}", "dim", overflow="fold"))
        for finding in failure.findings:
            console.print()
            print_finding(finding, console)


def _checks(run: Proof) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for check in run.checks:
        mark = Text("✓", "green") if check.passed else Text("✗", "bold red")
        grid.add_row(mark, clean(check.name.replace("_", " ")), as_text(words.value_of(check.value)))
    return grid
