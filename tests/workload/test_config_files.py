"""Config files as part of the workload: facts, folders, and what is told of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.errors import WorkloadError
from sftdoctor.model import Scenario
from sftdoctor.workload import VOCABULARY, read_workload

NOTHING = Scenario("a run", "a run", ())
TRAINING = (
    "output_dir: out\nbf16: true\nlearning_rate: 1e-5\nload_in_4bit: true\nuse_peft: true\nlora_target_modules: [q]\n"
)
CLUSTER = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\n"
FACTS = {
    "arguments": (TRAINING, {"bf16": True, "learning_rate": 1e-5, "fp16": "unset", "trainer_class": "SFTTrainer"}),
    "the model": (TRAINING, {"quantization": "nf4", "peft_config_passed": True, "lora_target_modules_member": "q"}),
    "nested": (TRAINING + "gradient_checkpointing_kwargs: {use_reentrant: false}\n", {"use_reentrant": False}),
    "ZeRO": (TRAINING + "deepspeed: ds.json\n", {"zero_stage": 3}),
    "ZeRO that is not there": (TRAINING + "deepspeed: no.json\n", {"zero_stage": "unknown"}),
    "FSDP": (TRAINING + "fsdp_config: {fsdp_version: 2}\n", {"fsdp_version": 2}),
    "a cluster": (CLUSTER + "mixed_precision: no\n", {"launch_mixed_precision": False, "launch_gpu_ids": "unset"}),
    "processes": (
        CLUSTER + 'gpu_ids: "0,1"\nnum_processes: 4\n',
        {"launch_gpu_count": 2, "launch_processes_beyond_gpus": 4},
    ),
    "a section": (CLUSTER + "fsdp_config: {fsdp_version: 2}\n", {"launch_fsdp_version": 2}),
    "an idle one": (CLUSTER + "deepspeed_config: {zero_stage: 3}\n", {"launch_idle_section": "deepspeed_config"}),
    "DeepSpeed": (
        '{"zero_optimization": {"stage": 3}, "bf16": {"enabled": true}}',
        {"ds_zero_stage": 3, "ds_bf16": True},
    ),
}


@pytest.mark.parametrize(("text", "wanted"), FACTS.values(), ids=FACTS)
def test_facts(text: str, wanted: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / ("c.json" if text.startswith("{") else "c.yaml")
    path.write_text(text, encoding="utf-8")
    (tmp_path / "ds.json").write_text('{"zero_optimization": {"stage": 3}}', encoding="utf-8")
    (script,) = read_workload([path], model=None, scenario=NOTHING).scripts
    said = {fact.name: fact.value for fact in script.facts}
    assert set(said) <= set(VOCABULARY)
    assert wanted.items() <= said.items()


def test_a_config_of_another_trainer_says_nothing_of_sft(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(TRAINING + "beta: 0.1\npadding_free: true\nmax_length: 9\n")
    (script,) = read_workload([path], model=None, scenario=NOTHING).scripts
    said = {fact.name: fact.value for fact in script.facts}
    assert said["trainer_class"] == "DPOTrainer" and said["bf16"] is True and said["data_collator"] == "none"
    assert not {"padding_free", "max_length"} & set(said)


def test_a_folder_is_searched_for_configs_of_trainings_alone(tmp_path: Path) -> None:
    for name, text in {
        "sft.yaml": TRAINING,
        "axolotl.yml": "base_model: x\nmicro_batch_size: 1\n",
        "broken.yaml": "output_dir: [\n",
        "workflow.yml": "on: push\njobs: {}\n",
        "data.json": '[{"output_dir": "x"}]',
        "large.json": '{"output_dir": "' + "x" * 400_000 + '"}',
        ".hidden.yaml": TRAINING,
        "train.py": "import trl\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    read = read_workload([tmp_path], model=None, scenario=NOTHING)
    assert [Path(script.path).name for script in read.scripts] == ["train.py", "sft.yaml"]
    told = {Path(one.what).name: one.reason for one in read.not_judged}
    assert set(told) == {"axolotl.yml", "broken.yaml"}
    assert told["axolotl.yml"] == "it is an axolotl config"


def test_a_file_that_is_named_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("a: 1\n")
    read = read_workload([path], model=None, scenario=NOTHING)
    assert [one.reason for one in read.not_judged] == ["it is a config that sftdoctor does not know"]
    path.write_text("a: [\n")
    with pytest.raises(WorkloadError, match=r"c\.yaml:2"):
        read_workload([path], model=None, scenario=NOTHING)
    with pytest.raises(WorkloadError, match="cannot be read"):
        read_workload([tmp_path / "gone.yaml"], model=None, scenario=NOTHING)
