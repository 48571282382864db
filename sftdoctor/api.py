"""The functions of the public door, `sftdoctor.check` and its kin: the commands without the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sftdoctor import jobs, showing
from sftdoctor.errors import UsageError
from sftdoctor.logs import read_blocks
from sftdoctor.model import Explanation, FixResult, Proof, Report, run_name
from sftdoctor.settings import Settings, split_ids

if TYPE_CHECKING:
    from sftdoctor.repair.transaction import UndoResult

PathLike = str | Path
showing.register()


def check(
    paths: PathLike | Iterable[PathLike] = (),
    *,
    python: PathLike | None = None,
    pins: PathLike | None = None,
    python_version: str | None = None,
    snapshot: PathLike | None = None,
    model: PathLike | None = None,
    scenario: str = "sft-lora-4bit",
    gpu: str | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    rules: PathLike | Iterable[PathLike] = (),
    offline: bool = False,
    cache: bool = True,
    arguments: Iterable[str] = (),
) -> Report:
    """Judge an environment, and scripts, notebooks, configs or folders where given.

    Args:
        paths: What is to run; nothing for the scenario alone.
        python: Interpreter, venv or conda folder; None for the active one, else the running interpreter.
        pins: File with versions that are not installed, instead of python.
        python_version: Python that the pins are for, "3.11".
        snapshot: Recorded target, instead of python.
        model: Model folder; read, never imported.
        scenario: Kind of run.
        gpu: GPU to judge for, where it is not here.
        select: Only these ids or families of findings.
        ignore: Not these ids or families.
        rules: Folders with more rules.
        offline: Fetch nothing.
        cache: Use and write the cache.
        arguments: The command line that the one script will get.

    Returns:
        The Report.

    Raises:
        SftDoctorError: The job could not be done; its hint says what to do.
    """
    given = {name: value for name, value in locals().items() if name != "given"}
    return jobs.check(_settings(given))


def fix(
    paths: PathLike | Iterable[PathLike] = (),
    *,
    python: PathLike | None = None,
    pins: PathLike | None = None,
    python_version: str | None = None,
    snapshot: PathLike | None = None,
    model: PathLike | None = None,
    scenario: str = "sft-lora-4bit",
    gpu: str | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    rules: PathLike | Iterable[PathLike] = (),
    offline: bool = False,
    cache: bool = True,
    arguments: Iterable[str] = (),
    apply: bool = False,
    unsafe: bool = False,
    compat: bool = False,
    keep: Iterable[str] = (),
    alternatives: bool = False,
    write: PathLike | Iterable[PathLike] = (),
    constraints: PathLike | None = None,
    timeout: float = 600.0,
) -> FixResult:
    """Plan the repair of what check finds; with apply carry it out, check again, prove, and undo it all on failure.

    Args:
        paths: As for check, like all up to arguments.
        python: Interpreter, venv or conda folder.
        pins: File with versions that are not installed; for a plan only.
        python_version: Python that the pins are for.
        snapshot: Recorded target; for a plan only.
        model: Model folder.
        scenario: Kind of run.
        gpu: GPU to judge for.
        select: Only these ids or families of findings.
        ignore: Not these ids or families.
        rules: Folders with more rules.
        offline: Fetch nothing.
        cache: Use and write the cache.
        arguments: The command line that the one script will get.
        apply: Carry the plan out.
        unsafe: Take the fixes too that may change what is trained.
        compat: Edit scripts so that they go on working where the old names are still there.
        keep: Packages whose version must stay, or must be the one named ("peft==0.17.1"); requirements files hold too.
        alternatives: Go on looking, once a repair is found, for what else would do (plan.alternatives).
        write: Files that describe the environment, to be changed along: requirements.txt, pyproject.toml,
            environment.yml.
        constraints: File to write the versions of the repaired set to.
        timeout: Seconds for the proof.

    Returns:
        The result with its plan.

    Raises:
        SftDoctorError: The job could not be done; nothing was changed.
    """
    given = {name: value for name, value in locals().items() if name != "given"}
    return jobs.fix(_settings(given))


def undo(id: str | None = None, *, force: bool = False) -> UndoResult:
    """Put back exactly what an earlier fix changed.

    Args:
        id: The journal of the fix, or the beginning of it; None for the last one that is not undone.
        force: Even where something has changed since.

    Returns:
        What was put back.

    Raises:
        SftDoctorError: There is no such journal, or something has changed since.
    """
    from sftdoctor.repair import transaction

    return transaction.undo(id, force=force)


def prove(
    *,
    python: PathLike | None = None,
    model: PathLike | None = None,
    quantization: Iterable[str] = (),
    nproc: int = 1,
    accelerate_config: PathLike | None = None,
    script: PathLike | None = None,
    arguments: Iterable[str] = (),
    settings: Mapping[str, object] = MappingProxyType({}),
    matrix: bool = False,
    trust_remote_code: bool = False,
    timeout: float = 600.0,
    rules: PathLike | Iterable[PathLike] = (),
) -> Proof:
    """Train a real LoRA SFT step in the target.

    Args:
        python: Interpreter, venv or conda folder; None for the active one, else the running interpreter.
        model: Model type, class, folder, config.json or cached name of the architecture to train, made small; None for
            a tiny Llama. Nothing is downloaded.
        quantization: nf4, fp4, int8 or none; nothing for nf4 on a GPU, nf4 and int8 on a CPU.
        nproc: Processes that train together, started by torchrun.
        accelerate_config: Started by `accelerate launch` with this config instead.
        script: A script of your own to run instead, made small. It is executed.
        arguments: Its command line.
        settings: As the libraries name them: {"use_dora": True, "optim": "adamw_8bit"}.
        matrix: Try every quantization, and each setting alone.
        trust_remote_code: Run the code that lies in the model's folder.
        timeout: Seconds.
        rules: Folders with more rules, to match a failure with.

    Returns:
        The Proof.

    Raises:
        SftDoctorError: It could not be started.
    """
    given = {name: value for name, value in locals().items() if name != "settings"}
    chosen = tuple(run_name("", settings).split())  # as --set takes them
    return jobs.prove(replace(_settings(given), set=chosen))


def explain(
    log: str | Path,
    *,
    python: PathLike | None = None,
    pins: PathLike | None = None,
    python_version: str | None = None,
    snapshot: PathLike | None = None,
    rules: PathLike | Iterable[PathLike] = (),
    offline: bool = False,
) -> Explanation:
    """Say what a traceback or log means.

    Args:
        log: Its text, or a Path to read it from.
        python: Interpreter, venv or conda folder that it comes from; None for the one that its frames name, where that
            is on this machine.
        pins: File with the versions that it comes from, instead of python.
        python_version: Python that the pins are for, "3.11".
        snapshot: Recorded target that it comes from, instead of python.
        rules: Folders with more rules.
        offline: Fetch nothing.

    Returns:
        What was recognised; no findings where the error is not known.

    Raises:
        SftDoctorError: The file cannot be read or is empty, or the target that was named cannot be read.
    """
    settings = _settings({name: value for name, value in locals().items() if name != "log"})
    if isinstance(log, str):
        return jobs.explain(log.splitlines(), settings)
    try:
        with log.open("rb") as stream:
            return jobs.explain(read_blocks(stream), settings)
    except OSError as error:
        raise UsageError(f"{log} cannot be read: {error.strerror}") from error


def _settings(given: dict[str, Any]) -> Settings:
    """Settings of keyword arguments as the functions above take them; pyproject.toml has no say."""
    given = dict(given)
    if "cache" in given:
        given["no_cache"] = not given.pop("cache")
    paths = given.pop("paths", ())
    given["paths"] = (str(paths),) if isinstance(paths, (str, Path)) else tuple(map(str, paths))
    rules = given.pop("rules", ())
    given["rules"] = (str(rules),) if isinstance(rules, (str, Path)) else tuple(map(str, rules))
    if "write" in given:
        write = given.pop("write")
        given["write"] = (str(write),) if isinstance(write, (str, Path)) else tuple(map(str, write))
    for name in ("python", "pins", "snapshot", "model", "constraints", "script"):
        given[name] = None if given.get(name) is None else str(given[name])
    for name in ("select", "ignore", "keep", "quantization"):
        if name in given:
            given[name] = split_ids([given[name]] if isinstance(given[name], str) else given[name])
    if "arguments" in given:
        given["arguments"] = tuple(given["arguments"])
    targets = [name for name in ("python", "pins", "snapshot") if given.get(name) is not None]
    if len(targets) > 1:
        raise UsageError(f"{' and '.join(targets)} exclude each other", "Name one target.")
    return Settings(**given)
