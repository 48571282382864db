"""What of the worker runs without the libraries. The rest is tried on real stacks, in tests/lab."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sftdoctor.proof.process import WORKER


@pytest.fixture(scope="module")
def worker() -> ModuleType:
    """The worker as a module; its top level imports nothing but the standard library."""
    spec = importlib.util.spec_from_file_location("worker", WORKER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_file_for_old_pythons_and_of_the_standard_library_alone() -> None:
    tree = ast.parse(WORKER.read_text(encoding="utf-8"), feature_version=(3, 8))
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)
    every = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not any(str(node.module).startswith("sftdoctor") or node.level for node in every)


def test_events_are_lines(worker: ModuleType) -> None:
    reading, writing = os.pipe()
    emit = worker.Events(writing)
    emit.quantization = "nf4"
    emit("check", name="odd \ud800 name", value=object())
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise TypeError("outer\nline") from inner
    except TypeError as error:
        emit.failure("train", error)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        check, failure = map(json.loads, stream)
    assert (check["event"], check["quantization"]) == ("check", "nf4")
    assert (failure["stage"], failure["exception"], failure["message"]) == ("train", "TypeError", "outer\nline")
    assert [cause["exception"] for cause in failure["causes"]] == ["KeyError"]
    assert "KeyError: 'inner'" in failure["traceback"]


@pytest.mark.parametrize(
    ("names", "taken_by_config", "taken_by_trainer", "config", "trainer"),
    [
        (("max_length", "max_seq_length"), {"max_length"}, set(), {"max_length": 1}, {}),
        (("max_length", "max_seq_length"), {"max_seq_length"}, {"max_seq_length"}, {"max_seq_length": 1}, {}),
        (("max_length", "max_seq_length"), set(), {"max_seq_length"}, {}, {"max_seq_length": 1}),
        (("max_length", "max_seq_length"), set(), set(), {}, {}),
    ],
)
def test_arguments_go_where_they_are_taken(
    worker: ModuleType,
    names: tuple[str, ...],
    taken_by_config: set[str],
    taken_by_trainer: set[str],
    config: dict[str, int],
    trainer: dict[str, int],
) -> None:
    given: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    worker.place(names, 1, (taken_by_config, given[0]), (taken_by_trainer, given[1]))
    assert given == (config, trainer)


@pytest.mark.parametrize(
    ("wrapped", "plain"),
    [
        ("base_model.model.model.layers.0.self_attn.q_proj.base_layer", "model.layers.0.self_attn.q_proj"),
        ("base_model.model.lm_head", "lm_head"),
        ("model.layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj"),
    ],
)
def test_plain_name(worker: ModuleType, wrapped: str, plain: str) -> None:
    assert worker.plain_name(wrapped) == plain


@pytest.mark.parametrize(("value", "said"), [(1, 1.0), (float("nan"), None), (float("inf"), None)])
def test_number(worker: ModuleType, value: float, said: float | None) -> None:
    assert worker.number(value) == said


def test_every_check_has_a_meaning(worker: ModuleType) -> None:
    tree = ast.parse(WORKER.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("check", "check_storage")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert named == set(worker.MEANING)


def test_dies_when_its_parent_does(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(f"import runpy, sys, time\nruns = runpy.run_path({str(WORKER)!r}, run_name='worker')\n")
    with script.open("a") as stream:
        stream.write("runs['die_with_parent'](int(sys.argv[1]))\nprint('up', flush=True)\ntime.sleep(60)\n")
    reading, writing = os.pipe()
    command = [sys.executable, str(script), str(reading)]
    with subprocess.Popen(command, pass_fds=(reading,), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.close(reading)
        os.close(writing)
        assert process.wait(10) == 3
