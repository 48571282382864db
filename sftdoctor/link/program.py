"""What is followed, and what that comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sftdoctor.model import Finding, NotJudged, Script, Workload

DRIVER = "__main__"
BITSANDBYTES = "bitsandbytes"
QUANTIZATIONS = ("nf4", "fp4", "int8")
"""What bitsandbytes does; values of the fact `quantization`."""
QUANTIZED_OPTIMIZERS = ("8bit", "paged", "bnb")
"""Parts of the names of optimizers that are bitsandbytes' own."""


@dataclass(frozen=True)
class LinkResult:
    """What linking found.

    Attributes:
        findings: What breaks, one finding a root.
        not_judged: What could not be followed, with the reason.
        imports: The packages that the user's own code imports.
        modules: The files of the user's own modules that each script imports, by the script's path.
        speaks_of_quantizing: Whether that code has words of a quantised model.
    """

    findings: tuple[Finding, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    imports: tuple[str, ...] = ()
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    speaks_of_quantizing: bool = False


@dataclass(frozen=True)
class Program:
    """What is followed: the scenario's run, or a script of the user's."""

    source: str
    script: Script | None = None

    @property
    def is_data(self) -> bool:
        """Whether it is a config file or launch script, beside which no modules lie."""
        return self.script is not None and (self.script.config is not None or bool(self.script.launches))

    @property
    def path(self) -> str | None:
        """The script's file."""
        return self.script.path if self.script else None


@dataclass(frozen=True)
class Run:
    """What of a scenario stands for a workload.

    Attributes:
        program: The part that such a run certainly does.
        quantized: The whole of it, where it is not known whether the scripts quantise their model; else None.
        foreign: Packages of the scenario that the scripts have nothing to do with: what breaks in them is no news.
    """

    program: Program
    quantized: Program | None = None
    foreign: frozenset[str] = frozenset()


def run_of(workload: Workload, scripts: Sequence[LinkResult]) -> Run:
    """What of its scenario stands for a workload.

    A scenario's run goes deeper than its scripts can be followed, but only where they do what it does: packages that
    they do not import (nor quantise with) are left out, and so is what only a quantised model needs, unless they show
    that they quantise theirs.

    Args:
        workload: The scenario and the scripts.
        scripts: What following those came to.
    """
    scenario = workload.scenario
    if workload.whole_scenario:
        return Run(Program(driver(scenario.entry_points) + scenario.run))
    quantizes = _quantizes(workload)
    tops = [point.partition(":")[0].partition(".")[0] for point in scenario.entry_points]
    reached = _reached(workload, scripts, tops)
    foreign = frozenset() if reached is None else frozenset(tops) - reached
    own = [point for point, top in zip(scenario.entry_points, tops, strict=True) if top not in foreign]
    if quantizes is not None:
        return Run(Program(driver(own) + (scenario.run if quantizes else "")), None, foreign)
    whole = driver([*own, *(BITSANDBYTES for top in tops if top == BITSANDBYTES in foreign)]) + scenario.run
    may = any(result.speaks_of_quantizing for result in scripts)
    return Run(Program(driver(own) + scenario.plain_run), Program(whole) if may else None, foreign)


def _quantizes(workload: Workload) -> bool | None:
    """Whether what runs has a quantised model, as its scenario does; None where that is not known."""
    of_scenario = workload.scenario.facts.get("quantization")
    said = {fact.value for script in workload.scripts for fact in script.facts if fact.name == "quantization"}
    if workload.model is not None:
        said |= {fact.value for fact in workload.model.facts if fact.name == "model_quantization"} - {"none"}
    by_itself = of_scenario in (None, "none")
    if said and said.isdisjoint((*QUANTIZATIONS, "unknown")) and not by_itself:
        return False  # or by another library: what that needs is not in the scenario
    quantized = not said.isdisjoint(QUANTIZATIONS) or by_itself
    return True if quantized or not any(_is_code(script) for script in workload.scripts) else None


def _is_code(script: Script) -> bool:
    return not Program(script.source, script).is_data


def _reached(workload: Workload, scripts: Sequence[LinkResult], tops: Sequence[str]) -> frozenset[str] | None:
    """The packages of a scenario that scripts have to do with; None for all, where no script says which."""
    facts = [fact for one in (*workload.scripts, workload.model) if one is not None for fact in one.facts]
    found = {name for result in scripts for name in result.imports} & set(tops)
    found |= {str(fact.value) for fact in facts if fact.name == "imports"} & set(tops)
    if not found or not all(_is_code(script) or script.launches for script in workload.scripts):
        return None
    if tops[0] in found:  # the trainer's package has to do with all others, but does not quantise by itself
        found |= set(tops) - {BITSANDBYTES}
    if "transformers" in found:
        found.add("accelerate")
    if any(_needs_bitsandbytes(fact.name, fact.value) for fact in facts):
        found.add(BITSANDBYTES)
    return frozenset(found)


def _needs_bitsandbytes(name: str, value: object) -> bool:
    if name == "optim":
        return any(part in str(value) for part in QUANTIZED_OPTIMIZERS)
    return name in ("quantization", "model_quantization") and value in QUANTIZATIONS


def driver(entry_points: Collection[str]) -> str:
    """The imports of a run as a program."""
    lines = []
    for point in entry_points:
        module, _, name = point.partition(":")
        lines.append(f"from {module} import {name}" if name else f"import {module}")
    return "\n".join(lines) + "\n"
