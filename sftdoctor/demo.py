"""The demonstration: three runs that really break, checked, repaired and proved in a throwaway folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from sftdoctor import demo_text, jobs, throwaway
from sftdoctor.errors import SftDoctorError
from sftdoctor.model import FixResult, Report
from sftdoctor.report.style import rendered
from sftdoctor.settings import Settings
from sftdoctor.throwaway import Progress, Workshop

DATA = Path(__file__).with_name("_demo")
"""The scripts and the model of the cases; they travel in the wheel."""
_RUN_SECONDS = 600.0
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b.*")

_NEWER = ("transformers==4.57.3", "trl==0.24.0", "accelerate==1.10.1", "bitsandbytes==0.49.2", "datasets==4.3.0")
_OF_2023 = (
    *("transformers==4.35.2", "trl==0.7.9", "peft==0.7.1", "accelerate==0.26.1", "datasets==2.16.1"),
    *("bitsandbytes==0.49.2", "numpy==1.26.4", "pyarrow==17.0.0"),
)


@dataclass(frozen=True)
class Case:
    """One run that breaks."""

    folder: str
    """Below the data of the demo: the script and what it needs."""
    title: str
    requirements: tuple[str, ...]
    model: str | None = None
    """Model folder that brings code, for check and fix."""
    unsafe: bool = False
    """Whether its repair has to be allowed: another transformers may change what is trained."""


CASES = (
    Case("kbit", "trl passes an argument that peft does not take", (*_NEWER, "peft==0.5.0")),
    Case("remote_code", "a model's own code has the hook of 2023", _OF_2023, "old-model", unsafe=True),
    Case("no_grad", "LoRA under gradient checkpointing, and no gradient flows", (*_NEWER, "peft==0.17.1")),
)


@dataclass(frozen=True)
class Outcome:
    """How a script ended."""

    passed: bool
    line: str
    """What it said last, or the error that ended it."""
    seconds: float


@dataclass(frozen=True)
class Story:
    """What happened to one case."""

    case: Case
    before: Outcome
    check: Report
    fix: FixResult
    after: Outcome

    @property
    def cured(self) -> bool:
        """Whether it broke, was repaired, and runs."""
        return not self.before.passed and self.fix.outcome == "applied" and self.after.passed


def run_demo(
    write: Callable[[str], object],
    progress: Progress = lambda _: None,
    *,
    cases: Sequence[Case] = CASES,
    uv: Sequence[str] | None = None,
) -> int:
    """Builds the broken environments, and for each shows: the failure, check, fix with its proof, the run that works.

    Args:
        write: Gets the text for standard output, piece by piece.
        progress: Told what takes long.
        cases: What to show.
        uv: Command of uv; empty for venv and pip; None for whatever is there.

    Returns:
        0 where every run was repaired, else 1.

    Raises:
        SftDoctorError: The environments cannot be built: no network, no space.
    """

    def show(draw: Callable[[Console], None]) -> None:
        write(rendered(sys.stdout, draw))

    with _throwaway_folder() as folder:
        workshop = Workshop(folder, progress, python=_python_for(cases), uv=uv)
        wheels = workshop.resolve([case.requirements for case in cases])
        room = throwaway.require_room(folder, wheels)
        show(lambda console: demo_text.introduce(console, folder, workshop, wheels, room, cases))
        pythons = [_build(workshop, folder / case.folder, case) for case in cases]
        stories = []
        for number, (case, python) in enumerate(zip(cases, pythons, strict=True), 1):
            show(lambda console, n=number, c=case: demo_text.announce(console, n, len(cases), c))  # type: ignore[misc]
            stories.append(_tell(case, folder / case.folder, python, show, progress))
        show(lambda console: demo_text.conclude(console, stories))
    return 0 if all(story.cured for story in stories) else 1


@contextlib.contextmanager
def _throwaway_folder() -> Iterator[Path]:
    """A folder that goes however this ends, and that holds the journals of the fixes too."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    variable, kept = "SFTDOCTOR_STATE", os.environ.get("SFTDOCTOR_STATE")
    with tempfile.TemporaryDirectory(prefix="sftdoctor-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.environ[variable] = str(folder / "state")
        with contextlib.suppress(ValueError):  # not the main thread: then whoever owns it ends us
            before = signal.signal(signal.SIGTERM, stop)
        try:
            yield folder
        finally:
            with contextlib.suppress(ValueError, NameError):
                signal.signal(signal.SIGTERM, before)
            if kept is None:
                del os.environ[variable]
            else:
                os.environ[variable] = kept


def _python_for(cases: Sequence[Case]) -> str | None:
    """The Python to build on: the packages of 2023 have no wheels for 3.13."""
    if sys.version_info < (3, 13) or not any(case.requirements == _OF_2023 for case in cases):
        return None
    from sftdoctor.repair.packages import find_uv

    if find_uv():
        return "3.12"
    older = shutil.which("python3.12") or shutil.which("python3.11") or shutil.which("python3.10")
    if older is None:
        raise SftDoctorError(
            "the packages of 2023 that the demo installs have no wheels for this Python",
            "Install uv (python -m pip install uv), which brings another Python; or run it on Python 3.10 to 3.12.",
        )
    return older


def _build(workshop: Workshop, folder: Path, case: Case) -> Path:
    """Lays out a case: its files, its environment, its model."""
    workshop.progress(f"building {case.folder}")
    shutil.copytree(DATA / case.folder, folder)
    python = workshop.build(folder / ".venv", case.requirements)
    if case.model is None:
        made = run_script(python, folder, str(DATA / "make_model.py"), "tiny-llama")
        if not made.passed:
            raise SftDoctorError(
                f"the demo's model cannot be made: {made.line}", "Run it again with more room or time."
            )
    return python


def run_script(python: Path, folder: Path, *command: str) -> Outcome:
    """Runs a script as its user would, offline.

    Args:
        python: The interpreter.
        folder: To run it in.
        command: The script and its arguments.
    """
    from sftdoctor.proof.process import worker_variables

    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [str(python), *command],
            cwd=folder,
            env=worker_variables(scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_RUN_SECONDS,
            check=False,
        )
        output, passed = done.stdout.decode("utf-8", "replace"), done.returncode == 0
    except subprocess.TimeoutExpired:
        output, passed = f"TimeoutError: no end after {_RUN_SECONDS:.0f} s", False
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wanted = lines if passed else [line for line in lines if _ERROR.fullmatch(line)] or lines
    return Outcome(passed, wanted[-1] if wanted else "", time.monotonic() - begun)


def _tell(
    case: Case, folder: Path, python: Path, show: Callable[[Callable[[Console], None]], None], progress: Progress
) -> Story:
    """Takes one case through before, check, fix and after, showing each as it is done."""
    settings = Settings(
        paths=(str(folder / "train.py"),),
        python=str(python),
        model=str(folder / case.model) if case.model else None,
        apply=True,
        unsafe=case.unsafe,
    )
    progress("running the script as it is")
    before = run_script(python, folder, "train.py")
    show(lambda console: demo_text.line(console, "before", demo_text.run_text("python train.py", before)))
    progress("checking it")
    report = jobs.check(settings, progress)
    show(lambda console: demo_text.line(console, "check", demo_text.check_text(report)))
    progress("repairing it and proving the repair")
    fixed = jobs.fix(settings, progress)
    show(lambda console: demo_text.show_fix(console, case, fixed))
    progress("running the script again")
    after = run_script(python, folder, "train.py")
    show(lambda console: demo_text.line(console, "after", demo_text.run_text("python train.py", after)))
    return Story(case, before, report, fixed, after)
