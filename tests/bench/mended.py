"""Does `fix --apply` make public scripts run that an upgrade broke?

    python -m tests.bench.mended TABLE --torch 2.13.0 --stacks FOLDER [--stack S4] [--only ID] [--record FILE]

TABLE is that of proofs.py; its failing rows are taken. Each script is copied with its package, mended there by
`fix --apply` (no package of the stack may change), and then asked: does every file parse, does it link clean, does a
second `fix` find nothing to edit, which values of calls went or came, and does it run (`prove --script`). What is wrong
with the command line is for whoever starts it: the words that sftdoctor names are put in their place before the run.
Packages that a script's own package asks for and the stack lacks are installed alone; what is no wheel is stood in for.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.bench.proofs import Row, build, command_line, script_of
from tests.bench.repairs import ROOT

UNPROVED = """
import sys
from sftdoctor import cli, jobs
from sftdoctor.model import Proof
jobs.prove = lambda settings, progress: Proof("not-possible", "cpu", "none", (), 0.0, reason="left out")
sys.exit(cli.main(sys.argv[1:]))
"""
"""A fix without the default proof at its end: the script's own proof follows, and says more."""
INSTEAD = re.compile(r"start it with (--[\w-]+)(?: (\S+))? instead of (--[\w-]+)")
WITHOUT = re.compile(r"leave (--[\w-]+) out")
STAND_INS = {
    "deepspeed": {
        "deepspeed/__init__.py": "from deepspeed import zero\n\n\nclass DeepSpeedEngine: ...\n",
        "deepspeed/zero.py": "from contextlib import nullcontext as GatheredParameters\n",
        "deepspeed/runtime/__init__.py": "",
        "deepspeed/runtime/zero/__init__.py": "",
        "deepspeed/runtime/zero/partition_parameters.py": "class ZeroParamStatus:\n    NOT_AVAILABLE = 0\n",
    },
    "aim": {
        "aim/__init__.py": "",
        "aim/hugging_face.py": "from transformers import TrainerCallback as AimCallback\n",
    },
    "fms_acceleration": {
        "fms_acceleration/__init__.py": "class AccelerationFramework:\n    def __init__(self, *args): ...\n\n"
        "    requires_custom_loading = requires_agumentation = False\n\n"
        "    def get_callbacks_and_ready_for_train(self, *args):\n        return []\n",
        "fms_acceleration/framework.py": "KEY_PLUGINS = 'plugins'\n",
    },
    "flash_attn": {
        "flash_attn/__init__.py": "__version__ = '2.8.3'\n",
        "flash_attn/flash_attn_interface.py": "flash_attn_varlen_qkvpacked_func = flash_attn_func = None\n",
        "flash_attn/bert_padding.py": "pad_input = unpad_input = None\n",
    },
}
"""Modules that only a compiler on the spot would install: what the scripts of the table import of them."""
NO_EQUIVALENT = {
    "SFTConfig": "this trl has no config of its own: its trainer takes what SFTConfig holds one by one",
    "TrlParser": "this trl has no parser that reads a config file",
    "ModelConfig": "this trl has no dataclass of the model's options",
    "ScriptArguments": "this trl has no dataclass of the data's options that has all of its fields",
    "DatasetMixtureConfig": "this trl reads one data set, no mixture",
    "get_dataset": "this trl reads one data set, no mixture",
    "clone_chat_template": "this trl has no function that copies a template with its tokens",
}
"""Names that an older release has nothing for, and why (read in the wheels)."""
DIALOGUE = [{"from": "human", "value": "What is one and one?"}, {"from": "gpt", "value": "It is two."}]
DATA = {
    "--data_path": [{"id": str(n), "conversations": DIALOGUE} for n in range(8)],
    "--training_data_path": [{"output": f"Sum {n} and {n}.\n### Label: {2 * n}"} for n in range(8)],
}
"""Option → rows for its data file, which nobody publishes: what the scripts of the table read."""


@dataclass
class Outcome:
    """What became of one row.

    Attributes:
        id, stack: Of the row.
        breaks: Names that the row says are wrong.
        hopeless: Those of them that have no equivalent.
        found: Ids and names of the errors that check finds.
        outcome: Of `fix --apply`.
        edits: Files that were edited.
        argued: Changes of the command line.
        left: What fix leaves to the user, with its reason.
        parses, idempotent: Whether every file parses, and a second fix edits nothing.
        remains: Errors that check still finds.
        gone, came: Values of keywords in calls that are no longer there, and those that are new.
        verdict, failure: Of `prove --script`.
        trained: Whether all that the proof checks while it trains held, whatever came afterwards.
        as_sound: Whether it then ends as the same script does, unmended, on a stack of the table where it ran.
    """

    id: str
    stack: str
    breaks: list[str]
    hopeless: list[str]
    found: list[str] = field(default_factory=list)
    outcome: str = ""
    edits: list[str] = field(default_factory=list)
    argued: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    parses: bool = False
    idempotent: bool = False
    remains: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    verdict: str = ""
    failure: str = ""
    trained: bool = False
    as_sound: bool = False

    @property
    def runs(self) -> bool:
        """Whether it trained after the mending, and all else held."""
        return (self.verdict == "passed" or (self.trained and self.as_sound)) and self.parses and self.idempotent

    def tell(self) -> str:
        """The row as it is printed."""
        state = "runs" if self.runs else "no equivalent" if self.hopeless else "DOES NOT RUN"
        lines = [f"{state:13} {self.stack} {self.id}  {len(self.breaks)} breaks  fix: {self.outcome}"]
        for name in ("hopeless", "argued", "left", "remains", "gone", "came"):
            if getattr(self, name):
                lines.append(f"    {name:9} {'; '.join(map(str, getattr(self, name)))[:600]}")
        if not (self.parses and self.idempotent):
            lines.append(f"    parses {self.parses}, idempotent {self.idempotent}")
        if self.verdict != "passed":
            sound = ", as where it is sound" if self.as_sound else ""
            lines.append(f"    {self.verdict}{' after training' if self.trained else ''}{sound}: {self.failure}")
        return "\n".join(lines)


def main() -> None:
    """Mend every failing row and print the table."""
    parser = command_line(__doc__)
    parser.add_argument("--record", type=Path, help="add each outcome to this file, as a line of JSON")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.table.read_text("utf-8").splitlines()]
    sound = [row for row in rows if row["outcome"] == "pass"]
    rows = [row for row in rows if row["outcome"] == "fail"]
    rows = [row for row in rows if not given.stack or row["stack"] in given.stack]
    rows = [row for row in rows if not given.only or row["id"] in given.only]
    given.stacks.mkdir(parents=True, exist_ok=True)
    done = []
    for row in rows:
        done.append(mend(row, given.stacks, given.torch))
        if done[-1].trained and done[-1].verdict != "passed":
            other = next((one for one in reversed(sound) if one["id"] == row["id"]), None)
            done[-1].as_sound = other is not None and prove(other, given.stacks, given.torch) == done[-1].failure
        print(done[-1].tell(), flush=True)
        if given.record:
            with given.record.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(done[-1])) + "\n")
    hopeful = [one for one in done if not one.hopeless]
    running = [one for one in hopeful if one.runs]
    share = 100 * len(running) / max(len(hopeful), 1)
    print(f"\n{len(done)} failing pairs, {len(hopeful)} whose breaks all have an equivalent; of these", end=" ")
    print(f"{len(running)} run after fix --apply ({share:.0f} %)")
    print(dict(Counter(name for one in done for name in one.hopeless)))


def mend(row: Row, stacks: Path, torch: str) -> Outcome:
    """Mend a copy of one row's script and run it.

    Args:
        row: A failing one.
        stacks: Folder of the environments and scripts.
        torch: Version or wheel.
    """
    names = sorted({str(error["name"]) for error in row["errors"]})
    outcome = Outcome(row["id"], row["stack"], names, [name for name in names if _is_hopeless(name, row)])
    venv = stack_of(stacks, row, torch)
    script = script_of(stacks, row)
    complete(venv, stacks / "scripts" / row["source"].split(":")[0], row)
    with tempfile.TemporaryDirectory() as name:
        root, copy = _copied(Path(name), row, script)
        keep = Path(name, "keep.txt")
        keep.write_text(_ran(["uv", "pip", "freeze", "--python", str(venv)], stacks).stdout)
        with standing_in(venv, root, sources_in(root).values()):
            _mended(outcome, copy, root, row["argv"], ["--python", str(venv)], keep)
    return outcome


def prove(row: Row, stacks: Path, torch: str) -> str:
    """How a row's script ends as it is.

    Args:
        row: One that ran.
        stacks: Folder of the environments and scripts.
        torch: Version or wheel.
    """
    venv = stack_of(stacks, row, torch)
    complete(venv, stacks / "scripts" / row["source"].split(":")[0], row)
    with tempfile.TemporaryDirectory() as name:
        root, copy = _copied(Path(name), row, script_of(stacks, row))
        with standing_in(venv, root, sources_in(root).values()):
            return _ending(_proved(copy, root, row["argv"], ["--python", str(venv)]))


def _copied(folder: Path, row: Row, script: Path) -> tuple[Path, Path]:
    """A folder with a copy of a row's script, and the copy."""
    root = folder / "copy"
    copy = root / script.name
    if row["source"].partition("==")[0] in row["pins"]:  # one of trl's: as people copy it out
        root.mkdir()
        shutil.copyfile(script, copy)
    else:
        shutil.copytree(package_of(script), root / package_of(script).name)
        copy = root / script.relative_to(package_of(script).parent)
    for option, word in zip(row["argv"], row["argv"][1:], strict=False):
        if option in DATA:
            (root / word).write_text(json.dumps(DATA[option]))
    return root, copy


def _mended(outcome: Outcome, script: Path, root: Path, argv: Sequence[str], target: Sequence[str], keep: Path) -> None:
    before = sources_in(root)
    fixed = _asked(["fix", str(script), "--apply", "--keep", str(keep), *target], argv, root, ["-c", UNPROVED])
    outcome.outcome = f"{fixed.get('outcome')} {fixed.get('reason') or ''}".strip()
    outcome.found = [_named(one) for one in _errors(fixed.get("before"))]
    outcome.edits = [one["name"] for one in fixed.get("actions", []) if one["kind"] == "edit"]
    outcome.left = [f"{', '.join(one['action']['findings'])}: {one['reason']}" for one in fixed.get("left_out", [])]
    after = sources_in(root)
    outcome.parses = all(_parses(text) for path, text in after.items() if text != before[path])
    outcome.gone, outcome.came = _changed(before, after)
    arguments = restarted(argv, outcome.left)
    outcome.argued = [word for word in arguments if word not in argv]
    again = _asked(["fix", str(script), "--keep", str(keep), *target], arguments, root)
    outcome.idempotent = not any(one["kind"] == "edit" for one in again.get("actions", []))
    checked = _asked(["check", str(script), *target], arguments, root)
    outcome.remains = [_named(one) for one in _errors(checked)]
    if outcome.hopeless:
        return
    proof = _proved(script, root, arguments, target)
    outcome.verdict, outcome.failure = str(proof.get("verdict")), _ending(proof)
    checks = proof.get("checks") or []
    outcome.trained = bool(checks) and all(one["passed"] for one in checks)


def _proved(script: Path, root: Path, arguments: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    return _asked(["prove", "--script", str(script), "--timeout", "300", *target], arguments, root)


def _ending(proof: dict[str, Any]) -> str:
    failure = proof.get("failure") or {"exception": "", "message": proof.get("reason", "")}
    return f"{failure['exception']} {failure['message'][:300]}".strip()


def _is_hopeless(name: str, row: Row) -> bool:
    """Whether a name has no equivalent on the stack of a row: an older one than the script was written for."""
    return name in NO_EQUIVALENT and row["direction"] == "older_stack"


def stack_of(stacks: Path, row: Row, torch: str) -> Path:
    """The environment of a row's stack; a package with scripts has one of its own, with what it asks for besides."""
    name = row["source"].partition("==")[0]
    own = row if name in row["pins"] else {**row, "stack": f"{row['stack']}-{name}"}
    return build(stacks, own, torch)


def package_of(script: Path) -> Path:
    """The folder of the outermost package that a script lies in; the script's own folder where it is in none."""
    folder = script.parent
    while (folder.parent / "__init__.py").exists():
        folder = folder.parent
    return folder


def complete(venv: Path, folder: Path, row: Row) -> None:
    """Install what a script's package asks for and the stack has not; it stays as it is itself."""
    if row["source"].partition("==")[0] not in row["pins"]:
        _ran(["uv", "pip", "uninstall", "--quiet", "--python", str(venv), row["source"].partition("==")[0]], venv)
    frozen = _ran(["uv", "pip", "freeze", "--python", str(venv)], venv).stdout
    there = {canonicalize_name(line.partition("==")[0].strip()) for line in frozen.splitlines()}
    name = row["source"].partition("==")[0]
    metadata = next(folder.glob(f"{name.replace('-', '_')}-*.dist-info/METADATA")).read_text("utf-8")
    asked = [Requirement(line.partition(":")[2]) for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    with tempfile.TemporaryDirectory() as constraints:
        held = Path(constraints, "held.txt")
        held.write_text(frozen)
        install = ["uv", "pip", "install", "--quiet", "--python", str(venv)]
        for one in asked if name not in row["pins"] else ():
            wanted = one.marker is None or one.marker.evaluate({"extra": ""})
            if wanted and canonicalize_name(one.name) not in there:
                asking = f"{one.name}{one.specifier}"
                if _ran([*install, "--constraints", str(held), asking], venv).returncode:
                    _ran([*install, "--no-deps", asking], venv)


@contextlib.contextmanager
def standing_in(venv: Path, root: Path, sources: Collection[str]) -> Iterator[None]:
    """While it lasts, the copy can be imported, and so can modules that no wheel brings, if it asks for them."""
    site = next(venv.glob("lib/python*/site-packages"))
    link = site / "_mended.pth"  # as an editable install makes one
    link.write_text(f"{root}\n")
    made = [one for one in STAND_INS if any(f"import {one}" in text or f"from {one}" in text for text in sources)]
    made = [one for one in made if not (site / one).exists()]
    for package in made:
        for path, text in STAND_INS[package].items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text(text)
    try:
        yield
    finally:
        link.unlink()
        for package in made:
            shutil.rmtree(site / package)


def restarted(argv: Sequence[str], left: Iterable[str]) -> list[str]:
    """A command line with the words that were named in their place."""
    words = list(argv)
    for said in left:
        for new, value, old in INSTEAD.findall(said):
            words = [new if word == old else word for word in words]
            if value and new in words:
                words[words.index(new) + 1 : words.index(new) + 2] = [value]
        for old in WITHOUT.findall(said):
            if old in words:
                at = words.index(old)
                follows = at + 1 < len(words) and not words[at + 1].startswith("--")
                del words[at : at + 1 + follows]
    return words


def sources_in(root: Path) -> dict[Path, str]:
    """The text of every Python file below a folder."""
    return {path: path.read_text("utf-8") for path in sorted(root.rglob("*.py"))}


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _changed(before: dict[Path, str], after: dict[Path, str]) -> tuple[list[str], list[str]]:
    """Values of keywords in calls that went and that came, whatever the keyword's name is."""
    old = Counter(value for path, text in before.items() if text != after[path] for value in _values(text))
    new = Counter(value for path, text in after.items() if text != before[path] for value in _values(text))
    return sorted((old - new).elements()), sorted((new - old).elements())


def _values(text: str) -> Iterable[str]:
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    return [ast.unparse(one.value) for call in calls for one in call.keywords]


def _errors(report: Row | None) -> list[Row]:
    return [one for one in (report or {}).get("findings", []) if one["severity"] == "error"]


def _named(finding: Row) -> str:
    return f"{finding['id']} {(finding.get('cause') or {}).get('name') or finding['title']}"


def _asked(
    command: Sequence[str], arguments: Sequence[str], folder: Path, program: Sequence[str] = ("-m", "sftdoctor")
) -> dict[str, Any]:
    whole = [sys.executable, *program, *command, "--format", "json", "--", *arguments]
    done = _ran(whole, folder)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"outcome": "crash", "verdict": "crash", "reason": done.stderr[-500:]}
    return answer


def _ran(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=1800, cwd=folder, env=variables, check=False)


if __name__ == "__main__":
    main()
