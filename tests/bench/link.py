"""How long a check takes, next to what people run today: one command, one table, never a timed test.

    python -m tests.bench.link /path/to/python [--runs 5] [--scenario NAME]

Every figure is the median of processes of their own, the contestants taking turns, so that a busy machine is unjust to
all of them alike. CPU seconds (of the process and its children) say more than seconds on a shared machine.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.contest import Contestant, compete

LINK = """
import sys
from pathlib import Path
from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Workload
from sftdoctor.ruleset import load_scenario
from sftdoctor.target.interpreter import read_interpreter
environment = read_interpreter(sys.argv[1])
cache = Path(sys.argv[3]) if sys.argv[3] else None
link(Library(environment, cache), environment, Workload(load_scenario(sys.argv[2])))
"""
IMPORT = "from trl import SFTTrainer"


def contestants(target: str, scenario: str, cache: Path) -> list[Contestant]:
    """What is measured, in the order of the table."""
    check = [sys.executable, "-m", "sftdoctor", "check", "--python", target, "--scenario", scenario, "--format", "json"]
    link = [sys.executable, "-c", LINK, target, scenario]
    cold, warm = {"SFTDOCTOR_CACHE": str(cache / "cold")}, {"SFTDOCTOR_CACHE": str(cache / "warm")}

    def forget() -> None:
        shutil.rmtree(cache / "cold", ignore_errors=True)

    found = [
        Contestant(IMPORT, [target, "-c", IMPORT]),
        Contestant("check, cold", check, forget, cold),
        Contestant("check, warm", check, environment=warm),
        Contestant("check, --no-cache", [*check, "--no-cache"]),
        Contestant("link alone, cold", [*link, str(cache / "cold")], forget),
        Contestant("link alone, warm", [*link, str(cache / "warm")]),
        Contestant("link alone, no cache", [*link, ""]),
    ]
    if subprocess.run([target, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        found.append(Contestant("pip check", [target, "-m", "pip", "check"]))
    return found


def show(measured: Sequence[Contestant]) -> None:
    """Print the table; the last column is the share of the first contestant's CPU seconds."""
    whole = statistics.median(measured[0].cpu)
    print(f"{'':30}{'seconds':>9}{'min':>8}{'CPU s':>8}{'MiB':>7}{'of import':>11}")
    for one in measured:
        seconds, cpu = statistics.median(one.seconds), statistics.median(one.cpu)
        times = f"{seconds:9.2f}{min(one.seconds):8.2f}{cpu:8.2f}"
        print(f"{one.name:30}{times}{statistics.median(one.peak):7.0f}{cpu / whole:11.0%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.link", description=__doc__.partition("\n")[0])
    parser.add_argument("python", help="interpreter of the stack that is checked")
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--scenario", default="sft-lora-4bit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = contestants(arguments.python, arguments.scenario, Path(folder))
        compete(measured, arguments.runs)
    show(measured)


if __name__ == "__main__":
    main()
