"""A traceback or log → the rules that know its error. Reads once, block by block, whatever the size.

Not called explain: a module of that name would stand in the way of `sftdoctor.explain`, the function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sftdoctor.logs import LogParser, blocks, lines_of, undecorated
from sftdoctor.logs.asked import Asked, asked_by, home_of, in_words, values_of
from sftdoctor.logs.choice import chain_of, follows, frames_that_matter, joined, last_error
from sftdoctor.logs.common import COMMON
from sftdoctor.logs.own import own_line
from sftdoctor.logs.parser import SIGNS
from sftdoctor.logs.stack import STACK, names_stack
from sftdoctor.model import OUTSIDE, Explanation, Finding, Fix, Raised, Rule, RuleFix, Safety
from sftdoctor.symptoms import anchors, compiled, readable
from sftdoctor.wording import NOTHING_KNOWN, fill, is_whole, phrase, sentences

SPOKEN_WITHIN = 20_000
"""Lines that are looked at closely in which a log without a single frame may say by name what it is about."""
INNERMOST = 6
"""Frames of an exception that a rule may ask for: further out everything is below the Trainer."""
Hits = dict[str, str]
"""Ids of rules, each with the words that showed it."""
_COMMON = "\n".join(COMMON)


def explain(lines: Iterable[str], rules: Sequence[Rule]) -> Explanation:
    """Match a traceback or log against what rules know.

    Args:
        lines: The log, line by line or in blocks of lines; read once, so that it may be endless in practice.
        rules: All that may be recognised.

    Returns:
        What caused the error that ended the run, as far as a rule knows it; what else the log shows.
    """
    known = Symptoms(rules)
    parser = LogParser()
    seen: Hits = {}
    number, close, spoken = 0, 0, False
    for block in blocks(lines):
        first, number = number + 1, number + block.count("\n") + 1
        alive = known.alive(block)
        if not alive and not any(sign in block for sign in SIGNS):
            parser.skip()
            continue  # most of a long log: nothing in it needs a closer look
        for offset, raw in lines_of(block):
            line = undecorated(raw)
            close += 1
            spoken = spoken or (close <= SPOKEN_WITHIN and names_stack(line))
            for id_ in known.in_text(line, alive) if alive else ():
                seen.setdefault(id_, line.strip())
            if parser.busy or any(sign in line for sign in SIGNS):
                parser.feed(first + offset, line)
    told = parser.close()
    known.spoken_of = spoken and not any(one.frames for one in told)
    return _explanation(told, seen, known, number)


def _explanation(told: Sequence[Raised], seen: Hits, known: Symptoms, lines: int) -> Explanation:
    passed_on = {id_: text for id_, text in seen.items() if id_ in known.last}
    seen = {id_: text for id_, text in seen.items() if id_ not in passed_on}
    error = last_error(told)
    chain = chain_of(error, told) if error else ()
    root, hits = _recognised(error, chain, known) if error else (None, {})
    if not hits and (spoken_of := joined(told)) is not None and (hits := known.of(spoken_of)):
        root = spoken_of
    whole = error is not None and error.line and error.whole and not follows(error)
    if not whole and (seen or not hits):
        # no error stands there whole: what its other lines show is all there is
        hits = known.heaviest(seen) if error else seen
    if not hits:
        told_of = {id_ for one in chain for id_ in known.in_text(str(one))}
        # what a launcher says counts only where nothing else is told
        alone = not whole and len({follows(one) for one in told if one.kind}) < 2
        hits = {id_: text for id_, text in passed_on.items() if alone or id_ in told_of}
    also = {id_: text for id_, text in seen.items() if id_ not in hits and not known.shares_symptom(id_, hits)}
    asked = asked_by(root) if root is not None and root.kind else None
    findings = tuple(_told(known.by_id[id_], text, asked) for id_, text in hits.items())
    named = root if root is not None and root.kind else None
    return Explanation(
        findings=findings,
        pages=tuple(known.by_id[id_] for id_ in hits),
        exception=str(named).strip() if named else None,
        frames=tuple(str(frame) for frame in frames_that_matter(root.frames)) if root else (),
        lines=lines,
        root=root,
        chain=chain,
        others=_others(told, chain),
        also=tuple(finding_of(known.by_id[id_], text) for id_, text in also.items()),
        notes=_notes(known, named, hits) if named is not None else (),
    )


def _notes(known: Symptoms, raised: Raised, hits: Hits) -> tuple[str, ...]:
    """Of an exception that no rule answers for, or only the page of a kind of link: whose line it was that failed.

    Where none answers, which rules have its words all the same, and what would settle it.
    """
    own = own_line(raised) if all(is_page(known.by_id[id_]) for id_ in hits) else ""
    if hits:
        return (own,) if own else ()
    vague = known.vaguely(raised)
    framed = known.by_frames(raised) if not raised.frames else []
    said = ((vague, "`sftdoctor check YOUR_SCRIPT.py` judges that"), (framed, "its frames tell, give them too"))
    many = [
        f"Many errors have these words, {', '.join(ids)} {'one' if len(ids) == 1 else 'some'} of them: {how}."
        for ids, how in said
        if ids
    ]
    return (*((own,) if own else ()), *many)


def _told(rule: Rule, symptom: str, asked: Asked | None) -> Finding:
    """The finding of a rule; where it speaks of a link that only the exception names, in the words of the link."""
    if asked is None or rule.fails.get("probe") not in ("link", "any"):
        return finding_of(rule, symptom)
    finding = finding_of(rule, symptom, asked)
    if rule.fails.get("probe") != "link":
        return finding
    from sftdoctor.link.releases import ages

    since = ages(asked.kind, asked.symbol, asked.name)
    message = finding.message if finding.message != finding.title else ""
    named = is_whole(fill(rule.title, values_of(asked))) and asked.name in finding.title + message
    if since and message and asked.kind == "unexpected-keyword":
        since = f"In {asked.symbol.removesuffix('.__init__')}, {since}"
    if since not in message:
        message = f"{message} {since}".strip()
    title = finding.title if named else in_words(asked)
    return replace(finding, title=title, message=message or title)


def _recognised(error: Raised, chain: Sequence[Raised], known: Symptoms) -> tuple[Raised, Hits]:
    """The exception of the chain that a rule knows, the root first; the root itself where none does."""
    for raised in chain:
        if hits := known.of(raised):
            return raised, hits
    return chain[0] if chain else error, {}


def _others(told: Sequence[Raised], chain: Sequence[Raised]) -> tuple[Raised, ...]:
    """Errors of other chains, each text once."""
    shown = {str(raised) for raised in chain}
    found: dict[str, Raised] = {}
    for raised in told:
        if raised.kind and raised.whole and str(raised) not in shown:
            found.setdefault(str(raised), replace(raised, secondary=raised.secondary or follows(raised)))
    return tuple(found.values())


class _Pattern:
    """A rule's symptom, with the texts that are looked for before the pattern is tried."""

    def __init__(self, rule: Rule) -> None:
        # a page that renders code takes the backticks of a message away
        symptom = rule.symptom.strip().replace("`", "`?")
        self.id = rule.id
        self.logs_alone = rule.fails.get("probe") == OUTSIDE
        frame = rule.fails.get("frame") if self.logs_alone else None
        raiser = rule.fails.get("raiser") if self.logs_alone else None
        alone = rule.fails.get("alone") if self.logs_alone else None
        self.in_frame = compiled(frame).search if isinstance(frame, str) else None
        self.at_raise = compiled(raiser).search if isinstance(raiser, str) else None
        self.alone = compiled(alone).search if isinstance(alone, str) else None
        self.named = self.in_frame is not None and rule.fails.get("named") is True
        self.last = self.logs_alone and rule.fails.get("last") is True
        self.search = compiled(symptom).search
        self.anchors = anchors(symptom)

    def could_match(self, text: str) -> bool:
        """Whether the pattern is worth trying; much cheaper than trying it."""
        return not self.anchors or any(anchor in text for anchor in self.anchors)

    def says_nothing(self) -> bool:
        """Whether any program's error may have its words."""
        return any(self.could_match(line) and self.search(line) for line in COMMON)

    def words(self) -> set[str]:
        """The longest word within blanks of each anchor: a text must have one of them; "" where there is none."""
        enclosed = [max(anchor.split(" ")[1:-1], key=len, default="") for anchor in self.anchors]
        return set(enclosed) if enclosed and all(enclosed) else {""}

    def weight(self, text: str) -> int:
        """How much of a text the pattern spells out: of two that match, the one that says more knows more."""
        return max((len(anchor) for anchor in self.anchors if anchor in text), default=0)


class Symptoms:
    """What rules know of logs.

    Args:
        rules: All rules; those that no log can show are left out.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.by_id = {rule.id: rule for rule in rules}
        self._pages = {_kind(rule): rule.id for rule in rules if is_page(rule)}
        self._links = [rule for rule in rules if rule.fails.get("probe") == "link" and not is_page(rule)]
        # the page of a kind of link speaks of any program's error: what was asked of whom decides, not its words
        every = [_Pattern(rule) for rule in rules if rule.symptom and not is_page(rule)]
        self.last = {pattern.id for pattern in every if pattern.last}
        """Rules whose words only pass another error on: every other answer goes before theirs."""
        self.spoken_of = False
        """Whether the log has no frame at all, and names the libraries: so a person tells an error."""
        self._framed = [pattern for pattern in every if pattern.in_frame]
        self._raised = [pattern for pattern in every if pattern.at_raise]
        patterns = [pattern for pattern in every if not pattern.in_frame and not pattern.at_raise]
        self._vague = [pattern for pattern in patterns if pattern.could_match(_COMMON) and pattern.says_nothing()]
        self._patterns = [pattern for pattern in patterns if pattern not in self._vague]
        self._by_word: dict[str, list[_Pattern]] = {}
        for pattern in self._patterns:
            for word in pattern.words():
                self._by_word.setdefault(word, []).append(pattern)

    def alive(self, text: str) -> list[_Pattern]:
        """The patterns that may match somewhere in a text; nearly as fast for a thousand as for one."""
        words = self._by_word.keys() & {"", *text.split()}
        maybe = dict.fromkeys(pattern for word in words for pattern in self._by_word[word])
        return [pattern for pattern in self._patterns if pattern in maybe and pattern.could_match(text)]

    def in_text(self, text: str, patterns: Sequence[_Pattern] | None = None) -> list[str]:
        """Ids of the rules whose symptom stands in a text; of several that match, those that say most of it."""
        tried = self._patterns if patterns is None else patterns
        hits = [pattern for pattern in tried if pattern.could_match(text) and pattern.search(text)]
        hits = [hit for hit in hits if not hit.last] or hits
        # what an environment or a script shows as well knows more of the error than what a log alone does
        hits = [hit for hit in hits if not hit.logs_alone] or hits
        most = max((hit.weight(text) for hit in hits), default=0)
        return [hit.id for hit in hits if hit.weight(text) == most]

    def heaviest(self, seen: Hits) -> Hits:
        """Of what lines of a log showed, that which spells out most of its line."""
        weights = {pattern.id: pattern.weight(seen[pattern.id]) for pattern in self._patterns if pattern.id in seen}
        most = max(weights.values(), default=0)
        return {id_: text for id_, text in seen.items() if weights[id_] == most}

    def vaguely(self, raised: Raised) -> list[str]:
        """Rules whose words an exception has, where any program's error may have the same."""
        words = str(raised)
        return [pattern.id for pattern in self._vague if pattern.could_match(words) and pattern.search(words)]

    def by_frames(self, raised: Raised) -> list[str]:
        """Rules whose words an exception has, and whose frame too; one without frames has any."""
        words = str(raised)
        frames = [f"{frame.path} in {frame.function}".replace("\\", "/") for frame in raised.frames[-INNERMOST:]]
        return [
            pattern.id
            for pattern in self._framed
            if pattern.could_match(words)
            and pattern.search(words)
            and (not frames or any(pattern.in_frame and pattern.in_frame(frame) for frame in frames))
        ]

    def by_raiser(self, raised: Raised) -> list[str]:
        """Rules for whatever is raised on purpose at one place: where the innermost frame stands at its raise."""
        last = raised.frames[-1] if raised.frames else None
        if last is None or not (not last.code or last.code.startswith(("raise ", "assert "))):
            return []
        words, place = str(raised), f"{last.path} in {last.function}".replace("\\", "/")
        return [one.id for one in self._raised if one.at_raise and one.at_raise(place) and one.search(words)]

    def of(self, raised: Raised) -> Hits:
        """What may have caused an exception: the rules for its words, for its frames, for the link that it tells of."""
        asked = asked_by(raised)
        words = str(raised)
        flat = " ".join(words.split())
        ids = self.in_text(words) or self.in_text(flat) or self.in_text(_raising_line(raised))
        ids = [id_ for id_ in ids if id_ not in self.last]
        ids = [id_ for id_ in ids if asked is None or fits(asked, self.by_id[id_].fails, named=True)]
        if not ids and raised.frames:
            ids = self.by_frames(raised)
        ids = ids or [one.id for one in self._framed if one.alone and one.alone(words)]
        if not ids and self.spoken_of:
            ids = [one.id for one in self._framed if one.named and one.could_match(words) and one.search(words)]
        ids = ids or self.by_raiser(raised)
        if asked is not None and not ids:
            ids = [rule.id for rule in self._links if fits(asked, rule.fails)]
        if asked is not None and not ids and asked.of_stack and asked.kind in self._pages:
            ids = [self._pages[asked.kind]]
        return dict.fromkeys(ids, words.splitlines()[0] if words else "")

    def shares_symptom(self, id_: str, hits: Hits) -> bool:
        """Whether a rule is known by the same words as one of those that were found."""
        return any(self.by_id[id_].symptom == self.by_id[other].symptom for other in hits)


def _raising_line(raised: Raised) -> str:
    """The source line that raised an exception, where it holds words that the log cut off, or an assertion's."""
    code = raised.frames[-1].code if raised.frames else ""
    return code if code.startswith(("raise ", "assert ")) else ""


def is_page(rule: Rule) -> bool:
    """Whether a rule is no more than the page of a kind of link."""
    return rule.fails.get("probe") == "link" and set(rule.fails) == {"probe", "kind"} and _kind(rule) != ""


def _kind(rule: Rule) -> str:
    kind = rule.fails.get("kind")
    return kind if isinstance(kind, str) and kind not in _OWN_WORDS else ""


_OWN_WORDS = ("numpy-binary-interface", "extension-cannot-load", "unknown-option", "unknown-key")
"""Kinds of link that tracebacks tell in words of their own, which no other program's error shares."""


def fits(asked: Asked, fails: object, *, named: bool = False) -> bool:
    """Whether a rule about a link speaks of the one that an exception tells of.

    Args:
        asked: The link.
        fails: The rule's `[fails]`; anything but a link fits.
        named: Whether the rule's own words were found: then what the exception does not say is no objection.

    Returns:
        Whether nothing contradicts it and, where its words were not found, its name or symbol is the same.
    """
    if not isinstance(fails, dict) or fails.get("probe") != "link":
        return named
    if asked.kind not in _several(fails.get("kind")) and not named:
        return False
    symbol = asked.symbol.removesuffix(".__init__")
    said = (
        ("caller", asked.caller if asked.frame is not None else ""),
        ("callee", asked.callee or home_of(symbol) or home_of(symbol.rpartition(".")[0])),
        ("name", asked.name),
    )
    if any(value and key in fails and value not in map(_module, _several(fails[key])) for key, value in said):
        return False
    if "symbol" in fails and not any(f".{symbol}".endswith(f".{wanted}") for wanted in _several(fails["symbol"])):
        return False
    # of an attribute's owner the exception says the class alone: a rule that names no class may mean another's
    known = asked.kind != "missing-attribute" or bool(asked.callee)
    return named or "symbol" in fails or ("name" in fails and bool(asked.name) and known)


def _module(distribution: str) -> str:
    return distribution.replace("-", "_")


def _several(value: object) -> list[str]:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else []


def finding_of(rule: Rule, symptom: str = "", asked: Asked | None = None) -> Finding:
    """What a rule says where no environment is known: in whole sentences, without what only a judgement can fill in.

    Args:
        rule: The rule.
        symptom: The line that showed it; the rule's own pattern, as a person would see it, where there is none.
        asked: The link that the exception tells of, where it tells of one.

    Returns:
        The Finding.
    """
    known = values_of(asked) if asked else NOTHING_KNOWN
    title = fill(rule.title, known)
    title = title if is_whole(title) else rule.name.replace("-", " ")
    return Finding(
        id=rule.id,
        rule=rule.name,
        severity=rule.severity,
        confidence=rule.confidence,
        title=title,
        message=sentences(rule.message, known) or title,
        symptom=symptom or readable(rule.symptom),
        fixes=_fixes(rule, asked, known),
        evidence=tuple(evidence.source for evidence in rule.evidence),
    )


def _fixes(rule: Rule, asked: Asked | None, known: Mapping[str, str]) -> tuple[Fix, ...]:
    """What may be done about an error as far as the log tells it, each text once."""
    made = [_fix(fix, known) for fix in rule.fixes if asked is None or _is_offered(fix, asked)]
    if not made and asked is not None and rule.fails.get("probe") == "link":
        made = moves(asked)
    return tuple({fix.summary: fix for fix in reversed(made)}.values())[::-1]


def _is_offered(fix: RuleFix, asked: Asked) -> bool:
    """Whether a fix is for the name that was asked for, and no log says that it would be wrong."""
    if fix.names and asked.name and asked.name not in fix.names:
        return False
    if fix.operation == "remove_import":
        return False  # it is right where the script never uses the name, which its import does not say
    by_a_library = bool(asked.caller) and asked.kind in ("missing-name", "missing-module")
    return not (fix.kind == "edit" and by_a_library)


def moves(asked: Asked) -> list[Fix]:
    """What may be done about any link that broke, where no rule knows better.

    Args:
        asked: The link.

    Returns:
        The fixes, the first to be tried first; none where the exception says too little.
    """
    from sftdoctor.link.releases import requirement_for

    made = []
    if asked.kind == "unexpected-keyword" and not asked.caller:
        made.append(Fix("config", Safety.MANUAL, f"take {asked.name} out of the call, or give what replaced it"))
    if require := requirement_for(asked.kind, asked.symbol, asked.name):
        made.append(Fix("package", Safety.UNSAFE, require, (require,), reason=f"Those releases have {asked.name}."))
    elif asked.kind == "missing-module" and asked.callee not in STACK and asked.caller:
        what = f"install what brings {asked.callee}, or a version of {asked.caller} that does without"
        made.append(Fix("command", Safety.MANUAL, what))
    elif asked.caller and asked.callee and asked.caller != asked.callee:
        what = f"another version of {asked.caller} or {asked.callee}: `sftdoctor fix` looks for the nearest that fit"
        made.append(Fix("command", Safety.MANUAL, what))
    return made


def _fix(fix: RuleFix, known: Mapping[str, str]) -> Fix:
    require = tuple(phrase(line, known) for line in fix.require)
    summary = phrase(fix.summary, known) or ", ".join(require) or phrase(fix.reason, known)
    return Fix(fix.kind, fix.safety, summary, require, reason=sentences(fix.reason, known))
