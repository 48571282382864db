"""Who may know whom, held as a table; what nobody may do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sftdoctor"
RUNS_ELSEWHERE = ("proof/worker/", "_demo/")
"""What runs in the target and imports nothing of ours."""
WORDS = {"model", "errors", "folders", "nodes", "wording", "__version__"}
"""What everybody may know."""
KNOWS: dict[str, set[str]] = {
    # the words
    "model": {"errors"},
    "errors": set(),
    "operations": set(),
    "goals": set(),
    "folders": set(),
    "nodes": set(),
    "wording": set(),
    # the facts, which do not know each other
    "fingerprint": set(),
    "baseline": {"fingerprint"},
    "suppression": set(),
    "flow": set(),
    "logs": set(),
    "symptoms": set(),
    "target": set(),
    "configs": set(),
    "shell": set(),
    "link": {"configs"},
    "workload": {"configs", "flow", "looks", "shell"},
    "predicates": {"flow", "link", "target"},
    "rulefile": {"predicates", "symptoms"},
    "rulecheck": {"operations", "predicates", "rulefile", "symptoms"},
    "scenariofile": {"rulecheck", "rulefile"},
    "ruleset": {"predicates", "rulefile", "rulecheck", "scenariofile", "symptoms"},
    # the judge
    "drafts": {"predicates", "rulefile", "symptoms"},
    "merging": {"drafts", "predicates"},
    "engine": {"drafts", "merging", "predicates", "ruleset"},
    # what acts on a judgement
    "testing": {"engine", "explanation", "suppression", "link", "ruleset", "target", "tiny_elf", "workload"},
    "fix_cases": {"rulefile", "testing"},
    "tiny_elf": {"target"},
    "repair": {"configs", "engine", "flow", "link", "operations", "goals", "target", "workload"},
    "proof": {"flow", "target"},
    "fleet": {"proof", "target"},
    "live": {"engine", "predicates", "report", "ruleset", "showing"},
    # what shows one
    "report": {"fingerprint", "goals", "symptoms"},
    "explanation": {"link", "logs", "symptoms"},
    "showing": {"report"},
    # the doors
    "settings": set(),
    "arguments": {"settings"},
    "completion": {"arguments"},
    "catalogue": {"ruleset"},
    "reading": {"catalogue", "ruleset", "settings", "target", "workload"},
    "checker": {"baseline", "engine", "fingerprint", "link", "reading", "settings", "suppression"},
    "raises": set(),
    "upstream": {"link", "logs", "raises", "target"},
    "scene": {"checker", "explanation", "logs", "reading", "settings", "upstream"},
    "jobs": {"checker", "explanation", "fingerprint", "proof", "reading", "repair", "scene", "settings"},
    "api": {"jobs", "logs", "repair", "settings", "showing"},
    "notebook": {"arguments", "cli", "jobs", "reading", "report", "settings", "showing", "streams"},
    "gate": {"repair", "settings"},
    "throwaway": {"repair", "target"},
    "demo_text": {"demo", "report", "throwaway"},
    "demo": {"demo_text", "jobs", "proof", "repair", "report", "settings", "throwaway"},
    "agents": {"api", "report"},
    "watching": set(),
    "cli": {
        *{"agents", "watching"},
        *{
            "arguments",
            "baseline",
            "completion",
            "demo",
            "finished",
            "fleet",
            "demo_text",
            "gate",
            "jobs",
            "logs",
            "outputs",
            "reading",
        },
        *{"repair", "report", "status", "streams", "ruleset", "settings", "symptoms", "target", "testing"},
        *{"fix_cases", "throwaway"},
    },
    "outputs": {"catalogue", "report", "settings", "streams"},
    "looks": {"target"},
    "finished": {"looks"},
    "status": set(),
    "streams": {"report"},
    "__init__": {"api", "live", "notebook"},
    "__main__": {"cli", "finished", "status", "streams"},
}
STACK = {"torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "numpy", "safetensors"}
"""They may be broken, and they take 10 to 20 seconds."""
SPEAKERS = {"cli.py", "__main__.py", "target/ask.py", "target/ask_pip.py", "target/nvml.py"}
"""Only these print or exit: the command line, and what a process of its own runs to answer ours."""


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if not _runs_elsewhere(path))


def _runs_elsewhere(path: Path) -> bool:
    return path.relative_to(PACKAGE).as_posix().startswith(RUNS_ELSEWHERE)


def unit(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of what a file imports, wherever the import stands."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports of sftdoctor are absolute"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    allowed = KNOWS[unit(path)] | WORDS | {unit(path)}
    units = {name.split(".")[1] for name in imports(path) if name.startswith("sftdoctor.")}
    assert units <= allowed


@pytest.mark.parametrize("path", [path for path in sources() if unit(path) != "live"], ids=name_of)
def test_nothing_of_the_stack_is_imported(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & STACK


def test_a_live_trainer_is_looked_at_with_what_it_has_imported_itself() -> None:
    used = {name.partition(".")[0] for path in sources() if unit(path) == "live" for name in imports(path)} & STACK
    assert used == {"torch"}


@pytest.mark.parametrize("path", [path for path in sources() if name_of(path) not in SPEAKERS], ids=name_of)
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    forbidden = {"print", "sys.exit", "exit", "quit", "os._exit", "sys.stdout.write"}
    if name_of(path) == "link/forked.py":
        forbidden.remove("os._exit")  # how a forked process ends that has nothing to put away
    assert not forbidden & set(calls(path))


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_nothing_hostile_is_run_or_loaded(path: Path) -> None:
    assert not {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"} & set(calls(path))
    assert not {name.partition(".")[0] for name in imports(path)} & {"pickle", "shelve", "marshal", "dill"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.keyword) and node.arg == "shell":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def test_the_table_is_about_what_is_there() -> None:
    assert {unit(path) for path in sources()} == set(KNOWS)


def test_the_arrows_make_no_circle() -> None:
    known = {name: set(targets) for name, targets in KNOWS.items()}
    known["demo_text"] -= {"demo"}  # for its types alone
    done: set[str] = set()
    while ready := {name for name, targets in known.items() if name not in done and targets <= done | WORDS}:
        done |= ready
    assert done == set(known)
