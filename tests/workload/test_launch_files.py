"""Launch scripts as part of the workload."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sftdoctor.errors import WorkloadError
from sftdoctor.model import COMMAND_LINE, Scenario
from sftdoctor.shell import LIMIT
from sftdoctor.workload import VOCABULARY, read_workload

NOTHING = Scenario("a run", "a run", ())
RUN = "accelerate launch --config_file acc.yaml train.py --bf16 True \\\n  --lr $LR\ntrl sft --config sft.yaml\n"
PARSER = "p = HfArgumentParser((TrainingArguments,))\nargs, = p.parse_args_into_dataclasses()\n"
TRAIN = (
    f"from transformers import HfArgumentParser, Trainer, TrainingArguments\n{PARSER}Trainer(m, args=args).train()\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "run.sh": RUN,
        "train.py": TRAIN,
        "acc.yaml": "compute_environment: LOCAL_MACHINE\ndistributed_type: NO\n",
        "sft.yaml": "output_dir: x\nbf16: true\nseed: 1\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_it_starts_gets_its_command_line(folder: Path) -> None:
    read = read_workload([folder / "run.sh"], model=None, scenario=NOTHING)
    launch, train, acc, sft = read.scripts
    assert [one.launcher for one in launch.launches] == ["accelerate", "trl"]
    assert train.arguments == ("--bf16", "True", "--lr", "\0\0$LR")
    assert [(place.line, place.column) for place in train.places] == [(1, 51), (1, 58), (2, 3), (2, 8)]
    assert {fact.name: fact.value for fact in train.facts}["bf16"] is True
    assert acc.config is not None and acc.config.sure and sft.config is not None and sft.config.command == "sft"
    assert {one.started_by for one in (train, acc, sft)} == {str(folder / "run.sh")}


def test_a_launcher_says_whose_config_it_gets(folder: Path) -> None:
    """By itself neither file says enough."""
    (folder / "sft.yaml").write_text("model_name_or_path: m\nlora_rank: 16\n")
    (folder / "acc.yaml").write_text("mixed_precision: bf16\n")
    read = read_workload([folder / "run.sh"], model=None, scenario=NOTHING)
    assert [one.config.kind for one in read.scripts if one.config] == ["accelerate", "trl"]
    assert not read.not_judged
    (folder / "sft.yaml").write_text("- no mapping\n")
    (left,) = read_workload([folder / "run.sh"], model=None, scenario=NOTHING).not_judged
    assert left.reason == "it is no mapping of keys"


def test_in_a_folder_nothing_is_judged_twice(folder: Path) -> None:
    (folder / "other.sh").write_text("pip install torch\n")
    read = read_workload([folder], model=None, scenario=NOTHING)
    assert sorted(Path(one.path).name for one in read.scripts) == ["acc.yaml", "run.sh", "sft.yaml", "train.py"]
    assert not read.not_judged
    alone = read_workload([folder / "train.py"], model=None, scenario=NOTHING)
    assert alone.scripts[0].arguments == ()


def test_words_that_only_the_shell_knows_leave_the_rest_open(folder: Path) -> None:
    for words, wanted in (("--fp16 True", "unset"), ('--fp16 True "$@"', "unknown"), ("--fp16 $X", "unset")):
        (folder / "run.sh").write_text(f"python train.py {words}\n")
        script = read_workload([folder / "run.sh"], model=None, scenario=NOTHING).scripts[1]
        facts = {fact.name: fact.value for fact in script.facts}
        assert facts["bf16"] == wanted
        assert facts["fp16"] == ("unknown" if "$X" in words else True)


def test_more_processes_than_gpus(folder: Path) -> None:
    for number, wanted in ((4, [2, 4]), (2, [])):
        (folder / "run.sh").write_text(f"CUDA_VISIBLE_DEVICES=0,1 torchrun --nproc_per_node {number} train.py\n")
        (launch, *_) = read_workload([folder / "run.sh"], model=None, scenario=NOTHING).scripts
        assert [fact.value for fact in launch.facts] == wanted
        assert {fact.name for fact in launch.facts} <= set(VOCABULARY)


def test_bad_input(folder: Path) -> None:
    path = folder / "run.sh"
    path.write_text("accelerate launch gone.py\npip install x\n")
    read = read_workload([path], model=None, scenario=NOTHING)
    assert [(one.what, one.reason) for one in read.not_judged] == [(f"{path}:1", "gone.py is not there")]
    path.write_text("pip install x\n")
    assert "starts no training" in read_workload([path], model=None, scenario=NOTHING).not_judged[0].reason
    for text, says in (("a\n'b", "run.sh:2: a quote is not closed"), ("x" * (LIMIT + 1), "larger than")):
        path.write_text(text)
        with pytest.raises(WorkloadError, match=says):
            read_workload([path], model=None, scenario=NOTHING)
    path.write_bytes(b"\xff")
    with pytest.raises(WorkloadError, match="not UTF-8"):
        read_workload([path], model=None, scenario=NOTHING)
    with pytest.raises(WorkloadError, match="cannot be read"):
        read_workload([folder / "gone.sh"], model=None, scenario=NOTHING)


def test_a_launch_script_beside_a_script_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "run.sh").write_text("python prepare.py\ntorchrun --nproc_per_node 2 train.py --bf16 True\n")
    (folder / "prepare.py").write_text("x = 1\n")
    (folder / "other.sh").write_text("python eval.py\n")
    (folder / "broken.sh").write_bytes(b"python train.py --x 'y\n")
    monkeypatch.chdir(folder)
    read = read_workload([Path("train.py")], model=None, scenario=NOTHING, beside=True)
    assert read.launched_by == ("run.sh",) and not read.not_judged
    assert [(one.path, one.arguments) for one in read.scripts] == [("run.sh", ()), ("train.py", ("--bf16", "True"))]
    assert read_workload([Path("train.py")], model=None, scenario=NOTHING).launched_by == ()
    said = read_workload([Path("train.py")], model=None, scenario=NOTHING, arguments=["--tf32", "True"], beside=True)
    assert said.launched_by == () and [one.arguments for one in said.scripts] == [("--tf32", "True")]


def test_a_launch_script_one_folder_above_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "src").mkdir()
    (folder / "train.py").rename(folder / "src" / "train.py")
    (folder / "run.sh").write_text("accelerate launch src/train.py --bf16 True\n")
    monkeypatch.chdir(folder / "src")
    read = read_workload([Path("train.py")], model=None, scenario=NOTHING, beside=True)
    assert read.launched_by == ("../run.sh",)
    assert read_workload([folder / "src"], model=None, scenario=NOTHING, beside=True).launched_by == ()


@pytest.mark.parametrize("place", ["train.py", "src/train.py"])
def test_a_launch_script_in_the_scripts_of_a_project_is_found(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "run.sh").unlink()
    (folder / "scripts").mkdir()
    (folder / "src").mkdir()
    (folder / "train.py").rename(folder / place)
    (folder / "scripts" / "run.sh").write_text(f"accelerate launch {place} --bf16 True\n")
    monkeypatch.chdir((folder / place).parent)
    read = read_workload([Path("train.py")], model=None, scenario=NOTHING, beside=True)
    assert [Path(one).resolve() for one in read.launched_by] == [(folder / "scripts" / "run.sh").resolve()]
    assert [one.arguments for one in read.scripts if one.path.endswith(".py")] == [("--bf16", "True")]


@pytest.mark.parametrize(
    ("words", "own", "script"),
    [
        ("accelerate launch --num_processes 2 train.py --bf16 True", ("--num_processes", "2"), ("--bf16", "True")),
        ("X=1 torchrun --standalone src/train.py", ("--standalone",), ()),
        ("python -u train.py --a 'b c'", (), ("--a", "b c")),
        ("python -m torch.distributed.run --nproc-per-node 2 train.py", ("--nproc-per-node", "2"), ()),
    ],
)
def test_a_whole_launch_command_is_understood(
    words: str, own: tuple[str, ...], script: tuple[str, ...], folder: Path
) -> None:
    read = read_workload([folder / "train.py"], model=None, scenario=NOTHING, arguments=shlex.split(words))
    (launched, line) = read.scripts
    assert (launched.path, launched.arguments, launched.places) == (str(folder / "train.py"), script, ())
    assert [one.words for one in line.launches] == [own] and line.path == COMMAND_LINE


@pytest.mark.parametrize("words", ["--run accelerate launch", "--note 'train.py'", "it's", "accelerate launch"])
def test_what_is_no_launch_command_is_the_command_line(words: str, folder: Path) -> None:
    (read,) = read_workload([folder / "train.py"], model=None, scenario=NOTHING, arguments=words.split()).scripts
    assert read.arguments == tuple(words.split())


def test_a_launch_command_of_another_script_is_refused(folder: Path) -> None:
    with pytest.raises(WorkloadError, match=r"starts other\.py, not"):
        read_workload([folder / "train.py"], model=None, scenario=NOTHING, arguments=["torchrun", "other.py"])


FSDP = "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nnum_processes: 8\nnum_machines: 2\n"
ZERO = "compute_environment: LOCAL_MACHINE\ndistributed_type: DEEPSPEED\ndeepspeed_config:\n  {}\nnum_processes: 4\n"
SLURM = (
    "#!/bin/bash\n#SBATCH --nodes=2\n#SBATCH --gres=gpu:a100:4   # four\n"
    "srun torchrun --nnodes $SLURM_NNODES --nproc_per_node ${SLURM_GPUS_ON_NODE} train.py\n"
)
LAUNCHED = {
    "accelerate": ("accelerate launch --num_processes 4 train.py", "", 4, None),
    "accelerate, by its config": ("accelerate launch --config_file acc.yaml train.py", FSDP, 8, "fsdp"),
    "an option goes before the config": (
        "accelerate launch --config_file acc.yaml --num_processes=2 train.py",
        FSDP,
        2,
        "fsdp",
    ),
    "ZeRO": ("accelerate launch --config_file acc.yaml train.py", ZERO.format("zero_stage: 3"), 4, "zero3"),
    "ZeRO without a stage": ("accelerate launch --use_deepspeed --num_processes 2 train.py", "", 2, "zero2"),
    "ZeRO by a file": (
        "accelerate launch --config_file acc.yaml train.py",
        ZERO.format("deepspeed_config_file: ds.json"),
        4,
        "zero1",
    ),
    "ZeRO by a file that is not there": (
        "accelerate launch --config_file acc.yaml train.py",
        ZERO.format("deepspeed_config_file: gone.json"),
        4,
        None,
    ),
    "ZeRO on the CPU": (
        "accelerate launch --config_file acc.yaml train.py",
        ZERO.format("zero_stage: 3\n  offload_param_device: cpu"),
        4,
        "offloaded",
    ),
    "ZeRO, a device that is none": (
        "accelerate launch --config_file acc.yaml train.py",
        ZERO.format("zero_stage: 3\n  offload_param_device: none"),
        4,
        "zero3",
    ),
    "FSDP on the CPU": (
        "accelerate launch --config_file acc.yaml train.py",
        FSDP + "fsdp_config: {fsdp_offload_params: true}\n",
        8,
        "offloaded",
    ),
    "nothing is shared": ("accelerate launch --multi_gpu --num_processes 2 train.py", "", 2, "none"),
    "accelerate by its default config": ("accelerate launch train.py", "", None, None),
    "torchrun": ("torchrun --nproc_per_node=8 --nnodes 2 train.py", "", 16, None),
    "torchrun with nothing said": ("torchrun --standalone train.py", "", 1, None),
    "torchrun, as many as there are": ("torchrun --nproc-per-node gpu train.py", "", None, None),
    "torchrun, as many as are visible": (
        "CUDA_VISIBLE_DEVICES=0,1 torchrun --nproc-per-node gpu train.py",
        "",
        2,
        None,
    ),
    "some nodes or others": ("torchrun --nproc_per_node=8 --nnodes 1:4 train.py", "", None, None),
    "deepspeed": ("deepspeed --num_gpus=4 train.py", "", 4, None),
    "deepspeed on what is visible": ("export CUDA_VISIBLE_DEVICES=0,1,3\ndeepspeed train.py", "", 3, None),
    "deepspeed on hosts": ("deepspeed --hostfile hosts --num_gpus 4 train.py", "", None, None),
    "python": ("CUDA_VISIBLE_DEVICES=0 python train.py", "", 1, None),
    "python, many times": ("srun python train.py", "", None, None),
    "only the shell knows": ("accelerate launch --num_processes $N train.py", "", None, None),
    "Slurm": (SLURM, "", 8, None),
}


@pytest.mark.parametrize(("line", "config", "count", "sharding"), LAUNCHED.values(), ids=LAUNCHED)
def test_how_many_processes_there_will_be(
    line: str, config: str, count: int | None, sharding: str | None, folder: Path
) -> None:
    (folder / "acc.yaml").write_text(config or "compute_environment: LOCAL_MACHINE\ndistributed_type: NO\n")
    (folder / "ds.json").write_text('{"zero_optimization": {"stage": 1}}')
    (folder / "run.sh").write_text(f"{line}\n")
    read = read_workload([folder / "run.sh"], model=None, scenario=NOTHING)
    train = next(one for one in read.scripts if one.path.endswith("train.py"))
    facts = {fact.name: fact.value for fact in train.facts}
    assert (facts.get("processes"), facts.get("sharding")) == (count, sharding)
    unknown = facts.get("per_device_train_batch_size") == "unknown"
    assert facts.get("batch_of_processes") == (count * 8 if count and not unknown else None)
