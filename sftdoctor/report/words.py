"""What a report says, in words without any layout: every format shows these same lines. Standard library only."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from sftdoctor import goals
from sftdoctor.model import (
    Action,
    Confidence,
    Environment,
    Finding,
    Fix,
    FixResult,
    Location,
    NotJudged,
    Place,
    Plan,
    Proof,
    Report,
    Rule,
    Safety,
    Severity,
    TargetKind,
    Verdict,
)
from sftdoctor.report.environment import devices
from sftdoctor.report.language import count, say
from sftdoctor.report.plain import clean, short_path
from sftdoctor.wording import phrase, sentences

HEADLINERS = ("trl", "transformers", "peft", "torch")
"""Distributions that the first line names."""
SIGNS = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.INFO: "·"}
VERDICTS = {
    Verdict.BREAKS: ("✗", "This run will break"),
    Verdict.AT_RISK: ("!", "This run may go wrong"),
    Verdict.CLEAN: ("✓", "This run will start: nothing that breaks it was found"),
    Verdict.UNKNOWN: ("?", "Whether this run starts could not be judged"),
}
"""Sign and words of the first line."""
OUTCOMES = {
    "applied": ("✓", "Repaired"),
    "undone": ("✗", "Undone: everything is as it was"),
    "refused": ("✗", "Refused: nothing was changed"),
    "planned": ("→", "The plan"),
}
UNPROVED = "The proof that is required does not hold"
UNPROVED_MOST = 8
"""Differences to the proof that are told where there is little room."""
MATRIX_FROM = 4
"""Runs from which on a proof is shown as a table."""
PROOFS = {
    "passed": ("✓", "Proved: a real LoRA SFT step runs here"),
    "failed": ("✗", "The proof failed"),
    "not-possible": ("?", "No proof is possible here"),
}
SCRIPT_PROOFS = {
    "passed": ("✓", "Proved: {script} trains here"),
    "failed": ("✗", "{script} fails here"),
    "not-possible": ("?", "{script} cannot be proved here"),
}
"""The same where the user's own script was run."""


class Line(NamedTuple):
    """One labelled line about a Finding; all its parts are harmless."""

    label: str
    """ "why", "fix", or the distribution that a place is in."""
    text: str
    where: str = ""
    """File and line of a place."""
    is_place: bool = False
    """Whether it is about a place; the text is then code."""
    is_output: bool = False
    """Whether it is what a program would print."""
    safety: str = ""
    """safe, unsafe or manual, where it is a fix."""


def target_parts(environment: Environment) -> list[str]:
    """ ".venv (Python 3.11.7)", "trl 0.24.0", …, "no GPU"."""
    target = environment.target
    name = short_path(target.prefix or target.path) if target.kind is TargetKind.INTERPRETER else target.path
    kind = "" if target.kind is TargetKind.INTERPRETER else f"{target.kind.value}, "
    versions = [f"{name} {environment.version(name) or say('missing')}" for name in HEADLINERS]
    return [
        f"{clean(name)} ({kind}Python {clean(environment.python)})",
        *map(clean, versions),
        say(devices(environment)),
    ]


def tally(report: Report) -> str:
    """ "2 errors, 1 warning"; empty where there is nothing."""
    numbers = [(report.count(severity), severity) for severity in Severity]
    return ", ".join(count(number, noun(severity)) for number, severity in numbers if number)


def noun(severity: Severity) -> str:
    """What a finding of that severity is called."""
    return "note" if severity is Severity.INFO else severity.value


def gap_count(report: Report) -> str:
    """ "3 not judged"; empty where everything was."""
    return say("{n} not judged", n=len(report.not_judged)) if report.not_judged else ""


def headline(report: Report, *, notes: bool = True) -> str:
    """ "This run will break: 2 errors, 1 warning, 3 not judged".

    Args:
        report: What was found.
        notes: Whether notes are counted where there is nothing else.
    """
    alone = len(report.findings) == report.count(Severity.INFO)
    said = ", ".join(filter(None, (tally(report) if notes or not alone else "", gap_count(report))))
    joint = "; " if report.verdict is Verdict.CLEAN else ": "
    return say(_verdict(report)) + (f"{joint}{said}" if said else "")


def _verdict(report: Report) -> str:
    if report.verdict is Verdict.CLEAN and any(one.finding.severity is Severity.ERROR for one in report.suppressed):
        return "Nothing new was found; what is suppressed may still break this run"
    if report.verdict is Verdict.CLEAN and report.not_judged:
        return "Nothing that breaks this run was found"
    return VERDICTS[report.verdict][1]


def duration(seconds: float) -> str:
    """How long a check took, beside its verdict; two digits after the point, so that the next one fits in its place."""
    return f" {seconds:.{2 if seconds < 9.995 else 1}f} s"


def place(location: Location, cell: str = "") -> str:
    """ "train.py:31", as an editor opens it; of a notebook "train.ipynb cell 3, line 2"."""
    line = f" {cell}" if cell else "" if location.line is None else f":{location.line}"
    return clean(short_path(location.path), 200) + line


def lines(finding: Finding, *, verbose: bool = False) -> list[Line]:
    """Both places, why, what one would see, the fixes.

    Args:
        finding: What is wrong.
        verbose: Every fix, and the evidence.
    """
    said = _places(finding)
    if finding.message and finding.message != finding.title:
        said.append(Line(say("why"), clean(finding.message)))
    if finding.symptom:
        said.append(Line(say("you would see"), clean(finding.symptom), is_output=True))
    shown = finding.fixes if verbose else finding.fixes[:3]
    said += [
        Line(say("or" if number else "fix"), fix_words(fix), safety=fix.safety.value)
        for number, fix in enumerate(shown)
    ]
    if verbose:
        said += [Line(say("evidence"), clean(source)) for source in finding.evidence]
    return said


def _places(finding: Finding) -> list[Line]:
    cause = finding.cause
    if cause is None:
        return []
    said = []
    words = cause.expression or cause.name
    if cause.caller and (cause.caller.path or cause.caller.module or words != cause.caller.distribution):
        said.append(_site(cause.caller, words))
    if cause.callee and _says_more(cause.callee):
        said.append(_site(cause.callee, cause.callee.symbol or cause.name))
    return said


def _says_more(place: Place) -> bool:
    """Whether the line of a place would say more than the name that it starts with.

    Of a package that is not there the message says so.
    """
    if place.version is None:
        return False
    return bool(place.path or place.module or (place.symbol or place.distribution) != place.distribution)


def _site(place: Place, words: str) -> Line:
    """ "trl 0.24.0", "trl/models/utils.py:538", "prepare(…)": where, and what is said or looked for there."""
    where = place.path or place.module
    number = f":{place.line}" if place.line is not None and where else ""
    words = words.removeprefix(f"{place.module}.") if place.module else words
    owner = clean(f"{place.distribution} {place.version or say('missing')}", 60)
    return Line(owner, clean(words, 200), clean(where, 200) + number, True)


def fix_words(fix: Fix) -> str:
    """What a Fix does."""
    what = fix.summary or ", ".join(fix.require) or fix.reason
    return clean(say("install {what}", what=what) if what == ", ".join(fix.require) else what)


def remedies(rule: Rule, told: Finding | None = None) -> list[tuple[str, str]]:
    """What may be done, with how safe that is, and the reason.

    Args:
        rule: The rule whose fixes are told.
        told: What is known of one case of it; its fixes are then told instead.

    Returns:
        A pair for each fix: "install peft>=0.17 (safe)" and a sentence, which may be "".
    """
    if told is not None:
        return [(f"{fix_words(fix)} ({say(fix.safety.value)})", clean(fix.reason)) for fix in told.fixes]
    pairs = []
    for fix in rule.fixes:
        what = fix.summary or ", ".join(fix.require) or fix.operation.replace("_", " ")
        pairs.append((clean(f"{phrase(what)} ({say(fix.safety.value)})"), clean(sentences(fix.reason))))
    return pairs


def gaps(not_judged: Sequence[NotJudged]) -> dict[str, list[str]]:
    """Reasons for not judging, each with what it kept from being judged."""
    by_reason: dict[str, list[str]] = {}
    for gap in not_judged:
        by_reason.setdefault(clean(gap.reason), []).append(clean(gap.what))
    return by_reason


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
    repairs = _repairs(report, "--unsafe" in given)
    risky = "" if repairs else _repairs(report, True)
    if repairs or risky:
        taken = f"sftdoctor fix{arguments}" + (" --unsafe" if risky else "")
        steps.append((taken, say("show the plan: {repairs}", repairs=repairs or risky)))
        if installed and repairs:
            what = say("carry it out and prove it; `sftdoctor undo` takes it back")
            steps.append((f"sftdoctor fix{arguments} --apply", what))
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    if report.prove_anew:
        steps.append((report.prove_anew, say("write the proof that is required")))
    if serious:
        steps.append((f"sftdoctor rules {serious[0].id}", say("why this happens")))
    elif installed and not report.prove_anew:
        python = _option(given, "--python")
        steps.append((f"sftdoctor prove{python}", say("train a real 4-bit LoRA step here")))
    return steps


def unproved(report: Report) -> tuple[Finding, ...]:
    """A required proof that does not hold, as a Finding, for tools that show nothing else; none where it holds."""
    if not report.unproved:
        return ()
    left = len(report.unproved) - UNPROVED_MOST
    more = (say("and {n} more", n=left),) if left > 0 else ()
    fix = Fix("command", Safety.MANUAL, say("prove it anew: {command}", command=report.prove_anew))
    return (
        Finding(
            id="PROOF",
            rule="required-proof",
            severity=Severity.ERROR,
            confidence=Confidence.CERTAIN,
            title=say(UNPROVED),
            message="; ".join((*report.unproved[:UNPROVED_MOST], *more)),
            fixes=(fix,) if report.prove_anew else (),
        ),
    )


def _option(given: Sequence[str], name: str) -> str:
    at = list(given).index(name) if name in given else -1
    return "".join(f" {shlex.quote(word)}" for word in given[at : at + 2]) if at >= 0 else ""


def _repairs(report: Report, unsafe: bool) -> str:
    """ "versions that cure 1 finding, 2 edits": what `fix` will look for and do. How many packages that takes, only its
    search can tell."""
    edits = goals.edited(report.findings, unsafe)
    rest = [one for one in report.findings if one not in edits]
    cured = len(goals.searched(rest, unsafe))
    said = [say("versions that cure {findings}", findings=count(cured, "finding"))] if cured else []
    return ", ".join([*said, *([count(len(edits), "edit")] if edits else [])])


def step(action: Action) -> str:
    """ "peft 0.5.0 → 0.17.1", "peft → 0.17.1" where it was missing, or a file's name."""
    name = clean(short_path(action.name), 200)
    if action.kind == "edit":
        return f"edit {name}"
    if action.kind == "config" and action.content:
        return f"write {name}"
    if action.new is None:
        return f"remove {name} {clean(action.old)}" if action.old else name
    return f"{name} {clean(action.old)} → {clean(action.new)}" if action.old else f"{name} → {clean(action.new)}"


def outcome(result: FixResult) -> tuple[str, str]:
    """Sign and words for what a fix came to: what was done, and what is left."""
    if result.outcome in ("planned", "applied"):
        left = left_of(result)
        sign, said = OUTCOMES[result.outcome]
        if result.outcome == "applied" and any(goals.is_error(one) for one in left):
            sign, said = "!", "Repaired in part"
        return sign, "".join((say(said), _done(result.plan), _remains(left), _yet(result)))
    if result.outcome != "nothing-to-do":
        sign, said = OUTCOMES[result.outcome]
        return sign, say(said)
    if result.before.verdict is Verdict.CLEAN:
        return "✓", say("Nothing to repair")
    if result.before.verdict is Verdict.UNKNOWN:
        return "?", say("Nothing to repair in what could be judged")
    if is_risky(result.plan):
        return "!", say("Nothing safe can be done; --unsafe has a repair")
    return "!", say("There is no repair to offer for what was found")


def is_risky(plan: Plan) -> bool:
    """Whether a plan that does nothing would do something if it were allowed to."""
    return not plan.actions and any(one.reason.startswith(goals.WITH_UNSAFE) for one in plan.left_out)


def left_of(result: FixResult) -> tuple[Finding, ...]:
    """The errors and warnings that a fix leaves, or would leave, the errors first."""
    findings = result.after.findings if result.after else result.plan.foreseen
    return tuple(sorted(filter(goals.matters, findings), key=lambda one: not goals.is_error(one)))


def _done(plan: Plan) -> str:
    """ ": 1 package, 2 edits"; packages that only go along are counted too: they change."""
    kinds = Counter("file" if one.content else one.kind for one in plan.actions)
    said = ", ".join(count(number, kind) for kind, number in kinds.items())
    return f": {said}" if said else ""


def _remains(left: Sequence[Finding]) -> str:
    """ "; 1 error is left: DAT005"."""
    errors = [one for one in left if goals.is_error(one)]
    shown = errors or left
    if not shown:
        return ""
    ids = ", ".join(dict.fromkeys(one.id for one in shown))
    return say("; left: {findings} ({ids})", findings=count(len(shown), noun(shown[0].severity)), ids=ids)


def _yet(result: FixResult) -> str:
    return say("; nothing has been changed yet") if result.outcome == "planned" else ""


def proof_headline(proof: Proof) -> tuple[str, str]:
    """Sign and words of a Proof's first line."""
    if proof.script:
        sign, said = SCRIPT_PROOFS[proof.verdict]
        return sign, say(said, script=clean(proof.script))
    if not is_matrix(proof):
        sign, said = PROOFS[proof.verdict]
        return sign, say(said)
    met = Counter(run.verdict for run in proof.runs)
    said = say(
        "{n} runs tried: {works} work here, {fail} fail, {cannot} cannot be had here",
        n=len(proof.runs),
        works=met["passed"],
        fail=met["failed"],
        cannot=met["not-possible"],
    )
    return ("✗" if met["failed"] else PROOFS[proof.verdict][0]), said


def step_before(proof: Proof) -> str:
    """What came of the proof's steps before a repair."""
    sign, said = PROOFS[proof.verdict]
    came = came_to(proof) or say(said)
    return say("the step before: {sign} {came}", sign=sign, came=came)


def is_matrix(proof: Proof) -> bool:
    """Whether a proof has so many runs that a table shows them best."""
    return len(proof.runs) >= MATRIX_FROM


def trained(proof: Proof) -> str:
    """What model was trained."""
    return say("a small {model}, built from its config", model=proof.model)


def run_line(run: Proof) -> str:
    """ "nf4 on cpu"; the device alone where the run ended before its model was seen."""
    return f"{run.name} on {run.device}" if run.name else run.device


def figures(run: Proof) -> tuple[str, str]:
    """Seconds a step and MiB at the peak, of one run; empty where it has none."""
    per_step = "" if run.seconds_per_step is None else f"{run.seconds_per_step:.2f}"
    return per_step, f"{run.peak_memory_bytes / 2**20:.0f}" if run.peak_memory_bytes else ""


def came_to(run: Proof) -> str:
    """What a run that did not pass came to, in one line."""
    if run.failure is not None:
        return f"{run.failure.stage}: {run.failure.exception}: {' '.join(run.failure.message.split())[:200]}"
    return run.reason if run.verdict != "passed" else ""


def value_of(measured: Any) -> str:
    """What a Check measured; empty where there is nothing but its outcome."""
    if measured is None or measured is True:
        return ""
    if isinstance(measured, float):
        return f"{measured:.4g}"
    if isinstance(measured, (list, tuple)):
        return clean(" → ".join(value_of(item) or str(item) for item in measured), 200)
    return clean(measured, 200)
