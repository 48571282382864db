"""The parts of the job "script" that need no library."""

from __future__ import annotations

import copy
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
        ("openai/gpt-oss-20b", "gpt_oss"),  # and not openai-gpt
        ("opt/own-thing", "opt"),
    ],
)
def test_kind_of(part: Any, name: str, kind: str) -> None:
    known = ["llama", "qwen2", "qwen2_moe", "qwen3", "gemma", "gemma2", "opt", "openai-gpt", "gpt_oss"]
    assert part("kinds").kind_of(name, known) == kind


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("LoraConfig(target_modules=['c_proj', 'c_attn', 'q_attn'])", "gpt_bigcode"),
        ('target_modules = ["c_attn"]', "gpt2"),
        ('target_modules = ["query_key_value"]', "gpt_neox"),
        ('MODULES = {"llama": ["q_proj"], "gpt2": ["c_attn"]}', "llama"),
        ("c_attn = 1", "llama"),
        ("", "llama"),
    ],
)
def test_a_model_that_stands_in_has_the_modules_that_are_named(part: Any, source: str, kind: str) -> None:
    assert part("kinds")._by_modules(source) == kind


@pytest.mark.parametrize(
    ("cls", "source", "kind"),
    [
        ("AutoModelForSeq2SeqLM", "", "t5"),
        ("AutoTokenizer", "AutoModelForSeq2SeqLM.from_pretrained(name)", "t5"),
        ("AutoTokenizer", "AutoModelForMaskedLM, AutoModelForSequenceClassification", "bert"),
        ("AutoModelForCausalLM", "AutoModelForSeq2SeqLM", ""),
        ("AutoConfig", "", ""),
        ("AutoConfig", "AutoModelForCausalLM, AutoModelForSeq2SeqLM", ""),
        ("AutoConfig", "AutoModelForNothing", ""),
    ],
)
def test_a_model_that_stands_in_has_the_head_that_is_asked_for(
    part: Any, cls: str, source: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are transformers' own, in short."""
    tables = {
        "AutoModelForSeq2SeqLM": {"t5": "", "whisper": ""},
        "AutoModelForMaskedLM": {"bert": ""},
        "AutoModelForSequenceClassification": {"llama": "", "bert": "", "t5": ""},
        "AutoModelForCausalLM": {"llama": "", "bert": ""},
    }
    known = {
        name: SimpleNamespace(_model_mapping=SimpleNamespace(_model_mapping=table)) for name, table in tables.items()
    }
    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(**known))
    assert part("kinds")._by_class(type(cls, (), {}), source) == kind


@pytest.mark.parametrize(
    ("error", "is_of_architecture"),
    [
        (ValueError("Target modules {'W_pack'} not found in the base model. Please check it."), True),
        (AttributeError("'LlamaForCausalLM' object has no attribute 'transformer'"), True),
        (AttributeError("'LlamaConfig' object has no attribute 'n_positions'"), True),
        (AttributeError("'SFTConfig' object has no attribute 'max_seq_length'"), False),
        (AttributeError("'Dataset' object has no attribute 'x'"), False),
        (ValueError("no batch"), False),
    ],
)
def test_what_only_another_architecture_lacks(part: Any, error: Exception, is_of_architecture: bool) -> None:
    assert part("madeup").is_of_architecture(error, "llama") == is_of_architecture


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
        ("a/b", "def f(rows):\n    return [row['Product Name'] for row in rows]\n", ("Product Name",)),
        ("a/b", "def f(rows):\n    for row in rows:\n        g(row['a'])\n", ("a",)),
        ("a/b", "model = AutoModelForImageTextToText\n", ("messages", "images")),
        ("a/b", "AutoProcessor, DPOTrainer\n", ("prompt", "chosen", "rejected", "images")),
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


@pytest.mark.parametrize(
    ("reading", "use"),
    [
        ("row['x'].convert('RGB')", "picture"),
        ("[{'type': 'image', 'image': row['x']}]", "picture"),
        ("row['x'][0]", "list"),
        ("Image.open(row['x'])", "file"),
        ("load_image(os.path.join(folder, row['x']))", "file"),
        ("Image.open(Path(folder) / row['x'])", "file"),
        ("os.path.join(folder, row['x'])", None),
        ("json.loads(row['x'])", "texts"),
        ("int(row['x'])", "number"),
        ("[turn['content'] for turn in row['x']]", "conversation"),
        ("tokenizer.apply_chat_template(row['x'], tokenize=False)", "conversation"),
        ("[word.upper() for word in row['x']]", None),
        ("'Q: ' + row['x']", None),
    ],
)
def test_what_a_value_is_taken_for(part: Any, reading: str, use: str | None) -> None:
    assert part("reading").keys_read([f"def f(row):\n    return {reading}\n"]) == {"x": use}


def test_what_is_opened_anywhere_is_a_file(part: Any) -> None:
    texts = ["def f(row):\n    return {'image': row['x']}\n", "def g(row):\n    return Image.open(row['x'])\n"]
    assert part("reading").keys_read(texts) == part("reading").keys_read(texts[::-1]) == {"x": "file"}


def test_a_file_that_is_opened_is_there(part: Any, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rows = part("columns").made_rows(("photo", "text"), 2, {"photo": "file", "text": None}, tmp_path / "made")
    assert [image.open(tmp_path / "elsewhere" / path).size for path in rows["photo"]] == [(64, 64)] * 2
    assert part("columns").made_rows(("photo",), 1, {"photo": "file"})["photo"][0].startswith("the quick")


def test_rows_fit_what_is_done_with_them(part: Any) -> None:
    made = part("columns").made_rows
    rows = made(
        ("answers", "said", "score", "label"), 2, {"answers": "list", "said": "conversation", "score": "number"}
    )
    assert [type(rows[name][0]) for name in rows] == [list, list, int, int]
    assert made(("prompt", "completion", "label"), 2)["label"] == [False, True]  # KTOTrainer asks whether it is True
    pair = made(("chosen", "rejected"), 2)
    assert pair["chosen"] != pair["rejected"]
    assert pair["chosen"][0].split()[:9] == pair["rejected"][0].split()[:9]  # what both begin with is the prompt


@pytest.mark.parametrize(
    ("body", "is_made_up"),
    [
        ("json.loads(row['text'])", True),
        ("open('/no/' + row['text'])", True),
        ("{'yes': 1}[row['text']]", True),
        ("row['text']['answer']", True),
        ("row['text'].keys()", True),
        ("os.path.join('folder', {'a': row['text']})", True),
        ("row['text'].split('###')[1]", True),
        ("int(row['text'])", True),
        ("dict(a=1).update(1, 2)", False),
        ("f(row, wrong=1)", False),
        ("no_such_name", False),
        ("json.no_such_function()", False),
        ("__import__('no_such_module')", False),
        ("other_part.main(row)", False),
        ("fail('The least populated class in score column has only 1 member')", True),
        ("fail(\"Subset 'a' split 'b' is missing required columns: ['_id'].\")", True),
    ],
)
def test_what_fails_of_made_up_rows(
    part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, is_made_up: bool
) -> None:
    script, library = tmp_path / "copy" / "train.py", tmp_path / "elsewhere" / "other_part.py"
    for path in (script, library):
        path.parent.mkdir()
    library.write_text(
        "def main(row):\n    return row['text']['answer']\ndef fail(message):\n    raise ValueError(message)\n"
    )
    row = {"text": part("columns").TEXT.format(3)}
    head = "import json\nimport os\nimport other_part\nfrom other_part import fail\n"
    script.write_text(f"{head}def f(row):\n    return {body}\nf({row!r})\n")
    monkeypatch.syspath_prepend(str(library.parent))
    world = SimpleNamespace(made=["text"], request={"root": str(script.parent)})
    with pytest.raises(Exception) as caught:
        runpy.run_path(str(script))
    sys.modules.pop("other_part", None)
    assert part("madeup").is_of_made_up(caught.value, world) == is_made_up
    world.made = []
    assert not part("madeup").is_of_made_up(caught.value, world)


class Dataset:
    """Ten rows, with what the real one does with indices and sizes."""

    def __len__(self) -> int:
        return 10

    def select(self, indices: Any) -> list[int]:
        return [list(range(10))[index] for index in indices]

    def train_test_split(self, test_size: Any = None, train_size: Any = None) -> Any:
        return test_size

    def map(self, function: Any, batched: bool = False, num_proc: int | None = None) -> Any:
        return function, batched, num_proc

    def filter(self, function: Any, num_proc: int | None = None) -> Any:
        return function, num_proc


@pytest.mark.parametrize(
    ("indices", "rows"),
    [
        (range(4), [0, 1, 2, 3]),
        (range(1000), list(range(10))),
        (range(1000, 1003), [0, 1, 2]),
        ([2, 50], [2]),
        (iter([1, 2]), [1, 2]),
    ],
)
def test_a_script_that_selects_more_rows_than_there_are(part: Any, indices: Any, rows: list[int]) -> None:
    class Rows(Dataset):
        pass

    data, world = part("data").Data(World()), World()
    data.world = world
    data._ask_for_less(SimpleNamespace(Dataset=Rows))
    if max(rows) < 9:
        data._fewer = True
        assert Rows().select(indices) == rows
    else:
        with pytest.raises(IndexError):  # of rows that are all there
            Rows().select(indices)
        data._fewer = True
        assert (Rows().select(indices), len(world.told)) == (rows, 1)
    assert [Rows().train_test_split(test_size=size) for size in (3, 100, 0.2)] == [3, 0.5, 0.2]
    assert Rows().map(len, True, 8) == Rows().map(len, num_proc=8, batched=True) == (len, True, None)
    assert Rows().filter(len, num_proc=8) == (len, None)
    with pytest.raises(TypeError):
        Rows().map(len, wrong=1)


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
        ({"max_prompt_length": 512, "max_length": 1024}, {"max_prompt_length": 64, "max_length": 128}, "by 64"),
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


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("Module 'glue' doesn't exist on the Hugging Face Hub either."), "something from the Hub"),
        (OSError("Can't load image processor for '/here/models-0/0-clip'. If you were"), "no such part was made"),
        (OSError("Can't load image processor for '/elsewhere/clip'. If you were"), ""),
        (FileNotFoundError("config.yaml"), ""),
    ],
)
def test_what_was_not_made_settles_nothing(part: Any, error: Exception, words: str) -> None:
    world = SimpleNamespace(cuda=True, stands_in="", folder=Path("/here"))
    reason = part("job")._reason(error, world)
    assert words in reason and bool(words) == bool(reason)


def test_a_script_that_asks_for_the_accelerator_wants_a_gpu(part: Any, tmp_path: Path) -> None:
    found = {}
    for name in ("current_accelerator", "another"):
        script = tmp_path / f"{name}.py"
        script.write_text(f"def {name}():\n    return None\nkind = {name}().type\n")
        with pytest.raises(AttributeError) as caught:
            runpy.run_path(str(script))
        found[name] = part("job")._reason(caught.value, SimpleNamespace(cuda=False, stands_in=""))
    assert "it asks torch for its accelerator" in found["current_accelerator"]
    assert found["another"] == ""


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


LLAVA: dict[str, Any] = {
    "text_config": {"hidden_size": 4096},
    "vision_config": {"hidden_size": 1024, "patch_size": 14, "image_size": 336},
    "vision_feature_select_strategy": "default",
    "image_seq_length": 576,
}


@pytest.mark.parametrize(
    ("config", "vision", "top"),
    [
        (LLAVA, {"image_size": 56}, {"image_seq_length": 16}),
        # 8 patches a side, pooled by two, are the 16 tokens that are asked for
        (
            {"vision_config": {"patch_size": 14, "image_size": 896}, "mm_tokens_per_image": 256},
            {"image_size": 112},
            {"mm_tokens_per_image": 16},
        ),
        ({"vision_config": {"patch_size": 32, "image_size": 224}, "scale_factor": 2}, {"image_size": 256}, {}),
        (
            {"vision_config": {"patch_size": [14, 14], "image_size": [448, 448]}, "downsample_ratio": 0.5},
            {"image_size": [112, 112]},
            {},
        ),
        (
            {"vision_config": {"patch_size": 14, "image_size": 336}, "image_grid_pinpoints": [[336, 672]]},
            {"image_size": 56},
            {"image_grid_pinpoints": [[56, 112]]},
        ),
        (
            {"text_config": {"hidden_size": 8192}, "vision_config": {"embed_dim": 1280, "hidden_size": 3584}},
            {"embed_dim": 1280, "hidden_size": 8192},
            {},
        ),
        ({"hidden_size": 64}, {}, {"hidden_size": 64}),
    ],
)
def test_pictures_become_few_tokens(
    part: Any, config: dict[str, Any], vision: dict[str, Any], top: dict[str, Any]
) -> None:
    geometry = part("geometry")
    small = geometry.small_geometry(copy.deepcopy(config))
    assert {name: geometry.vision_part(small).get(name) for name in vision} == vision
    assert {name: small[name] for name in top} == top


def test_a_processor_is_told_what_the_config_says(part: Any) -> None:
    geometry = part("geometry")
    small = geometry.small_geometry(copy.deepcopy(LLAVA))
    told = geometry.processor_options(small, ("patch_size", "image_seq_length", "vision_feature_select_strategy"))
    assert told == {"patch_size": 14, "image_seq_length": 16, "vision_feature_select_strategy": "default"}
    own = SimpleNamespace(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, patch_size=16)
    sizes = geometry.part_sizes(own, small)
    assert sizes["size"] == {"shortest_edge": 56}
    assert sizes["crop_size"] == {"height": 56, "width": 56}
    assert sizes["patch_size"] == 14
    pixels = SimpleNamespace(size={"shortest_edge": 3136, "longest_edge": 12845056})
    assert "size" not in geometry.part_sizes(pixels, small)  # of Qwen's: how many pixels at least and at most


def test_a_relative_path_that_leaves_the_copy_leads_beside_the_original(
    part: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("real/project", "real/data", "copy/project"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real/data/train.jsonl").write_text("{}\n")
    (tmp_path / "copy/project/own.jsonl").write_text("{}\n")
    request = {
        "folder": str(tmp_path / "copy"),
        "root": str(tmp_path / "copy/project"),
        "home": str(tmp_path / "real/project"),
    }
    monkeypatch.chdir(tmp_path / "copy/project")
    world = part("world").World(request, None)
    there = str(tmp_path / "real/data/train.jsonl")
    assert world.at_home({"train": ["../data/train.jsonl"]}) == {"train": [there]}
    for kept in ("own.jsonl", "../data/none.jsonl", "Qwen/Qwen3-0.6B", there, None, 3):
        assert world.at_home(kept) == kept
