"""The words of launch commands against the installed launchers, and of what they start against its parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.workload import read_workload
from tests.link.test_keys import NOTHING, STRICT
from tests.link.worlds import World, told

LAUNCH = """
    def launch_command_parser(subparsers=None):
        parser.add_argument("--config_file", default=None)
        group = parser.add_argument_group("x")
        group.add_argument("--multi_gpu", default=False, action="store_true")
        group.add_argument("--mixed_precision", type=str, choices=["no", "bf16"])
        group.add_argument("--num_processes", type=int, default=None)
        parser.add_argument("-m", "--module", action="store_true")
"""
TORCHRUN = """
    from torch.distributed.argparse_util import check_env, env
    def get_args_parser():
        parser.add_argument("--nnodes", action=env, type=str)
        parser.add_argument("--nproc-per-node", "--nproc_per_node", action=env, type=str)
        parser.add_argument("--standalone", action=check_env)
"""
WORLD = World({**STRICT.sources, "accelerate.commands.launch": LAUNCH, "torch.distributed.run": TORCHRUN})
TRAIN = "from trl import SFTConfig, TrlParser\nargs, = TrlParser(SFTConfig).parse_args_into_dataclasses()\n"
CASES = {
    "all are known": ("accelerate launch --multi_gpu --num_processes 2 train.py --output_dir x", ()),
    "hyphens": ("accelerate launch --num-processes=2 train.py", ()),
    "the launcher's": ("accelerate launch --num_gpus 2 train.py", ("API013 num_gpus certain 1:19",)),
    "no beginning of one": ("accelerate launch --num_proc 2 train.py", ("API013 num_proc certain 1:19",)),
    "a beginning of torchrun's": ("torchrun --nproc_per 2 --standalone train.py", ()),
    "a choice": (
        "accelerate launch --mixed_precision bfloat16 train.py",
        ("CFG101 mixed_precision certain 1:37",),
    ),
    "no whole number": ("accelerate launch --num_processes two train.py", ("CFG101 num_processes certain 1:35",)),
    "what only the shell knows": ('accelerate launch --num_processes $N --mixed_precision "$P" $X train.py $Y', ()),
    "the script's": (
        "python train.py --output_dir x \\\n  --evaluation_strategy no",
        ("API013 evaluation_strategy certain 2:3",),
    ),
    "twice": (
        'A=(--old 1)\npython train.py "${A[@]}"\npython train.py --old 2',
        ("API013 old certain 1:4", "API013 old certain 3:17"),
    ),
    "trl's own": ("trl sft --output_dir x --max_steps 3 --env x", ()),
    "trl's unknown": ("trl sft --output_dir x --old 3", ("API013 old certain 1:24",)),
    "trl's config": ("trl sft --config c.yaml", ("API071 max_seq_length certain 3:1", "API071 mine certain 4:1")),
    "accelerate's config": ("accelerate launch --config_file a.yaml train.py", ("API071 num_gpus certain 3:1",)),
    "a launcher that is not there": ("deepspeed --num_gpus 2 train.py", ("not judged deepspeed",)),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_launches(text: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    environment = WORLD.environment(tmp_path / "target")
    for name, held in {
        "run.sh": text,
        "train.py": TRAIN,
        "c.yaml": "output_dir: x\nbf16: true\nmax_seq_length: 1\nmine: 1\nlearning_rate: 1.0\n",
        "a.yaml": "compute_environment: LOCAL_MACHINE\ndistributed_type: FSDP\nnum_gpus: 2\n",
    }.items():
        (tmp_path / name).write_text(held)
    workload = read_workload([tmp_path / "run.sh"], model=None, scenario=NOTHING)
    result = link(Library(environment), environment, workload)
    places = [f"{one.location.line}:{one.location.column}" for one in result.findings if one.location]
    found = tuple(f"{what} {place}" for what, place in zip(told(result), places, strict=True))
    assert (*found, *(f"not judged {one.what.rpartition(': ')[2]}" for one in result.not_judged)) == wanted
