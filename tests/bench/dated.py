"""What is said of stacks that a resolver would have given on a day: they worked for most, so errors are to be read.

    python -m tests.bench.dated [--from 2024-01 --to 2026-11 --every 4] [--with deepspeed --with wandb] [--gpu H100]
    python -m tests.bench.dated SCRIPT… [--from 2024-01 --to 2024-01] [--with deepspeed]

For each month: `uv pip compile --exclude-newer` of the libraries of a fine-tuning run and what else is named, then
`check --pins`, of public scripts too where they are given (in the month that they are from they worked); prints the
versions, and every error with its confidence. What no package of the set provides is counted, not told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")
PYTHONS = ((2023, "3.10"), (2024, "3.11"), (2025, "3.12"), (2026, "3.13"))
"""Year → the Python that most had."""


def months(first: str, last: str, every: int) -> Iterator[str]:
    """ "2024-01", "2024-05", … up to the last."""
    year, month = map(int, first.split("-"))
    while f"{year}-{month:02}" <= last:
        yield f"{year}-{month:02}"
        year, month = year + (month - 1 + every) // 12, (month - 1 + every) % 12 + 1


def compiled(month: str, python: str, more: list[str], folder: Path) -> Path | None:
    """The pins of a month; None where no set fits."""
    wanted, pins = folder / f"{month}.in", folder / f"{month}.txt"
    wanted.write_text("\n".join((*LIBRARIES, *more)) + "\n")
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--python-version",
        python,
        "--python-platform",
        "x86_64-manylinux_2_28",
    ]
    command += ["--exclude-newer", f"{month}-15", "--output-file", str(pins), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return pins if done.returncode == 0 else None


def main() -> None:
    """Ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", type=Path)
    parser.add_argument("--from", dest="first", default="2023-10")
    parser.add_argument("--to", dest="last", default="2026-11")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--with", dest="more", action="append", default=[])
    parser.add_argument("--gpu", default="H100")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for month in months(given.first, given.last, given.every):
            python = dict(PYTHONS)[int(month[:4])]
            pins = compiled(month, python, given.more, Path(name))
            if pins is None:
                print(f"{month}  no set fits", flush=True)
                continue
            command = [sys.executable, "-m", "sftdoctor", "check", *map(str, given.scripts), "--pins", str(pins)]
            command += ["--python-version", python, "--gpu", given.gpu, "--format", "json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not done.stdout.startswith("{"):
                print(f"{month}  status {done.returncode}: {done.stderr[-300:]}", flush=True)
                continue
            report = json.loads(done.stdout)
            lines = [line.split(" ")[0] for line in pins.read_text().splitlines() if line.startswith(LIBRARIES)]
            print(f"{month}  {report['verdict']:8} {' '.join(line for line in lines if '==' in line)}", flush=True)
            errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
            told = [finding for finding in errors if not is_absence(finding)]
            for finding in told:
                print(f"    {finding['id']} {finding['confidence']}: {finding['message']}", flush=True)
            print(f"    {len(told)} errors, and {len(errors) - len(told)} packages that are not in the set", flush=True)


def is_absence(finding: dict[str, Any]) -> bool:
    """Whether a script imports what the set does not have."""
    callee = (finding["cause"] or {}).get("callee") or {}
    return finding["id"] == "API003" and bool(finding["location"]) and not callee.get("version")


if __name__ == "__main__":
    main()
