"""Plans, fixes and undos as text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sftdoctor.model import Action, FixResult, JournalEntry, Plan, Safety, Severity, TargetKind
from sftdoctor.report import proof_text, words
from sftdoctor.report.language import say
from sftdoctor.report.plain import clean, clean_lines, short_path
from sftdoctor.report.style import as_text, indent, print_commands, rows
from sftdoctor.report.text import SIGN_STYLES, target_line

STYLES = {Safety.SAFE: "green", Safety.UNSAFE: "yellow", Safety.MANUAL: "magenta"}
NAMED = 4
"""Steps of one reason that are named."""
ALTERNATIVES = 8
"""How many are shown."""
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def render_fix(result: FixResult, console: Console, *, given: Sequence[str] = (), alternatives: bool = False) -> None:
    """Print what a fix came to, or would come to.

    Args:
        result: The outcome with its plan.
        console: Where to.
        given: The words of the command line that name target and workload, for the advice.
        alternatives: Whether to show what else was considered.
    """
    console.print(target_line(result.before.environment, console.width))
    console.print()
    for line in result.recovered:
        console.print(as_text(Text(f"! {clean(line)}", SIGN_STYLES["!"])))
    sign, said = words.outcome(result)
    reason = f": {clean(result.reason)}" if result.reason else ""
    console.print(as_text(Text(f"{sign} {said}{reason}", SIGN_STYLES[sign])))
    _print_cured(result, console)
    render_plan(result.plan, console)
    if alternatives:
        _print_alternatives(result.plan, console)
    if result.after:
        console.print()
        before, after = (words.tally(report) or say("nothing found") for report in (result.before, result.after))
        pairs = [
            (say("before"), f"{result.before.verdict.value}: {before}"),
            (say("after"), f"{result.after.verdict.value}: {after}"),
        ]
        console.print(rows(pairs, 8))
        _print_left(result, console)
    if result.proof_before and result.proof:
        console.print()
        console.print(as_text(clean(words.step_before(result.proof_before))))
    if result.proof:
        console.print()
        for script in _not_run(result):
            own = say("what follows is sftdoctor's own step; {script} itself was not run", script=script)
            console.print(as_text(own))
        proof_text.render_brief(result.proof, console)
    for line in result.advice:
        console.print()
        console.print(as_text(Text(f"! {clean(line)}", SIGN_STYLES["!"])))
    steps = _next(result, given)
    if steps:
        console.print()
        print_commands(console, steps)


def _print_cured(result: FixResult, console: Console) -> None:
    """Print what the plan is for: the findings that will be gone."""
    stays = {(one.id, one.message) for one in result.plan.foreseen}
    cured = [one for one in result.before.findings if (one.id, one.message) not in stays]
    lines = dict.fromkeys((one.id, clean(one.title)) for one in cured if one.severity is not Severity.INFO)
    if result.plan.actions and lines:
        console.print()
        console.print(Text(say("What it cures:" if result.outcome != "undone" else "What it was to cure:")))
        console.print(indent(rows(lines, 6), 2))


def _print_left(result: FixResult, console: Console) -> None:
    """Print what the repair could not mend, and what is to be done about it by hand."""
    left = words.left_of(result)
    if result.outcome != "applied" or not left:
        return
    console.print()
    console.print(Text(say("What is left, to be done by hand:")))
    for one in left:
        place = f"{words.place(one.location)}  " if one.location else ""
        console.print(indent(as_text(clean(f"{words.SIGNS[one.severity]} {one.id}  {place}{one.title}", 300)), 2))
        for fix in one.fixes[:1]:
            console.print(indent(as_text(f"{say('fix')}: {words.fix_words(fix)}"), 6))


def _not_run(result: FixResult) -> list[str]:
    """The scripts that were asked for, and that the proof of a fix does not run."""
    scripts = result.before.workload.scripts
    return [clean(short_path(one.path)) for one in scripts if one.config is None and not one.launches][:3]


def render_plan(plan: Plan, console: Console) -> None:
    """Print the actions of a plan, then what it leaves out and why."""
    packages = [action for action in plan.actions if not action.diff]
    if packages:
        console.print()
        console.print(indent(_steps(packages), 2))
    for path, actions in _edits(plan).items():
        console.print()
        console.print(indent(_steps(actions), 2))
        _print_diff(plan.diffs.get(path) or "".join(action.diff for action in actions), console)
    if plan.left_out:
        console.print()
        by_reason: dict[str, dict[str, None]] = {}
        for left in sorted(plan.left_out, key=lambda one: one.action.along):
            by_reason.setdefault(clean(left.reason, 600), {})[words.step(left.action)] = None
        console.print(Text(say("Left out ({n}):", n=sum(map(len, by_reason.values())))))
        for reason, steps in by_reason.items():
            more = say("and {n} more", n=len(steps) - NAMED) if len(steps) > NAMED else ""
            named = ", ".join(list(steps)[:NAMED])
            console.print(indent(as_text(f"{' '.join(filter(None, (named, more)))}: {reason}"), 2))


def _print_alternatives(plan: Plan, console: Console) -> None:
    console.print()
    shown = plan.alternatives[:ALTERNATIVES]
    console.print(Text(say("Considered, and not taken ({n}):", n=len(plan.alternatives))))
    for one in shown:
        versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
        console.print(indent(as_text(clean(f"{versions}: {one.reason}", 400)), 2))
    if len(plan.alternatives) > len(shown):
        more = say("and {n} more; --format json has them all", n=len(plan.alternatives) - len(shown))
        console.print(indent(as_text(more), 2))


def _steps(actions: Sequence[Action]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    name = ""
    for action in actions:
        why = ": ".join(filter(None, (" ".join(action.findings), action.reason)))
        said = words.step(action)
        grid.add_row(as_text(Text("" if said == name else said, "bold")), _safety(action), as_text(clean(why)))
        name = said  # many edits of one file name it once
    return grid


def _safety(action: Action) -> Text:
    return Text(say(action.safety.value), STYLES[action.safety])


def _edits(plan: Plan) -> dict[str, list[Action]]:
    """The edits of each file, in order."""
    found: dict[str, list[Action]] = {}
    for action in plan.actions:
        if action.diff:
            found.setdefault(action.name, []).append(action)
    return found


def _print_diff(diff: str, console: Console) -> None:
    for line in clean_lines(diff):
        # a broken line of a diff is no diff
        console.print(Text(f"    {line}", DIFF_STYLES.get(line[:1], "")), soft_wrap=True)


def _words(given: Sequence[str]) -> str:
    return "".join(f" {shlex.quote(word)}" for word in given)


def _next(result: FixResult, given: Sequence[str]) -> list[tuple[str, str]]:
    arguments = _words(given)
    if result.outcome == "applied":
        journal = f" {result.journal}" if result.journal else ""
        ids = dict.fromkeys(one.id for one in words.left_of(result))
        pages = [(f"sftdoctor rules {id_}", say("why this is left, and what to do")) for id_ in list(ids)[:2]]
        return [*pages, (f"sftdoctor undo{journal}", say("take it all back"))]
    if words.is_risky(result.plan):
        return [(f"sftdoctor fix{arguments} --unsafe", say("show the plan that is not safe"))]
    if result.outcome != "planned":
        return []
    writes = any(action.content for action in result.plan.actions)
    if result.before.environment.target.kind is not TargetKind.INTERPRETER and not writes:
        return [("sftdoctor fix --python PATH --apply", say("carry such a plan out where the packages are installed"))]
    return [(f"sftdoctor fix{arguments} --apply", say("carry it out, check again, prove; undone if the proof fails"))]


def render_init(plan: Plan, console: Console, applied: bool, *, given: Sequence[str] = ()) -> None:
    """Print which files `init` wrote, or would write."""
    if not plan.actions:
        sign, said = "✓", "Nothing to write"
    elif applied:
        sign, said = "✓", "Written"
    else:
        sign, said = "→", "What would be written; nothing has been yet"
    console.print(as_text(Text(f"{sign} {said}", SIGN_STYLES[sign])))
    render_plan(plan, console)
    if plan.actions and not applied:
        console.print()
        print_commands(console, [(f"sftdoctor init{_words(given)} --apply", "write it")])


def render_journals(entries: Sequence[JournalEntry], console: Console) -> None:
    """Print the fixes on record: id, state, what was changed and where, why it was undone."""
    if not entries:
        console.print("No fix is on record")
    for entry in entries:
        console.print(as_text(Text(f"{clean(entry.id)}  {clean(entry.state)}", "bold")))
        if entry.summary:
            console.print(indent(as_text(clean(entry.summary)), 2))
        if entry.prefix:
            console.print(indent(as_text(clean(f"in {entry.prefix}")), 2))
        if entry.lost:
            console.print(indent(as_text(Text(clean(f"can no longer be taken back: {entry.lost}", 300), "yellow")), 2))
        if entry.state == "undone" and entry.note:
            console.print(indent(as_text(clean(f"undone: {entry.note}", 300)), 2))


def render_undo(journal: str, restored: Sequence[str], reason: str, drift: Sequence[str], console: Console) -> None:
    """Print what an undo put back."""
    if reason:
        console.print(as_text(f"! Nothing was undone: {clean(reason)}"))
    else:
        console.print(as_text(Text(f"✓ Undone: {clean(journal)}; everything is as it was", "bold green")))
    for line in restored:
        console.print(indent(as_text(clean(line))))
    for line in drift:
        console.print(indent(as_text(f"changed since, and overwritten: {clean(line)}")))
