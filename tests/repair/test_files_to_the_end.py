"""Config files and launch scripts as a user has them mended: applied, clean then, the same bytes after undo."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

import sftdoctor
from sftdoctor.cli import main
from tests import stacks

TRANSFORMERS = """
    import dataclasses
    from argparse import ArgumentParser
    @dataclasses.dataclass
    class TrainingArguments:
        output_dir: str = None
        per_device_train_batch_size: int = 8
        per_device_eval_batch_size: int = 8
        learning_rate: float = 5e-5
        warmup_steps: float = 0
        use_cpu: bool = False
        bf16: bool = False
        eval_strategy: str = "no"
    class HfArgumentParser(ArgumentParser):
        def __init__(self, dataclass_types=None, **kwargs):
            super().__init__(**kwargs)
        def parse_args_into_dataclasses(self, args=None): ...
    class Trainer:
        def __init__(self, model=None, args=None): ...
    class AutoModelForCausalLM: ...
    class AutoTokenizer: ...
    class BitsAndBytesConfig: ...
    class LlamaForCausalLM: ...
"""
TRL = """
    import dataclasses
    from transformers import HfArgumentParser, Trainer, TrainingArguments
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.model_config import ModelConfig
    class TrlParser(HfArgumentParser):
        def parse_args_and_config(self, args=None):
            raise ValueError("Unknown arguments from config file")
    class SFTTrainer(Trainer): ...
"""
SOURCES = {
    "transformers/__init__.py": TRANSFORMERS,
    "transformers/training_args.py": "from transformers import TrainingArguments\n",
    "trl/__init__.py": TRL,
    "trl/trainer/__init__.py": "",
    "trl/trainer/sft_config.py": """
        import dataclasses
        from transformers import TrainingArguments
        @dataclasses.dataclass
        class SFTConfig(TrainingArguments):
            max_length: int = 1024
            packing: bool = False
    """,
    "trl/trainer/model_config.py": """
        import dataclasses
        @dataclasses.dataclass
        class ModelConfig:
            model_name_or_path: str = None
            dtype: str = None
    """,
    "trl/scripts/__init__.py": "",
    "trl/scripts/sft.py": """
        from trl import ModelConfig, SFTConfig, TrlParser
        if __name__ == "__main__":
            TrlParser((SFTConfig, ModelConfig)).parse_args_and_config()
    """,
    "accelerate/commands/__init__.py": "",
    "accelerate/commands/launch.py": """
        def launch_command_parser(subparsers=None):
            parser.add_argument("--num_processes", type=int, default=None)
    """,
}
TRAIN = "from transformers import HfArgumentParser, TrainingArguments\nargs, = HfArgumentParser(TrainingArguments)"
FILES: dict[str, tuple[str, bytes, bytes]] = {
    "YAML with CRLF, comments, quotes and anchors": (
        "sft.yaml",
        b"# ours\r\noutput_dir: out\r\nper_device_train_batch_size: &r 4  # an anchor\r\n"
        b"max_seq_length: 512   # tokens\r\n\"evaluation_strategy\": 'no'\r\n"
        b"per_gpu_eval_batch_size: *r\r\ntorch_dtype: bfloat16",
        b"# ours\r\noutput_dir: out\r\nper_device_train_batch_size: &r 4  # an anchor\r\n"
        b"max_length: 512   # tokens\r\n\"eval_strategy\": 'no'\r\nper_device_eval_batch_size: *r\r\ndtype: bfloat16",
    ),
    "YAML in braces, with a byte-order mark": (
        "sft.yml",
        b"\xef\xbb\xbf{output_dir: out, no_cuda: true, per_device_train_batch_size: 4, evaluation_strategy: no}\n",
        b"\xef\xbb\xbf{output_dir: out, use_cpu: true, per_device_train_batch_size: 4, eval_strategy: no}\n",
    ),
    "JSON": (
        "args.json",
        b'{\n\t"output_dir": "out", "per_device_train_batch_size": 4,\n\t"evaluation_strategy": "no",\n\t"seed": 1\n}',
        b'{\n\t"output_dir": "out", "per_device_train_batch_size": 4,\n\t"eval_strategy": "no",\n\t"seed": 1\n}',
    ),
    "a launch script": (
        "run.sh",
        b"#!/bin/sh\n# it's ours\nexport LR=1e-4\naccelerate launch --num_processes 2 \\\n  train.py --output_dir 'o' "
        b'--learning_rate "$LR" \\\n\t--evaluation_strategy=no --no_cuda\n',
        b"#!/bin/sh\n# it's ours\nexport LR=1e-4\naccelerate launch --num_processes 2 \\\n  train.py --output_dir 'o' "
        b'--learning_rate "$LR" \\\n\t--eval_strategy=no --use_cpu\n',
    ),
    "a launch script with CRLF": (
        "run.sh",
        b"python train.py --output_dir x --evaluation_strategy no\r\necho done\r\n",
        b"python train.py --output_dir x --eval_strategy no\r\necho done\r\n",
    ),
}


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded environment whose libraries have the new names alone."""
    folder = tmp_path_factory.mktemp("files")
    stack = stacks.make_stack(folder / "venv", peft="0.17.1")
    site = next(stack.rglob("site-packages"))
    for name, text in SOURCES.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    (site / "trl" / "trainer.py").unlink()
    recorded = folder / "a.json"
    assert main(["snapshot", "--python", str(stack), "--output", str(recorded)]) == 0
    return recorded


@pytest.mark.parametrize(("name", "old", "new"), FILES.values(), ids=FILES)
def test_applied_clean_and_undone(
    name: str, old: bytes, new: bytes, snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    Path("train.py").write_text(TRAIN + ".parse_args_into_dataclasses()\n")
    Path(name).write_bytes(old)
    Path(name).chmod(0o755)
    result = sftdoctor.fix(name, snapshot=snapshot, apply=True)
    assert (result.outcome, Path(name).read_bytes()) == ("applied", new), result
    again = sftdoctor.fix(name, snapshot=snapshot)
    located = [one for one in again.before.findings if one.location and one.location.path == name]
    assert not [one.title for one in located if one.id.startswith("API") and one.cause and one.cause.name != "seed"]
    assert not [one for one in again.plan.actions if one.kind == "edit"]
    assert Path(name).stat().st_mode & 0o777 == 0o755
    sftdoctor.undo(result.journal)
    assert Path(name).read_bytes() == old


def test_modules_beside_a_script_are_mended(snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two files that break alike, at the same line and column, both are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SFTDOCTOR_STATE", str(tmp_path / "state"))
    old = "from trl import SFTConfig\nconfig = SFTConfig(max_seq_length=3)  # short\n"
    Path("train.py").write_text(
        f"{old}from settings import config\nfrom trl import SFTTrainer\nSFTTrainer(args=config)\n"
    )
    Path("settings.py").write_text(old)
    result = sftdoctor.fix("train.py", snapshot=snapshot, apply=True)
    assert result.outcome == "applied", result
    assert Path("settings.py").read_text() == old.replace("max_seq_length", "max_length")
    assert "max_seq_length" not in Path("train.py").read_text()
    sftdoctor.undo(result.journal)
    assert Path("settings.py").read_text() == old
