"""sftdoctor.preflight: a live trainer is measured, and judged by the rules that ask for what was measured."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

from sftdoctor import showing
from sftdoctor.engine import judge
from sftdoctor.errors import SftDoctorError, UsageError
from sftdoctor.model import (
    Accelerator,
    Distribution,
    Environment,
    Fact,
    Finding,
    NotJudged,
    Report,
    Rule,
    Scenario,
    Script,
    Severity,
    Target,
    TargetKind,
    Verdict,
    Workload,
)
from sftdoctor.predicates.live import PREFIX
from sftdoctor.report.plain import clean
from sftdoctor.ruleset import load_rules

OnError = Literal["raise", "warn", "return"]
showing.register()
STACK = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")


class SFTDoctorWarning(UserWarning):
    """What preflight found and does not stop the run for."""


class PreflightError(SftDoctorError):
    """A live trainer that would break, or train nothing, or the wrong thing.

    Args:
        message: The errors that were found.
        hint: Where more is said.
        report: All that was found.
    """

    def __init__(self, message: str, hint: str, report: Report) -> None:
        super().__init__(message, hint)
        self.report = report


def preflight(
    trainer: Any, *, on_error: OnError = "raise", select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> Report:
    """Look at a live trainer before its first step: parameters, adapter, data, labels, one tiny forward and backward.

    Everything is put back: gradients, random numbers, modes, buffers, hooks, counters. The data loader is not touched.
    Where several processes train together each must call it, as each must call train().

    Args:
        trainer: A transformers or trl trainer, before train() or within it.
        on_error: What to do if the run will break: "raise", "warn", or only "return" the report. Whatever is less than
            that is a warning (SFTDoctorWarning), unless the report is only to be returned.
        select: Only these ids or families of findings.
        ignore: Not these.

    Returns:
        The Report. What was measured are the facts of its workload's script.

    Raises:
        PreflightError: The run will break; its report says why.
        UsageError: It is no trainer.
    """
    if on_error not in ("raise", "warn", "return"):
        raise UsageError(f"on_error={on_error!r} makes no sense", 'Say "raise", "warn" or "return".')
    if not all(hasattr(trainer, name) for name in ("model", "args", "compute_loss")):
        raise UsageError(f"{type(trainer).__name__} is no trainer", "Pass a transformers Trainer or one of trl's.")
    report = look(trainer, select, ignore)
    if on_error != "return":
        _tell(report, on_error)
    return report


def look(trainer: Any, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> Report:
    """Measure and judge; nothing is raised or said.

    Args:
        trainer: The trainer.
        select: Only these ids or families of findings.
        ignore: Not these.

    Returns:
        The Report.
    """
    start = time.perf_counter()
    from sftdoctor.live.measure import measure  # with torch, which is the trainer's

    values, notes, gaps = measure(trainer)
    facts = tuple(Fact(PREFIX + name, value) for name, value in sorted(values.items()))
    script = Script(type(trainer).__name__, "", facts)
    scenario = Scenario("live", "a live trainer", ())
    workload = Workload(scenario, (script,), not_judged=gaps)
    report = judge(_environment(notes), workload, live_rules(), _NoLinks(), _NoLibrary(), select=select, ignore=ignore)
    return Report(
        report.environment,
        workload,
        report.verdict,
        report.findings,
        report.not_judged,
        time.perf_counter() - start,
    )


def live_rules() -> tuple[Rule, ...]:
    """The rules that only preflight can judge."""
    return tuple(rule for rule in load_rules(pages=False) if rule.fails["probe"] == "live")


def _tell(report: Report, on_error: OnError) -> None:
    serious = [finding for finding in report.findings if finding.severity is not Severity.INFO]
    stops = report.verdict is Verdict.BREAKS and on_error == "raise"
    errors = [finding for finding in serious if stops and finding.severity is Severity.ERROR]
    for finding in serious:
        if finding not in errors:
            warnings.warn(f"sftdoctor: {in_words(finding)}", SFTDoctorWarning, stacklevel=4)
    if errors:
        raise PreflightError("\n".join(map(in_words, errors)), f"`sftdoctor rules {errors[0].id}` says more.", report)


def in_words(finding: Finding) -> str:
    """One finding in two or three lines."""
    lines = [f"{finding.id}  {clean(finding.title)}", f"    {clean(finding.message)}"]
    lines += [f"    fix: {clean(fix.summary)}" for fix in finding.fixes[:2]]
    return "\n".join(lines)


def _environment(notes: tuple[str, ...]) -> Environment:
    """The running process, as far as it can be had without a look at the disk: versions, devices in use."""
    python = ".".join(map(str, sys.version_info[:3]))
    found = {}
    for name in STACK:
        version = getattr(sys.modules.get(name), "__version__", None) or _installed(name)
        if version:
            found[name] = Distribution(name, str(version))
    target = Target(TargetKind.INTERPRETER, sys.executable, python, sys.prefix)
    return Environment(target, python, distributions=found, accelerators=_devices(), complete=False, notes=notes)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> tuple[Accelerator, ...]:
    """CUDA devices, where they are in use: to ask for them otherwise would start CUDA."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return ()
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        kind = "rocm" if torch.version.hip else "cuda"
        found.append(
            Accelerator(kind, properties.name, properties.total_memory, (int(properties.major), int(properties.minor)))
        )
    return tuple(found)


@dataclass(frozen=True)
class _NoLinks:
    """Nothing was linked: the libraries are loaded."""

    findings: tuple[Finding, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class _NoLibrary:
    """Nothing is known of any source."""

    def path(self, module: str) -> None:
        return None

    def known(self, question: str, ask: Callable[[], Any], files: object) -> Any:
        return ask()

    def offers(self, module: str, name: str) -> bool | None:
        return None

    def text(self, module: str) -> None:
        return None

    def signature(self, callable_: str) -> None:
        return None
