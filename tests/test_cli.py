"""The commands as a user runs them: real processes, their streams and their exit statuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sftdoctor import arguments
from sftdoctor.model import Confidence, Finding, Severity, Verdict
from sftdoctor.repair.journal import every_journal
from sftdoctor.status import DONE, FAILED, FOUND, status
from tests.report import samples
from tests.report.test_json_report import validate
from tests.stacks import make_stack

SFTDOCTOR = (sys.executable, "-m", "sftdoctor")
ROOT = Path(__file__).parent.parent


def run(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run sftdoctor in a folder, with its output in pipes."""
    return subprocess.run(
        [*SFTDOCTOR, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A folder with everything that is no good."""
    for name, content in {
        "syntax.py": "def broken(:\n",
        "notebook.ipynb": "{",
        "rules/api/API999.toml": "this is [no TOML",
        "unknown/api/API998.toml": 'schema = 1\nid = "API998"\nnonsense = 1\n',
        "snapshot.json": '{"schema": 99}',
        "list.json": "[1, 2",
        "pins.txt": "\x00\x01",
        "empty.txt": "",
        "bin.py": "\x00\x01\x02",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "noexec").write_text("not a program")
    (tmp_path / "noexec").chmod(0o755)
    return tmp_path


BAD_INPUT = [
    (["check", "--python", "nowhere"], "nowhere"),
    (["check", "--python", "folder"], "folder"),
    (["check", "--python", "noexec"], "noexec"),
    (["check", "--python", "syntax.py"], "syntax.py"),
    (["check", "nowhere.py"], "nowhere.py"),
    (["check", "--model", "nowhere"], "nowhere"),
    (["check", "--model", "folder"], "folder"),
    (["check", "--snapshot", "nowhere.json"], "nowhere.json"),
    (["check", "--snapshot", "snapshot.json"], "snapshot.json"),
    (["check", "--snapshot", "list.json"], "list.json"),
    (["check", "--snapshot", "folder"], "folder"),
    (["check", "--pins", "nowhere.txt"], "nowhere.txt"),
    (["check", "--pins", "pins.txt", "--offline"], "pins.txt"),
    (["check", "--pins", "empty.txt", "--offline"], "empty.txt"),
    (["check", "--rules", "nowhere"], "nowhere"),
    (["check", "--scenario", "nonsense"], "nonsense"),
    (["check", "--gpu", "Voodoo 2"], "Voodoo 2"),
    (["check", "--format", "xml"], "xml"),
    (["check", "--fail-on", "nonsense"], "nonsense"),
    (["check", "--lang", "fr"], "fr"),
    (["check", "--format", "text", "--format", "json"], "json=FILE"),
    (["check", "--format", "html=folder"], "folder"),
    (["fix", "--format", "sarif"], "sarif"),
    (["prove", "--format", "junit=x.xml"], "junit"),
    (["explain", "--format", "html"], "html"),
    (["rules", "--format", "github"], "github"),
    (["init"], "no pinned versions"),
    (["init", "--apply", "--github", "--pins", "a\nb"], "a\\nb"),
    (["completion", "tcsh"], "tcsh"),
    (["rules", "NOPE"], "NOPE"),
    (["rules", "test", "NOPE"], "NOPE"),
    (["explain", "nowhere.log"], "nowhere.log"),
    (["explain", "folder"], "folder"),
    (["undo", "nonsense"], "nonsense"),
    (["diff", "nowhere", "nowhere"], "nowhere"),
    (["env", "--python", "folder"], "folder"),
    (["env", "--output", "folder"], "folder"),
    (["env", "--output", "no/such/folder/x"], "no/such/folder"),
    (["prove", "--python", "folder"], "folder"),
    (["prove", "--quantization", "int3"], "int3"),
    (["prove", "--timeout", "0"], "timeout"),
    (["fix", "--keep", ">=2"], ">=2"),
    (["nonsense"], "nonsense"),
    ([], "COMMAND"),
]


@pytest.mark.parametrize(
    ("arguments", "named"), BAD_INPUT, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_job_that_cannot_be_done_is_two_and_says_why(
    arguments: list[str], named: str, bad: Path, broken: Path
) -> None:
    before = sorted(bad.rglob("*"))
    done = run(*arguments, cwd=bad, env={"VIRTUAL_ENV": str(broken)})
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in sftdoctor" not in done.stderr
    assert sorted(bad.rglob("*")) == before


@pytest.mark.parametrize(("folder", "named"), [("rules", "API999.toml"), ("unknown", "API998.toml")])
def test_a_broken_rule_of_ones_own_is_named_and_stops_no_other(
    folder: str, named: str, bad: Path, healthy: Path
) -> None:
    checked = run("check", "--rules", folder, "--python", healthy, "--format", "json", cwd=bad)
    assert checked.returncode in (DONE, FOUND), checked.stderr
    refused = [item for item in json.loads(checked.stdout)["not_judged"] if item["what"] == "a rule of yours"]
    assert named in refused[0]["reason"]
    tested = run("rules", "test", "--rules", folder, "API021", cwd=bad)
    assert (tested.returncode, named in tested.stderr, "API021" in tested.stdout) == (FOUND, True, True)
    listed = run("rules", "--rules", folder, cwd=bad)
    assert (listed.returncode, named in listed.stderr, "API021" in listed.stdout) == (DONE, True, True)


@pytest.mark.parametrize("name", ["syntax.py", "notebook.ipynb", "bin.py"])
def test_a_script_that_cannot_be_read_never_passes(name: str, bad: Path, healthy: Path) -> None:
    done = run("check", name, "--python", healthy, cwd=bad)
    assert done.returncode in (FOUND, FAILED)
    assert name in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_environment_is_one(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, cwd=tmp_path)
    assert done.returncode == FOUND, done.stderr
    assert "✗ This run will break: 1 error" in done.stdout
    assert "API021" in done.stdout
    assert "\x1b" not in done.stdout
    wide = [line for line in done.stdout.splitlines() if len(line) > 80]
    assert all(line.startswith("  sftdoctor fix --python ") for line in wide)  # commands stay in one piece


def test_a_healthy_environment_is_zero(healthy: Path, tmp_path: Path) -> None:
    done = run("check", "--python", healthy, cwd=tmp_path, env={"COLUMNS": "200"})
    assert done.returncode == DONE, done.stdout + done.stderr
    assert "✓ Nothing that breaks this run was found" in done.stdout


def test_json_is_valid_and_alone_on_stdout(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, "--format", "json", cwd=tmp_path)
    report = json.loads(done.stdout)
    validate("check", report)
    assert (done.returncode, report["verdict"]) == (FOUND, "breaks")
    assert report["environment"]["distributions"]["peft"] == "0.5.0"
    assert "API021" in [finding["id"] for finding in report["findings"]]


def test_several_formats_at_once_go_where_they_are_wanted(broken: Path, tmp_path: Path) -> None:
    named = [name for name in arguments.REPORTS if name != "text"]
    files = [word for name in named for word in ("--format", f"{name}=out.{name}")]
    done = run("check", "--python", broken, "--format", "text", *files, cwd=tmp_path)
    assert (done.returncode, done.stdout.count("API021")) == (FOUND, 2)
    for name in named:
        assert "API021" in (tmp_path / f"out.{name}").read_text("utf-8"), name
    validate("check", json.loads((tmp_path / "out.json").read_text("utf-8")))


def test_nothing_is_printed_where_a_file_cannot_be_written(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, "--format", "text", "--format", "html=no/where.html", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "no/where.html" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["fix", "--offline"],
        ["prove"],
        ["explain", "a.log"],
        ["rules"],
        ["rules", "API021"],
        ["rules", "test", "API021"],
    ],
)
def test_other_commands_speak_markdown_too(words: list[str], broken: Path, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("FooError: never seen before\n")
    target = ["--python", str(broken)] if words[0] in ("fix", "prove") else []
    done = run(*words, *target, "--format", "markdown", cwd=tmp_path)
    assert done.returncode in (DONE, FOUND), done.stderr
    assert re.search(r"^(##|```)", done.stdout)
    assert "<sub>sftdoctor" in done.stdout


def test_a_plan_that_needs_the_network_says_so(broken: Path, tmp_path: Path) -> None:
    done = run("fix", "--python", broken, "--offline", "--format", "json", cwd=tmp_path)
    result = json.loads(done.stdout)
    validate("fix", result)
    assert (done.returncode, result["outcome"], result["journal"]) == (FOUND, "nothing-to-do", None)
    assert "network is off" in result["left_out"][0]["reason"]


def test_nothing_to_repair_is_zero(healthy: Path, tmp_path: Path) -> None:
    done = run("fix", "--python", healthy, "--apply", cwd=tmp_path)
    assert (done.returncode, "✓ Nothing to repair" in done.stdout) == (DONE, True), done.stdout


def test_scripts_are_mended_for_what_is_not_installed_here(healthy: Path, tmp_path: Path) -> None:
    run("snapshot", "--python", healthy, "--output", "a.json", cwd=tmp_path)
    script = tmp_path / "train.py"
    old = "from trl import SFTTrainer, setup_chat_format  # both\n\nprint(SFTTrainer)\n"
    script.write_text(old)
    done = run("fix", script, "--snapshot", "a.json", "--apply", cwd=tmp_path)
    assert (done.returncode, script.read_text()) == (DONE, old.replace(", setup_chat_format", "")), done.stdout
    assert run("undo", cwd=tmp_path).returncode == DONE and script.read_text() == old


def test_what_is_not_installed_cannot_be_changed(broken: Path, tmp_path: Path) -> None:
    run("snapshot", "--python", broken, "--output", "a.json", cwd=tmp_path)
    done = run("fix", "--snapshot", "a.json", "--apply", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "--apply needs an installed environment" in done.stderr


def test_a_proof_that_fails_is_one_and_matched(healthy: Path, tmp_path: Path) -> None:
    """The tiny stack cannot train: it has no PeftModel."""
    done = run("prove", "--python", healthy, "--format", "json", cwd=tmp_path)
    proof = json.loads(done.stdout)
    validate("prove", proof)
    assert (done.returncode, proof["verdict"], proof["failure"]["stage"]) == (FOUND, "failed", "import")
    assert [finding["id"] for finding in proof["failure"]["findings"]] == ["API005"]


def test_a_gate_says_what_to_type_where_its_proof_does_not_hold(healthy: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import trl\n")
    prove = ["prove", "--python", healthy, "--script", "train.py", "--format", "json=proof.json", "--", "--lr", "1 e"]
    run(*prove, cwd=tmp_path)
    check = ["check", "train.py", "--python", healthy, "--require-proof", "proof.json", "--format", "github", "--"]
    done = run(*check, "--lr", "1 e", cwd=tmp_path)
    assert done.returncode == FOUND
    assert done.stdout.startswith("::error title=PROOF ")
    assert "the proof did not pass" in done.stdout
    anew = f"sftdoctor prove --python {healthy} --script train.py --format json=proof.json -- --lr '1 e'"
    assert anew.replace("%", "%25") in done.stdout


def test_a_gate_looks_at_the_config_that_launches_the_job(healthy: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import trl\n")
    (tmp_path / "run.sh").write_text("accelerate launch --config_file fsdp.yaml train.py\n")
    (tmp_path / "fsdp.yaml").write_text("distributed_type: FSDP\nnum_processes: 2\n")
    run("prove", "--python", healthy, "--script", "train.py", "--format", "json=proof.json", cwd=tmp_path)
    done = run("check", "run.sh", "--python", healthy, "--require-proof", "proof.json", cwd=tmp_path)
    assert done.returncode == FOUND
    assert "the proof ran one process, not those of" in done.stdout
    assert "the script has changed" not in done.stdout  # neither the launch script nor the config is the one proved
    assert "--nproc 2 --accelerate-config fsdp.yaml --script train.py" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], FOUND),
        (["--fail-on", "never"], DONE),
        (["--fail-on", "warning"], FOUND),
        (["--ignore", "API"], DONE),
        (["--ignore", "API021,API002"], DONE),
        (["--select", "GPU"], DONE),
        (["--select", "API021"], FOUND),
    ],
)
def test_what_is_selected_and_what_fails(arguments: list[str], expected: int, broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, *arguments, cwd=tmp_path)
    assert done.returncode == expected, done.stdout + done.stderr


def test_the_configuration_of_the_project_holds(broken: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f'[tool.sftdoctor]\npython = "{broken}"\nformat = "json"\n')
    done = run("check", cwd=tmp_path)
    assert json.loads(done.stdout)["target"]["path"].startswith(str(broken))
    (tmp_path / "pyproject.toml").write_text("[tool.sftdoctor]\npyton = 1\n")
    done = run("check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "pyton is no key" in done.stderr


def test_a_snapshot_is_judged_like_what_it_records_and_does_not_differ(broken: Path, tmp_path: Path) -> None:
    saved = run("snapshot", "--python", broken, cwd=tmp_path)
    (tmp_path / "a.json").write_text(saved.stdout)
    assert run("snapshot", "--python", broken, "--output", "b.json", cwd=tmp_path).returncode == DONE
    assert (tmp_path / "b.json").read_text() == saved.stdout
    assert run("diff", "a.json", broken, cwd=tmp_path).returncode == DONE
    report = json.loads(run("check", "--snapshot", "a.json", "--format", "json", cwd=tmp_path).stdout)
    assert report["target"]["kind"] == "snapshot"
    assert report["environment"]["distributions"]["peft"] == "0.5.0"


def test_env_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    stack = make_stack(tmp_path / "venv")
    torch = next(stack.glob("lib/python*/site-packages/torch/__init__.py"))
    torch.write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n", encoding="utf-8")
    done = run("env", "--python", stack, "--format", "markdown", cwd=tmp_path)
    assert done.returncode == DONE
    assert "- torch: 2.13.0\n" in done.stdout and "- memory: " in done.stdout
    assert done.stdout.startswith("<details>\n") and done.stdout.endswith("</details>\n")


def test_two_environments_that_differ_are_one(broken: Path, healthy: Path, tmp_path: Path) -> None:
    done = run("diff", broken, healthy, "--format", "json", cwd=tmp_path)
    assert done.returncode == FOUND
    assert json.loads(done.stdout)["differences"] == [{"what": "peft", "a": "0.5.0", "b": "0.17.1"}]


@pytest.mark.parametrize(
    ("log", "expected", "words"),
    [
        (
            "TypeError: prepare_model_for_kbit_training() got an unexpected keyword argument "
            "'gradient_checkpointing_kwargs'\n",
            FOUND,
            "What happens",
        ),
        (
            "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn\n",
            FOUND,
            "known causes:",
        ),
        ("FooError: never seen before\n", DONE, "Not known"),
    ],
)
def test_explain_reads_a_file_and_standard_input(log: str, expected: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(log)
    for done in (run("explain", "a.log", cwd=tmp_path), run("explain", cwd=tmp_path, text=log)):
        assert done.returncode == expected
        assert words in done.stdout


def test_explain_of_nothing_is_told(tmp_path: Path) -> None:
    done = run("explain", cwd=tmp_path, text="")
    assert done.returncode == FAILED
    assert done.stderr.startswith("sftdoctor: error: the log is empty")


def test_explain_takes_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(bytes(range(256)) * 100)
    assert run("explain", "a.log", cwd=tmp_path).returncode == DONE


@pytest.mark.parametrize("command", [["rules"], ["rules", "API021"], ["explain", "API021"]])
def test_rules_are_listed_and_shown(command: list[str], tmp_path: Path) -> None:
    done = run(*command, cwd=tmp_path)
    assert done.returncode == DONE
    assert "API021" in done.stdout


def test_cases_of_a_rule_run(tmp_path: Path) -> None:
    done = run("rules", "test", "API021", cwd=tmp_path)
    assert done.returncode == DONE, done.stdout + done.stderr
    assert "all as expected" in done.stdout


def test_env_is_ready_to_paste(broken: Path, tmp_path: Path) -> None:
    done = run("env", "--python", broken, cwd=tmp_path, env={"COLUMNS": "20"})
    assert done.returncode == DONE
    assert "- trl: 0.24.0\n" in done.stdout
    assert ": the same distributions\n" in done.stdout
    assert all(line.startswith("- ") for line in done.stdout.splitlines())


def test_output_goes_to_the_file_alone(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, "--output", "report.txt", cwd=tmp_path, env={"FORCE_COLOR": "1"})
    assert (done.returncode, done.stdout) == (FOUND, "")
    assert "API021" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert "\x1b" not in (tmp_path / "report.txt").read_text(encoding="utf-8")


def test_an_ascii_world_gets_ascii(broken: Path, tmp_path: Path) -> None:
    done = run("check", "--python", broken, cwd=tmp_path, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert done.returncode == FOUND
    assert done.stdout.isascii()
    assert "x This run will break" in done.stdout


@pytest.mark.parametrize("command", [["--help"], ["rules"], ["env"], ["check", "--format", "json"]])
def test_a_reader_that_leaves_is_no_crash(command: list[str], healthy: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*SFTDOCTOR, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "VIRTUAL_ENV": str(healthy)},
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (DONE, "")


def test_a_closed_stdout_and_a_full_disk_are_two(healthy: Path, tmp_path: Path) -> None:
    for redirection in (">&-", ">/dev/full"):
        command = " ".join(SFTDOCTOR) + f" env --python {healthy} {redirection}"
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == FAILED
        assert done.stderr.startswith("sftdoctor: error: ")
        assert "Traceback" not in done.stderr


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    """explain waits for its input; when it has said so (by reading), it is interrupted."""
    process = subprocess.Popen(
        [*SFTDOCTOR, "explain"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a suite in the background ignores it
    )
    stat = Path(f"/proc/{process.pid}/wchan")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and stat.exists() and "pipe" not in stat.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "sftdoctor: interrupted\n")


def test_a_bug_is_told_in_two_lines_and_in_full_when_asked(tmp_path: Path) -> None:
    code = (
        "import sftdoctor.cli as cli\n"
        "def boom(*_): raise KeyError('x')\n"
        "cli.COMMANDS['env'] = boom\n"
        "raise SystemExit(cli.main(['env']))"
    )
    for debug in ("", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "SFTDOCTOR_DEBUG": debug},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == FAILED
        assert ("Traceback" in done.stderr) is bool(debug)
        assert "this is a bug in sftdoctor: KeyError: 'x'" in done.stderr


WARNING, POSSIBLE = samples.WARNING, replace(samples.LINK, confidence=Confidence.POSSIBLE)
NOTE = replace(samples.WARNING, severity=Severity.INFO)


@pytest.mark.parametrize(
    ("verdict", "findings", "expected"),
    [
        (Verdict.BREAKS, (samples.LINK,), {"error": FOUND, "warning": FOUND, "never": DONE}),
        (Verdict.AT_RISK, (WARNING,), {"error": DONE, "warning": FOUND, "never": DONE}),
        (Verdict.AT_RISK, (POSSIBLE,), {"error": DONE, "warning": FOUND, "never": DONE}),
        (Verdict.CLEAN, (), {"error": DONE, "warning": DONE, "never": DONE}),
        (Verdict.CLEAN, (NOTE,), {"error": DONE, "warning": DONE, "never": DONE}),
        (Verdict.UNKNOWN, (), {"error": FAILED, "warning": FAILED, "never": FAILED}),
    ],
)
def test_exit_status_of_a_report(verdict: Verdict, findings: tuple[Finding, ...], expected: dict[str, int]) -> None:
    report = samples.report(*findings, verdict=verdict)
    assert {level: status(report, level) for level in expected} == expected


def test_a_fix_that_was_cut_short_is_taken_back_by_the_next(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    assert "No fix is on record" in run("undo", "--list", cwd=tmp_path).stdout
    run("snapshot", "--python", healthy, "--output", "a.json", cwd=tmp_path)
    script = tmp_path / "train.py"
    old = "from trl import SFTTrainer, setup_chat_format  # both\n\nprint(SFTTrainer)\n"
    script.write_text(old)
    assert run("fix", script, "--snapshot", "a.json", "--apply", cwd=tmp_path).returncode == DONE
    (journal,) = every_journal()
    journal.enter("proving")
    listed = run("undo", "--list", cwd=tmp_path).stdout
    assert f"{journal.record.id}  proving" in listed and "train.py" in listed
    planned = run("fix", script, "--snapshot", "a.json", "--format", "text", "--format", "json=fix.json", cwd=tmp_path)
    assert script.read_text() == old
    said = f"An earlier fix ({journal.record.id}) was cut short before it was proved and has been taken back"
    assert said in " ".join(planned.stdout.split()), planned.stdout
    (recovered,) = json.loads((tmp_path / "fix.json").read_text())["recovered"]
    assert recovered == f"{said}; put back: {script}"
    assert "undone: it had been cut short" in run("undo", "--list", cwd=tmp_path).stdout
