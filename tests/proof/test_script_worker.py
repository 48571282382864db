"""The parts of the job "script" that need no library."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sftdoctor.proof.process import WORKER


@pytest.fixture(scope="module")
def part() -> Any:
    """A module of the job, by its name."""
    main = runpy.run_path(str(WORKER))
    main["load"]()
    return lambda name: importlib.import_module(f"{main['PACKAGE']}.script.{name}")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Qwen/Qwen3-0.6B", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2"),
        ("meta-llama/Llama-3.1-8B", "llama"),
        ("google/gemma-2-2b-it", "gemma2"),
        ("facebook/opt-350m", "opt"),
        ("acme/own-thing", ""),
    ],
)
def test_kind_of(part: Any, name: str, kind: str) -> None:
    assert part("kinds").kind_of(name, ["llama", "qwen2", "qwen2_moe", "qwen3", "gemma", "gemma2", "opt"]) == kind


@pytest.mark.parametrize(
    ("name", "source", "columns"),
    [
        ("trl-lib/Capybara", "", ("messages",)),
        ("a/b", "", ("text",)),
        ("a/b", "DPOTrainer(", ("prompt", "chosen", "rejected")),
        ("a/b", "def f(row):\n    return row['q'] + row['a']\n", ("q", "a")),
        ("a/b", "ds.map(lambda e: {'text': e['gold']})", ("gold",)),
        ("a/b", "SFTConfig(dataset_text_field='body')", ("text", "body")),
        ("a/b", "def f(a, b):\n    return a['x']\n", ("text",)),
        ("a/b", "this is no Python", ("text",)),
    ],
)
def test_columns(part: Any, tmp_path: Path, name: str, source: str, columns: tuple[str, ...]) -> None:
    (tmp_path / "train.py").write_text(source)
    request = {"root": str(tmp_path), "script": "train.py", "arguments": []}
    found = part("columns").columns_of(name, request)
    assert sorted(found) == sorted(columns)
    assert set(part("columns").columns_of(name, {**request, "columns": ["extra"]})) == {*columns, "extra"}


def test_modules_beside_the_script_are_searched_where_it_imports_them(part: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import prepare\n")
    (tmp_path / "prepare.py").write_text("def f(row):\n    return row['question']\n")
    (tmp_path / "other.py").write_text("def f(row):\n    return row['never']\n")
    request = {"root": str(tmp_path), "script": "train.py", "arguments": []}
    assert part("columns").columns_of("a/b", request) == ("question",)


def test_rows_fit_their_columns(part: Any) -> None:
    rows = part("columns").made_rows(("messages", "text", "label", "score_chosen"), 4)
    assert [message["role"] for message in rows["messages"][0]] == ["user", "assistant"]
    assert {key for message in rows["messages"][0] for key in message} == {"role", "content"}
    assert set(part("columns").made_rows(("conversations",), 1)["conversations"][0][0]) == {
        "role",
        "content",
        "from",
        "value",
    }
    assert [type(rows[name][1]) for name in ("text", "label", "score_chosen")] == [str, int, int]
    assert {len(values) for values in rows.values()} == {4}


def test_a_model_that_is_only_on_the_hub_is_found_in_the_cache_or_not_at_all(part: Any, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    world = World()
    models = part("models").Models(world)
    for cache, found in ((None, None), (str(tmp_path / "none"), None), (str(tmp_path), snapshot)):
        world.request = {"cache": cache}
        assert models._real("a/b") == found


class World:
    """Stands where a run's world does; only what arguments ask of it."""

    cuda = False
    pictures = False

    def __init__(self) -> None:
        self.told: list[str] = []
        self.request: dict[str, Any] = {}

    def replaced(self, what: str) -> None:
        self.told.append(what)

    def inside(self, path: str) -> str:
        return f"in{path}"


@pytest.fixture
def made_small(part: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(**fields: Any) -> tuple[dict[str, Any], str]:
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__version__="2.1.0"))
        world, args = World(), SimpleNamespace(**{"optim": None, **fields})
        part("arguments").make_small(args, world)
        return vars(args), " | ".join(world.told)

    return make


@pytest.mark.parametrize(
    ("given", "made", "told"),
    [
        ({"max_steps": -1}, {"max_steps": 2}, "2 steps"),
        ({"max_steps": 1}, {"max_steps": 1}, ""),
        ({"max_length": 2048}, {"max_length": 128}, "max_length=2048"),
        ({"max_length": 16}, {"max_length": 16}, ""),
        ({"max_length": None}, {"max_length": None}, ""),
        ({"output_dir": "/out"}, {"output_dir": "in/out"}, ""),
        ({"push_to_hub": True}, {"push_to_hub": False}, "push_to_hub"),
        ({"report_to": ["json"]}, {"report_to": "none"}, "report_to=json"),
        ({"report_to": "no_such_service"}, {"report_to": "no_such_service"}, ""),
        ({"report_to": None}, {"report_to": "none"}, ""),
        ({"deepspeed": "ds.json"}, {"deepspeed": None}, "deepspeed"),
        ({"fsdp": "full_shard"}, {"fsdp": ""}, "fsdp"),
        ({"bf16": True, "use_cpu": False}, {"bf16": False, "use_cpu": True}, "bf16=True"),
        ({"optim": "paged_adamw_8bit"}, {"optim": "adamw_torch"}, "optim=paged_adamw_8bit"),
        ({"optim": "adamw_torch_fused"}, {"optim": "adamw_torch"}, "optim=adamw_torch_fused"),
        ({"learning_rate": 1.0, "gradient_checkpointing": True}, {"gradient_checkpointing": True}, ""),
    ],
)
def test_arguments(made_small: Any, given: dict[str, Any], made: dict[str, Any], told: str) -> None:
    fields, said = made_small(**given)
    assert {name: fields[name] for name in made} == made
    assert told in said
    assert bool(said) == bool(told)
    assert set(fields) == {"optim", *given}  # nothing is added that the class does not have


def test_a_module_is_changed_after_it_was_executed(part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "hooked_package"
    package.mkdir()
    (package / "__init__.py").write_text("from hooked_package.inner import value\n")
    (package / "inner.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    hooks = part("hooks").Hooks()
    try:
        hooks.after("hooked_package.inner", lambda module: setattr(module, "value", module.value + 1))
        hooks.after("hooked_package.nowhere", lambda module: None)
        assert importlib.import_module("hooked_package").value == 2
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("hooked_package.nowhere")
    finally:
        sys.meta_path.remove(hooks)


@pytest.mark.parametrize(
    ("frames", "stage"),
    [
        ([("<module>", "/a/train.py")], "config"),
        ([("<module>", "/a/train.py"), ("from_pretrained", "/x/auto_factory.py")], "load"),
        ([("load_dataset", "/x/load.py")], "load"),
        ([("<module>", "/a/train.py"), ("__init__", "/x/trl/trainer/sft_trainer.py")], "trainer"),
        ([("train", "/x/transformers/trainer.py"), ("forward", "/x/modeling.py")], "train"),
        ([("save_model", "/x/transformers/trainer.py")], "save"),
        ([("<module>", "/a/train.py"), ("_find_and_load", "<frozen importlib._bootstrap>")], "import"),
    ],
)
def test_stage_of(part: Any, monkeypatch: pytest.MonkeyPatch, frames: list[tuple[str, str]], stage: str) -> None:
    job = part("job")
    found = [SimpleNamespace(name=name, filename=path) for name, path in frames]
    monkeypatch.setattr(job.traceback, "extract_tb", lambda _: found)
    assert job.stage_of(ValueError()) == stage


class Loader:
    """Ten batches."""

    def __iter__(self) -> Any:
        return iter(range(10))


@pytest.fixture
def loop(part: Any) -> Any:
    """What looks on at a loop, with loaders of data that it knows."""

    class DataLoader(Loader):
        pass

    world = World()
    found = part("loops").Loop(world)
    found._shorten(SimpleNamespace(DataLoader=DataLoader))
    found.loader, found.told = DataLoader(), world.told
    return found


@pytest.mark.parametrize(
    ("steps", "by_trainer", "batches"), [(0, False, 10), (1, False, 10), (2, False, 1), (9, False, 1), (9, True, 10)]
)
def test_passes_over_the_data_are_short_once_there_were_steps(
    loop: Any, steps: int, by_trainer: bool, batches: int
) -> None:
    loop.steps, loop.by_trainer = steps, by_trainer
    assert list(loop.loader) == list(range(batches))
    assert bool(loop.told) == (batches == 1)


def test_a_pass_ends_when_the_steps_were_made_in_it(loop: Any) -> None:
    seen = []
    for batch in loop.loader:
        seen.append(batch)
        loop.steps += batch % 2  # every other batch
    assert seen == [0, 1, 2, 3]


def test_a_loop_that_goes_on_is_ended(part: Any, loop: Any) -> None:
    for _ in range(part("loops").MOST - 1):
        loop._after_step()
    assert loop.told == []
    enough = sys.modules[part("loops").EnoughError.__module__].EnoughError
    assert not issubclass(enough, Exception)
    with pytest.raises(enough):
        loop._after_step()
    assert "after its first 64 steps" in loop.told[0]
