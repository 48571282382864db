"""Config files that a script reads by itself: a key that the class does not take is told of where it stands."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from sftdoctor.link.index import Library
from sftdoctor.link.linker import link
from sftdoctor.model import Finding, Scenario, Script, Workload
from tests.link.worlds import World

NOTHING = Scenario("a run", "a run", ())
EMPTY = dict.fromkeys(
    ("yaml", "omegaconf", "munch", "easydict", "addict", "box", "hydra", "hydra.utils", "toml", "ruamel.yaml"), ""
)
LIBRARIES = World(
    {
        **EMPTY,
        "ruamel": "",
        "pydantic": "class BaseModel: ...",
        "transformers": """
            import dataclasses
            from argparse import ArgumentParser
            from typing import Optional
            @dataclasses.dataclass
            class TrainingArguments:
                output_dir: str = None
                learning_rate: float = 5e-5
                weight_decay: float = 0.0
                num_train_epochs: float = 3.0
                max_steps: int = -1
                eval_steps: Optional[float] = None
                logging_steps: float = 500
                logging_strategy: str = "steps"
                optim: str = "adamw_torch"
                bf16: bool = False
            class HfArgumentParser(ArgumentParser):
                def __init__(self, dataclass_types=None, **kwargs):
                    super().__init__(**kwargs)
                def parse_dict(self, args, allow_extra_keys=False): ...
                def parse_yaml_file(self, yaml_file, allow_extra_keys=False): ...
                def parse_args_into_dataclasses(self, args=None): ...
        """,
        "trl": "from transformers import HfArgumentParser, TrainingArguments",
    }
)
FILES = {
    "c.yaml": "model: m\ntraining:\n  output_dir: x\n  old: 1\nlora: {}\n",
    "flat.yaml": "output_dir: x\nold: 1\n",
    "renamed.yaml": "output_dir: x\nevaluation_strategy: 'no'\nmine: 1\n",
    "c.json": '{"training": {\n  "output_dir": "x",\n\n  "old": 1\n}}',
    "c.toml": '# a run\n[training]\noutput_dir = "x"\nold = 1\n',
    "conf/config.yaml": "defaults:\n  - training: base\n  - optional extra: none\n  - _self_\nseed: 1\n",
    "conf/training/base.yaml": "# @package _group_\noutput_dir: x\n\nold: 1\n",
    "conf/training/other.yaml": "output_dir: x\n",
    "conf/whole.yaml": "defaults:\n  - /training/base\n  - override /training: other\nseed: 1\n",
    "conf/lost.yaml": "defaults:\n  - training: gone\nold: 1\n",
}
HEAD = "from transformers import HfArgumentParser, TrainingArguments\n"
LOAD = HEAD + "import yaml\ncfg = yaml.safe_load(open('c.yaml'))\n"
FLAT = HEAD + "import yaml\ncfg = yaml.safe_load(open('flat.yaml'))\n"
OMEGA = HEAD + "from omegaconf import OmegaConf\ncfg = OmegaConf.load('c.yaml')\n"
DATACLASS = "import dataclasses\n@dataclasses.dataclass\nclass Own:\n    output_dir: str\n    old: int = 0\n"
HYDRA = HEAD + (
    "import hydra\n@hydra.main(config_path='conf', config_name='{}')\ndef main(cfg):\n"
    "    TrainingArguments(**cfg.training)\nmain()\n"
)
AT_YAML, AT_FLAT = "c.yaml:4 old certain", "flat.yaml:2 old certain"
SHAPES: dict[str, tuple[str, str]] = {
    "unpacked": (LOAD + "TrainingArguments(**cfg['training'])", AT_YAML),
    "by get": (LOAD + "TrainingArguments(**(cfg.get('training') or {}))", AT_YAML),
    "a copy": (LOAD + "said = dict(cfg['training'])\nsaid.pop('output_dir')\nTrainingArguments(**said)", AT_YAML),
    "over defaults": (LOAD + "TrainingArguments(**{'seed': 1} | cfg['training'])", "train.py:4 seed c.yaml:4 old"),
    "an update": (LOAD + "said = {}\nsaid.update(cfg['training'])\nTrainingArguments(**said)", AT_YAML),
    "a comprehension": (LOAD + "TrainingArguments(**{k: v for k, v in cfg['training'].items() if v})", AT_YAML),
    "a loop": (
        FLAT + "said = {}\nfor key, value in cfg.items():\n    said[key] = value\nTrainingArguments(**said)",
        AT_FLAT,
    ),
    "only known fields": (
        FLAT + "import dataclasses\nnames = {f.name for f in dataclasses.fields(TrainingArguments)}\n"
        "TrainingArguments(**{k: v for k, v in cfg.items() if k in names})",
        "",
    ),
    "by keywords": (FLAT + "def build(**more):\n    return TrainingArguments(**more)\nbuild(**cfg)", AT_FLAT),
    "written out": (FLAT + "TrainingArguments(output_dir=cfg['output_dir'], old=cfg['old'])", "train.py:4 old certain"),
    "written in a dictionary": (
        FLAT + "said = {'old': cfg['old']}\nTrainingArguments(**said)",
        "train.py:5 old certain",
    ),
    "an own dataclass": (
        FLAT + DATACLASS + "TrainingArguments(**dataclasses.asdict(Own(**cfg)))",
        "train.py:9 old certain",
    ),
    "a namespace": (
        FLAT + "from types import SimpleNamespace\nTrainingArguments(**vars(SimpleNamespace(**cfg)))",
        AT_FLAT,
    ),
    "argparse's namespace": (FLAT + "import argparse\nTrainingArguments(**vars(argparse.Namespace(**cfg)))", AT_FLAT),
    "attributes": (
        LOAD + "class C: ...\ndef to(d):\n    o = C()\n    for k, v in d.items():\n"
        "        setattr(o, k, to(v) if isinstance(v, dict) else v)\n    return o\n"
        "TrainingArguments(**to(cfg).training.__dict__)",
        AT_YAML,
    ),
    "JSON": (HEAD + "import json\nTrainingArguments(**json.load(open('c.json'))['training'])", "c.json:4 old"),
    "JSON with a hook": (
        HEAD + "import json\nfrom types import SimpleNamespace\n"
        "cfg = json.load(open('c.json'), object_hook=lambda d: SimpleNamespace(**d))\n"
        "TrainingArguments(**vars(cfg.training))",
        "c.json:4 old",
    ),
    "TOML": (
        HEAD + "import tomllib\nTrainingArguments(**tomllib.load(open('c.toml', 'rb'))['training'])",
        "c.toml:4 old",
    ),
    "TOML by its path": (HEAD + "import toml\nTrainingArguments(**toml.load('c.toml')['training'])", "c.toml:4 old"),
    "ruamel": (HEAD + "from ruamel.yaml import YAML\nTrainingArguments(**YAML().load(open('flat.yaml')))", AT_FLAT),
    "OmegaConf": (OMEGA + "TrainingArguments(**cfg.training)", AT_YAML),
    "a container of it": (
        OMEGA + "TrainingArguments(**OmegaConf.to_container(cfg, resolve=True)['training'])",
        AT_YAML,
    ),
    "merged with a command line": (
        OMEGA + "TrainingArguments(**OmegaConf.merge(cfg, OmegaConf.from_cli()).training)",
        AT_YAML,
    ),
    "set in the script": (OMEGA + "cfg.training.old = 2\nTrainingArguments(**cfg.training)", "train.py:5 old certain"),
    "selected": (OMEGA + "TrainingArguments(**OmegaConf.select(cfg, 'training'))", AT_YAML),
    "structured": (
        HEAD
        + "from omegaconf import OmegaConf\n"
        + DATACLASS
        + "TrainingArguments(**OmegaConf.merge(OmegaConf.structured(Own), OmegaConf.load('flat.yaml')))",
        "train.py:8 old certain",
    ),
    "Munch": (LOAD + "from munch import munchify\nTrainingArguments(**munchify(cfg).training)", AT_YAML),
    "EasyDict": (LOAD + "from easydict import EasyDict\nTrainingArguments(**EasyDict(cfg).training)", AT_YAML),
    "Box": (HEAD + "from box import Box\nTrainingArguments(**Box.from_yaml(filename='c.yaml').training)", AT_YAML),
    "pydantic": (
        LOAD
        + "from pydantic import BaseModel\nclass C(BaseModel):\n    training: dict\n"
        + "TrainingArguments(**C(**cfg).training)",
        AT_YAML,
    ),
    "pydantic's fields": (
        LOAD + "from pydantic import BaseModel\nclass T(BaseModel):\n    output_dir: str\n    old: int = 1\n"
        "class C(BaseModel):\n    training: T\nTrainingArguments(**C.model_validate(cfg).training.model_dump())",
        "train.py:10 old certain",
    ),
    "pydantic drops what it has not": (
        LOAD + "from pydantic import BaseModel\nclass T(BaseModel):\n    output_dir: str\n"
        "class C(BaseModel):\n    training: T\nTrainingArguments(**C(**cfg).training.model_dump())",
        "",
    ),
    "an option's default names it": (
        HEAD + "import argparse, yaml\np = argparse.ArgumentParser()\np.add_argument('--config', default='flat.yaml')\n"
        "TrainingArguments(**yaml.safe_load(open(p.parse_args().config)))",
        "flat.yaml:2 old likely",
    ),
    "a word or a default names it": (
        HEAD + "import sys, yaml\nname = sys.argv[1] if len(sys.argv) > 1 else 'flat.yaml'\n"
        "TrainingArguments(**yaml.safe_load(open(name)))",
        "flat.yaml:2 old likely",
    ),
    "parse_dict": (FLAT + "HfArgumentParser(TrainingArguments).parse_dict(cfg)", AT_FLAT),
    "extra keys are allowed, and one is of another release": (
        HEAD + "HfArgumentParser(TrainingArguments).parse_yaml_file('renamed.yaml', allow_extra_keys=True)",
        "renamed.yaml:2 evaluation_strategy likely",
    ),
    "Hydra": (HYDRA.format("config"), "base.yaml:4 old certain"),
    "Hydra, another option": (HYDRA.format("whole"), ""),
    "Hydra, an option that is not there": (HYDRA.format("lost"), ""),
    "instantiate": (
        HEAD
        + "from hydra.utils import instantiate\nfrom omegaconf import OmegaConf\ncfg = OmegaConf.load('flat.yaml')\n"
        "cfg._target_ = 'transformers.TrainingArguments'\ninstantiate(cfg, output_dir='y')",
        AT_FLAT,
    ),
}


def found(folder: Path, source: str, *arguments: str) -> list[Finding]:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    environment = LIBRARIES.environment(Path(tempfile.mkdtemp(dir=folder)))
    script = Script(str(folder / "train.py"), source, arguments=arguments)
    return list(link(Library(environment), environment, Workload(NOTHING, (script,))).findings)


def places(findings: list[Finding]) -> list[str]:
    return [
        f"{Path(one.location.path).name}:{one.location.line} {one.cause.name} {one.confidence.value}"
        for one in findings
        if one.location and one.cause
    ]


@pytest.mark.parametrize(("source", "wanted"), SHAPES.values(), ids=SHAPES)
def test_a_key_is_told_of_where_it_stands(source: str, wanted: str, tmp_path: Path) -> None:
    told = places(found(tmp_path, source))
    if wanted == "train.py:4 seed c.yaml:4 old":
        assert sorted(told) == ["c.yaml:4 old certain", "train.py:4 seed certain"]
    else:
        assert [one[: len(wanted)] for one in told] == ([wanted] if wanted else [])


def test_hydras_command_line(tmp_path: Path) -> None:
    assert places(found(tmp_path, HYDRA.format("config"), "training=other")) == []
    assert places(found(tmp_path, HYDRA.format("config"), "seed=2")) == ["base.yaml:4 old certain"]
    assert places(found(tmp_path, HYDRA.format("config"), "~training.old")) == []


TEXTS = {
    "a text of YAML 1.1": ("learning_rate: 2e-4\n", LOAD, "number-as-text learning_rate 0.0002 certain"),
    "small": ("weight_decay: 1e-8\n", LOAD, "number-as-text weight_decay 1.0e-08 certain"),
    "another optimiser": ("weight_decay: '1'\n  optim: sgd\n", LOAD, "number-as-text weight_decay 1 likely"),
    "in quotes": ("max_steps: '10'\n", LOAD, "number-as-text max_steps 10 certain"),
    "epochs": ("num_train_epochs: '3'\n", LOAD, "number-as-text num_train_epochs 3 certain"),
    "epochs that steps overrule": (
        "num_train_epochs: '3'\n  max_steps: 5\n",
        LOAD,
        "number-as-text num_train_epochs 3 possible",
    ),
    "asked for elsewhere": ("eval_steps: '5'\n", LOAD, "number-as-text eval_steps 5 likely"),
    "another strategy": (
        "logging_steps: '5'\n  logging_strategy: epoch\n",
        LOAD,
        "number-as-text logging_steps 5 possible",
    ),
    "a word": ("learning_rate: fast\n", LOAD, ""),
    "a number": ("learning_rate: 2.0e-4\n", LOAD, ""),
    "OmegaConf": ("learning_rate: 2e-4\n", OMEGA, ""),
    "OmegaConf, in quotes": ("learning_rate: '2e-4'\n", OMEGA, "number-as-text learning_rate 0.0002 certain"),
    "OmegaConf, from elsewhere": ("learning_rate: ${lr}\n", OMEGA, ""),
    "false in quotes": ("bf16: 'False'\n", LOAD, "truth-as-text bf16 False certain"),
    "true in quotes": ("bf16: 'True'\n", LOAD, ""),
    "false": ("bf16: no\n", LOAD, ""),
}


@pytest.mark.parametrize(("text", "head", "wanted"), TEXTS.values(), ids=TEXTS)
def test_texts_where_numbers_are_meant(
    text: str, head: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, "c.yaml", f"training:\n  output_dir: x\n  {text}")
    unpacked = "TrainingArguments(**cfg.training)" if head is OMEGA else "TrainingArguments(**cfg['training'])"
    told = [
        f"{one.rule} {one.cause.name} {one.cause.value} {one.confidence.value}"
        for one in found(tmp_path, head + unpacked)
        if one.cause
    ]
    assert told == ([wanted] if wanted else [])


def test_parsers_that_convert_and_one_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FILES, "flat.yaml", "output_dir: x\nlearning_rate: 2e-4\n")
    read = HEAD + "HfArgumentParser(TrainingArguments).parse_yaml_file('flat.yaml')"
    assert places(found(tmp_path, read)) == ["flat.yaml:2 learning_rate certain"]
    line = HEAD + "HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()"
    assert places(found(tmp_path, line, "--learning_rate", "2e-4")) == []
    literal = HEAD + "TrainingArguments(\n    learning_rate='2e-4')"
    assert places(found(tmp_path, literal)) == ["train.py:2 learning_rate certain"]


def test_a_class_of_the_users_own_under_the_same_name_is_not_to_blame(tmp_path: Path) -> None:
    own = "import dataclasses, transformers\n@dataclasses.dataclass\nclass TrainingArguments(transformers.{}): ...\n"
    parse = "transformers.HfArgumentParser(TrainingArguments).parse_yaml_file('renamed.yaml')"
    told = found(tmp_path, own.format("TrainingArguments") + parse)
    (one,) = (one for one in told if one.cause and one.cause.name == "evaluation_strategy")
    assert one.cause and one.cause.callee and one.cause.callee.module == "transformers"


def test_a_file_that_comes_later_changes_what_was_found(tmp_path: Path) -> None:
    environment = LIBRARIES.environment(tmp_path / "target")
    path = tmp_path / "late.yaml"
    source = HEAD + f"import yaml\nTrainingArguments(**yaml.safe_load(open({str(path)!r})))\n"
    (tmp_path / "own").mkdir()
    workload = Workload(NOTHING, (Script(str(tmp_path / "own" / "train.py"), source),))
    library = Library(environment, cache=tmp_path / "cache")
    assert link(library, environment, workload).findings == ()
    path.write_text("old: 1\n")
    assert len(link(Library(environment, cache=tmp_path / "cache"), environment, workload).findings) == 1
