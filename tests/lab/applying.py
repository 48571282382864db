"""Real applies in processes of their own, for tests that kill them: `python -m tests.lab.applying VENV SCRIPT`.

Checks and plans once, as `sftdoctor fix --apply` does. Then, for each line of standard input, a fork carries the plan
out through `repair.transaction.apply`, with the real check and with a proof that is quick: the target imports the new
packages. A line is JSON: `fill` names folders, each with the bytes to leave free there once a stage is reached.

Says, a line of JSON each: the plan; the process id of each fork; how it ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftdoctor.checker import Checker
from sftdoctor.model import Failure, Plan, Proof, Report
from sftdoctor.repair import packages
from sftdoctor.repair.oracle import JudgeOracle
from sftdoctor.repair.plan import make_plan
from sftdoctor.repair.progress import Event
from sftdoctor.repair.transaction import apply
from sftdoctor.settings import Settings

BALLAST = "ballast"
"""Name of the file that takes up the space."""
IMPORTS = "import peft, bulk.part7, fresh; assert (peft.VERSION, bulk.VERSION) == ('0.17.1', '2.0')"


@dataclass(frozen=True)
class Job:
    """What every fork carries out."""

    settings: Settings
    before: Report
    plan: Plan

    def run(self, order: Mapping[str, Any]) -> str:
        """Carry it out once; what came of it."""

        def check() -> Report:
            return Checker(self.settings).check()

        environment = self.before.environment
        watch = filler(order.get("fill", []))
        prove = refuted if order.get("refute") else lambda: imported(environment.target.path)
        return apply(self.plan, environment, before=self.before, check=check, prove=prove, on_event=watch).outcome


def imported(python: str) -> Proof:
    """A proof that takes a moment: the target imports what the plan brought."""
    done = subprocess.run([python, "-B", "-c", IMPORTS], capture_output=True, text=True, check=False)
    return refuted(done.stderr) if done.returncode else Proof("passed", "cpu", "nf4")


def refuted(message: str = "asked for") -> Proof:
    """A proof that fails."""
    return Proof("failed", "cpu", "nf4", failure=Failure("import", "ImportError", message))


def filler(wanted: list[dict[str, Any]]) -> Callable[[Event], None]:
    """A listener that fills file systems: {"stage": "applying", "folder": …, "left": bytes}."""

    def listen(event: Event) -> None:
        for one in wanted:
            if event.stage == one["stage"]:
                fill(Path(one["folder"]), one["left"])

    return listen


def fill(folder: Path, left: int) -> None:
    """Leave that many bytes of the file system that holds a folder."""
    with (folder / BALLAST).open("ab") as stream:
        while (free := space(folder)) > left:
            try:
                stream.write(b"\0" * min(free - left, 1 << 16))
                stream.flush()
            except OSError:
                return


def space(folder: Path) -> int:
    """Bytes that are free."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def say(**what: Any) -> None:
    """Tell the test."""
    os.write(1, (json.dumps(what) + "\n").encode())


def fork(job: Job, order: Mapping[str, Any]) -> None:
    """Carry the plan out in a process of its own, and wait for its end."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setsid()
            say(outcome=job.run(order))
            status = 0
        except BaseException as error:
            say(error=type(error).__name__, message=str(error), traceback=traceback.format_exc())
        finally:
            os._exit(status)
    say(pid=child)
    say(status=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def main() -> None:
    """Plan, then fork for every line."""
    venv, script = sys.argv[1:3]
    if os.environ.get("WITHOUT_UV"):
        packages.find_uv = lambda: None
    settings = Settings(paths=(script,), python=venv)
    checker = Checker(settings)
    before = checker.check()
    plan = make_plan(before, oracle=JudgeOracle(before, checker.judge))
    say(plan=[[one.kind, one.name, one.old, one.new] for one in plan.actions])
    job = Job(settings, before, plan)
    for line in sys.stdin:
        fork(job, json.loads(line))


if __name__ == "__main__":
    main()
