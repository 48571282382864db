"""Makes rows of truth: builds random stacks for real, proves each, and notes what happened.

    python -m tests.bench.truth fixtures/truth/stacks.jsonl --torch TORCH --rows 40 --seed 1
    python -m tests.bench.truth fixtures/truth/stacks.jsonl --score

A row is the stack of a day, with up to two packages moved to a random release of theirs, half of the time against what
the others require (as people force it on ready-made images). `sftdoctor prove` trains a 4-bit LoRA step there: what it
ends with is the truth, and `--score` asks `check --pins` about it. A row says nothing about versions of torch, which is
the same everywhere (TORCH: a version or a wheel), nor about GPUs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from sftdoctor.target.index import Index
from sftdoctor.target.interpreter import read_interpreter

CORE = ("transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets")
MOVED = (*CORE, "huggingface-hub", "numpy", "tokenizers")
DAYS = ("2024-07-01", "2025-01-15", "2025-07-01", "2025-12-01", "2026-04-01", "2026-11-01")
SINCE = "2023-09-01"
PYTHON = "3.11"
CLUES = (
    re.compile(r"cannot import name '(\w+)'"),
    re.compile(r"'([A-Za-z_][\w.]+)'(?!.*'[A-Za-z_][\w.]+')", re.DOTALL),
)
"""What names the thing that broke: the missing name, else the last thing quoted."""
Row = dict[str, Any]


def make_row(number: int, seed: int, torch: str, releases: dict[str, list[str]]) -> Row | None:
    """One random stack, built, proved and thrown away; None where it cannot be installed or proved at all."""
    dice = random.Random(f"{seed}/{number}")
    day = dice.choice(DAYS)
    moved = {name: dice.choice(releases[name]) for name in dice.sample(MOVED, dice.choice((0, 1, 1, 2)))}
    forced = dice.random() < 0.5
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder, "venv")
        if not _build(venv, day, moved, forced, torch):
            return None
        environment = read_interpreter(str(venv))
        pins = {name: dist.version for name, dist in environment.distributions.items() if dist.version}
        row: Row = {
            **{"id": f"S{seed}-{number:03d}", "base": day, "changed": sorted(moved), "forced": forced},
            **{"python": PYTHON, "pins": pins},
            "pip_check": "ok" if _ran(["uv", "pip", "check", "--python", str(venv)]).returncode == 0 else "conflict",
        }
        return _proved(venv, row)


def _build(venv: Path, day: str, moved: dict[str, str], forced: bool, torch: str) -> bool:
    target = ["--python", str(venv), "--quiet"]
    overrides = venv.parent / "overrides.txt"
    overrides.write_text(f"torch @ file://{torch}\n" if Path(torch).exists() else f"torch=={torch}\n")
    pinned = [f"{name}=={version}" for name, version in moved.items()]
    asked = [f"{name}=={moved[name]}" if name in moved and not forced else name for name in CORE]
    asked += [f"{name}=={moved[name]}" for name in moved if not forced and name not in CORE]
    until = ["--exclude-newer", day] if forced or not moved else []  # what was moved may be newer than the day
    commands = [
        ["uv", "venv", "--quiet", "--python", PYTHON, str(venv)],
        ["uv", "pip", "install", *target, "--overrides", str(overrides), "torch", *asked, *until],
    ]
    if forced and pinned:
        commands.append(["uv", "pip", "install", *target, "--no-deps", *pinned])
    return all(_ran(command).returncode == 0 for command in commands)


def _proved(venv: Path, row: Row) -> Row | None:
    try:
        done = _ran([sys.executable, "-m", "sftdoctor", "prove", "--python", str(venv), "--format", "json"])
        proof = json.loads(done.stdout)
    except (ValueError, subprocess.TimeoutExpired) as error:
        print(f"{row['id']}: no proof: {error}", file=sys.stderr)
        return None
    failure = proof["failure"] or {}
    if proof["verdict"] == "failed" and not failure:
        failed = [check["name"] for check in proof["checks"] if not check["passed"]]
        failure = {"exception": "silence", "message": f"failed checks: {', '.join(failed)}"}
    message = failure.get("message", "").rpartition("(look up to see its traceback):\n")[2]
    clue = next((found[1] for pattern in CLUES if (found := pattern.search(message))), "")
    return row | {
        "mode": proof["quantization"],
        "outcome": "fail" if proof["verdict"] == "failed" else "pass",
        **{"exception": failure.get("exception"), "message": message[:500], "stage": failure.get("stage")},
        "clue": clue.rpartition(".")[2],
    }


def _ran(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def score(rows: list[Row]) -> Counter[str]:
    """What `check --pins` says of the rows: caught, missed, quiet and false alarms, counted and each printed."""
    counts: Counter[str] = Counter()
    for row in rows:
        with tempfile.TemporaryDirectory() as folder:
            pins = Path(folder, "requirements.txt")
            pins.write_text("".join(f"{name}=={version}\n" for name, version in sorted(row["pins"].items())))
            scenario = "sft-lora-8bit" if row["mode"] == "int8" else "sft-lora-4bit"
            command = ["check", "--pins", str(pins), "--python-version", row["python"], "--scenario", scenario]
            command += ["--format", "json"]
            report = json.loads(_ran([sys.executable, "-m", "sftdoctor", *command]).stdout)
        breaks = report["verdict"] == "breaks"
        kind = {(True, True): "caught", (True, False): "missed", (False, True): "false alarm", (False, False): "quiet"}[
            row["outcome"] == "fail", breaks
        ]
        counts[kind] += 1
        errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
        if kind == "caught" and row["clue"]:
            counts["right cause"] += row["clue"] in json.dumps(errors)
            counts["with a clue"] += 1
        said = "; ".join(f"{finding['id']} {finding['message'][:150]}" for finding in errors[:2])
        print(f"{kind:11} {row['id']} {row['exception'] or ''} {row['message'][:150]!r} | {said}", flush=True)
    return counts


def main() -> None:
    """Add rows to a table, or score it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--torch", default="2.13.0")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--score", action="store_true")
    options = parser.parse_args()
    known = [json.loads(line) for line in options.table.read_text().splitlines()] if options.table.exists() else []
    if options.score:
        print(dict(score(known)))
        return
    index = Index()
    since = {name: _released_since(index, name) for name in MOVED}
    done = {row["id"] for row in known}
    for number in range(options.rows):
        if f"S{options.seed}-{number:03d}" in done:
            continue
        row = make_row(number, options.seed, options.torch, since)
        if row is None:
            continue
        with options.table.open("a") as table:
            table.write(json.dumps(row, sort_keys=True) + "\n")
        print(f"{row['id']} {row['outcome']} {row['exception']} {row['message'][:120]}", flush=True)


def _released_since(index: Index, name: str) -> list[str]:
    """Versions with a file uploaded since SINCE."""
    new = {file.version(name) for file in index.files(name) if (file.uploaded or "") >= SINCE}
    return [str(version) for version in index.versions(name) if version in new]


if __name__ == "__main__":
    main()
