"""How good plans of repair are, on a table of stacks that were really run: one line a stack, then the totals.

    python -m tests.bench.repairs stacks.jsonl [--only ID] [--record plans.jsonl]

Each line of the table holds `id`, `python`, `pins` (the whole freeze) and `outcome` (pass or fail). Every failing row
is planned with `fix --pins`; where only another torch helps, with --unsafe. A plan is counted as good where its set is
judged clean once more, by `check --pins` in a process of its own. The smallest repair that is known is the nearest row
of the table that passed: how many of the packages that both have differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 900.0

Row = Mapping[str, Any]


@dataclass
class Outcome:
    """What became of one row.

    Attributes:
        id: Of the row.
        verdict: Of the stack as it is.
        changes: Name → version that the plan brings.
        unsafe: Whether the plan takes --unsafe.
        after: Verdict of the pins with the plan.
        known: Packages that the smallest known repair changes; None where none is known.
        seconds: That the plan took.
        left: Why there is no plan.
        exact: A passing row that the plan leads to, by id.
    """

    id: str
    verdict: str = ""
    changes: dict[str, str | None] = field(default_factory=dict)
    unsafe: bool = False
    after: str = ""
    known: int | None = None
    seconds: float = 0.0
    left: str = ""
    exact: str = ""

    @property
    def line(self) -> str:
        """The row of the table."""
        what = ", ".join(f"{name} {version}" for name, version in self.changes.items()) or self.left
        safety = "unsafe" if self.unsafe else "safe"
        figures = f"{len(self.changes):>2} of {self.known if self.known is not None else '?':>2} {self.seconds:5.0f} s"
        return f"{self.id:<44.44} {self.verdict:<8} {figures}  {self.after or '-':<8} {safety:<6} {what[:200]}"


def main() -> None:
    """Plan every failing row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("table", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--record", type=Path, help="add each outcome to this file, as a line of JSON")
    options = parser.parse_args()
    rows: list[Row] = [json.loads(line) for line in options.table.read_text("utf-8").splitlines()]
    passing = [row for row in rows if row["outcome"] == "pass"]
    done = []
    for row in rows:
        if row["outcome"] == "fail" and (not options.only or row["id"] in options.only):
            done.append(plan(row, passing))
            print(done[-1].line, flush=True)
            if options.record:
                with options.record.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(asdict(done[-1])) + "\n")
    good = [one for one in done if one.after in ("clean", "at-risk")]
    small = [one for one in good if one.known is None or len(one.changes) <= one.known]
    print(f"\n{len(done)} failing; {len(good)} with a plan whose set is judged to run;", end=" ")
    print(f"{len(small)} of these change no more packages than the smallest known repair")


def plan(row: Row, passing: Sequence[Row]) -> Outcome:
    """Plan one row, and judge what the plan leads to.

    Args:
        row: A failing one.
        passing: Those that ran.
    """
    outcome = Outcome(row["id"], known=smallest(row, passing))
    for unsafe in (False, True):
        start = time.monotonic()
        said = ask(["fix", *(["--unsafe"] if unsafe else [])], row["pins"], row["python"])
        outcome.seconds = time.monotonic() - start
        outcome.verdict = said.get("before", {}).get("verdict", said["outcome"])
        outcome.changes = {one["name"]: one["to"] for one in said["actions"] if one["kind"] == "package"}
        outcome.left = "; ".join(dict.fromkeys(one["reason"] for one in said["left_out"]))
        outcome.unsafe = unsafe
        if outcome.changes:
            break
    if not outcome.changes:
        return outcome
    pins = {name: version for name, version in {**row["pins"], **outcome.changes}.items() if version is not None}
    outcome.after = ask(["check"], pins, row["python"]).get("verdict", "crash")
    outcome.exact = next((one["id"] for one in passing if one["pins"] == pins and one["python"] == row["python"]), "")
    return outcome


def smallest(row: Row, passing: Iterable[Row]) -> int | None:
    """How many packages the nearest stack that ran has in other versions, or has beside them."""
    found = [
        sum(row["pins"].get(name) != version for name, version in one["pins"].items())
        for one in passing
        if one["python"] == row["python"]
    ]
    return min(found, default=None)


def ask(command: Sequence[str], pins: Mapping[str, str], python: str) -> dict[str, Any]:
    """One command about some pins, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("".join(f"{name}=={version}\n" for name, version in sorted(pins.items())))
        target = ["--pins", str(file), "--python-version", python, "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "sftdoctor", *command, *target],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=ROOT,
            check=False,
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            return {"outcome": "crash", "actions": [], "left_out": [{"reason": done.stderr[-300:]}]}
        return answer


if __name__ == "__main__":
    main()
