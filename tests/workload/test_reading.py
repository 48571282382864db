"""Files as they come: encodings, notebooks, folders, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sftdoctor.errors import WorkloadError
from sftdoctor.flow.source import read_source
from sftdoctor.model import Scenario
from sftdoctor.workload import read_model_folder, read_workload

SCENARIO = Scenario("sft", "", ())
QWEN = Path(__file__).parents[2] / "fixtures" / "models" / "qwen_old"


@pytest.mark.parametrize(
    "raw",
    [
        "é = 1\n".encode(),
        b"\xef\xbb\xbf" + "é = 1\n".encode(),
        "# -*- coding: latin-1 -*-\né = 1\n".encode("latin-1"),
        "x = 1\r\nif x:\r\n\ty = 'é'\r\n".encode(),
        b"x = 1\ry = 2\r",
        b"",
    ],
)
def test_encodings(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "train.py"
    path.write_bytes(raw)
    assert "\r" not in read_source(path).text


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("a.py", b"def f(:\n", "a.py:1: syntax error"),
        ("b.py", b"x = 1\nprint 'old'\n", "b.py:2: syntax error"),
        ("c.py", b"x = '\xff'\n", "c.py cannot be decoded"),
        ("d.py", b"# coding: nonsense\nx = 1\n", "d.py cannot be decoded"),
        ("e.py", b"x = 1\0\n", "e.py"),
        ("f.py", b"(" * 5000 + b")" * 5000, "f.py"),
        ("g.ipynb", b"{", "is no notebook"),
    ],
)
def test_what_is_no_python(tmp_path: Path, name: str, raw: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(raw)
    with pytest.raises(WorkloadError) as caught:
        read_workload([path], model=None, scenario=SCENARIO)
    assert message in caught.value.message
    assert caught.value.hint
    beside = tmp_path / "fine.py"
    beside.write_text("x = 1\n")
    read = read_workload([tmp_path], model=None, scenario=SCENARIO)
    assert [script.path for script in read.scripts] == [str(beside)]
    assert [item.what for item in read.not_judged] == [str(path)]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="cannot be read"):
        read_workload([tmp_path / "none.py"], model=None, scenario=SCENARIO)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("empty.py", b"", "nothing in it runs"),
        ("comment.py", b"# later\n", "nothing in it runs"),
        ("chat.jsonl", b'{"messages": []}\n', "a file of data"),
        ("rows.parquet", b"PAR1", "a file of data"),
        ("folder/notes.md", b"# notes\n", "it holds no script"),
        ("folder/data.jsonl", b"{}\n", "it holds no script"),
    ],
)
def test_what_holds_nothing_to_judge_is_not_judged(tmp_path: Path, name: str, raw: bytes, reason: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(raw)
    named = path if path.parent == tmp_path else path.parent
    read = read_workload([named], model=None, scenario=SCENARIO)
    assert read.scripts == ()
    assert [(one.what, one.reason.startswith(reason)) for one in read.not_judged] == [(str(named), True)]


def test_an_environment_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(WorkloadError, match="is an environment") as caught:
        read_workload([tmp_path], model=None, scenario=SCENARIO)
    assert caught.value.hint == f"To judge it: --python {tmp_path}."


def test_empty_modules_of_a_folder_are_no_gap(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "train.py").write_text("x = 1\n")
    assert read_workload([tmp_path], model=None, scenario=SCENARIO).not_judged == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["train.py", "config.yaml", "start.sh", "in a folder"])
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("pipe.py" if name == "in a folder" else name)
    os.mkfifo(path)
    if name == "in a folder":
        os.mkfifo(tmp_path / "config.yaml")
        read = read_workload([tmp_path], model=None, scenario=SCENARIO)
        assert [one.reason for one in read.not_judged] == [f"{path} is a pipe or a device"]
        return
    with pytest.raises(WorkloadError, match="is a pipe or a device"):
        read_workload([path], model=None, scenario=SCENARIO)


def test_folders_leave_out_environments(tmp_path: Path) -> None:
    for name in ("a/x.py", ".git/x.py", "env/x.py", "my/pyvenv.cfg", "my/lib/x.py", "a/__pycache__/x.py", "b/n.ipynb"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith("ipynb") else "")
    read = read_workload([tmp_path], model=None, scenario=SCENARIO)
    assert [Path(script.path).relative_to(tmp_path).as_posix() for script in read.scripts] == ["a/x.py", "b/n.ipynb"]


def _notebook(*cells: str | list[str], kind: str = "code") -> dict[str, object]:
    return {"nbformat": 4, "cells": [{"cell_type": kind, "source": cell} for cell in cells]}


@pytest.mark.parametrize(
    ("cells", "lines"),
    [
        (["x = 1\n%matplotlib inline\ny = 2"], ["x = 1", "#~%matplotlib inline", "y = 2"]),
        ([["!pip install \\\n", "  trl\n", "x = 1"]], ["#~!pip install \\", "#~  trl", "x = 1"]),
        (["if x:\n    !ls\ny = 1"], ["if x:", "    pass  # !ls", "y = 1"]),
        (["files = !ls"], ["files = None"]),
        (["%%bash\nrm -rf /"], ["# %%bash", "# rm -rf /"]),
        (["%%time\nx = 1"], ["#~%%time", "x = 1"]),
        (["model?"], ["#~model?"]),
    ],
)
def test_magics(tmp_path: Path, cells: list[str | list[str]], lines: list[str]) -> None:
    path = tmp_path / "train.ipynb"
    path.write_text(json.dumps(_notebook(*cells)))
    assert read_source(path).text.splitlines() == lines


def test_cells_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "train.ipynb"
    notebook = _notebook("a = 1\nb = 2", "c = 3")
    notebook["cells"].insert(1, {"cell_type": "markdown", "source": "text"})  # type: ignore[attr-defined]
    path.write_text(json.dumps(notebook))
    assert read_source(path).cells == ((0, 1), (2, 3))
    path.write_text(json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "a = 1"}]}]}))
    assert read_source(path).text == "a = 1\n"


def test_model_folder() -> None:
    folder = read_model_folder(QWEN)
    facts = {fact.name: fact.value for fact in folder.facts}
    assert [Path(path).name for path in folder.code] == ["modeling_qwen.py"]
    assert facts["has_remote_code"] is True
    assert facts["remote_class"] == "QWenLMHeadModel"
    assert facts["remote_gc_override"] == "module, value=False"
    assert facts["remote_gc_flag"] is True
    assert facts["remote_gc_attribute"] is True
    assert facts["remote_gc_reentrant"] == "unset"
    assert facts["model_quantization"] == "none"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no model folder"),
        ({"config.json": "{"}, "is no valid JSON"),
        ({"config.json": "[1]"}, "holds no object"),
        ({"config.json": "[" * 100_000}, "is no valid JSON"),
        ({"config.json": '{"auto_map": {"AutoModelForCausalLM": "../../evil.Model"}}'}, "outside the folder"),
        ({"config.json": '{"auto_map": {"AutoModelForCausalLM": "/etc/evil.Model"}}'}, "outside the folder"),
        ({"config.json": '{"auto_map": {"AutoModel": "m.M"}}', "m.py": "class M(:"}, "syntax error"),
    ],
)
def test_bad_model_folders(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(WorkloadError, match=message):
        read_model_folder(tmp_path)


def test_code_that_links_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x = 1\n")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "m.py").symlink_to(tmp_path / "secret.py")
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "m.M"}}')
    with pytest.raises(WorkloadError, match="leads out of the model folder"):
        read_model_folder(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="is no folder"):
        read_model_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("config", "quantization"),
    [
        ("{}", "none"),
        ('{"quantization_config": {"quant_method": "gptq"}}', "gptq"),
        ('{"quantization_config": {"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}}', "nf4"),
        ('{"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": true}}', "int8"),
        ('{"quantization_config": 3, "auto_map": [], "model_type": 7}', "none"),
    ],
)
def test_quantized_folders(tmp_path: Path, config: str, quantization: str) -> None:
    (tmp_path / "config.json").write_text(config)
    facts = {fact.name: fact.value for fact in read_model_folder(tmp_path).facts}
    assert facts["model_quantization"] == quantization
