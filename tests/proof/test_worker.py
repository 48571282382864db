"""What of the worker runs without the libraries. The rest is tried on real stacks, in tests/lab."""

from __future__ import annotations

import ast
import importlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.proof.process import WORKER

FILES = sorted(WORKER.parent.rglob("*.py"))


@pytest.fixture(scope="module")
def worker() -> Any:
    """The worker's package; it imports nothing but the standard library before a job begins."""
    main = runpy.run_path(str(WORKER))
    main["load"]()
    return lambda name: importlib.import_module(f"{main['PACKAGE']}.{name}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_for_old_pythons_and_of_the_standard_library_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom) and not node.level}
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)
    every = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not any(str(node.module).startswith("sftdoctor") for node in every)
    own = [str(node.module or node.names[0].name) for node in every if node.level]
    assert set(own) <= {path.stem for path in FILES}


def test_no_module_of_its_own_can_be_taken_for_one_of_anothers(tmp_path: Path) -> None:
    """Neither does its folder lie on sys.path, nor a link's, nor the one that it was started from."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "model.py").write_text("whose = 'the user'\n")
    (tmp_path / "shown.py").write_text(
        "import importlib, json, sys\n"
        "def main(request):\n"
        "    import model, errno\n"
        "    print(json.dumps([model.whose, [name for name in sys.modules if name.startswith('_sft')], sys.path]))\n"
    )
    copy = tmp_path / "worker"
    copy.mkdir()
    for path in FILES:
        linked = copy / path.relative_to(WORKER.parent)
        linked.parent.mkdir(exist_ok=True)
        linked.symlink_to(path)
    (copy / "proof.py").unlink()
    (tmp_path / "shown.py").rename(copy / "proof.py")
    command = [sys.executable, str(copy / "__main__.py"), "{}"]
    answer = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(site)}, cwd=copy, check=True
    )
    whose, modules, searched = json.loads(answer.stdout)
    assert whose == "the user"
    assert modules == ["_sftdoctor_worker", "_sftdoctor_worker.proof"]
    assert not {str(copy), str(WORKER.parent), ""} & set(searched)


def test_unknown_job() -> None:
    answer = subprocess.run([sys.executable, str(WORKER), '{"job": "os"}'], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (1, "unknown job: 'os'\n")


def test_events_are_lines(worker: Any) -> None:
    reading, writing = os.pipe()
    emit = worker("events").Events(writing)
    emit.run = "nf4"
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
    assert (check["event"], check["run"]) == ("check", "nf4")
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
    worker: Any,
    names: tuple[str, ...],
    taken_by_config: set[str],
    taken_by_trainer: set[str],
    config: dict[str, int],
    trainer: dict[str, int],
) -> None:
    given: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    worker("stack").place(names, 1, (taken_by_config, given[0]), (taken_by_trainer, given[1]))
    assert given == (config, trainer)


@pytest.mark.parametrize(
    ("wrapped", "plain"),
    [
        ("base_model.model.model.layers.0.self_attn.q_proj.base_layer", "model.layers.0.self_attn.q_proj"),
        ("base_model.model.lm_head", "lm_head"),
        ("model.layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj"),
    ],
)
def test_plain_name(worker: Any, wrapped: str, plain: str) -> None:
    assert worker("quantization").plain_name(wrapped) == plain


@pytest.mark.parametrize(("value", "said"), [(1, 1.0), (float("nan"), None), (float("inf"), None)])
def test_number(worker: Any, value: float, said: float | None) -> None:
    assert worker("events").number(value) == said


def test_every_check_has_a_meaning(worker: Any) -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ("check", "check_storage")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert named == set(worker("checks").MEANING)


def test_dies_when_its_parent_does(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(
        f"import runpy, sys, time\nruns = runpy.run_path({str(WORKER)!r})\nruns['load']()\n"
        "from _sftdoctor_worker.events import die_with_parent\n"
        "die_with_parent(int(sys.argv[1]))\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    reading, writing = os.pipe()
    command = [sys.executable, str(script), str(reading)]
    with subprocess.Popen(command, pass_fds=(reading,), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.close(reading)
        os.close(writing)
        assert process.wait(10) == 3


def test_the_operators_that_are_told(worker: Any) -> None:
    names = ["aten::add", "MatMul4Bit", "MatMul4BitBackward", "bitsandbytes::dequantize_4bit", "MatMul4Bit"]
    names += ["aten::_scaled_dot_product_cudnn_attention", "aten::_scaled_dot_product_cudnn_attention_backward"]
    names += ["aten::scaled_dot_product_attention", *(f"bitsandbytes::op{number}" for number in range(20))]
    told = worker("operators").told(names)
    assert told[:3] == ["MatMul4Bit", "bitsandbytes::dequantize_4bit", "aten::_scaled_dot_product_cudnn_attention"]
    assert len(told) == 12
