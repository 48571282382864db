"""Repairs that are really made: one line a stack, from a broken environment to a proved one and back again.

    python -m tests.bench.applied stacks.jsonl… --torch TORCH [--only ID] [--record done.jsonl]

Every failing row whose Python is here and whose torch is TORCH (a version or a wheel) is built as it is pinned, without
what CUDA brings. `prove` must fail there, by 4 bit or by 8; then `fix --apply` plans, installs, checks again and proves
both, and `undo` puts back. The whole environment is compared before and after: every file's content, mode and time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import Version

from tests.bench.repairs import ROOT, Row, smallest
from tests.repair.conftest import picture

SECONDS = 1800.0
CUDA = re.compile(r"nvidia-.*|cuda-.*|triton|torch(vision|audio)?")
"""What a build of torch brings: left out, and TORCH put in its place."""


@dataclass
class Outcome:
    """What became of one row.

    Attributes:
        id: Of the row.
        broke: What the proof ended with before.
        findings: Ids of the errors that check found.
        changes: Name → version that was installed.
        unsafe: Whether it took --unsafe.
        known: Packages that the smallest known repair changes; None where none is known.
        outcome: Of `fix --apply`.
        proved: Quantisations that the proof after the repair trained in.
        seconds: Of planning and of the proof.
        undone: Whether the environment is as it was, to the last file.
        reason: Why it did not work.
    """

    id: str
    broke: str = ""
    findings: tuple[str, ...] = ()
    changes: dict[str, str | None] = field(default_factory=dict)
    unsafe: bool = False
    known: int | None = None
    outcome: str = ""
    proved: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)
    undone: bool = False
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether it was repaired, proved in 4 and in 8 bit, and put back."""
        return self.outcome == "applied" and self.proved == "nf4+int8" and self.undone

    @property
    def line(self) -> str:
        """The row of the table."""
        what = ", ".join(f"{name} {version}" for name, version in self.changes.items())
        number = f"{len(self.changes)} of {self.known if self.known is not None else '?'}"
        times = f"{self.seconds[0]:4.0f} s {self.seconds[1]:4.0f} s"
        undone = "same" if self.undone else "-" if self.outcome == "no break" else "DIFFERS"
        return (
            f"{self.id:<40.40} {self.broke:<28.28} {','.join(self.findings):<15.15} {number:>7} {self.outcome:<10.10} "
            f"{self.proved or '-':<8} {times} {undone:<7} {what[:160]} {self.reason[:300]}"
        )


def main() -> None:
    """Repair every failing row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+")
    parser.add_argument("--torch", required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--record", type=Path, help="add each outcome to this file, as a line of JSON")
    options = parser.parse_args()
    rows = [json.loads(line) for table in options.tables for line in table.read_text("utf-8").splitlines()]
    passing = [row for row in rows if row["outcome"] == "pass"]
    done = []
    for row in _asked(rows, options.torch, options.only):
        done.append(repair(row, passing, options.torch))
        print(done[-1].line, flush=True)
        if options.record:
            with options.record.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(done[-1])) + "\n")
    done = [one for one in done if one.outcome != "no break"]
    good = [one for one in done if one.good]
    small = [one for one in good if one.known is None or len(one.changes) <= one.known]
    print(
        f"\n{len(done)} failing; {len(good)} repaired, proved in nf4 and int8, and put back to the last file;", end=" "
    )
    print(f"{len(small)} of these changed no more packages than the smallest known repair")


def _asked(rows: Iterable[Row], torch: str, only: Sequence[str]) -> Iterator[Row]:
    """The failing rows that can be built with this torch."""
    version = Path(torch).name.split("-")[1] if torch.endswith(".whl") else torch
    for row in rows:
        pinned = row["pins"].get("torch", "0")
        same = Version(pinned).base_version == Version(version).base_version
        if row["outcome"] == "fail" and same and (not only or row["id"] in only):
            yield row


def repair(row: Row, passing: Sequence[Row], torch: str) -> Outcome:
    """Build one row, repair it, take the repair back, and throw it away.

    Args:
        row: A failing one.
        passing: Those that ran.
        torch: Version or wheel.
    """
    outcome = Outcome(row["id"], known=smallest(row, passing))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv, state = folder / "venv", folder / "state"
        variables = {**os.environ, "SFTDOCTOR_STATE": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
        failed = _build(venv, row, torch)
        if failed:
            outcome.reason = failed
            return outcome
        broken = _asked_json(["prove", "--python", str(venv)], variables)
        outcome.broke = _said(broken)
        if broken.get("verdict") != "failed":
            outcome.outcome, outcome.reason = "no break", "it does not break here: what made it break came with CUDA"
            return outcome
        scenario = "sft-lora-8bit" if broken.get("quantization") == "int8" else "sft-lora-4bit"
        target = ["--python", str(venv), "--scenario", scenario]
        before = picture(venv)
        for unsafe in (False, True):
            _fixed(outcome, target, variables, unsafe)
            if outcome.changes:
                break
        if outcome.outcome == "applied":
            undo = _ran(["undo"], variables)
            outcome.reason = undo.stderr[-300:] if undo.returncode else ""
        outcome.undone = picture(venv) == before
    return outcome


def _build(venv: Path, row: Row, torch: str) -> str:
    """Install the pins as they are; what went wrong, "" for nothing."""
    pins = [f"{name}=={version}" for name, version in row["pins"].items() if not CUDA.fullmatch(name)]
    wanted = [torch if torch.endswith(".whl") else f"torch=={torch}", *pins]
    for command in (
        ["venv", "--quiet", "--python", row["python"], str(venv)],
        ["pip", "install", "--quiet", "--no-deps", "--python", str(venv), *wanted],
    ):
        done = subprocess.run(["uv", *command], capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            return f"cannot be built: {done.stderr[-300:]}"
    return ""


def _fixed(outcome: Outcome, target: Sequence[str], variables: dict[str, str], unsafe: bool) -> None:
    start = time.monotonic()
    said = _asked_json(["fix", "--apply", *(["--unsafe"] if unsafe else []), *target], variables)
    proof = said.get("proof") or {}
    whole = time.monotonic() - start
    errors = [one["id"] for one in said.get("before", {}).get("findings", []) if one["severity"] == "error"]
    outcome.findings = tuple(dict.fromkeys(errors))
    outcome.changes = {one["name"]: one["to"] for one in said.get("actions", []) if one["kind"] == "package"}
    outcome.unsafe = unsafe
    outcome.outcome = said["outcome"]
    runs = proof.get("runs") or [proof]
    outcome.proved = "+".join(run["quantization"] for run in runs if run.get("verdict") == "passed")
    outcome.seconds = (whole - proof.get("seconds", 0.0), proof.get("seconds", 0.0))
    left = "; ".join(dict.fromkeys(one["reason"] for one in said.get("left_out", [])))
    outcome.reason = said.get("reason") or left


def _said(proof: dict[str, Any]) -> str:
    failure = proof.get("failure") or {}
    return f"{proof.get('quantization')} {failure.get('exception') or proof.get('verdict')}"


def _asked_json(command: Sequence[str], variables: dict[str, str]) -> dict[str, Any]:
    done = _ran([*command, "--format", "json"], variables)
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {"outcome": "crash", "reason": done.stderr[-500:]}
    return answer


def _ran(command: Sequence[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "sftdoctor", *command]
    return subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS, cwd=ROOT, env=variables, check=False)


if __name__ == "__main__":
    main()
