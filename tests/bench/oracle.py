"""`ty`, the type checker, as an oracle: what does it call broken between packages that the linker does not name?

    python -m tests.bench.oracle /path/to/python [--scenario NAME] [--packages trl,peft]
    python -m tests.bench.oracle pins.txt --python-version 3.11

It reads the files that the linker read. Most of what it then says is about corners that no such run enters, optional
packages and types that it takes too narrowly; the rest is what the linker has to learn. Needs uv, which fetches ty.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Environment, Finding, Workload
from sftdoctor.ruleset import load_scenario
from sftdoctor.target.interpreter import read_interpreter
from sftdoctor.target.pins import read_pins

RULES = (
    "unresolved-import",
    "import-not-found",
    "missing-import-member",
    "unresolved-attribute",
    "missing-attribute",
    "missing-module-attribute",
    "unknown-argument",
    "missing-argument",
    "too-many-positional-arguments",
)
"""Rules of ty that may speak of a broken link; their names have changed over its versions."""
PACKAGES = ("transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "huggingface_hub")
"""Packages whose files are worth asking about; the others are consistent in themselves."""
_HEADER = re.compile(r"^(?:error|warning)\[([a-z-]+)\]:? (.*)$")
_PLACE = re.compile(r"^\s*(?:-->|:::) (.+?):(\d+):\d+$")
_ELSEWHERE = re.compile(r"`torch(\.backends)?` has no member `(npu|mlu|musa|mudnn|hpu|sdaa)`")
"""Accelerators of other makers, whose packages put themselves into torch."""
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Complaint:
    """What ty says of one place.

    Attributes:
        rule: Its rule.
        message: Its words.
        path, line: The place.
        other: The file that it names as the other side, or "".
    """

    rule: str
    message: str
    path: str
    line: int
    other: str


def files_read(environment: Environment, scenario: str) -> tuple[list[str], tuple[Finding, ...]]:
    """The files that linking a scenario rests on, and what it finds."""
    with tempfile.TemporaryDirectory() as folder:
        workload = Workload(load_scenario(scenario))
        found = link(Library(environment, Path(folder)), environment, workload).findings
        (kept,) = Path(folder, "links").glob("*.json")
        return sorted(json.loads(kept.read_text("utf-8"))["files"]), found


def ask(environment: Environment, files: Sequence[str]) -> list[Complaint]:
    """What ty says of the files."""
    with tempfile.TemporaryDirectory() as project:
        command = ["uv", "tool", "run", "ty", "check", "--project", project, "--output-format", "full", "--exit-zero"]
        command += ["--color", "never", "--python-version", ".".join(environment.python.split(".")[:2])]
        if len(environment.paths) == 1:
            command += ["--python", str(Path(environment.paths[0]).parents[2])]
        else:
            command += [part for path in environment.paths for part in ("--extra-search-path", path)]
        said = subprocess.run([*command, *files], capture_output=True, text=True, check=False, cwd=project)
        if said.returncode:
            raise SystemExit(said.stderr)
        return list(_complaints(said.stdout, Path(project)))


def _complaints(text: str, folder: Path) -> Iterator[Complaint]:
    for block in re.split(r"\n(?=(?:error|warning)\[)", text):
        header = _HEADER.match(block.partition("\n")[0])
        places = [match for match in map(_PLACE.match, block.splitlines()) if match]
        if header and places and header[1] in RULES:
            paths = [str((folder / match[1]).resolve()) for match in places]
            yield Complaint(header[1], header[2], paths[0], int(places[0][2]), paths[1] if paths[1:] else "")


def between_packages(environment: Environment, complaint: Complaint) -> bool:
    """Whether the other side is in another package of the environment (or should be)."""
    own = package_of(environment, complaint.path)
    others = {*PACKAGES, "torch"} - {own}
    if _ELSEWHERE.search(complaint.message):
        return False
    if "odule `torch` has" in complaint.message and not _has_stubs(environment):
        return False  # pins bring torch's Python files alone, and most of its names are in stubs
    if complaint.other:
        return package_of(environment, complaint.other) in others
    words = _QUOTED.findall(complaint.message)
    if "import" in complaint.rule or "odule `" in complaint.message:
        # an optional package that is not there: whether that matters is the one thing that ty cannot know
        top = words[0].partition(".")[0]
        return top in others and any(Path(root, top).is_dir() for root in environment.paths)
    named = re.search(r"(?:[Cc]lass|[Tt]ype|on) `(?:<class ')?([A-Za-z_]\w*)", complaint.message)
    if not named or named[1] in classes_of(str(_folder(environment, complaint.path))):
        return False
    folders = (Path(root, other) for root in environment.paths for other in others)
    return any(named[1] in classes_of(str(folder)) for folder in folders if folder.is_dir())


def _has_stubs(environment: Environment) -> bool:
    return any(Path(root, "torch", "_C", "__init__.pyi").is_file() for root in environment.paths)


def package_of(environment: Environment, path: str) -> str:
    """The top-level package that a file is in."""
    folder = _folder(environment, path)
    return folder.name if folder else path


def _folder(environment: Environment, path: str) -> Path | None:
    for root in map(Path, environment.paths):
        if Path(path).is_relative_to(root):
            return root / Path(path).relative_to(root).parts[0]
    return None


@cache
def classes_of(package: str) -> frozenset[str]:
    """Names of the classes that a package defines."""
    found: set[str] = set()
    for path in Path(package).rglob("*.py"):
        found.update(re.findall(r"^\s*class (\w+)", path.read_text("utf-8", errors="replace"), re.MULTILINE))
    return frozenset(found)


def _short(environment: Environment, complaint: Complaint) -> str:
    folder = _folder(environment, complaint.path)
    path = Path(complaint.path).relative_to(folder.parent) if folder else complaint.path
    return f"{path}:{complaint.line}"


def named_by(findings: Sequence[Finding], complaint: Complaint) -> bool:
    """Whether the linker names that break: the same name or line, in the same file."""
    words = _QUOTED.findall(complaint.message)
    causes = [finding.cause for finding in findings if finding.cause]
    return any(
        (cause.name in words or cause.caller.line == complaint.line)
        for cause in causes
        if cause.caller and cause.caller.path and complaint.path.endswith(cause.caller.path)
    )


def main() -> None:
    """List what ty names and the linker does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.oracle", description=__doc__.partition("\n")[0])
    parser.add_argument("target", help="interpreter, or a file of pins")
    parser.add_argument("--python-version", metavar="X.Y", help="Python that the pins are for")
    parser.add_argument("--scenario", default="sft-lora-4bit")
    arguments = parser.parse_args()
    if arguments.python_version:
        environment = read_pins(Path(arguments.target), arguments.python_version)
    else:
        environment = read_interpreter(arguments.target)
    files, findings = files_read(environment, arguments.scenario)
    wanted = [path for path in files if package_of(environment, path) in PACKAGES]
    complaints = [one for one in ask(environment, wanted) if between_packages(environment, one)]
    known = [one for one in complaints if named_by(findings, one)]
    grouped: dict[tuple[str, str, str], list[Complaint]] = {}
    for one in sorted(set(complaints) - set(known), key=lambda one: (one.rule, one.path, one.line)):
        grouped.setdefault((one.rule, package_of(environment, one.path), one.message), []).append(one)
    for (rule, _, message), group in grouped.items():
        more = f" (and {len(group) - 1} more places)" if group[1:] else ""
        print(f"{_short(environment, group[0])}: {rule}: {message}{more}")
    for finding in findings:
        print(f"linker: {finding.message}", file=sys.stderr)
    print(f"{len(wanted)} files of {len(files)}; {len(complaints)} complaints between packages", file=sys.stderr)
    print(f"{len(known)} of them named by the linker; {Counter(one.rule for one in complaints)}", file=sys.stderr)


if __name__ == "__main__":
    main()
