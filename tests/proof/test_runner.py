"""The runner against workers that report, die, hang and lie: real processes, without the libraries."""

from __future__ import annotations

import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.errors import ProofError
from sftdoctor.model import Confidence, Distribution, Environment, Failure, Finding, Severity, Target, TargetKind
from sftdoctor.proof.options import RunSpec, specs
from sftdoctor.proof.runner import NEEDED, prove, require_runnable

PRELUDE = """
import json, os, signal, sys, time
request = json.loads(sys.argv[1])
def tell(event, run=None, **values):
    line = json.dumps(dict(values, event=event, run=run)) + "\\n"
    os.write(request["events"], line.encode())
def run(name, verdict="passed", **values):
    tell("started", name, quantization=name.split()[0])
    tell("check", name, name="loss_finite", passed=verdict == "passed", value=4.1)
    tell("figure", name, name="seconds_per_step", value=0.25)
    tell("figure", name, name="peak_memory_bytes", value=1000)
    tell("figure", name, name="operators", value=["MatMul4Bit"])
    tell(verdict, name, **values)
wanted = [run["name"] for run in request["runs"] or []] or ["nf4", "int8"]
tell("stage", stage="import")
tell("stack", device="cpu", compute_dtype="float32", versions={"trl": "1.0"})
tell("plan", runs=wanted)
"""
BROKE = 'stage="trainer", exception="TypeError", message="no such argument", traceback="Traceback …"'
END = 'tell("finished")'


@pytest.fixture
def environment() -> Environment:
    """This very interpreter, said to have all that a run needs."""
    found = {name: Distribution(name, "1.0") for name in NEEDED}
    target = Target(TargetKind.INTERPRETER, sys.executable, "3.11.7")
    return Environment(target, "3.11.7", distributions=found)


def told(tmp_path: Path, environment: Environment, script: str, **options: Any) -> Any:
    """The proof that a worker with this script leads to."""
    worker = tmp_path / "worker" / "fake.py"  # in a folder of its own: Python looks for modules there first
    worker.parent.mkdir(exist_ok=True)
    worker.write_text(PRELUDE + textwrap.dedent(script), encoding="utf-8")
    return prove(environment, worker=worker, **{"timeout": 60.0, **options})


@pytest.mark.parametrize(
    ("script", "verdict", "quantization"),
    [
        (f"run('nf4'); run('int8'); {END}", "passed", "nf4"),
        (f"run('nf4'); run('int8', 'failure', {BROKE}); {END}", "failed", "int8"),
        (f"run('nf4', 'failure', {BROKE}); run('int8'); {END}", "failed", "nf4"),
        (f"run('nf4', 'not_possible', reason='no GPU'); run('int8'); {END}", "not-possible", "nf4"),
        (f"run('nf4'); run('int8', 'not_possible', reason='no GPU'); {END}", "passed", "nf4"),
        (f"run('nf4', 'not_possible', reason='no'); run('int8', 'failure', {BROKE}); {END}", "failed", "int8"),
        (f"tell('failure', {BROKE})", "failed", "nf4"),
        ("tell('not_possible', reason='no')", "not-possible", "nf4"),
    ],
)
def test_verdict_of_several_runs(
    tmp_path: Path, environment: Environment, script: str, verdict: str, quantization: str
) -> None:
    proof = told(tmp_path, environment, script)
    assert (proof.verdict, proof.quantization) == (verdict, quantization)
    assert (proof.failure is not None) == (verdict == "failed")
    assert bool(proof.reason) == (verdict == "not-possible")
    assert proof.certificate["verdict"] == verdict


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [(["int8"], "passed"), (["none"], "passed"), (["nf4", "int8"], "not-possible"), (["int8", "none"], "not-possible")],
)
def test_asked_quantizations(tmp_path: Path, environment: Environment, asked: list[str], verdict: str) -> None:
    script = f"""
    for name in wanted:
        run(name, *(["not_possible"] if name in {[*asked[:-1]]} else []), reason="no GPU")
    tell("finished")
    """
    proof = told(tmp_path, environment, script, runs=specs(asked, {}))
    assert proof.verdict == verdict
    assert [run.quantization for run in proof.runs or (proof,)] == asked


@pytest.mark.parametrize(
    ("death", "exception", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", "out-of-memory"),
        ("os._exit(7)", "Exit", "exit status 7"),
        ("sys.exit(0)", "Exit", "exit status 0"),
        ("raise RuntimeError('gone')", "Exit", "exit status 1"),
    ],
)
def test_death_is_a_failure_and_does_not_hide_the_next_run(
    tmp_path: Path, environment: Environment, death: str, exception: str, said: str
) -> None:
    script = f"""
    if "nf4" in wanted:
        tell("started", "nf4")
        tell("stage", "nf4", stage="train")
        print("last words", flush=True)
        {death}
    run("int8")
    tell("finished")
    """
    proof = told(tmp_path, environment, script)
    assert proof.verdict == "failed"
    assert (proof.failure.stage, proof.failure.exception) == ("train", exception)
    assert said in proof.failure.message
    assert "last words" in proof.failure.traceback
    assert [(run.quantization, run.verdict) for run in proof.runs] == [("nf4", "failed"), ("int8", "passed")]


def test_death_while_importing(tmp_path: Path, environment: Environment) -> None:
    proof = told(tmp_path, environment, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert (proof.verdict, proof.failure.stage, proof.failure.exception) == ("failed", "import", "SIGSEGV")


@pytest.mark.parametrize("stubborn", [False, True])
def test_hang_ends_with_all_its_children(tmp_path: Path, environment: Environment, stubborn: bool) -> None:
    alive = tmp_path / "alive"
    script = f"""
    import faulthandler, subprocess
    if {stubborn}:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        faulthandler.register(signal.SIGUSR1)
    again = "import time, pathlib\\nwhile True: pathlib.Path({str(alive)!r}).touch(); time.sleep(0.05)"
    subprocess.Popen([sys.executable, "-c", again])
    run("nf4")
    tell("started", "int8")
    tell("stage", "int8", stage="save")
    def hangs_here(): time.sleep(600)
    hangs_here()
    """
    begun = time.monotonic()
    proof = told(tmp_path, environment, script, timeout=2.0)
    assert time.monotonic() - begun < 20
    assert (proof.verdict, proof.failure.stage, proof.failure.exception) == ("failed", "save", "Timeout")
    assert ("hangs_here" in proof.failure.traceback) is not stubborn
    alive.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not alive.exists()


def test_flood_and_garbage_are_survived(tmp_path: Path, environment: Environment) -> None:
    script = """
    for _ in range(2000):
        os.write(1, b"x" * 20000)
    os.write(1, b"\\xff\\xfe the end\\n")
    for line in (b"garbage\\n", b"[1]\\n", b'{"event": 3}\\n', b"\\xff\\n", b"y" * 3_000_000 + b"\\n"):
        while line:
            line = line[os.write(request["events"], line):]
    run("nf4"); run("int8")
    tell("finished")
    """
    proof = told(tmp_path, environment, script)
    assert proof.verdict == "passed"


def test_memory_limit(tmp_path: Path, environment: Environment) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory a process holds")
    script = """
    tell("started", "nf4")
    kept = bytearray(os.urandom(1)) * 400_000_000
    time.sleep(60)
    """
    proof = told(tmp_path, environment, script, runs=specs(["nf4"], {}), memory_limit=200_000_000)
    assert (proof.verdict, proof.failure.exception) == ("failed", "MemoryLimit")
    assert "took 0.2 GiB" in proof.failure.message


def test_memory_limit_counts_what_the_worker_starts(tmp_path: Path, environment: Environment) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory a process holds")
    script = """
    import subprocess
    tell("started", "nf4")
    holds = "import time; kept = bytearray(b'x' * 150_000_000); time.sleep(60)"
    for _ in range(3):
        subprocess.Popen([sys.executable, "-c", holds], start_new_session=True)
    time.sleep(60)
    """
    begun = time.monotonic()
    proof = told(tmp_path, environment, script, runs=specs(["nf4"], {}), memory_limit=400_000_000)
    assert (proof.verdict, proof.failure.exception) == ("failed", "MemoryLimit")
    assert time.monotonic() - begun < 20


def test_worker_dies_with_its_parent(tmp_path: Path, environment: Environment) -> None:
    def stop(event: Any) -> None:
        if event["event"] == "started":
            raise KeyboardInterrupt

    alive = tmp_path / "alive"
    script = f"""
    tell("started", "nf4")
    while True:
        open({str(alive)!r}, "w").close()
        time.sleep(0.05)
    """
    with pytest.raises(KeyboardInterrupt):
        told(tmp_path, environment, script, on_event=stop)
    alive.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not alive.exists()


def test_surroundings_do_not_reach_the_worker(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('a module of the user, not the library')")
    script = """
    bad = [name for name in ("PYTHONPATH", "RANK", "ACCELERATE_USE_FSDP") if name in os.environ]
    assert not bad and os.environ["CUDA_VISIBLE_DEVICES"] == "2" and os.environ["HF_HUB_OFFLINE"] == "1"
    run("nf4"); run("int8")
    tell("finished")
    """
    assert told(tmp_path, environment, script).verdict == "passed"


def test_findings_are_matched_to_every_failure(tmp_path: Path, environment: Environment) -> None:
    finding = Finding("API021", "x", Severity.ERROR, Confidence.CERTAIN, "a title", "a message")

    def match(failure: Failure) -> tuple[Finding, ...]:
        return (finding,) if failure.exception == "TypeError" else ()

    proof = told(tmp_path, environment, f"run('nf4', 'failure', {BROKE}); run('int8'); {END}", match=match)
    assert proof.failure.findings == proof.runs[0].failure.findings == (finding,)


def test_not_settled(tmp_path: Path, environment: Environment) -> None:
    script = """
    for name, walked in (("nf4", False), ("int8", True)):
        tell("started", name)
        tell("figure", name, name="kbit_preparation", value=walked)
        tell("passed", name)
    tell("finished")
    """
    said = "\n".join(told(tmp_path, environment, script).not_settled)
    assert "GPU kernels" in said
    assert "4-bit weights" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": TargetKind.PINS}, "needs an interpreter"),
        ({"kind": TargetKind.SNAPSHOT}, "needs an interpreter"),
        ({"path": "/no/such/python"}, "is gone"),
    ],
)
def test_no_target_to_run(environment: Environment, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ProofError, match=said) as caught:
        require_runnable(replace(environment, target=replace(environment.target, **change)))
    assert caught.value.hint


def test_missing_packages(environment: Environment) -> None:
    without = {name: found for name, found in environment.distributions.items() if name not in ("torch", "trl")}
    with pytest.raises(ProofError, match="lacks torch, trl") as caught:
        prove(replace(environment, distributions=without))
    assert "pip install torch trl" in caught.value.hint


def test_old_python(environment: Environment) -> None:
    with pytest.raises(ProofError, match="too old"):
        prove(replace(environment, python="3.7.16"))


def test_interpreter_that_cannot_start(tmp_path: Path, environment: Environment) -> None:
    broken = tmp_path / "python"
    broken.write_text("no program")
    broken.chmod(0o755)
    with pytest.raises(ProofError, match="cannot be started"):
        prove(replace(environment, target=replace(environment.target, path=str(broken))))


def test_a_run_that_dies_is_not_asked_again_and_the_others_keep_their_settings(
    tmp_path: Path, environment: Environment
) -> None:
    script = """
    for asked in request["runs"]:
        name = asked["name"]
        tell("started", name, quantization=asked["quantization"], settings=asked["settings"])
        if asked["settings"].get("optim") == "kills":
            os._exit(9)
        tell("passed", name)
    tell("finished")
    """
    runs = [RunSpec("nf4"), RunSpec("nf4", {"optim": "kills"}), RunSpec("nf4", {"use_dora": True}), RunSpec("int8")]
    proof = told(tmp_path, environment, script, runs=runs)
    assert [(run.name, run.verdict) for run in proof.runs] == [
        ("nf4", "passed"),
        ("nf4 optim=kills", "failed"),
        ("nf4 use_dora=true", "passed"),
        ("int8", "passed"),
    ]
    assert (proof.verdict, proof.name) == ("failed", "nf4 optim=kills")


def test_unknown_model(tmp_path: Path, environment: Environment) -> None:
    script = "tell('unknown_model', message='lama is none', near=['llama']); time.sleep(60)"
    begun = time.monotonic()
    with pytest.raises(ProofError, match="lama is none") as caught:
        told(tmp_path, environment, script, model={"name": "lama"})
    assert caught.value.hint == "Did you mean llama?"
    assert time.monotonic() - begun < 20


def test_the_model_and_what_was_done_to_it(tmp_path: Path, environment: Environment) -> None:
    script = f"tell('subject', model='QwenForCausalLM', notes=['small']); run('nf4'); run('int8'); {END}"
    proof = told(tmp_path, environment, script)
    assert (proof.model, proof.notes) == ("QwenForCausalLM", ("small",))
