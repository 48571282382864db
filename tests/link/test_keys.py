"""Config files against the classes that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Scenario, Workload
from sftdoctor.workload.config_files import read_config_file
from tests.link.worlds import World, told

NOTHING = Scenario("a run", "a run", ())
TRANSFORMERS = """
    import dataclasses
    from argparse import ArgumentParser
    from enum import Enum
    from typing import Optional
    class IntervalStrategy(str, Enum):
        NO = "no"
        STEPS = "steps"
    @dataclasses.dataclass
    class TrainingArguments:
        output_dir: str = None
        per_device_train_batch_size: int = 8
        learning_rate: float = 5e-5
        max_steps: "int | None" = None
        warmup_steps: Optional[float] = None
        bf16: bool = False
        eval_strategy: str = "no"
        load_best_model_at_end: bool = False
        def __post_init__(self):
            self.eval_strategy = IntervalStrategy(self.eval_strategy)
            if self.load_best_model_at_end and self.eval_strategy == IntervalStrategy.NO:
                raise ValueError(f"--load_best_model_at_end with {self.eval_strategy}")
    class HfArgumentParser(ArgumentParser):
        def __init__(self, dataclass_types=None, **kwargs):
            super().__init__(**kwargs)
        def parse_args_into_dataclasses(self, args=None): ...
"""
TRL = """
    import dataclasses
    from transformers import HfArgumentParser, TrainingArguments
    @dataclasses.dataclass
    class ModelConfig:
        model_name_or_path: str = None
        dtype: str = None
    @dataclasses.dataclass
    class SFTConfig(TrainingArguments):
        packing: bool = False
    @dataclasses.dataclass
    class DatasetConfig:
        path: str
        name: str = None
        split: str = "train"
    @dataclasses.dataclass
    class DatasetMixtureConfig:
        datasets: list[DatasetConfig] = None
    class TrlParser(HfArgumentParser):
        def parse_args_and_config(self, args=None):
            raise ValueError("REFUSAL")
"""
COMMAND = """
    from trl import DatasetMixtureConfig, ModelConfig, SFTConfig, TrlParser
    def make_parser():
        return TrlParser((SFTConfig, ModelConfig, DatasetMixtureConfig))
    def main(args): ...
    if __name__ == "__main__":
        parser = make_parser()
        main(*parser.parse_args_and_config())
"""
LAUNCH = """
    def launch_command_parser(parser):
        parser.add_argument("--num_processes")
        parser.add_argument("--zero_stage")
        parser.add_argument("--fsdp_version")
"""
CONFIG_ARGS = """
    from dataclasses import dataclass
    from enum import Enum
    class ComputeEnvironment(str, Enum):
        LOCAL_MACHINE = "LOCAL_MACHINE"
        AMAZON_SAGEMAKER = "AMAZON_SAGEMAKER"
    class DistributedType(str, Enum):
        NO = "NO"
        FSDP = "FSDP"
    @dataclass
    class BaseConfig:
        compute_environment: ComputeEnvironment
        distributed_type: DistributedType
        mixed_precision: str
        @staticmethod
        def process_config(config_dict):
            if "distributed_type" not in config_dict:
                raise ValueError("A `distributed_type` must be specified in the config file.")
            if "fp16" in config_dict:
                del config_dict["fp16"]
    @dataclass
    class ClusterConfig(BaseConfig):
        num_processes: int = -1
        fsdp_config: dict = None
        deepspeed_config: dict = None
"""
DEEPSPEED = {
    "deepspeed": "",
    "deepspeed.runtime": "",
    "deepspeed.runtime.config": "KEYS = ['zero_optimization', 'fp16', 'gradient_clipping']",
    "deepspeed.runtime.config_utils": """
        from pydantic import BaseModel, ConfigDict
        class DeepSpeedConfigModel(BaseModel):
            model_config = ConfigDict(extra="forbid")
    """,
    "deepspeed.runtime.zero": "",
    "deepspeed.runtime.zero.config": """
        from deepspeed.runtime.config_utils import DeepSpeedConfigModel
        class DeepSpeedZeroConfig(DeepSpeedConfigModel):
            stage: int = 0
            offload_param: dict = None
            max_live_parameters: int = Field(1, alias="stage3_max_live_parameters")
    """,
}
ACCELERATE = {
    "accelerate": "",
    "accelerate.commands": "",
    "accelerate.commands.launch": LAUNCH,
    "accelerate.commands.config": "",
    "accelerate.commands.config.config_args": CONFIG_ARGS,
    "accelerate.utils": "",
    "accelerate.utils.launch": "def f(args):\n    return args.fsdp_sync_module_states",
}
STRICT = World(
    {"transformers": TRANSFORMERS, "trl": TRL.replace("REFUSAL", "Unknown arguments from config file")}
    | {"trl.scripts": "", "trl.scripts.sft": COMMAND, **ACCELERATE, **DEEPSPEED}
)
LENIENT = World({**STRICT.sources, "trl": TRL})
HANDS_ON = World({**STRICT.sources, "trl.cli": "def main():\n    f().parse_args(launch_args + [1])"})
BARE = World({"transformers": TRANSFORMERS})
HEAD = "output_dir: out\nper_device_train_batch_size: 2\nbf16: true\n"
CLUSTER = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nmixed_precision: bf16\n"


def found(world: World, folder: Path, text: str) -> tuple[str, ...]:
    environment = world.environment(folder / "target")
    path = folder / ("c.json" if text.startswith("{") else "c.yaml")
    path.write_text(text, encoding="utf-8")
    script = read_config_file(path)
    result = link(Library(environment), environment, Workload(NOTHING, (script,)))  # type: ignore[arg-type]
    places = [finding.location for finding in result.findings]
    assert all(place is not None and place.path == str(path) and place.line for place in places)
    return (*told(result), *(f"not judged {one.what.partition(': ')[2]}" for one in result.not_judged))


CASES: dict[str, tuple[World, str, tuple[str, ...]]] = {
    "all are fields": (STRICT, HEAD + "dtype: bfloat16\npacking: true\n", ()),
    "an old name": (STRICT, HEAD + "evaluation_strategy: no\n", ("API071 evaluation_strategy likely",)),
    "a slip of the pen": (STRICT, HEAD + "leraning_rate: 1\n", ("API071 leraning_rate likely",)),
    "hyphens": (STRICT, HEAD + "learning-rate: 1\n", ("API071 learning-rate likely",)),
    "a script's own": (STRICT, HEAD + "my_key: 1\n", ("not judged the keys my_key",)),
    "a script's own beside an old name": (
        STRICT,
        HEAD + "my_key: 1\nmax_seq_length: 1\n",
        ("API071 max_seq_length possible", "not judged the keys my_key"),
    ),
    "a mixture": (STRICT, HEAD + "datasets:\n  - path: a\n    split: train\n  - {path: b, name: c}\n", ()),
    "a member that a data set has not": (
        STRICT,
        HEAD + "datasets:\n  - path: a\n  - path: b\n    config: c\n",
        ("API071 config likely",),
    ),
    "no mixture": (STRICT, HEAD + "datasets: a\n", ()),
    "variables of the environment": (STRICT, HEAD + "env: {A: 1}\n", ()),
    "no variables": (STRICT, HEAD + "env: yes please\n", ("CFG101 env certain",)),
    "a parser that says nothing": (LENIENT, HEAD + "max_seq_length: 1\n", ("API072 max_seq_length likely",)),
    "the launcher's option": (HANDS_ON, HEAD + "num_processes: 2\naccelerate_config: zero3\n", ()),
    "not without the launcher": (STRICT, HEAD + "num_processes: 2\n", ("not judged the keys num_processes",)),
    "nor an old name there": (HANDS_ON, HEAD + "torch_dtype: x\n", ("API071 torch_dtype likely",)),
    "a number": (STRICT, HEAD + "learning_rate: 1e-5\nmax_steps: '10'\nwarmup_steps: '0.1'\n", ()),
    "no number": (STRICT, HEAD + "learning_rate: fast\n", ("CFG101 learning_rate likely",)),
    "no whole number": (STRICT, HEAD + "max_steps: '1.5'\n", ("CFG101 max_steps likely",)),
    "no truth value": (STRICT, HEAD.replace("true", "maybe"), ("CFG101 bf16 likely",)),
    "a truth value": (STRICT, HEAD.replace("true", "'yes'"), ()),
    "nothing": (STRICT, HEAD + "max_steps: null\n", ()),
    "a refusal": (STRICT, HEAD + "load_best_model_at_end: true\n", ("API015 SFTConfig likely",)),
    "a text that is wanted": (STRICT, HEAD + "eval_strategy: steps\nload_best_model_at_end: true\n", ()),
    "YAML's no is no text": (STRICT, HEAD + "eval_strategy: no\n", ("API015 SFTConfig likely",)),
    "a quoted no is one": (STRICT, HEAD + "eval_strategy: 'no'\n", ()),
    "twice": (STRICT, HEAD + "bf16: false\n", ("CFG102 bf16 certain",)),
    "no trl": (BARE, HEAD + "evaluation_strategy: no\n", ("API071 evaluation_strategy possible",)),
    "a cluster": (STRICT, CLUSTER + "fp16: true\nfsdp_config: {fsdp_version: 2}\n", ()),
    "an unknown key of it": (STRICT, CLUSTER + "num_gpus: 2\n", ("API071 num_gpus certain",)),
    "an unknown type": (STRICT, CLUSTER.replace("FSDP", "fsdp"), ("CFG101 distributed_type certain",)),
    "no type": (STRICT, CLUSTER.replace("distributed_type: FSDP\n", ""), ("CFG101 distributed_type certain",)),
    "a section": (STRICT, CLUSTER + "fsdp_config: {version: 2, sync_module_states: true}\n", ()),
    "what a section has not": (STRICT, CLUSTER + "fsdp_config: {fsdp_verison: 2}\n", ("API072 fsdp_verison certain",)),
    "no accelerate": (BARE, CLUSTER, ("not judged ",)),
    "DeepSpeed": (STRICT, '{"zero_optimization": {"stage": 2, "stage3_max_live_parameters": 1}}', ()),
    "DeepSpeed's sections": (STRICT, '{"zero_optimization": {"stge": 2}}', ("API071 stge certain",)),
    "DeepSpeed's top": (STRICT, '{"zero_optimization": {"stage": 2}, "clip": 1}', ("API072 clip certain",)),
    "no DeepSpeed": (BARE, '{"zero_optimization": {"stage": 2}}', ("not judged ",)),
}


@pytest.mark.parametrize(("world", "text", "wanted"), CASES.values(), ids=CASES)
def test_configs(world: World, text: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    assert found(world, tmp_path, text) == wanted


@pytest.mark.parametrize("number", [2, 5])
def test_many_at_once_are_judged_as_each_by_itself(number: int, tmp_path: Path) -> None:
    environment = STRICT.environment(tmp_path / "target")
    names = ["an old name", "an unknown key of it", "no number", "DeepSpeed's sections", "twice"][:number]
    wanted: list[str] = []
    scripts = []
    for name in names:
        _, text, found_alone = CASES[name]
        path = tmp_path / f"{len(scripts)}.{'json' if text.startswith('{') else 'yaml'}"
        path.write_text(text, encoding="utf-8")
        scripts.append(read_config_file(path))
        wanted += found_alone
    result = link(Library(environment), environment, Workload(NOTHING, tuple(scripts)))  # type: ignore[arg-type]
    assert sorted(told(result)) == sorted(wanted)
