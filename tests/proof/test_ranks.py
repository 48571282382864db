"""Several processes, as far as that needs no library: how they are launched, what they are told, how they are heard."""

from __future__ import annotations

import importlib
import json
import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.proof.process import WORKER, _launcher, launched_by


@pytest.fixture(scope="module")
def worker() -> Any:
    """A module of the worker, by its name."""
    main = runpy.run_path(str(WORKER))
    main["load"]()
    return lambda name: importlib.import_module(f"{main['PACKAGE']}.{name}")


@pytest.fixture(autouse=True)
def unlaunched(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("ACCELERATE_", "FSDP_")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)


def test_each_process_has_a_gpu(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks, errors = worker("ranks"), worker("errors")
    ranks.require_gpus(1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    ranks.require_gpus(2)
    for rank in ("0", "1"):  # both say so: one that went on would wait for the other
        monkeypatch.setenv("LOCAL_RANK", rank)
        with pytest.raises(errors.NotPossibleError, match="each of 2 processes wants a GPU of its own"):
            ranks.require_gpus(1)


def test_who_launches() -> None:
    assert _launcher(1, None) == []
    assert launched_by(1, None) == ()
    assert launched_by(2, None) == ("2 processes, started by torchrun",)
    assert launched_by(2, Path("a.yaml")) == ("2 processes, started by accelerate launch with a.yaml",)
    assert _launcher(2, None)[:2] == ["-m", "torch.distributed.run"]
    words = _launcher(2, Path("fsdp.yaml"))
    assert words[:4] == ["-m", "accelerate.commands.launch", "--config_file", str(Path("fsdp.yaml").absolute())]
    assert words[words.index("--num_processes") + 1] == "2"
    assert words[words.index("--num_machines") + 1] == "1"


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({}, None),
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp1"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}, "fsdp2"),
        ({"ACCELERATE_USE_FSDP": "false", "FSDP_VERSION": "2"}, None),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "zero2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3"}, "zero3"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "0"}, None),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": "ds.json"}, "zero1"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": "list.json"}, "zero2"),
        ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": "nowhere.json"}, "zero2"),
    ],
)
def test_what_a_launcher_says_is_shared_out(
    worker: Any, variables: dict[str, str], kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ds.json").write_text(json.dumps({"zero_optimization": {"stage": 1}}))
    Path("list.json").write_text("[]")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert worker("sharding").launched() == kind
    assert worker("plan").Plan("nf4", "nf4").sharding == kind
    assert worker("plan").Plan("nf4", "nf4", {"sharding": "fsdp2"}).sharding == "fsdp2"


def test_what_is_asked_of_trainer(worker: Any) -> None:
    arguments = worker("sharding").arguments
    assert arguments("fsdp2")["fsdp_config"]["version"] == 2
    assert arguments("zero2")["deepspeed"]["zero_optimization"] == {"stage": 2}
    assert arguments("zero3")["deepspeed"]["zero_optimization"]["stage3_param_persistence_threshold"] == 0


def test_a_launcher_that_starts_too_few_is_found_out(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker("ranks").expect(1)
    with pytest.raises(worker("errors").NotPossibleError, match="started 1 of 2 processes"):
        worker("ranks").expect(2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    worker("ranks").expect(2)


def test_nobody_waits_for_a_parent_that_has_ended(worker: Any, tmp_path: Path) -> None:
    """A pipe with a name, whose other end nobody holds or will ever hold."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"No such device|ENXIO|Device not configured"):
        worker("events").open_pipe(path, os.O_WRONLY)
    descriptor = worker("events").open_pipe(path, os.O_RDONLY)
    assert os.read(descriptor, 1) == b""
    os.close(descriptor)


def test_models_are_whole_while_one_process_loads_them(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    module = SimpleNamespace(_hf_deepspeed_config_weak_ref="kept")
    monkeypatch.setitem(worker("sharding").sys.modules, "transformers.integrations.deepspeed", module)
    with pytest.raises(ZeroDivisionError), worker("sharding").alone():
        assert module._hf_deepspeed_config_weak_ref is None
        _ = 1 / 0
    assert module._hf_deepspeed_config_weak_ref == "kept"
