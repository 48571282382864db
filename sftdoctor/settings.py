"""What a command was asked to do: the command line over `[tool.sftdoctor]` of pyproject.toml over the defaults."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor.errors import UsageError

SIZE_LIMIT = 4_000_000
"""Bytes of a pyproject.toml that are still read."""


@dataclass(frozen=True)
class Settings:
    """All options, with their defaults. The names are those of the command line, with _ for -."""

    paths: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    """What comes after `--`: the command line that the script will get."""
    python: str | None = None
    pins: str | None = None
    python_version: str | None = None
    snapshot: str | None = None
    model: str | None = None
    scenario: str = "sft-lora-4bit"
    gpu: str | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    """Why something is ignored: what stands in ignore, and the reason."""
    baseline: str | None = None
    """File with the findings that were there before."""
    write_baseline: bool = False
    rules: tuple[str, ...] = ()
    """Folders with more rules."""
    offline: bool = False
    no_cache: bool = False
    fail_on: str = "error"
    outputs: tuple[tuple[str, str | None], ...] = (("text", None),)
    """Formats, each with the file that it goes to; None for standard output."""
    output: str | None = None
    lang: str = "en"
    verbose: bool = False
    watch: bool = False
    apply: bool = False
    unsafe: bool = False
    compat: bool = False
    keep: tuple[str, ...] = ()
    """Names, requirements, and files of requirements that hold."""
    alternatives: bool = False
    write: tuple[str, ...] = ()
    """Files that describe the environment and are to be changed with it."""
    constraints: str | None = None
    """File to write the known-good set to."""
    timeout: float = 600.0
    """Seconds."""
    quantization: tuple[str, ...] = ()
    nproc: int = 1
    """Processes that a proof trains in together."""
    accelerate_config: str | None = None
    """File with which `accelerate launch` starts them."""
    share: str | None = None
    """Folder that all nodes of a fleet share."""
    wait: float = 60.0
    """Seconds that a rank waits for the others."""
    script: str | None = None
    """Script that prove runs, with the arguments after `--`."""
    set: tuple[str, ...] = ()
    """KEY=VALUE, settings of a proof."""
    matrix: bool = False
    require_proof: str | None = None
    """File with the certificate of a proof that must hold."""
    trust_remote_code: bool = False
    """Whether a proof may run the code that lies in a model's folder."""
    given: tuple[str, ...] = ()
    """The words of the command line that name the target and the workload, to repeat in advice."""


FILES = ("pins", "snapshot", "model", "baseline", "require_proof")
"""Keys of the configuration that hold a path, relative to the pyproject.toml that says so."""
LISTS = ("select", "ignore", "keep", "quantization")
SWITCHES = ("offline", "no_cache")
CHOICES = {
    "fail_on": ("error", "warning", "never"),
    "format": ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html"),
    "lang": ("en", "zh"),
    "quantization": ("nf4", "fp4", "int8", "none"),
}
WORDS = (*FILES, "python", "python_version", "scenario", "gpu", "fail_on", "format", "lang")
TARGETS = ("python", "pins", "snapshot")
REPEATED = (
    *("python", "pins", "python_version", "snapshot", "model", "scenario", "gpu", "rules"),
    *("keep", "write", "constraints"),
)
REPEATED_SWITCHES = ("unsafe", "compat")


def make_settings(options: Mapping[str, Any], arguments: tuple[str, ...], folder: Path) -> Settings:
    """Merge the command line with the configuration.

    Args:
        options: What the command line gave, by name; nothing that it did not give.
        arguments: What stood after `--`.
        folder: Where to look for a pyproject.toml; its parents are tried after it.

    Returns:
        The settings.

    Raises:
        UsageError: The configuration cannot be read, or says something that makes no sense.
    """
    given = {name: value for name, value in options.items() if name in Settings.__dataclass_fields__}
    for name in LISTS:
        if name in given:
            given[name] = split_ids(given[name])
    for name in ("write", "set"):
        if name in given:
            given[name] = tuple(given[name])
    if "rules" in given:
        given["rules"] = tuple(given["rules"])
    given["paths"] = tuple(given.get("paths", ()))
    configured = read_configuration(folder)
    common = configured.pop("format", None)
    # what the configuration says is for all commands: one that lacks the format prints text
    alone = [(common, None)] if common in options.get("formats", ()) else [("text", None)]
    given["outputs"] = _outputs(options.get("format", alone), options.get("output"))
    if any(name in given for name in TARGETS):
        configured = {name: value for name, value in configured.items() if name not in TARGETS}
    if "ignore" in given:
        configured.pop("reasons", None)
    merged = Settings(**{**configured, **given, "arguments": arguments, "given": _repeat(given)})
    if not merged.timeout > 0:
        raise UsageError(f"--timeout {merged.timeout:g} makes no sense", "Give a number of seconds above 0.")
    if not 1 <= merged.nproc <= 64:
        raise UsageError(f"--nproc {merged.nproc} makes no sense", "Give a number of processes from 1 to 64.")
    if merged.accelerate_config is not None and merged.nproc < 2:
        raise UsageError("--accelerate-config is for several processes", "Say how many: --nproc 2.")
    if merged.accelerate_config is not None and not Path(merged.accelerate_config).is_file():
        raise UsageError(
            f"{merged.accelerate_config} is no config of accelerate that could be read",
            "`accelerate config` writes one.",
        )
    if not merged.wait > 0:
        raise UsageError(f"--wait {merged.wait:g} makes no sense", "Give a number of seconds above 0.")
    if merged.write_baseline and not merged.baseline:
        raise UsageError("--write-baseline needs a file", "Name it: --baseline FILE --write-baseline.")
    if "python_version" in given and not merged.pins:
        raise UsageError(
            "--python-version belongs to --pins", "An interpreter and a snapshot say themselves which Python they are."
        )
    return merged


def _outputs(wanted: Sequence[tuple[str, str | None]], output: str | None) -> tuple[tuple[str, str | None], ...]:
    """Where each format goes: --output is the file of the one that names none itself; "-" is standard output."""
    loose = [name for name, file in wanted if file is None]
    if len(loose) > 1:
        raise UsageError(
            f"--format {' and '.join(loose)} would both go to the same place",
            f"Give all but one a file: --format {loose[1]}=FILE.",
        )
    if output is not None and not loose:
        raise UsageError("--output is for a format without a file of its own", "Leave it out, or add --format text.")
    outputs = tuple((name, file or output) for name, file in wanted)
    files = [None if file == "-" else file for _, file in outputs]
    for file in files:
        if files.count(file) > 1:
            raise UsageError(f"two formats would go to {file or 'standard output'}", "Name another file for one.")
    return tuple((name, file) for (name, _), file in zip(outputs, files, strict=True))


def split_ids(values: Iterable[str]) -> tuple[str, ...]:
    """Split comma-separated values: ("API,GPU", "ENV001") gives ("API", "GPU", "ENV001")."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def _repeat(given: Mapping[str, Any]) -> tuple[str, ...]:
    words = list(given["paths"])
    for name in REPEATED:
        values = given.get(name, ())
        for value in values if isinstance(values, tuple) else (values,):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return (*words, *(f"--{name}" for name in REPEATED_SWITCHES if given.get(name)))


def read_configuration(folder: Path) -> dict[str, Any]:
    """Read `[tool.sftdoctor]` of the nearest pyproject.toml.

    Args:
        folder: Where to start; parents follow.

    Returns:
        Settings by name, empty where there is no such table.

    Raises:
        UsageError: The file is no TOML, or a key is unknown or of the wrong type.
    """
    path = next((parent / "pyproject.toml" for parent in (folder, *folder.parents) if _is_file(parent)), None)
    if path is None:
        return {}
    table = _read_table(path)
    ignored = table.get("ignore")
    if isinstance(ignored, dict):  # id = "reason"
        if not all(isinstance(reason, str) for reason in ignored.values()):
            raise UsageError(f"{path}: [tool.sftdoctor] ignore must be a list of ids, or a table of id = reason")
        table = {**table, "ignore": list(ignored)}
    values = {name.replace("-", "_"): _value(path, name, value) for name, value in table.items()}
    return {**values, "reasons": tuple(ignored.items())} if isinstance(ignored, dict) else values


def _is_file(folder: Path) -> bool:
    try:
        return (folder / "pyproject.toml").is_file()
    except OSError:
        return False


def _read_table(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > SIZE_LIMIT:
        raise UsageError(f"{path} is larger than {SIZE_LIMIT // 1_000_000} MB")
    if b"sftdoctor" not in data:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tool = tomllib.loads(data.decode("utf-8")).get("tool", {})
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from error
    table = tool.get("sftdoctor", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [tool.sftdoctor] must be a table")
    return table


def _value(path: Path, key: str, value: Any) -> Any:
    """Check one value of the table, and make its paths relative to the file that says it."""
    name = key.replace("-", "_")
    where = f"{path}: [tool.sftdoctor] {key}"
    if name in LISTS:
        return _chosen(where, name, split_ids(_typed(where, value, list, "a list of strings")))
    if name == "rules":
        folders = [value] if isinstance(value, str) else _typed(where, value, list, "a list of strings")
        return tuple(str(path.parent / folder) for folder in folders)
    if name in SWITCHES:
        return _typed(where, value, bool, "true or false")
    if name == "timeout":
        return float(_typed(where, value, (int, float), "a number of seconds"))
    if name not in WORDS:
        raise UsageError(f"{where} is no key of sftdoctor", f"Known keys: {', '.join(known_keys())}.")
    _chosen(where, name, (_typed(where, value, str, "a string"),))
    is_path = name in FILES or (name == "python" and ("/" in value or "\\" in value or value.startswith(".")))
    return str(path.parent / value) if is_path else value


def _typed(where: str, value: Any, kind: Any, words: str) -> Any:
    right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not right or (kind is list and not all(isinstance(item, str) for item in value)):
        raise UsageError(f"{where} must be {words}")
    return value


def _chosen(where: str, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if name in CHOICES and value not in CHOICES[name]:
            raise UsageError(f"{where}: {value!r} is none of {', '.join(CHOICES[name])}")
    return values


def known_keys() -> tuple[str, ...]:
    """The keys that `[tool.sftdoctor]` takes, as they are written there."""
    return tuple(sorted(name.replace("_", "-") for name in (*WORDS, *LISTS, *SWITCHES, "rules", "timeout")))
