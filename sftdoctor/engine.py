"""Environment × Workload × rules × links → Report. Pure: it reads no file, runs nothing, and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sftdoctor.drafts import Draft, draft
from sftdoctor.merging import merged
from sftdoctor.model import (
    Confidence,
    Environment,
    Finding,
    NotJudged,
    Report,
    Rule,
    Severity,
    Suppressed,
    Verdict,
    Workload,
)
from sftdoctor.predicates import Context, Judgement, Library, Links, Outcome, core, evaluate, gate
from sftdoctor.predicates.core import Shared, by_script
from sftdoctor.ruleset import is_named

Suppress = Callable[[tuple[Finding, ...]], tuple[tuple[Finding, ...], tuple[Suppressed, ...]]]


def judge(
    environment: Environment,
    workload: Workload,
    rules: Sequence[Rule],
    links: Links,
    library: Library,
    *,
    seconds: float = 0.0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    reasons: Mapping[str, str] | None = None,
    suppress: Suppress | None = None,
) -> Report:
    """Judge what is to run on a target.

    Args:
        environment: The facts of the target.
        workload: What is to run.
        rules: The rules to ask.
        links: What the linker found in that environment for that workload.
        library: What the target's modules offer.
        seconds: Time that reading and linking took; goes into the report.
        select: Ids, beginnings of ids or rule names: only these are reported; none means all.
        ignore: Ids, beginnings of ids or rule names that are suppressed.
        reasons: Why, by what stands in ignore.
        suppress: Parts the findings in those that are reported, with what it adds, and those that are suppressed.

    Returns:
        The report: findings worst first, what could not be judged and why, the verdict.
    """
    contexts = _contexts(environment, workload, library, links)
    drafts: list[Draft] = []
    open_questions: list[tuple[str, str]] = []
    for rule, (found, unjudged) in zip(rules, _ask_all(rules, contexts), strict=True):
        # a rule that only tells a link is asked even if it is not selected: the link is its finding, and no other's
        drafts.extend(found)
        if _wanted(rule.id, rule.name, select, ignore):
            open_questions.extend((rule.id, reason) for reason in unjudged)
    everything = merged(links.findings, drafts)
    asked_for = tuple(finding for finding in everything if _wanted(finding.id, finding.rule, select, ()))
    findings, suppressed = _ignored(asked_for, ignore, reasons or {})
    if suppress is not None:
        findings, more = suppress(findings)
        findings = tuple(finding for finding in findings if _wanted(finding.id, finding.rule, select, ignore))
        suppressed += more
    unread = _unread_core(contexts)
    said = (*environment.not_judged, *workload.not_judged, *links.not_judged)
    not_judged = _distinct((*unread, *said, *_by_reason(open_questions)))
    return Report(
        environment,
        workload,
        verdict(findings, bool(unread)),
        findings,
        not_judged,
        seconds,
        suppressed=suppressed,
        core_unread=bool(unread),
    )


def _ignored(
    findings: tuple[Finding, ...], ignore: Sequence[str], reasons: Mapping[str, str]
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Part findings in those that stay and those that the request ignores, with its reason."""
    kept: list[Finding] = []
    suppressed: list[Suppressed] = []
    for finding in findings:
        meant = [name for name in ignore if is_named(finding.id, finding.rule, (name,))]
        if meant:
            suppressed.append(Suppressed(finding, "ignore", next((reasons[n] for n in meant if n in reasons), "")))
        else:
            kept.append(finding)
    return tuple(kept), tuple(suppressed)


def verdict(findings: Iterable[Finding], core_unknown: bool = False) -> Verdict:
    """The answer of a report.

    Args:
        findings: Its findings.
        core_unknown: Whether something that the run cannot do without could not be judged.

    Returns:
        breaks for an error that is certain or likely; else unknown, at-risk for warnings and possible errors, or clean.
    """
    grave = [finding for finding in findings if finding.severity is not Severity.INFO]
    if any(f.severity is Severity.ERROR and f.confidence is not Confidence.POSSIBLE for f in grave):
        return Verdict.BREAKS
    if core_unknown:
        return Verdict.UNKNOWN
    return Verdict.AT_RISK if grave else Verdict.CLEAN


def _contexts(environment: Environment, workload: Workload, library: Library, links: Links) -> tuple[Context, ...]:
    """One context a script, since what two scripts say must not be mixed; one of the scenario where there is none."""
    found, shared = by_script(links, workload), Shared()
    scripts = workload.scripts or (None,)
    return tuple(Context(environment, workload, library, links, script, found, shared) for script in scripts)


def _ask_all(rules: Sequence[Rule], contexts: Sequence[Context]) -> list[tuple[list[Draft], tuple[str, ...]]]:
    """Of each rule its drafts, and why it could not be judged; script by script, so that each is in memory once."""
    drafts: list[list[Draft]] = [[] for _ in rules]
    reasons: list[dict[str, None]] = [{} for _ in rules]
    answered: set[int] = set()
    for context in contexts:
        for index, rule in enumerate(rules):
            if index in answered:
                continue
            looks = context.shared.looks
            found, reason = _ask(rule, context)
            drafts[index].extend(found)
            if reason is not None:
                reasons[index].setdefault(reason)
            if context.shared.looks == looks:  # it is about the environment alone
                answered.add(index)
    return [(found, tuple(why)) for found, why in zip(drafts, reasons, strict=True)]


def _ask(rule: Rule, context: Context) -> tuple[list[Draft], str | None]:
    """The drafts of one rule, and why it could not be judged. A crash in a rule is its own result."""
    drafts: list[Draft] = []
    try:
        judgement = _judge(rule, context)
        drafts = [draft(rule, match, context) for match in judgement.matches]
    except Exception as error:  # whatever a rule stumbles over, the others go on
        judgement = Judgement(Outcome.UNKNOWN, f"{type(error).__name__}: {error}")
    return drafts, judgement.reason if judgement.outcome is Outcome.UNKNOWN else None


def _judge(rule: Rule, context: Context) -> Judgement:
    open_question: Judgement | None = None
    for name, specifier in rule.applies.items():
        judgement = gate(context, name, specifier)
        if judgement.outcome is Outcome.HOLDS:
            return judgement
        if judgement.outcome is Outcome.UNKNOWN:
            open_question = judgement
    return open_question or evaluate(context, rule.fails)


def _wanted(id_: str, name: str, select: Sequence[str], ignore: Sequence[str]) -> bool:
    return (not select or is_named(id_, name, select)) and not is_named(id_, name, ignore)


def _unread_core(contexts: Sequence[Context]) -> tuple[NotJudged, ...]:
    """What the run cannot do without and could not be looked at."""
    found: dict[str, str] = {}
    for context in contexts:
        for name in core(context):
            distribution = context.environment.distributions.get(name)
            if distribution is None and not context.environment.complete:
                found[name] = "it is not among what is known of the target"
            elif distribution is not None and distribution.root is None:
                found[name] = f"the source of {distribution.version} is not at hand"
    return tuple(NotJudged(name, reason) for name, reason in found.items())


def _by_reason(open_questions: Iterable[tuple[str, str]]) -> tuple[NotJudged, ...]:
    """One line a reason, with the rules that it keeps from judging."""
    by_reason: dict[str, list[str]] = {}
    for id_, reason in open_questions:
        by_reason.setdefault(reason, []).append(id_)
    return tuple(
        NotJudged(f"{'rule' if len(ids) == 1 else 'rules'} {', '.join(sorted(ids))}", reason)
        for reason, ids in by_reason.items()
    )


def _distinct(not_judged: Iterable[NotJudged]) -> tuple[NotJudged, ...]:
    return tuple(dict.fromkeys(not_judged))
