"""What every predicate is made of: its Context, its three-valued Judgement, its documented arguments, its registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sftdoctor.model import Cause, Environment, Fact, Finding, Location, NotJudged, Place, Script, Workload

MATCHES = 200
"""At most so many matches of one predicate are kept; an environment that has more is told enough by these."""


class Signature(Protocol):
    """What the linker knows about a callable."""

    def accepts(self, keyword: str) -> bool:
        """Whether a call may pass that keyword (True where the callable takes `**kwargs`)."""

    def has(self, name: str) -> bool:
        """Whether it has a parameter of its own of that name."""


class Library(Protocol):
    """What the linker knows about the target's modules; None always means that it cannot be known."""

    def offers(self, module: str, name: str) -> bool | None:
        """Whether `from module import name` would work."""

    def signature(self, callable_: str) -> Signature | None:
        """The signature of "pkg.mod:func", "pkg.mod:Class.method" or "pkg.mod:Class"."""

    def text(self, module: str) -> str | None:
        """The source of a module as text; None also where there is no such module."""

    def path(self, module: str) -> Path | None:
        """Where the source of a module lies."""

    def known(self, question: str, ask: Callable[[], Any], files: Callable[[], Iterable[str]]) -> Any:
        """Any other answer about them that JSON can hold, from memory where that rests on the same files."""


class Links(Protocol):
    """What the linker found."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Links that break."""

    @property
    def not_judged(self) -> tuple[NotJudged, ...]:
        """Links that could not be judged."""

    @property
    def modules(self) -> Mapping[str, tuple[str, ...]]:
        """The files of the user's own modules that each script imports, by the script's path."""


class Outcome(str, Enum):
    """The three values: the condition that a rule describes is there, is not there, or cannot be known."""

    FAILS = "fails"
    HOLDS = "holds"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Match:
    """One instance of the condition; a rule makes one Finding of each."""

    values: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """What `{name}` stands for in the rule's texts; of several, a fix's `require` becomes one line each."""
    cause: Cause | None = None
    location: Location | None = None
    link: Finding | None = None
    """The linker's finding that the rule decorates."""
    symptom: str = ""
    """What would be seen, where it is not what the rule's symptom says."""

    def merge(self, other: Match) -> Match:
        """Both together; where both say something, the first is kept."""
        return Match(
            {**other.values, **self.values},
            self.cause or other.cause,
            self.location or other.location,
            self.link or other.link,
            self.symptom or other.symptom,
        )


@dataclass(frozen=True)
class Judgement:
    """The answer of a predicate."""

    outcome: Outcome
    reason: str = ""
    """Why it is unknown, as a reader understands it."""
    matches: tuple[Match, ...] = ()
    """One or more where it fails, none otherwise."""


HOLDS = Judgement(Outcome.HOLDS)
THERE = Judgement(Outcome.FAILS, matches=(Match(),))
"""The condition is there, and no more is to be said of it."""


def fails(*matches: Match) -> Judgement:
    """The condition is there, once for each match (once where none is given)."""
    return Judgement(Outcome.FAILS, matches=matches[:MATCHES] or (Match(),))


def fails_if(condition: bool, **values: str) -> Judgement:
    """The condition is there, or it is not."""
    return fails(Match(values)) if condition else HOLDS


def fails_each(matches: Iterable[Match]) -> Judgement:
    """The condition is there once for each match; without any it is not there."""
    found = tuple(matches)
    return fails(*found) if found else HOLDS


def unknown(reason: str) -> Judgement:
    """It cannot be known, and why."""
    return Judgement(Outcome.UNKNOWN, reason)


def merge_all(judgements: Iterable[Judgement]) -> tuple[Match, ...]:
    """The matches of conditions that are all there: every combination, merged."""
    combined: tuple[Match, ...] = (Match(),)
    for judgement in judgements:
        combined = tuple(a.merge(b) for a, b in product(combined, judgement.matches))[:MATCHES]
    return combined


@dataclass
class Shared:
    """What the contexts of several scripts have in common: answers for which nobody had to look at the script."""

    looks: int = 0
    """How often a script was looked at."""
    answers: dict[int, tuple[Mapping[str, Any], Judgement]] = field(default_factory=dict)
    """By the identity of a probe's table: the table, kept so that no other takes its place, and the answer."""
    tables: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Tables that were made while judging, by what they say."""


@dataclass(frozen=True)
class Context:
    """What a predicate may look at. Nothing in it needs the target's code to be run."""

    environment: Environment
    workload: Workload
    library: Library
    links: Links
    judged: Script | None = None
    """See script."""
    found: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    """The linker's findings by script, as by_script gives them, where there are many scripts to ask for."""
    shared: Shared = field(default_factory=Shared)
    """The same for all contexts of one judgement."""

    @property
    def script(self) -> Script | None:
        """The script that is judged at the moment; None where none was given: the scenario speaks then."""
        self.shared.looks += 1
        return self.judged

    @property
    def facts(self) -> Mapping[str, tuple[Fact, ...]]:
        """Facts by name: the script's (else the scenario's), then the model folder's."""
        self.shared.looks += 1
        return self._facts

    @property
    def links_by_kind(self) -> Mapping[str, tuple[Finding, ...]]:
        """The linker's findings of the script that is judged at the moment, and of no script, by their kind."""
        self.shared.looks += 1
        return self._links_by_kind

    @cached_property
    def _facts(self) -> Mapping[str, tuple[Fact, ...]]:
        if self.script is not None:
            said = self.script.facts
        else:
            said = tuple(Fact(name, value) for name, value in self.workload.scenario.facts.items())
        if self.workload.model is not None:
            said += self.workload.model.facts
        grouped: dict[str, tuple[Fact, ...]] = {}
        for fact in said:
            grouped[fact.name] = (*grouped.get(fact.name, ()), fact)
        return grouped

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """Top-level module → the distribution that installs it."""
        found: dict[str, str] = {}
        for name, distribution in self.environment.distributions.items():
            for module in distribution.top_level:
                found.setdefault(module, name)
        return found

    @cached_property
    def _links_by_kind(self) -> Mapping[str, tuple[Finding, ...]]:
        heard: Iterable[Finding] = self.links.findings
        if self.script is not None:
            found = self.found or by_script(self.links, self.workload)
            heard = (*found.get("", ()), *found.get(self.script.path, ()))
        grouped: dict[str, list[Finding]] = {}
        for finding in heard:
            grouped.setdefault(finding.rule, []).append(finding)
        return {kind: tuple(findings) for kind, findings in grouped.items()}

    def place(self, module: str, symbol: str | None = None) -> Place:
        """The Place of a module of the target, as a Cause names it."""
        top = module.partition(".")[0]
        name = self.owners.get(top, top)
        return Place(name, self.environment.version(name), module=module, symbol=symbol)


def by_script(links: Links, workload: Workload) -> Mapping[str, Sequence[Finding]]:
    """The linker's findings by the path of the script that each is of.

    Args:
        links: What was linked.
        workload: What is judged.

    Returns:
        Path → findings; under "" those of no script, or of a config that one reads.
    """
    scripts = {script.path for script in workload.scripts}
    found: dict[str, list[Finding]] = {}
    for finding in links.findings:
        path = finding.location.path if finding.location else ""
        found.setdefault(path if path in scripts else "", []).append(finding)
    return found


Predicate = Callable[[Context, Mapping[str, Any]], Judgement]
"""Takes the context and the arguments as the rule writes them, already validated."""


@dataclass(frozen=True)
class Argument:
    """One argument of a predicate, as ruleset checks it."""

    kind: str
    """text, texts (one or a list), specifier (PEP 440), flag, number, table, probe or probes."""
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()

    def problem(self, value: Any) -> str:
        """What is wrong with that value; empty where nothing is."""
        if not _IS_KIND[self.kind](value):
            return f"must be {_KIND_WORDS[self.kind]}"
        wrong = [text for text in as_texts(value) if self.choices and text not in self.choices]
        return f"{wrong[0]!r} is none of {', '.join(self.choices)}" if wrong else ""


@dataclass(frozen=True)
class Registered:
    """A predicate with everything that ruleset and the documentation need."""

    name: str
    function: Predicate
    doc: str
    arguments: Mapping[str, Argument]
    values: tuple[str, ...]
    """The `{name}`s that its matches define."""
    one_of: tuple[str, ...]
    """At least one of these arguments must be there."""


PREDICATES: dict[str, Registered] = {}


def predicate(
    name: str, arguments: Mapping[str, Argument], values: tuple[str, ...] = (), one_of: tuple[str, ...] = ()
) -> Callable[[Predicate], Predicate]:
    """Register a predicate under the name that rules use.

    Args:
        name: As in `probe = "name"`.
        arguments: Its arguments by name.
        values: The `{name}`s that its matches define.
        one_of: Arguments of which at least one must be given.

    Returns:
        A decorator that gives the function back unchanged.
    """

    def register(function: Predicate) -> Predicate:
        PREDICATES[name] = Registered(name, function, (function.__doc__ or "").strip(), arguments, values, one_of)
        return function

    return register


def evaluate(context: Context, probe: Mapping[str, Any]) -> Judgement:
    """Ask the predicate that a `[fails]` table names.

    Args:
        context: What may be looked at.
        probe: The table: `probe` and its arguments, as ruleset validated them.

    Returns:
        The judgement of that predicate; one that did not look at the script is not asked for the next script again.
    """
    shared = context.shared
    known = shared.answers.get(id(probe))
    if known is not None:
        return known[1]
    before = shared.looks
    judgement = PREDICATES[probe["probe"]].function(context, probe)
    if shared.looks == before:
        shared.answers[id(probe)] = probe, judgement
    return judgement


def as_texts(value: Any) -> tuple[str, ...]:
    """A text or a list of texts, as a tuple of texts; anything else is empty."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()


def _is_specifier(value: Any) -> bool:
    try:
        return isinstance(value, str) and (value in ("*", "absent") or bool(SpecifierSet(value)))
    except InvalidSpecifier:
        return False


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, (list, tuple)) and bool(value) and all(isinstance(item, str) for item in value)
    )


_IS_KIND: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str) and bool(value),
    "texts": _is_texts,
    "specifier": _is_specifier,
    "flag": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "table": lambda value: isinstance(value, Mapping) and bool(value),
    "probe": lambda value: isinstance(value, Mapping),
    "probes": lambda value: isinstance(value, (list, tuple)) and len(value) > 0,
}
_KIND_WORDS: Mapping[str, str] = {
    "text": "a text",
    "texts": "a text or a list of texts",
    "specifier": 'a PEP 440 version range, "*" or "absent"',
    "flag": "true or false",
    "number": "a number",
    "table": "a table with at least one line",
    "probe": "a table with a probe",
    "probes": "a list of tables with a probe each",
}
