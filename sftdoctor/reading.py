"""Reading what was asked for: the target, the rules, the workload. Each part is imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sftdoctor import folders
from sftdoctor.errors import TargetError, UsageError
from sftdoctor.settings import Settings

if TYPE_CHECKING:
    from sftdoctor.errors import RuleError
    from sftdoctor.model import Environment, Rule, Workload

NEWEST_PINNED_PYTHON = "3.11"
"""Python that pins are judged for where nobody says which."""

Progress = Callable[[str], None]


def silent(message: str) -> None:
    """The Progress that says nothing."""


def cache_of(settings: Settings) -> Path | None:
    """Folder of the cache, or None where the settings forbid one."""
    return None if settings.no_cache else folders.cache_folder()


def read_target(settings: Settings, progress: Progress = silent) -> Environment:
    """Read the target that the settings name, with its hardware.

    Args:
        settings: python, pins (with python_version), snapshot, gpu, offline and no_cache are looked at.
        progress: Told what takes long.

    Returns:
        Its facts.

    Raises:
        TargetError: It cannot be read.
        UsageError: The GPU is not known.
    """
    if settings.snapshot:
        from sftdoctor.target.snapshot import load_snapshot

        environment = load_snapshot(_existing(settings.snapshot))
    elif settings.pins:
        from sftdoctor.target.pins import read_pins

        environment = read_pins(
            Path(settings.pins),
            settings.python_version or NEWEST_PINNED_PYTHON,
            offline=settings.offline,
            cache=folders.cache_folder(),
            progress=lambda done, total, what: say_fetched(progress, done, total, what),
        )
    else:
        from sftdoctor.target.hardware import with_hardware
        from sftdoctor.target.interpreter import read_interpreter

        environment = with_hardware(read_interpreter(settings.python))
    if settings.gpu:
        from sftdoctor.target.hardware import with_gpu

        environment = with_gpu(environment, settings.gpu)
    return environment


def say_fetched(progress: Progress, done: int, total: int, what: str) -> None:
    """Say what was fetched: a log gets one line, a terminal each package in turn.

    Args:
        progress: Told.
        done: Packages that are there, from 1.
        total: Packages of the pins.
        what: Name and version of the last one.
    """
    if done == 1:
        progress(f"fetching what is not known yet of {total} {'package' if total == 1 else 'packages'}")
    progress(f"fetching {done}/{total}: {what}…")


def find_model(name: str) -> Path | None:
    """Where a model that somebody named lies on this machine. Nothing is downloaded.

    Args:
        name: A folder with a config.json, such a file, or a name in the Hugging Face cache.

    Returns:
        The folder or the file; None where the name may be that of a model type or a class.

    Raises:
        UsageError: The folder holds no config.json, or the name is that of a repository which is not in the cache.
    """
    from sftdoctor.workload.localmodels import cached_model

    path = Path(name)
    if path.is_file() or (path / "config.json").is_file():
        return path.absolute()
    if path.is_dir():
        raise UsageError(f"{name} holds no config.json", "Name a model's folder, or its config.json itself.")
    cached = cached_model(name)
    if cached is None and not name.isidentifier() and ("/" in name or name.endswith(".json")):
        raise UsageError(
            f"{name} is not there, and not in the Hugging Face cache; nothing is downloaded",
            "Name a folder, a config.json, or the architecture alone: --model qwen3.",
        )
    return cached


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise TargetError(f"{name} is {'a folder' if path.is_dir() else 'not there'}", "Name a file.")
    return path


def read_rules(settings: Settings, *, pages: bool = False) -> tuple[tuple[Rule, ...], tuple[RuleError, ...]]:
    """Load all rules, those of --rules among them.

    Args:
        settings: rules, lang and no_cache are looked at.
        pages: Whether more than judging needs is wanted: their texts and cases, and what only a log's answer says.

    Returns:
        The sound rules, and an error for each file of --rules that is not sound; it stops none of the others.

    Raises:
        UsageError: A folder of --rules is none.
    """
    from sftdoctor import ruleset

    for folder in settings.rules:
        if not Path(folder).is_dir():
            raise UsageError(f"--rules {folder} is no folder", "Name a folder that holds rule files (*.toml).")
    rules, broken = ruleset.read_rules(*map(Path, settings.rules), pages=pages, cached=not settings.no_cache)
    if settings.lang == "en":
        return rules, broken
    from sftdoctor.catalogue import load_catalogue, translated

    return translated(rules, load_catalogue(settings.lang)), broken


def asked_rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules that a check with these settings reports on, with their pages."""
    from sftdoctor.ruleset import is_named

    return tuple(
        rule
        for rule in read_rules(settings, pages=True)[0]
        if (not settings.select or is_named(rule.id, rule.name, settings.select))
        and not is_named(rule.id, rule.name, settings.ignore)
    )


def read_work(settings: Settings) -> Workload:
    """Read what is to run: the scenario, the scripts, the model folder."""
    from sftdoctor.ruleset import load_scenario

    scenario = load_scenario(settings.scenario)
    if not settings.paths and not settings.model:
        from sftdoctor.model import Workload

        return Workload(scenario)  # what reads scripts is not loaded where there is none
    from sftdoctor.workload import read_workload

    paths = [Path(path) for path in settings.paths]
    model = Path(settings.model) if settings.model else None
    return read_workload(
        paths,
        model=model,
        scenario=scenario,
        arguments=settings.arguments,
        beside=len(paths) == 1,
        cache=cache_of(settings),
    )


def script_arguments(settings: Settings) -> tuple[str, ...]:
    """The command line of the script that prove runs, where a whole launch command was said too."""
    from sftdoctor.workload.launch_files import launch_of

    launch = launch_of(settings.arguments, Path(str(settings.script)))
    return settings.arguments if launch is None else tuple(word.text for word in launch.words)


_KEEP = "Say a name, name==version or a file of pins."


def split_keep(words: Iterable[str]) -> tuple[dict[str, str | None], tuple[Path, ...]]:
    """Read --keep: ("torch", "peft==0.17.1", "requirements.txt").

    Returns:
        Canonical name → the versions that it may have, None for the one that is there; the files that say more.

    Raises:
        UsageError: A word is neither a name, nor a requirement, nor a file that is there.
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    kept: dict[str, str | None] = {}
    files: list[Path] = []
    for word in words:
        if "/" in word or word.lower().endswith((".txt", ".in", ".toml", ".lock", ".yml", ".yaml")):
            if not Path(word).is_file():
                raise UsageError(f"--keep {word}: there is no such file", _KEEP)
            files.append(Path(word))
            continue
        try:
            need = Requirement(word)
        except InvalidRequirement:
            raise UsageError(f"--keep {word} makes no sense", _KEEP) from None
        kept[canonicalize_name(need.name)] = str(need.specifier) or None
    return kept, tuple(files)


def read_keep(
    kept: Mapping[str, str | None], files: Iterable[Path], markers: Mapping[str, str]
) -> dict[str, str | None]:
    """What --keep names, and what its files pin; what is said by name wins.

    Args:
        kept: From split_keep.
        files: From split_keep.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: A file cannot be read.
    """
    from sftdoctor.target.pin_formats import read_pin_file

    held: dict[str, str | None] = {}
    for file in files:
        read = read_pin_file(file, markers)
        held |= {pin.name: pin.specifier for pin in (*read.pins, *read.constraints) if pin.specifier}
    return {**held, **kept}
