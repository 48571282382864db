"""Config files that a script reads by itself: what of them becomes facts, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workload.test_script_facts import said

YAML = "lr: 2e-4\nmodel: tiny\ntraining:\n  learning_rate: 2e-4\n  bf16: true\n  max_steps: 7\nenv: {A: b}\n"
JSON = '{"training": {"learning_rate": 2e-4, "max_steps": 7}}'
TOML = "[training]\nlearning_rate = 2e-4\nmax_steps = 7\n"
HEAD = """
import io, json, os, sys, tomllib, yaml
from box import Box
from munch import munchify
from omegaconf import OmegaConf
from pathlib import Path
from elsewhere import changed, other
"""


@pytest.mark.parametrize(
    ("read", "rate", "steps"),
    [
        ("cfg = yaml.safe_load(open('c.yaml'))", "2e-4", 7),
        ("with open('c.yaml', encoding='utf-8') as file:\n    cfg = yaml.safe_load(file)", "2e-4", 7),
        ("cfg = yaml.safe_load(open('c.yaml').read())", "2e-4", 7),
        ("cfg = yaml.load(Path('c.yaml').read_text(), Loader=yaml.SafeLoader)", "2e-4", 7),
        ("cfg = yaml.full_load(io.open(os.path.abspath(sys.argv[1])))", "2e-4", 7),
        ("cfg = yaml.safe_load(Path(FOLDER, 'c.yaml').open())", "2e-4", 7),
        ("cfg = yaml.safe_load(open(os.path.join(FOLDER, 'c.yaml')))", "2e-4", 7),
        ("cfg = json.load(open('c.json', 'r'))", 2e-4, 7),
        ("cfg = json.loads(Path('c.json').read_text())", 2e-4, 7),
        ("cfg = yaml.safe_load(open('c.yaml'))\nprint(cfg)", "2e-4", 7),
        ("cfg = yaml.safe_load(open('c.yaml'))\ncfg['training']['learning_rate'] = float(cfg['lr'])", 2e-4, 7),
        ("cfg = yaml.safe_load(open('c.yaml'))\ncfg['training'].pop('learning_rate')", "unset", 7),
        ("cfg = yaml.safe_load(open('c.yaml'))\nchanged(cfg)", "unknown", "unknown"),
        ("cfg = yaml.safe_load(open('c.yaml'))\nchanged(cfg['training'])", "unknown", "unknown"),
        ("cfg = changed(yaml.safe_load(open('c.yaml')))", "unknown", "unknown"),
        ("cfg = yaml.safe_load(open(other))", "unknown", "unknown"),
        ("cfg = yaml.safe_load(open('nowhere.yaml'))", "unknown", "unknown"),
        ("cfg = yaml.safe_load(open('broken.yaml'))", "unknown", "unknown"),
        ("cfg = yaml.safe_load(open('c.yaml', 'w'))", "unknown", "unknown"),
        ("cfg = yaml.safe_load(other)", "unknown", "unknown"),
        ("cfg = yaml.safe_load('a: 1')", "unknown", "unknown"),
        ("cfg = tomllib.load(open('c.toml', 'rb'))", 2e-4, 7),
        ("cfg = OmegaConf.load('c.yaml')", 2e-4, 7),
        ("cfg = OmegaConf.to_container(OmegaConf.load('c.yaml'), resolve=True)", 2e-4, 7),
        ("cfg = OmegaConf.merge(OmegaConf.create({'seed': 1}), OmegaConf.load('c.yaml'))", 2e-4, 7),
        ("cfg = OmegaConf.merge(OmegaConf.load('c.yaml'), OmegaConf.from_cli())", "unknown", "unknown"),
        ("cfg = OmegaConf.load('c.yaml')\nchanged(cfg)", "unknown", "unknown"),
        ("cfg = OmegaConf.load(other)", "unknown", "unknown"),
        ("cfg = munchify(yaml.safe_load(open('c.yaml')))", "2e-4", 7),
        ("cfg = Box.from_yaml(filename='c.yaml')", 2e-4, 7),
    ],
)
def test_what_a_script_reads(
    read: str, rate: object, steps: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"c.yaml": YAML, "c.json": JSON, "c.toml": TOML, "broken.yaml": "training: [1"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    text = f"{HEAD}FOLDER = {str(tmp_path)!r}\n{read}\nargs = TrainingArguments('o', **cfg['training'])\n"
    facts = said(f"{text}Trainer(model='m', args=args).train()", "c.yaml")
    assert (facts["learning_rate"], facts["max_steps"]) == (rate, steps)


@pytest.mark.parametrize(
    ("parse", "rate"),
    [
        ("HfArgumentParser(TrainingArguments).parse_yaml_file(sys.argv[1])[0]", "2e-4"),
        ("TrlParser(TrainingArguments).parse_args_and_config()[0]", 2e-4),
        ("TrlParser(TrainingArguments).parse_args_and_config(['--learning_rate', '3e-4'])[0]", 3e-4),
        ("TrlParser(TrainingArguments).parse_args_and_config(other())[0]", "unknown"),
    ],
)
def test_parsers_of_libraries(parse: str, rate: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("learning_rate: 2e-4\n", "utf-8")
    words = ("c.yaml",) if "yaml_file" in parse else ("--config", "c.yaml")
    text = f"import sys\nfrom transformers import HfArgumentParser\nfrom trl import TrlParser\nargs = {parse}\n"
    assert said(f"{text}Trainer(model='m', args=args).train()", *words)["learning_rate"] == rate


HYDRA = """
import hydra
from omegaconf import DictConfig

@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    args = TrainingArguments('o', learning_rate=cfg.training.learning_rate, max_steps=cfg.training.max_steps)
    Trainer(model=cfg.model, args=args).train()

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("words", "rate", "steps"),
    [
        ((), 2e-4, 7),
        (("training=long",), 2e-4, 9),
        (("training.max_steps=5",), 2e-4, "unknown"),
        (("training=gone",), "unknown", "unknown"),
        (("~training.max_steps",), "unknown", "unknown"),
    ],
)
def test_what_hydra_composes(words: tuple[str, ...], rate: object, steps: object, tmp_path: Path) -> None:
    files = {
        "config": "defaults:\n  - training: short\n  - _self_\nmodel: m\ntraining:\n  learning_rate: 2e-4\n",
        "training/short": "max_steps: 7\nlearning_rate: 1.0\n",
        "training/long": "max_steps: 9\n",
    }
    for name, text in files.items():
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    facts = said(HYDRA.replace('"conf"', repr(str(tmp_path / "conf"))), *words)
    assert (facts["learning_rate"], facts["max_steps"]) == (rate, steps)
