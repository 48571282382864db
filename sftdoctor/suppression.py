"""Findings that a project has decided to live with: comments in its scripts, and a baseline.

A suppressed finding is neither shown at large nor counted for the verdict, and never lost: the report carries it, with
who suppressed it and why.

In a script:

    trainer = SFTTrainer(model, tokenizer=tok)  # sftdoctor: ignore[API002] until we leave trl 0.15

The comment covers the statement that it stands above, or at the first or last line of; within a statement of several
lines it covers its own line, or the next one where it stands alone.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sftdoctor.model import Finding, Location, Rule, Script, Suppressed

PROBE = "ignore-comment"
"""Probe of the rules about comments."""
UNUSED, UNREASONED = "unused", "without-reason"
"""States of a comment that they speak of."""
_COMMENT = re.compile(r"#\s{0,8}sftdoctor:\s{0,8}ignore\s{0,4}(?:\[([^\]\n]{0,400})\])?[ \t:]{0,8}([^\n]{0,400})")
_SKIPPED = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Ignore:
    """One comment, and the lines that it covers."""

    path: str
    ids: tuple[str, ...]
    """Ids, beginnings of ids or names of rules."""
    reason: str
    line: int
    first: int
    last: int
    asked: bool = True
    """Whether it stands in a file that was named, not in a module that one imports: that may serve other scripts."""

    def covers(self, finding: Finding) -> bool:
        """Whether a finding lies in its lines; whether it is meant is another question."""
        location = finding.location
        if location is None or location.line is None or location.path != self.path:
            return False
        return location.line <= self.last and (location.end_line or location.line) >= self.first


def ignores_in(script: Script) -> tuple[Ignore, ...]:
    """The comments of a script, and of the modules of its project, that ignore something.

    Args:
        script: The script; of a notebook, its code cells as one text.

    Returns:
        The comments in their order; those up to the place where a broken script can be read no further.
    """
    if script.config is not None:
        return tuple(_in_config(script))
    modules = (replace(one, asked=False) for path, source in script.modules for one in _in_source(path, source))
    return (*_in_source(script.path, script.source), *modules)


def _in_source(path: str, source: str) -> tuple[Ignore, ...]:
    if "sftdoctor:" not in source:
        return ()
    found: list[Ignore] = []
    above: list[Ignore] = []
    within: list[Ignore] = []
    start = 0
    for token in _tokens(source):
        row = token.start[0]
        if token.type == tokenize.COMMENT:
            if comment := _read(path, token):
                (within if start else above).append(comment)
        elif token.type == tokenize.NEWLINE and start:
            found += [_at_statement(one, start, row) for one in (*_next_to(above, start), *within)]
            found += [one for one in above if one not in _next_to(above, start)]
            above, within, start = [], [], 0
        elif token.type not in _SKIPPED and not start:
            start = row
    return (*found, *above, *within)


def _in_config(script: Script) -> Iterator[Ignore]:
    """The comments of a YAML file: each covers its line, or the next one where it stands alone."""
    for row, line in enumerate(script.source.splitlines(), start=1):
        found = _COMMENT.search(line)
        if found is not None:
            covered = row if line[: found.start()].strip() else row + 1
            ids = tuple(word.strip() for word in (found[1] or "").split(",") if word.strip())
            yield Ignore(script.path, ids, found[2].strip(), row, covered, covered)


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    try:
        yield from tokenize.generate_tokens(io.StringIO(source).readline)
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _read(path: str, token: tokenize.TokenInfo) -> Ignore | None:
    found = _COMMENT.match(token.string)
    if found is None:
        return None
    ids = tuple(word.strip() for word in (found[1] or "").split(",") if word.strip())
    alone = not token.line[: token.start[1]].strip()
    line = token.start[0]
    covered = line + 1 if alone else line
    return Ignore(path, ids, found[2].strip(), line, covered, covered)


def _next_to(above: Sequence[Ignore], start: int) -> list[Ignore]:
    """The comments that stand right above a statement, one below the other."""
    kept: list[Ignore] = []
    for one in reversed(above):
        if one.line != start - 1 - len(kept):
            break
        kept.insert(0, one)
    return kept


def _at_statement(one: Ignore, start: int, end: int) -> Ignore:
    whole = one.line < start or one.line in (start, end)
    return replace(one, first=start, last=end) if whole else one


def suppress(
    findings: Sequence[Finding], ignores: Sequence[Ignore], rules: Sequence[Rule], wanted: Sequence[str] = ()
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """Part findings in those that are to be shown, and those that a comment suppresses.

    Args:
        findings: All findings of a report.
        ignores: The comments of its scripts.
        rules: All rules, for what is to be said about comments.
        wanted: Ids that are asked for at all; none means all.

    Returns:
        The findings that stay, with what is to be said about the comments, and the suppressed ones.
    """
    kept: list[Finding] = []
    suppressed: list[Suppressed] = []
    used: set[tuple[Ignore, str]] = set()
    for finding in findings:
        meant = [(one, id_) for one in ignores if one.covers(finding) for id_ in one.ids if _is(finding, id_)]
        used.update(meant)
        if meant:
            suppressed.append(Suppressed(finding, "comment", meant[0][0].reason))
        else:
            kept.append(finding)
    return (*kept, *_about(ignores, used, rules, wanted)), tuple(suppressed)


def _about(
    ignores: Sequence[Ignore], used: set[tuple[Ignore, str]], rules: Sequence[Rule], wanted: Sequence[str]
) -> Iterator[Finding]:
    """What is to be said about the comments themselves."""
    about = {rule.fails.get("state"): rule for rule in rules if rule.fails.get("probe") == PROBE}
    for one in (one for one in ignores if one.asked):
        idle = [id_ for id_ in one.ids if (one, id_) not in used and _was_asked(id_, wanted)]
        if UNUSED in about and (idle or not one.ids):
            yield _told(about[UNUSED], one, idle)
        if UNREASONED in about and one.ids and not one.reason:
            yield _told(about[UNREASONED], one, one.ids)


def _was_asked(id_: str, wanted: Sequence[str]) -> bool:
    """Whether findings of that id, or of some that begin with it, were wanted at all."""
    return not wanted or any(id_.startswith(one) or one.startswith(id_) for one in wanted)


def _is(finding: Finding, id_: str) -> bool:
    return finding.id.startswith(id_.upper()) or finding.rule == id_


def _told(rule: Rule, one: Ignore, ids: Iterable[str]) -> Finding:
    values: Mapping[str, str] = {"ids": ", ".join(ids) or "nothing", "line": str(one.line)}

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    return Finding(
        id=rule.id,
        rule=rule.name,
        severity=rule.severity,
        confidence=rule.confidence,
        title=fill(rule.title),
        message=fill(rule.message),
        location=Location(one.path, one.line),
    )
