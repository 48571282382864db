"""Does `prove --script` say of public scripts what really happened to them?

    python -m tests.bench.proofs TABLE --torch 2.13.0 --stacks FOLDER [--stack S4] [--only ID]

TABLE has one row a script and stack: `source` ("distribution==version:path"), `argv`, `pins`, `python`, `outcome`, and
of a failure its first `exception` and `message`. Each stack is built once below FOLDER (with the torch that is given, a
version or a wheel), then each script is run there, made small. A failure counts as the same where the exception is of
the same kind and its message shares the row's names.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

Row = dict[str, Any]
NAMES = re.compile(r"'([^']+)'")
FREE = ("torch", "numpy")
"""Not pinned: torch is given, and numpy's release goes with the Python that runs this, from 2 on."""
THIRD = {
    "fschat": ("deepspeed", "requests"),
    "fms-hf-tuning": ("fms-acceleration", "simpleeval", "requests", "fire"),
}
"""Distribution of a script → what it imports beside the libraries; the table's runs had a stand-in for each."""
WITH_THEIR_OWN = ("deepspeed", "requests", "fire")
"""Those whose requirements are small and are none of the libraries."""
SAID = [{"from": "human", "value": "what does it do"}, {"from": "gpt", "value": "it looks on"}]
DATA: dict[str, Row] = {
    "data.json": {"conversations": SAID},
    "train.json": {"input": "what does it do", "output": "what does it do\n### Label: it looks on"},
}
"""File that command lines of the table name → a row of it."""
STAND_IN = "__version__ = '2.5.0'\n\n\ndef __getattr__(name):\n    return lambda *args, **more: None\n"
"""flash_attn, which cannot be built without a GPU's compiler; scripts import it, and replace attention by it."""
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def build(folder: Path, row: Row, torch: str) -> Path:
    """The environment of a row's stack, with what its script is part of; it stays for the next run."""
    requirement = row["source"].partition(":")[0]
    distribution = requirement.partition("==")[0]
    own = distribution not in row["pins"]
    venv = folder / (f"{row['stack']}-{requirement}" if own else str(row["stack"]))
    if (venv / "whole").exists():
        return venv
    overrides = folder / f"{row['stack']}.txt"
    overrides.write_text(f"torch @ file://{torch}\n" if Path(torch).exists() else f"torch=={torch}\n")
    pins = [f"{name}=={version}" for name, version in row["pins"].items() if name not in FREE or version < "2"]
    install = ["uv", "pip", "install", "--quiet", "--python", str(venv), "--overrides", str(overrides)]
    subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", PYTHON, str(venv)], check=True)
    subprocess.run([*install, "torch"], check=True)
    # rich: what trl's own scripts import, and older trl did not require; scipy: the same of bitsandbytes; the rest as
    # it was at the stack's date
    subprocess.run([*install, "--exclude-newer", _month_after(row["stack_date"]), *pins, "rich", "scipy"], check=True)
    for name in (requirement, *THIRD.get(distribution, ())) if own else ():
        subprocess.run([*install, *([] if name in WITH_THEIR_OWN else ["--no-deps"]), name], check=True)
    stand_in = venv / "lib" / f"python{PYTHON}" / "site-packages" / "flash_attn"
    if own and not stand_in.exists():
        stand_in.mkdir()
        for name in ("__init__", "bert_padding", "flash_attn_interface"):
            (stand_in / f"{name}.py").write_text(STAND_IN)
        record = stand_in.with_name("flash_attn-2.8.3.dist-info")  # transformers asks which distribution a module is of
        record.mkdir()
        (record / "METADATA").write_text("Metadata-Version: 2.1\nName: flash_attn\nVersion: 2.8.3\n")
        (record / "top_level.txt").write_text("flash_attn\n")
    (venv / "whole").touch()
    return venv


def _month_after(month: str) -> str:
    """ "2023-12" → "2024-01-01"."""
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02}-01"


def script_of(folder: Path, row: Row) -> Path:
    """The row's script, out of its distribution."""
    requirement, path = row["source"].split(":", 1)
    target = folder / "scripts" / requirement
    if not target.exists():
        command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(target), requirement]
        subprocess.run(command, check=True)
    return target / path


def is_same(row: Row, failure: Row) -> bool:
    """Whether a proof failed as the row did."""
    if row.get("exception") != failure["exception"]:
        return False
    names = NAMES.findall(row.get("message") or "")
    return not names or any(name in failure["message"] for name in names)


def command_line(about: str | None) -> argparse.ArgumentParser:
    """The options of a bench that runs the rows of a table on their stacks."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--torch", default="2.13.0")
    parser.add_argument("--stacks", type=Path, required=True)
    parser.add_argument("--stack", action="append")
    parser.add_argument("--only", action="append")
    return parser


def main() -> None:
    given = command_line(__doc__).parse_args()
    rows = [json.loads(line) for line in given.table.read_text().splitlines()]
    rows = [row for row in rows if not given.stack or row["stack"] in given.stack]
    rows = [row for row in rows if not given.only or row["id"] in given.only]
    given.stacks.mkdir(parents=True, exist_ok=True)
    for name, row in DATA.items():
        (given.stacks / name).write_text(json.dumps([{**row, "id": str(number)} for number in range(32)]))
    counts: Counter[str] = Counter()
    for row in rows:
        venv = build(given.stacks, row, given.torch)
        script = script_of(given.stacks, row)
        command = [sys.executable, "-m", "sftdoctor", "prove", "--python", str(venv), "--script", str(script)]
        command += ["--format", "json", "--timeout", "300", "--", *row["argv"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=given.stacks)
        try:
            proof = json.loads(done.stdout)
        except ValueError:
            counts["no proof"] += 1
            print(f"no proof     {row['stack']} {row['id']} {done.stderr[-300:]}", flush=True)
            continue
        failure = proof["failure"] or {"exception": "", "message": proof["reason"]}
        if row["outcome"] == "pass":
            kind = f"pass → {proof['verdict']}"
        else:
            kind = f"fail → {proof['verdict']}" + (
                ", same" if proof["failure"] and is_same(row, failure) else ", another" if proof["failure"] else ""
            )
        counts[kind] += 1
        told = f"{failure['exception']} {failure['message'][:140]!r}" if kind != "pass → passed" else ""
        wanted = f" (row: {row.get('exception')} {row.get('message')!r:.100})" if kind.endswith("another") else ""
        print(f"{kind:22} {proof['seconds']:4.0f} s {row['stack']} {row['id']} {told}{wanted}", flush=True)
    print(dict(counts))


if __name__ == "__main__":
    main()
