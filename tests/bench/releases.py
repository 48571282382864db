"""Writes rules/data/releases/*.json: which release of the core packages brought, or dropped, which name and argument.

    python -m tests.bench.releases FOLDER

Every final release since FIRST is fetched (its Python files alone), read without executing and deleted; what one
release of a package says is kept under FOLDER, so that a second run fetches only what is new. Of all that was ever
there, the table holds what changed and what others ask for: exported names, the names that one core package imports
from another, and the arguments of those.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import Version

from sftdoctor.errors import SftDoctorError
from sftdoctor.folders import data_folder
from sftdoctor.link.skeleton import Trees
from sftdoctor.nodes import walk
from sftdoctor.target.index import Index
from sftdoctor.target.wheels import fetch_sources

TABLES = data_folder() / "releases"
FIRST = {
    "accelerate": "0.20.0",
    "bitsandbytes": "0.39.0",
    "datasets": "2.12.0",
    "huggingface-hub": "0.14.0",
    "peft": "0.3.0",
    "torch": "2.0.0",
    "transformers": "4.30.0",
    "trl": "0.4.2",
}
"""The oldest release that is read, all of the first half of 2023."""
PYTHONS = ("3.11", "3.10", "3.9", "3.12", "3.13")
LEFT_OUT = re.compile(r"(^|/)(tests?|testing|examples|benchmarks?|_inductor|onnx|distributed/_?tensor)/|/models/.*/")
"""Files that hold no interface for others; each model of transformers has its names in `__all__` alone."""
UNASKED = re.compile(
    r"\.(dummy_\w+|\w+_tf_\w+|\w+_flax_\w+|tf_\w+|\w+_tf|flax_\w+|\w+_bak|bak|tools|agents|commands|_generated|onnx)\."
    r"|^torch\.(fx|jit|export|testing|_|ao|compiler|package|onnx|profiler|masked|quantization)|^torch\.\w+\.\w+\.\w+\.\w"
)
"""Modules that a training run asks nothing of."""
WORD = re.compile(r"\b[A-Za-z_]\w*\b")
ALL = re.compile(r"__all__\s*(?:\+|:[^=]*)?=\s*[\[(]([^\])]*)[\])]")


@dataclass
class Facts:
    """What one release offers and asks for.

    Attributes:
        offers: "module" · "module:name" · "module:name(argument)"; a method is "module:Class.method".
        asks: "module:name" of other core packages.
    """

    offers: set[str] = field(default_factory=set)
    asks: set[str] = field(default_factory=set)


def read_release(root: Path, top: str) -> Facts:
    """What a release offers and asks for, from its Python files.

    Args:
        root: The folder that would be on the path.
        top: Its import name.
    """
    facts = Facts()
    trees = Trees()
    for path in sorted((root / top).rglob("*.py")):
        inside = path.relative_to(root).as_posix()
        if LEFT_OUT.search(inside):
            if "/models/" in inside:
                facts.offers.update(f"{top}:{name}" for name in _listed(path))
            continue
        module = inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        facts.offers.add(module)
        try:
            tree = trees.load(path)
        except (OSError, ValueError):
            continue
        _offers(tree.body, module, facts)
        facts.asks.update(_asks(tree, top))
    exported = (root / top / "__init__.py").read_text(encoding="utf-8", errors="replace")
    facts.offers.update(f"{top}:{name}" for name in WORD.findall(exported))
    return facts


def _listed(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [name for part in ALL.findall(text) for name in WORD.findall(part)]


def _offers(body: Sequence[ast.stmt], module: str, facts: Facts) -> None:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            facts.offers.add(f"{module}:{node.name}")
            facts.offers.update(f"{module}:{node.name}({name})" for name in _arguments(node))
        elif isinstance(node, ast.ClassDef):
            facts.offers.add(f"{module}:{node.name}")
            _offers_class(node, f"{module}:{node.name}", facts)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            facts.offers.update(f"{module}:{(a.asname or a.name).partition('.')[0]}" for a in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n for target in targets for n in walk(target) if isinstance(n, ast.Name)]
            facts.offers.update(f"{module}:{n.id}" for n in names)
        else:
            for part in ("body", "orelse", "finalbody"):
                _offers(getattr(node, part, ()), module, facts)
            for handler in getattr(node, "handlers", ()):
                _offers(handler.body, module, facts)


def _offers_class(node: ast.ClassDef, name: str, facts: Facts) -> None:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            facts.offers |= {f"{name}({item.target.id})", f"{name}.{item.target.id}"}
        elif isinstance(item, ast.Assign):
            facts.offers.update(f"{name}.{target.id}" for target in item.targets if isinstance(target, ast.Name))
        elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            called = name if item.name == "__init__" else f"{name}.{item.name}"
            facts.offers.add(called)
            facts.offers.update(f"{called}({argument})" for argument in _arguments(item))


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    spec = node.args
    names = [item.arg for item in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs) if item.arg not in ("self", "cls")]
    return names + ["**"] * (spec.kwarg is not None)


def _asks(tree: ast.Module, top: str) -> Iterator[str]:
    others = {name.replace("-", "_") for name in FIRST} - {top}
    for node in walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in others:
            yield from (f"{node.module}:{alias.name}" for alias in node.names)


def collect(name: str, folder: Path) -> dict[str, Facts]:
    """Version → Facts of every final release of a distribution since FIRST, oldest first; reads what is new."""
    index = Index(cache=folder / "cache")
    found: dict[str, Facts] = {}
    for version in index.versions(name):
        if version < Version(FIRST[name]):
            continue
        kept = folder / f"{name}-{version}.json"
        if not kept.exists():
            facts = _fetched(name, str(version), index)
            shutil.rmtree(folder / "cache" / "wheels", ignore_errors=True)
            kept.write_text(json.dumps({"offers": sorted(facts.offers), "asks": sorted(facts.asks)}))
        data = json.loads(kept.read_text())
        if data["offers"]:
            found[str(version)] = Facts(set(data["offers"]), set(data["asks"]))
    return found


def _fetched(name: str, version: str, index: Index) -> Facts:
    for python in PYTHONS:
        try:
            root = fetch_sources(name, version, python, index=index).root
        except SftDoctorError as error:
            print(f"{name} {version}: {error.message}", file=sys.stderr)
            continue
        print(f"{name} {version}", file=sys.stderr)
        return read_release(Path(str(root)), name.replace("-", "_"))
    return Facts()


def table(releases: dict[str, Facts], asked: set[str], top: str) -> dict[str, object]:
    """The table of one distribution: what changed, and may be asked for.

    Args:
        releases: Version → Facts, from old to new.
        asked: "module:name" of all that core packages import from each other.
        top: Its import name.

    Returns:
        {"releases": […], "modules": {module: runs}, "facts": {module: {name or name(argument): runs}}}; runs are
        "FIRST-LAST" indices of releases, or "FIRST-" for up to the newest, one blank apart.
    """
    every = [facts.offers for facts in releases.values()]
    changed = set[str]().union(*every) - every[0].intersection(*every)
    defined = {fact.partition(":")[2] for fact in set[str]().union(*every) if not fact.startswith(f"{top}:")}
    exported = {fact.partition(":")[2] for offers in every for fact in offers if fact.startswith(f"{top}:")}
    owners = {ask.partition(":")[2] for ask in asked if f"{ask}.".startswith(f"{top}.")} | (exported & defined)
    modules: dict[str, str] = {}
    facts: dict[str, dict[str, str]] = {}
    for fact in sorted(changed):
        module, _, name = fact.partition(":")
        if UNASKED.search(f"{module}.") or not _is_wanted(module, name, owners, defined, asked):
            continue
        there = runs([fact in offers for offers in every])
        if name:
            facts.setdefault(module, {})[name] = there
        else:
            modules[module] = there
    return {"releases": list(releases), "modules": modules, "facts": facts}


def _is_wanted(module: str, name: str, owners: set[str], defined: set[str], asked: set[str]) -> bool:
    if not name:
        return "._" not in module
    if "(" in name or "." in name:
        called, _, argument = name.partition("(")
        owner, _, member = called.partition(".")
        is_field = member and f"{owner}({member})" in defined
        return owner in owners and not member.startswith("_") and not is_field and not argument.startswith(("*", "_"))
    if "." not in module:
        return name in defined or (name[:1].isupper() and not name.isupper())
    return not name.startswith("_") or f"{module}:{name}" in asked


def runs(there: Sequence[bool]) -> str:
    """Where a row of releases has something, as the table writes it."""
    found = []
    start = None
    for index, has in enumerate([*there, False]):
        if has and start is None:
            start = index
        elif not has and start is not None:
            found.append(f"{start}-" if index == len(there) else f"{start}-{index - 1}")
            start = None
    return " ".join(found)


def main() -> None:
    """Read every release and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what was read is kept here")
    folder = parser.parse_args().folder
    found = {name: collect(name, folder) for name in FIRST}
    asked = {ask for releases in found.values() for facts in releases.values() for ask in facts.asks}
    TABLES.mkdir(exist_ok=True)
    for name, releases in found.items():
        text = json.dumps(table(releases, asked, name.replace("-", "_")), indent=0, separators=(",", ":"))
        (TABLES / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
