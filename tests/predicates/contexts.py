"""Small contexts for the tests of predicates, without any file on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sftdoctor.model import (
    Accelerator,
    Cause,
    Confidence,
    Distribution,
    Environment,
    Fact,
    Finding,
    Location,
    ModelFolder,
    NotJudged,
    Place,
    Scenario,
    Script,
    Severity,
    Target,
    TargetKind,
    Workload,
)
from sftdoctor.predicates import Context

SCENARIO = Scenario("sft", "a run", ("trl:SFTTrainer",), {"quantization": "nf4"}, ("trl", "peft"))


@dataclass(frozen=True)
class Keywords:
    """A signature that takes these keywords, or all."""

    names: tuple[str, ...]
    takes_all: bool = False

    def accepts(self, keyword: str) -> bool:
        return self.takes_all or keyword in self.names

    def has(self, name: str) -> bool:
        return name in self.names


@dataclass(frozen=True)
class KnownLibrary:
    """A library of which a few signatures and names are known."""

    signatures: Mapping[str, Keywords]
    names: Mapping[str, tuple[str, ...]]
    texts: Mapping[str, str] = field(default_factory=dict)

    def text(self, module: str) -> str | None:
        return self.texts.get(module)

    def signature(self, callable_: str) -> Keywords | None:
        return self.signatures.get(callable_)

    def path(self, module: str) -> None:
        return None

    def known(self, question: str, ask: Callable[[], Any], files: object) -> Any:
        return ask()

    def offers(self, module: str, name: str) -> bool | None:
        return name in self.names[module] if module in self.names else None


@dataclass(frozen=True)
class Found:
    """What a linker might have found."""

    findings: tuple[Finding, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def distribution(name: str, version: str, *requires: str, extras: Sequence[str] = (), **more: Any) -> Distribution:
    return Distribution(
        name, version, "/site", requires=requires, extras=tuple(extras), top_level=(name.replace("-", "_"),), **more
    )


def environment(*distributions: Distribution, **more: Any) -> Environment:
    python = more.pop("python", "3.11.7")
    return Environment(
        target=Target(TargetKind.INTERPRETER, "/venv/bin/python", python),
        python=python,
        markers={"python_version": python.rpartition(".")[0], "sys_platform": "linux", "platform_machine": "x86_64"},
        distributions={one.name: one for one in distributions},
        **{"accelerators": (), **more},
    )


def context(
    *distributions: Distribution,
    facts: Mapping[str, Any] | None = None,
    scenario: Scenario = SCENARIO,
    model: ModelFolder | None = None,
    signatures: Mapping[str, Keywords] | None = None,
    names: Mapping[str, tuple[str, ...]] | None = None,
    texts: Mapping[str, str] | None = None,
    links: Sequence[Finding] = (),
    **more: Any,
) -> Context:
    """A context; `facts` are a script's, without them the scenario speaks; `more` is of the environment."""
    script = None if facts is None else script_of(facts)
    workload = Workload(scenario, (script,) if script else (), model)
    library = KnownLibrary(signatures or {}, names or {}, texts or {})
    return Context(environment(*distributions, **more), workload, library, Found(tuple(links)), script)


def script_of(facts: Mapping[str, Any], path: str = "train.py", source: str = "") -> Script:
    said = tuple(Fact(name, value, Location(path, line)) for line, (name, value) in enumerate(facts.items(), 1))
    return Script(path, source, said)


def finding(
    kind: str = "unexpected-keyword",
    id_: str = "API002",
    caller: str = "trl",
    callee: str = "peft",
    name: str = "extra",
    symbol: str = "peft.utils.other.prepare",
    line: int = 5,
    location: Location | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    versions: Mapping[str, str | None] | None = None,
) -> Finding:
    """What the linker says of a break."""
    known = {"trl": "0.24.0", "peft": "0.5.0", **(versions or {})}
    asking = Place(caller, known.get(caller), f"{caller}.models.utils", line, path=f"{caller}/models/utils.py")
    asked = Place(callee, known.get(callee), f"{callee}.utils.other", 81, symbol)
    return Finding(
        id_,
        kind,
        Severity.ERROR,
        confidence,
        "a title",
        f"a message of line {line}.",
        f"TypeError: {name}",
        Cause(None if location else asking, asked, name, "prepare(…)"),
        location,
    )


def gpu(capability: tuple[int, int] | None = (7, 5), gib: float | None = 16, kind: str = "cuda") -> Accelerator:
    return Accelerator(kind, f"a {kind} card", int(gib * 2**30) if gib else None, capability)
