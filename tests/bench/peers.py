"""sftdoctor and its peers on the same stack: one command that builds it, measures and writes the README's table.

    python -m tests.bench.peers [--runs 5] [--torch TORCH] [--write]

The stack of NEWEST is built in a throwaway folder, each peer that is not part of it in a venv of its own. Peers that
import the stack run from a venv that sees it. `--write` puts the table between the marks of the README.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.contest import ROOT, Contestant, compete, ratio
from tests.lab.builds import NEWEST

IMPORT = "from trl import SFTTrainer"
MARKS = ("<!-- speed: begin -->", "<!-- speed: end -->")
PEERS = {
    "env-doctor check": ("env-doctor==0.3.5", ("env-doctor", "check")),
    "peft-doctor env": ("peft-doctor==0.9.2", ("peft-doctor", "env")),
    "soup doctor": ("soup-cli==0.77.0", ("soup", "doctor")),
    "trainproof env": ("trainproof==0.22.0", ("trainproof", "env", "--module", "trl.trainer.sft_trainer")),
}
"""Peers that come by themselves: the requirement, and what is run."""


def uv(*arguments: str) -> None:
    """Run uv, which must succeed."""
    subprocess.run(["uv", *arguments, "--quiet"], check=True)


def build_stack(folder: Path, torch: str) -> Path:
    """The newest stack, with pip; its interpreter."""
    uv("venv", "--seed", str(folder))
    python = folder / "bin" / "python"
    uv("pip", "install", "--python", str(python), torch, *NEWEST)
    return python


def build_peer(folder: Path, stack: Path, requirement: str) -> Path:
    """A venv with one peer that sees the packages of a stack; its folder of programs."""
    uv("venv", str(folder))
    python = folder / "bin" / "python"
    uv("pip", "install", "--python", str(python), requirement)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "stack.pth").write_text(str(next(stack.parents[1].glob("lib/python*/site-packages"))) + "\n")
    return folder / "bin"


def contestants(folder: Path, torch: str) -> list[Contestant]:
    """Everything that is measured, sftdoctor first."""
    python = build_stack(folder / "stack", torch)
    programs = python.parent
    check = [sys.executable, "-m", "sftdoctor", "check", "--python", str(python)]
    caches = [folder / name for name in ("kept", "warm", "cold")]
    found = [
        Contestant("`sftdoctor check`, nothing changed", check, environment={"SFTDOCTOR_CACHE": str(caches[0])}),
        # the report must be made anew, from what is known of the packages
        _without("`sftdoctor check`, something changed", check, caches[1], "finished"),
        _without("`sftdoctor check`, first run", check, caches[2], "."),
        Contestant("`uv pip check`", ["uv", "pip", "check", "--python", str(python)]),
        Contestant("`pip check`", [str(python), "-m", "pip", "check"]),
        Contestant(f'`python -c "{IMPORT}"`', [str(python), "-c", IMPORT]),
        Contestant("`transformers env`", [str(programs / "transformers"), "env"]),
        Contestant("`accelerate env`", [str(programs / "accelerate"), "env"]),
        Contestant("`trl env`", [str(programs / "trl"), "env"]),
        Contestant("`python -m bitsandbytes`", [str(python), "-m", "bitsandbytes"]),
        Contestant("`python -m torch.utils.collect_env`", [str(python), "-m", "torch.utils.collect_env"]),
        Contestant("`ty check` of trl", ["uvx", "ty", "check", "--python", str(python), str(_site(python) / "trl")]),
    ]
    for number, (name, (requirement, command)) in enumerate(PEERS.items()):
        try:
            bin_ = build_peer(folder / f"peer{number}", python, requirement)
        except subprocess.CalledProcessError:
            print(f"{name}: {requirement} cannot be installed here", file=sys.stderr)
            continue
        found.append(Contestant(f"`{name}`", [str(bin_ / command[0]), *command[1:]]))
    return found


def _without(name: str, command: Sequence[str], cache: Path, part: str) -> Contestant:
    """A check that finds its cache without a part of it."""

    def forget() -> None:
        shutil.rmtree(cache / part, ignore_errors=True)

    return Contestant(name, command, forget, {"SFTDOCTOR_CACHE": str(cache)})


def _site(python: Path) -> Path:
    return next(python.parents[1].glob("lib/python*/site-packages"))


def table(measured: Sequence[Contestant], runs: int) -> str:
    """The table in Markdown, with where and when it was measured."""
    warm = measured[0]
    cores, system = os.cpu_count(), f"{platform.system()} {platform.machine()}"
    day = datetime.date.today().isoformat()
    lines = [
        f"Medians of {runs} rounds in which all took turns, on {day} ({system}, {cores} cores, Python "
        f"{platform.python_version()}, no GPU; {', '.join(NEWEST[:4])}).",
        "",
        "| command | seconds | times the first line | peak MiB | exit status |",
        "|---|--:|--:|--:|--:|",
    ]
    for one in measured:
        seconds, peak = statistics.median(one.seconds), statistics.median(one.peak)
        lines.append(f"| {one.name} | {seconds:.2f} | {ratio(one, warm):.1f} | {peak:.0f} | {one.status} |")
    return "\n".join(lines)


def write(text: str) -> None:
    """Put the table between its marks in the README."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    readme.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--torch", default="torch==2.13.0", help="a requirement or a wheel")
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = contestants(Path(folder), options.torch)
        compete(measured, options.runs)
    text = table(measured, options.runs)
    print(text)
    if options.write:
        write(text)


if __name__ == "__main__":
    main()
