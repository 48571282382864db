"""Config files that a script reads by itself: what of them becomes facts, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workload.test_script_facts import said

YAML = "lr: 2e-4\nmodel: tiny\ntraining:\n  learning_rate: 2e-4\n  bf16: true\n  max_steps: 7\nenv: {A: b}\n"
JSON = '{"training": {"learning_rate": 2e-4, "max_steps": 7}}'
HEAD = """
import io, json, os, sys, yaml
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
    ],
)
def test_what_a_script_reads(
    read: str, rate: object, steps: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"c.yaml": YAML, "c.json": JSON, "broken.yaml": "training: [1"}.items():
        (tmp_path / name).write_text(text, "utf-8")
    text = f"{HEAD}FOLDER = {str(tmp_path)!r}\n{read}\nargs = TrainingArguments('o', **cfg['training'])\n"
    facts = said(f"{text}Trainer(model='m', args=args).train()", "c.yaml")
    assert (facts["learning_rate"], facts["max_steps"]) == (rate, steps)


@pytest.mark.parametrize(
    ("parse", "rate"),
    [
        ("HfArgumentParser(TrainingArguments).parse_yaml_file(sys.argv[1])[0]", "2e-4"),
        ("TrlParser(TrainingArguments).parse_args_and_config()[0]", 2e-4),
    ],
)
def test_parsers_of_libraries(parse: str, rate: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("learning_rate: 2e-4\n", "utf-8")
    words = ("c.yaml",) if "yaml_file" in parse else ("--config", "c.yaml")
    text = f"import sys\nfrom transformers import HfArgumentParser\nfrom trl import TrlParser\nargs = {parse}\n"
    assert said(f"{text}Trainer(model='m', args=args).train()", *words)["learning_rate"] == rate
