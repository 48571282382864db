"""FSDP and ZeRO over two processes of this machine: what runs passes, what cannot is said, every fault is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from sftdoctor.model import Proof
from sftdoctor.proof import prove
from sftdoctor.proof.options import RunSpec
from sftdoctor.proof.process import WORKER
from sftdoctor.proof.script import prove_script
from sftdoctor.target import read_interpreter
from tests.lab.builds import Stacks
from tests.lab.test_prove import PLANTED

pytestmark = pytest.mark.lab
STORED = {"bnb_4bit_quant_storage": "float32"}
FAULTS = {
    "detached_graph": "lora_gradients",
    "base_changes": "base_untouched",
    "optimizer_misses_one": "optimizer_holds_lora_alone",
    "saved_zeros": "adapter_reloads",
}
"""Planted fault → the check that must name it, where the model is shared out too."""


@pytest.fixture(scope="session")
def with_deepspeed(stacks: Stacks) -> Path:
    """Python of the newest stack with DeepSpeed."""
    return stacks.build(stacks.workshop.folder / "deepspeed", "newest", ("deepspeed==0.19.8",))


def shared(python: Path, quantization: str, **settings: object) -> Proof:
    return prove(read_interpreter(str(python)), runs=[RunSpec(quantization, settings)], ranks=2, timeout=400)


def values(proof: Proof) -> Mapping[str, object]:
    return {check.name: check.value for check in proof.checks}


@pytest.mark.parametrize(("quantization", "more"), [("none", {}), ("nf4", STORED)], ids=["none", "nf4"])
def test_fsdp_shares_the_model_out(newest: Path, quantization: str, more: dict[str, object]) -> None:
    proof = shared(newest, quantization, sharding="fsdp2", **more)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert values(proof)["sharded"] == "fsdp2: each of 2 processes holds 50% of the model"
    assert values(proof)["ranks_agree"] == "2 processes"
    assert "adapter_reloads" in values(proof)
    assert any("on CPUs accelerate trains without it" in line for line in proof.not_settled)


@pytest.mark.parametrize(("quantization", "kind"), [("nf4", "zero2"), ("nf4", "zero3"), ("int8", "zero2")])
def test_zero_shares_the_model_out(with_deepspeed: Path, quantization: str, kind: str) -> None:
    proof = shared(with_deepspeed, quantization, sharding=kind)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert str(values(proof)["sharded"]).startswith(f"{kind}: each of 2 processes holds 50% of ")


def test_four_bit_weights_in_bytes_stay_whole(newest: Path) -> None:
    proof = shared(newest, "nf4", sharding="fsdp2")
    assert proof.verdict == "failed"
    assert proof.failure is not None
    assert "bnb_4bit_quant_storage" in proof.failure.message
    assert "undivided: " in str(values(proof)["sharded"])


@pytest.mark.parametrize(
    ("kind", "reason"), [("fsdp1", "no available devices found"), ("zero2", "deepspeed is not installed")]
)
def test_what_cannot_be_had_is_said(newest: Path, kind: str, reason: str) -> None:
    proof = shared(newest, "nf4", sharding=kind)
    assert proof.verdict == "not-possible", proof.failure
    assert reason in proof.reason


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named(fault: str, newest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "worker"
    shutil.copytree(WORKER.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    planted = folder / "proof.py"
    settings = {"sharding": "fsdp2", **STORED}
    source = planted.read_text(encoding="utf-8").replace(
        "return [Plan(", f"return [Plan({fault!r}, 'nf4', {settings!r})] or [Plan("
    )
    planted.write_text(source + PLANTED, encoding="utf-8")
    proof = prove(read_interpreter(str(newest)), worker=folder / WORKER.name, ranks=2, timeout=300)
    assert proof.verdict == "failed"
    assert FAULTS[fault] in [check.name for check in proof.checks if not check.passed], (proof.failure, proof.checks)


def test_a_run_that_is_not_shared_out_is_named(newest: Path, tmp_path: Path) -> None:
    """What accelerate does on CPUs where nobody tells it otherwise: each process trains the whole model."""
    folder = tmp_path / "worker"
    shutil.copytree(WORKER.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    module = folder / "sharding.py"
    module.write_text(
        module.read_text(encoding="utf-8") + "\n\ndef begin(stack, kind):\n    return False\n", encoding="utf-8"
    )
    runs = [RunSpec("none", {"sharding": "fsdp2"})]
    proof = prove(read_interpreter(str(newest)), worker=folder / WORKER.name, runs=runs, ranks=2, timeout=300)
    assert proof.verdict == "failed"
    assert {"sharded", "settings_hold"} <= {check.name for check in proof.checks if not check.passed}


CONFIG = """
compute_environment: LOCAL_MACHINE
distributed_type: {kind}
mixed_precision: 'no'
num_machines: 1
num_processes: 8
use_cpu: {cpu}
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_state_dict_type: {saved}
"""
"""As `accelerate config` writes it."""
ZERO3 = """
compute_environment: LOCAL_MACHINE
distributed_type: DEEPSPEED
mixed_precision: 'no'
num_machines: 1
num_processes: 8
use_cpu: false
deepspeed_config:
  gradient_accumulation_steps: 1
  zero3_init_flag: true
  zero3_save_16bit_model: true
  zero_stage: 3
"""


@pytest.mark.parametrize(
    ("config", "verdict", "said"),
    [
        (CONFIG.format(kind="MULTI_GPU", cpu="false", saved="FULL_STATE_DICT"), "passed", ""),
        (
            CONFIG.format(kind="FSDP", cpu="false", saved="FULL_STATE_DICT"),
            "passed",
            "fsdp2: each of 2 processes holds",
        ),
        (
            CONFIG.format(kind="FSDP", cpu="false", saved="SHARDED_STATE_DICT"),
            "failed",
            "adapter's files are not there",
        ),
        (CONFIG.format(kind="MULTI_CPU", cpu="true", saved="FULL_STATE_DICT"), "not-possible", "started 1 of 2"),
        (ZERO3, "passed", "zero3: each of 2 processes holds"),
    ],
    ids=["ddp", "fsdp", "fsdp that saves nothing", "cpu", "zero3"],
)
def test_a_config_of_accelerate(config: str, verdict: str, said: str, with_deepspeed: Path, tmp_path: Path) -> None:
    path = tmp_path / "accelerate.yaml"
    path.write_text(config)
    environment = read_interpreter(str(with_deepspeed))
    proof = prove(environment, runs=[RunSpec("none")], ranks=2, config=path, timeout=400)
    told = [proof.reason, str(proof.failure), str(values(proof).get("sharded", ""))]
    assert (proof.verdict, said in " ".join(told)) == (verdict, True), told


SCRIPT = """
import sys
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

more = {"fsdp": {"fsdp": "full_shard auto_wrap", "gradient_checkpointing": False}, "zero3": {"deepspeed": "ds.json"}}
trainer = SFTTrainer(
    args=SFTConfig(output_dir="out", **more[sys.argv[1]]),
    model=AutoModelForCausalLM.from_pretrained("Qwen/Qwen3-0.6B"),
    peft_config=LoraConfig(),
    train_dataset=load_dataset("trl-lib/Capybara", split="train"),
)
trainer.train()
trainer.save_model("final")
"""


@pytest.mark.parametrize("kind", ["fsdp", "zero3"])
def test_a_script_that_shares_its_model_out(
    kind: str, with_deepspeed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    settings = {"zero_optimization": {"stage": 3}, "train_micro_batch_size_per_gpu": "auto", "train_batch_size": "auto"}
    Path("ds.json").write_text(json.dumps({**settings, "gradient_accumulation_steps": "auto"}))
    proof = prove_script(read_interpreter(str(with_deepspeed)), Path("train.py"), [kind], ranks=2, timeout=400)
    assert proof.verdict == "passed", (proof.failure, proof.reason)
    assert values(proof)["ranks_agree"] == "2 processes"
    assert not any(kind[:4] in line or "deepspeed" in line for line in proof.replaced)
