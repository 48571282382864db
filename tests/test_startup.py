"""What is loaded before anything is done. Modules are counted, not seconds: they do not depend on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "rich",
    "packaging",
    "libcst",
    "yaml",
    "pip_api",
    "pynvml",
    "dataclasses",
    "inspect",
    "tomllib",
    "tomli",
}
STACK = {"torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "numpy"}
PROBE = """
import json, sys
try:
    from sftdoctor.cli import main
    main(sys.argv[1:])
finally:
    print("\\n" + json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def loaded(code: str, *arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["nonsense"], []])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded(PROBE, *arguments) & (HEAVY | STACK)


def test_importing_sftdoctor_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import sftdoctor; print(sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "['__future__', 'sftdoctor']"


@pytest.mark.parametrize("arguments", [["rules"], ["rules", "API021"], ["env"], ["rules", "--format", "json"]])
def test_small_commands_load_no_linker_and_no_libcst(arguments: list[str]) -> None:
    code = PROBE.replace('name.split(".")[0]', "name")
    names = loaded(code, *arguments)
    assert not {"libcst", "yaml", "sftdoctor.link.linker", "sftdoctor.engine", "sftdoctor.repair"} & names


def test_json_needs_no_rich() -> None:
    assert "rich" not in loaded(PROBE, "rules", "--format", "json")


def test_a_warm_check_follows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What parses and follows modules, reads scripts or edits them is not even loaded once all is known."""
    monkeypatch.setenv("SFTDOCTOR_CACHE", str(tmp_path))
    code = PROBE.replace('name.split(".")[0]', "name")
    arguments = ("check", "--python", sys.executable, "--fail-on", "never")
    assert "sftdoctor.link.machine" in loaded(code, *arguments)
    names = loaded(code, *arguments)
    followers = {"link.machine", "link.follow", "link.skeleton", "flow", "workload", "repair", "predicates.gradient"}
    assert not {f"sftdoctor.{name}" for name in followers} & names
    assert not (STACK | {"libcst", "yaml", "pip_api", "asyncio", "email", "http.client", "importlib.metadata"}) & names
    assert sum(name.startswith("sftdoctor") for name in names) <= 100
