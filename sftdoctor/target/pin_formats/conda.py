"""environment.yml: conda's names as far as the package index has them too, and its pip section."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftdoctor.errors import TargetError
from sftdoctor.model import NotJudged
from sftdoctor.target.headers import clean
from sftdoctor.target.metadata import canonical_name
from sftdoctor.target.pin_formats.requirements import read_requirements
from sftdoctor.target.pin_formats.words import Pin, PinFile, read_text

_RENAMED = {"pytorch": "torch", "pytorch-gpu": "torch", "pytorch-cpu": "torch", "huggingface_hub": "huggingface-hub"}
_NOT_PYTHON = re.compile(
    r"_|lib|cuda|cudatoolkit|cudnn|nccl$|gcc|gxx|binutils|ld_impl|openssl$|ca-certificates$|mkl|blas|openblas|llvm-openmp"
    r"|pytorch-cuda$|pytorch-mutex$|ncurses$|readline$|sqlite$|tk$|xz$|zlib$|bzip2$|ffmpeg$|git$|nodejs$|tzdata$|make$|cmake$"
)
_SPEC = re.compile(r"(?:[A-Za-z0-9._/-]+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(.*)")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.!+_]*")
_PARTS = 10_000


def read_conda(path: Path, markers: Mapping[str, str]) -> PinFile:
    """Read a conda environment file.

    Args:
        path: The file.
        markers: The target's PEP 508 marker environment.

    Raises:
        TargetError: It cannot be read or is no conda environment.
    """
    content = _load(path)
    entries = content.get("dependencies") or []
    if not isinstance(entries, list) or len(entries) > _PARTS:
        raise TargetError(f"{path} has no list of dependencies", hint="`conda env export` writes one.")
    pins: dict[str, Pin] = {}
    blind: list[NotJudged] = []
    notes: list[str] = []
    pip: list[str] = []
    for entry in entries:
        if isinstance(entry, str):
            _conda(entry, pins, blind, notes, markers)
        elif isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            pip += [line for line in entry["pip"] if isinstance(line, str)]
        else:
            blind.append(NotJudged(clean(str(entry))[:100], f"{path.name} lists it in a way that is not understood"))
    by_pip = _pip(pip, path, markers) if pip else PinFile(path, "")
    pins.update({pin.name: pin for pin in by_pip.pins})  # pip installs last, over what conda brought
    return PinFile(
        path=path,
        kind="environment.yml",
        pins=tuple(pins.values()),
        constraints=by_pip.constraints,
        indexes=by_pip.indexes,
        blind=(*blind, *by_pip.blind),
        notes=tuple(notes),
        inputs=by_pip.inputs,
        variables=by_pip.variables,
    )


def _load(path: Path) -> dict[str, Any]:
    import yaml

    text = read_text(path)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise TargetError(f"{path} uses YAML aliases, which no conda environment needs")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = f", line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""  # type: ignore[union-attr]
        raise TargetError(f"{path} is no valid YAML{where}") from None
    if not isinstance(content, dict) or "dependencies" not in content:
        raise TargetError(f"{path} has no list of dependencies", hint="`conda env export` writes one.")
    return content


def _conda(
    entry: str, pins: dict[str, Pin], blind: list[NotJudged], notes: list[str], markers: Mapping[str, str]
) -> None:
    match = _SPEC.fullmatch(re.sub(r"\[.*\]$", "", entry.strip()))
    if match is None:
        blind.append(NotJudged(clean(entry)[:100], "that is no conda requirement"))
        return
    name, rest = match[1].lower(), match[2].strip()
    if name == "python":
        said = re.search(r"3\.\d+", rest)
        if said and said[0] != markers["python_version"]:
            notes.append(f"the file asks for Python {said[0]}; it is judged for {markers['python_version']}")
    elif name not in ("pip", "setuptools", "wheel") and not _NOT_PYTHON.match(name):
        pin = _pin(canonical_name(_RENAMED.get(name, name)), rest)
        if pin:
            pins[pin.name] = pin
        else:
            blind.append(
                NotJudged(canonical_name(name), f"{clean(entry)[:100]} is no requirement that PyPI has a word for")
            )


def _pin(name: str, rest: str) -> Pin | None:
    """Conda's "=1.2" means 1.2.*, "=1.2=build" and "==1.2" mean 1.2, "1.2.*" and ">=1,<2" what they mean elsewhere."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    version = _VERSION.pattern
    exact = re.fullmatch(rf"==\s*({version})|=?({version})=[^=<>]+|\s*({version})\s+\S+", rest)
    # "=2.1.0" is what `conda env export --no-builds` writes of an exact version
    exact = exact or re.fullmatch(r"=\s*(\d+\.\d+\.\d+[0-9a-z.]*)", rest)
    if exact:
        return Pin(name, version=next(group for group in exact.groups() if group), foreign=True)
    fuzzy = re.fullmatch(rf"=?\s*({_VERSION.pattern}?)(?:\.?\*)?", rest)
    specifier = f"=={fuzzy[1]}.*" if fuzzy else "" if rest in ("", "*") else rest.replace(" ", "")
    try:
        return Pin(name, specifier=str(SpecifierSet(specifier)), foreign=True)
    except InvalidSpecifier:
        return None


def _pip(lines: list[str], path: Path, markers: Mapping[str, str]) -> PinFile:
    """The pip section is a requirements file; its relative paths count from the environment file."""
    with tempfile.TemporaryDirectory(prefix="sftdoctor-") as folder:
        written = Path(folder, f"{path.name} (pip)")
        written.write_text("".join(f"{_beside(line, path)}\n" for line in lines), encoding="utf-8")
        return read_requirements(written, markers)


def _beside(line: str, path: Path) -> str:
    match = re.match(r"(-r|-c|--requirement|--constraint)[\s=]+(.+)", line)
    return f"{match[1]} {path.resolve().parent / match[2]}" if match else line.replace("\n", " ")
