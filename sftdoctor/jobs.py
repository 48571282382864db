"""The jobs behind the commands and the API: each takes Settings and returns words of the model. Nothing is printed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftdoctor import __version__
from sftdoctor.errors import RepairError, UsageError
from sftdoctor.model import Edit, Explanation, Failure, Finding, FixResult, Plan, Proof, Report, TargetKind
from sftdoctor.reading import (
    Progress,
    cache_of,
    find_model,
    read_keep,
    read_rules,
    read_target,
    script_arguments,
    silent,
    split_keep,
)
from sftdoctor.settings import Settings

if TYPE_CHECKING:
    from sftdoctor.checker import Checker
    from sftdoctor.repair.progress import Event

BEFORE = 120.0
"""Seconds that the step before a repair may take; it is only shown."""
KERNELS = ("JPY_PARENT_PID", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
"""Variables of what a notebook starts: Jupyter's, Colab's, Kaggle's."""


def check(settings: Settings, progress: Progress = silent) -> Report:
    """Judge the target for the workload.

    Args:
        settings: What was asked for.
        progress: Told what takes long.

    Returns:
        The Report.

    Raises:
        SftDoctorError: The job could not be done.
    """
    from sftdoctor.checker import Checker

    report = Checker(settings, progress).check()
    return _with_proof(settings, report, progress) if settings.require_proof else report


def _with_proof(settings: Settings, report: Report, progress: Progress) -> Report:
    """A report that says why the certificate that is required does not hold for what was checked, if it does not."""
    from sftdoctor.proof import read_certificate, subject_of, verify, verify_launch

    certificate = read_certificate(Path(str(settings.require_proof)))
    differs: list[str] = []
    subject = certificate.get("subject")
    subject = subject if isinstance(subject, dict) else {}
    run = [one for one in report.workload.scripts if one.config is None and not one.launches]
    scripts = run if "script" in subject else []
    for script in scripts:
        differs += verify(certificate, report.environment, subject_of(settings.model, Path(script.path)))
    differs += verify(certificate, report.environment, subject_of(settings.model))
    read = [one for one in report.workload.scripts if one.config is not None and one.config.kind == "accelerate"]
    configs = [Path(one.path) for one in read if {"script", "launch"} & set(subject)]
    differs += verify_launch(certificate, configs)
    said = f"does not hold: {differs[0]}" if differs else "holds"
    progress(f"the proof of {str(certificate.get('date'))[:40]} {said}")
    anew = _prove_anew(settings, scripts[0].path if scripts else None, subject, configs) if differs else ""
    return replace(report, unproved=tuple(dict.fromkeys(differs)), prove_anew=anew)


def _prove_anew(settings: Settings, script: str | None, proved: Mapping[str, Any], configs: Sequence[Path]) -> str:
    """The command line that writes the required proof of what was checked."""
    launch = proved.get("launch")
    launch = launch if isinstance(launch, dict) else {}
    processes, config = launch.get("processes"), launch.get("config")
    together = processes if isinstance(processes, int) else 2 if configs else None
    options = {
        "python": settings.python,
        "model": None if script else settings.model,
        "nproc": str(together) if together else None,
        "accelerate-config": str(configs[0]) if configs else config if isinstance(config, str) else None,
        "script": script,
    }
    words = [word for name, value in options.items() if value for word in (f"--{name}", value)]
    rest = ["--", *settings.arguments] if script and settings.arguments else []
    return shlex.join(["sftdoctor", "prove", *words, "--format", f"json={settings.require_proof}", *rest])


def edited(edit: Edit) -> tuple[str, str] | None:
    """The text of a script before and after an edit; None where it cannot be made. The file stays as it is."""
    from sftdoctor.repair.document import decode
    from sftdoctor.repair.edits import edit_source, read_script

    path = edit.location.path
    try:
        old = read_script(Path(path))
        return decode(old, path)[0], decode(edit_source(old, edit), path)[0]
    except RepairError:
        return None


def accepted(report: Report) -> Report:
    """A report whose findings were all just written to a baseline: nothing of it is new."""
    from sftdoctor.checker import with_baseline
    from sftdoctor.fingerprint import fingerprints

    return with_baseline(report, frozenset(fingerprints(report.findings)))


def fix(settings: Settings, progress: Progress = silent) -> FixResult:
    """Plan the repair of what check finds; with settings.apply carry it out, check again, prove, undo on failure.

    Args:
        settings: What was asked for.
        progress: Told what is being done.

    Returns:
        The result; "planned" where nothing was to be applied.

    Raises:
        SftDoctorError: The job could not be done; nothing was changed.
    """
    from sftdoctor.checker import Checker

    held = split_keep(settings.keep)
    recovered = _recovered(settings, progress)
    checker = Checker(settings, progress)
    before = checker.check()
    installed = before.environment.target.kind is TargetKind.INTERPRETER
    if settings.apply and not installed and not before.workload.scripts and not settings.write:
        raise _not_installed(before)
    plan = _plan(checker, before, read_keep(*held, before.environment.markers), progress)
    result = _carried_out(checker, FixResult("planned" if plan.actions else "nothing-to-do", plan, before), progress)
    result = replace(result, recovered=recovered, advice=_advice(plan) if result.outcome == "applied" else ())
    if settings.constraints:
        from sftdoctor.repair.written import write_constraints

        write_constraints(result, Path(settings.constraints), __version__)
    return result


def _carried_out(checker: Checker, planned: FixResult, progress: Progress) -> FixResult:
    """What becomes of a plan: where nothing is installed, the files alone can be changed that describe it."""
    plan, before = planned.plan, planned.before
    if not plan.actions or not checker.settings.apply:
        return planned
    files = tuple(action for action in plan.actions if action.kind != "package")
    if before.environment.target.kind is TargetKind.INTERPRETER or files == plan.actions:
        return _apply(checker, before, plan, progress)
    if not any(action.kind == "config" for action in files):
        raise _not_installed(before)
    return replace(_apply(checker, before, replace(plan, actions=files), progress), plan=plan)


def _advice(plan: Plan) -> tuple[str, ...]:
    """A kernel that runs while its packages are changed goes on with the old ones."""
    if not any(os.environ.get(name) for name in KERNELS) or all(one.kind != "package" for one in plan.actions):
        return ()
    return ("Restart the kernel: it goes on with the modules that it has loaded already.",)


def _recovered(settings: Settings, progress: Progress) -> tuple[str, ...]:
    """Finish what an earlier fix of the same environment left half done, so that it is judged as it was before."""
    from sftdoctor.repair.transaction import half_done, recover

    waiting = half_done()
    if not waiting:
        return ()
    if settings.pins or settings.snapshot:
        folders = {os.path.realpath(Path(path).parent) for path in settings.paths}
    else:
        folders = {os.path.realpath(read_target(settings, progress).target.prefix or "")}
    found = [result for folder in sorted(folders & waiting) for result in recover(folder, _listener(progress))]
    return tuple(result.said for result in found)


def _not_installed(before: Report) -> UsageError:
    return UsageError(
        f"--apply needs an installed environment; {before.environment.target.path} is none",
        "Leave --apply out to see the plan, or name the environment with --python. (Scripts alone can be mended.)",
    )


def _plan(checker: Checker, before: Report, keep: Mapping[str, str | None], progress: Progress) -> Plan:
    from sftdoctor.repair.oracle import JudgeOracle
    from sftdoctor.repair.plan import make_plan

    settings = checker.settings
    plan = make_plan(
        before,
        oracle=JudgeOracle(before, checker.judge, remembers=cache_of(settings) is not None),
        keep=keep,
        unsafe=settings.unsafe,
        compatible=settings.compat,
        alternatives=settings.alternatives,
        offline=settings.offline,
        cache=cache_of(settings),
        on_event=_listener(progress),
    )
    if not settings.write:
        return plan
    from sftdoctor.repair.written import with_files

    return with_files(plan, settings.write, offline=settings.offline, cache=cache_of(settings))


def _apply(checker: Checker, before: Report, plan: Plan, progress: Progress) -> FixResult:
    from sftdoctor.repair.transaction import apply

    settings = checker.settings
    shown = _step_before(settings, before, plan, progress)
    result = apply(
        plan,
        before.environment,
        before=before,
        check=lambda: type(checker)(settings, progress).check(),
        prove=(lambda: prove(replace(settings, model=None), progress)) if before.environment.target.prefix else None,
        on_event=_listener(progress),
    )
    return replace(result, proof=_with_before(result.proof, shown), proof_before=shown)


def _step_before(settings: Settings, before: Report, plan: Plan, progress: Progress) -> Proof | None:
    """The proof as it fails before packages change; None where it cannot be run, or would say nothing."""
    from sftdoctor.errors import ProofError

    packages = any(action.kind == "package" for action in plan.actions)
    if not before.environment.target.prefix or not packages:
        return None
    progress("running the step as it is before")
    try:
        return prove(replace(settings, model=None, timeout=min(settings.timeout, BEFORE)), progress)
    except ProofError:  # nothing that could run: torch is not there, say
        return None


def _with_before(proof: Proof | None, before: Proof | None) -> Proof | None:
    """A proof whose certificate tells what came of the same steps before the repair."""
    if proof is None or before is None:
        return proof
    failure = before.failure
    told = {
        "verdict": before.verdict,
        "reason": before.reason,
        "failure": f"{failure.stage}: {failure.exception}: {failure.message}" if failure else None,
        "fingerprint": before.certificate.get("fingerprint"),
    }
    return replace(proof, certificate={**proof.certificate, "before": told})


def _listener(progress: Progress) -> Callable[[Event], None]:
    def listen(event: Event) -> None:
        share = f" ({event.done}/{event.total})" if event.total else ""
        progress(f"{event.stage}: {event.text}{share}")

    return listen


def prove(settings: Settings, progress: Progress = silent) -> Proof:
    """Train a real LoRA SFT step in the target.

    Args:
        settings: python, model, trust_remote_code, quantization, set, matrix, nproc, accelerate_config, script with its
            arguments, timeout and rules are looked at.
        progress: Told what is being done.

    Returns:
        The Proof; a failure is matched to findings by its traceback.

    Raises:
        SftDoctorError: It could not be started.
    """
    from sftdoctor.proof import options
    from sftdoctor.proof.runner import prove as run
    from sftdoctor.proof.script import prove_script
    from sftdoctor.proof.tree import memory_limit

    if settings.script and (settings.set or settings.matrix or settings.trust_remote_code):
        raise UsageError(
            "--script goes with neither --set nor --matrix nor --trust-remote-code",
            "The script says itself what it trains, and how.",
        )
    chosen = options.parse(settings.set, settings.quantization)
    if "sharding" in chosen and settings.nproc < 2:
        raise UsageError(
            f"--set sharding={chosen['sharding']}: one process has nobody to share a model with", "Add --nproc 2."
        )
    if "sharding" in chosen and settings.accelerate_config:
        raise UsageError(
            "--set sharding and --accelerate-config do not go together", "The config says how the model is shared."
        )
    runs = options.matrix(settings.quantization) if settings.matrix else options.specs(settings.quantization, chosen)
    config = Path(settings.accelerate_config) if settings.accelerate_config else None
    model = _asked_model(settings)
    environment = read_target(replace(settings, pins=None, snapshot=None, gpu=None), progress)

    def known(failure: Failure) -> tuple[Finding, ...]:
        lines = [*_without_own_frames(failure.traceback), f"{failure.exception}: {failure.message}"]
        paths = (settings.script,) if settings.script else ()
        arguments = script_arguments(settings) if settings.script else ()
        where = replace(settings, python=environment.target.path, paths=paths, arguments=arguments)
        return explain(lines, where, progress).findings

    def listen(event: Mapping[str, Any]) -> None:
        progress(describe(event))

    if settings.script:
        script = Path(settings.script)
        return prove_script(
            environment,
            script,
            script_arguments(settings),
            ranks=settings.nproc,
            config=config,
            timeout=settings.timeout,
            memory_limit=memory_limit(),
            on_event=listen,
            match=known,
        )
    return run(
        environment,
        runs=runs,
        settings=chosen,
        model=model,
        ranks=settings.nproc,
        config=config,
        timeout=settings.timeout,
        memory_limit=memory_limit(),
        on_event=listen,
        match=known,
    )


def _without_own_frames(traceback: str) -> Iterator[str]:
    """The lines of a traceback but for the worker's: they are nothing of the user's that could be judged."""
    from sftdoctor.proof.process import WORKER

    own = False
    for line in traceback.splitlines():
        if line.lstrip().startswith('File "'):
            own = f'"{WORKER.parent}' in line
        elif not line.startswith("    "):
            own = False
        if not own:
            yield line


def _asked_model(settings: Settings) -> dict[str, Any] | None:
    """The model to prove, as the worker takes it."""
    if settings.model is None:
        return None
    path = find_model(settings.model)
    where = None if path is None else str(path)
    return {"name": settings.model, "path": where, "trust_remote_code": settings.trust_remote_code}


def explain(lines: Iterable[str], settings: Settings, progress: Progress = silent) -> Explanation:
    """Say what a traceback or log means; where the environment that it comes from is at hand, make sure of it.

    Args:
        lines: The log.
        settings: rules, and what names the target, are looked at.
        progress: Told what takes long.

    Returns:
        What was recognised; no findings where the error is not known.

    Raises:
        SftDoctorError: The log is empty, a rule is broken, or the target that was named cannot be read.
    """
    from sftdoctor.explanation import explain as match
    from sftdoctor.scene import confirm

    rules, _ = read_rules(settings, pages=True)
    explanation = match(lines, rules)
    if not explanation.lines:
        raise UsageError("the log is empty", "Give the whole output of the run, with its standard error (2>&1).")
    return confirm(explanation, settings, rules, progress)


def describe(event: Mapping[str, Any]) -> str:
    """One line about an event of the proof's worker; "" for one that is not worth a line."""
    name = event.get("run")
    prefix = f"proof in {name}" if name else "proof"
    if event.get("event") == "step":
        loss = event.get("loss")
        shown = f"{loss:.4g}" if isinstance(loss, float) else loss
        return f"{prefix}: step {event.get('step')} of {event.get('steps')}, loss {shown}"
    said = {"stage": event.get("stage"), "progress": event.get("text")}.get(str(event.get("event")))
    return f"{prefix}: {said}" if said else ""
