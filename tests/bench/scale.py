"""How the time of a check grows with what it is given: rules, scripts, distributions, the length of a log.

    python -m tests.bench.scale /path/to/python [rules] [scripts] [distributions] [snapshots] [log]

Each row is three processes: a first run, one that finds all that the first has read (seconds, CPU, peak), and one that
finds nothing changed. Every curve should be a straight line at most, and the peak should not follow a log's size.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.contest import Contestant
from tests.rule_files import write_rule

SCRIPT = """
from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

NUMBER = {number}
args = SFTConfig(output_dir="out-{number}", max_length={length}, gradient_checkpointing=True)
trainer = SFTTrainer(model="Qwen/Qwen3-0.6B", args=args, train_dataset=load_dataset("trl-lib/Capybara", split="train"),
                     peft_config=LoraConfig(r={rank}))
trainer.train()
"""
LINE = "step {number} {{'loss': 1.2345, 'grad_norm': 0.5, 'learning_rate': 1e-05}} of a run that goes on and on\n"
FAMILIES = ("CFG", "DAT", "DST", "MDL", "GPU", "ENV", "API")
Check = list[str]
Case = tuple[str, int, list[str]]


def rules(folder: Path, check: Check) -> Iterator[Case]:
    """Folders of more and more rules of one's own."""
    for count in (250, 500, 1000, 2000):
        here = folder / f"rules{count}"
        here.mkdir()
        for number in range(count):
            family, index = FAMILIES[number % 7], 500 + number // 7
            write_rule(here, "a-rule", f"rule-{number}", f"{family}{index}")
        yield "rules", count, [*check, "--rules", str(here)]


def scripts(folder: Path, check: Check) -> Iterator[Case]:
    """Folders of more and more scripts, no two alike."""
    for count in (50, 500, 5000):
        here = folder / f"scripts{count}"
        here.mkdir()
        for number in range(count):
            text = SCRIPT.format(number=number, length=512 + number % 7, rank=4 + number % 5)
            (here / f"train_{number}.py").write_text(text)
        yield "scripts", count, [*check, str(here)]


def distributions(folder: Path, check: Check) -> Iterator[Case]:
    """Virtual environments that hold more and more distributions."""
    for count in (100, 300, 1000):
        site = folder / f"venv{count}" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        site.mkdir(parents=True)
        (site.parents[2] / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\nversion = 3.11.7\n")
        (site.parents[2] / "bin").mkdir()
        (site.parents[2] / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        for number in range(count):
            name = f"package{number}"
            info = site / f"{name}-1.{number}.dist-info"
            info.mkdir()
            needs = f"Requires-Dist: package{(number + 1) % count}>=1.0\n"
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{number}\n{needs}")
            (site / name).mkdir()
            (site / name / "__init__.py").write_text("def f(a): ...\n")
            (info / "RECORD").write_text(f"{name}/__init__.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
        yield "distributions", count, [*check[:4], "--python", str(site.parents[2])]


def snapshots(folder: Path, check: Check) -> Iterator[Case]:
    """More and more recorded machines, one of which differs."""
    recorded = folder / "recorded.json"
    subprocess.run([*check[:3], "snapshot", *check[4:], "--output", str(recorded)], check=True)
    text = recorded.read_text()
    recorded.unlink()
    for count in (10, 100, 1000):
        here = folder / f"snapshots{count}"
        here.mkdir()
        for number in range(count):
            driver = '"535.1"' if number == count // 2 else "null"
            (here / f"node{number}.json").write_text(text.replace('"driver": null', f'"driver": {driver}', 1))
        yield "snapshots", count, [*check[:3], "diff", *map(str, sorted(here.iterdir()))]


def log(folder: Path, check: Check) -> Iterator[Case]:
    """Logs in MB that end in a traceback."""
    called = "prepare_model_for_kbit_training() got an unexpected keyword argument 'gradient_checkpointing_kwargs'"
    end = f'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\nTypeError: {called}\n'
    for size in (10, 100, 1000):
        path = folder / f"log{size}.txt"
        block = "".join(LINE.format(number=number) for number in range(10_000))
        with path.open("w") as file:
            for _ in range(size * 1_000_000 // len(block)):
                file.write(block)
            file.write(end)
        yield "MB of log", size, [sys.executable, "-m", "sftdoctor", "explain", str(path)]
        path.unlink()


CURVES: dict[str, Callable[[Path, Check], Iterator[Case]]] = {
    "rules": rules,
    "scripts": scripts,
    "distributions": distributions,
    "snapshots": snapshots,
    "log": log,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="interpreter of the stack that is checked")
    parser.add_argument("curves", nargs="*", choices=[*CURVES, []], help="which; default: all")
    options = parser.parse_args()
    check = [sys.executable, "-m", "sftdoctor", "check", "--python", options.python]
    print(f"{'':16}{'number':>8}{'first s':>10}{'seconds':>10}{'CPU s':>8}{'MiB':>7}{'again s':>9}")
    for name in options.curves or CURVES:
        folder = Path(tempfile.mkdtemp())
        for what, count, command in CURVES[name](folder, check):
            one = Contestant(what, command, environment={"SFTDOCTOR_CACHE": str(folder / "cache")})
            one.run()
            shutil.rmtree(folder / "cache" / "finished", ignore_errors=True)
            one.run()
            one.run()
            first, seconds, again = one.seconds
            print(
                f"{what:16}{count:8}{first:10.2f}{seconds:10.2f}{one.cpu[1]:8.2f}{one.peak[1]:7.0f}{again:9.2f}",
                flush=True,
            )
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
