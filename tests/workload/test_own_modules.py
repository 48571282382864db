"""Scripts of several files: facts come from whatever module of the project says them, and stand there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sftdoctor.flow.source import read_source
from sftdoctor.model import Fact, Script
from sftdoctor.workload.script import read_script

MODEL = """from transformers import AutoModelForCausalLM, BitsAndBytesConfig


def load(name="tiny"):
    quantization = BitsAndBytesConfig(load_in_4bit=True)
    return AutoModelForCausalLM.from_pretrained(name, quantization_config=quantization)
"""
TRAIN = "from trl import SFTTrainer\n{imports}\nSFTTrainer(model={call}).train()\n"


def read(folder: Path, files: Mapping[str, str], script: str = "train.py") -> Script:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    return read_script(read_source(folder / script), ())[0]


def fact(script: Script, name: str) -> Fact:
    return next(one for one in script.facts if one.name == name)


@pytest.mark.parametrize(
    ("imports", "call", "files", "place"),
    [
        ("from model import load", "load()", {"model.py": MODEL}, "model.py"),
        ("from model import *", "load()", {"model.py": MODEL}, "model.py"),
        ("from model import load as made", "made('tiny')", {"model.py": MODEL}, "model.py"),
        ("import model", "model.load()", {"model.py": MODEL}, "model.py"),
        ("import src.model", "src.model.load()", {"src/model.py": MODEL}, "src/model.py"),
        ("import src.model as m", "m.load()", {"src/model.py": MODEL}, "src/model.py"),
        ("from src import model", "model.load()", {"src/model.py": MODEL, "src/__init__.py": ""}, "src/model.py"),
        (
            "from src import load",
            "load()",
            {"src/__init__.py": "from .parts.model import load", "src/parts/model.py": MODEL},
            "src/parts/model.py",
        ),
        ("from project.model import load", "load()", {"src/project/model.py": MODEL}, "src/project/model.py"),
        ("def main():\n    from model import load\n    return load()", "main()", {"model.py": MODEL}, "model.py"),
        (
            "try:\n    from nowhere import load\nexcept ImportError:\n    raise\nfrom model import load",
            "load()",
            {"model.py": MODEL},
            "model.py",
        ),
        (
            "from a import load",
            "load()",
            {"a.py": "import b\nfrom model import load", "b.py": "import a", "model.py": MODEL},
            "model.py",
        ),
    ],
)
def test_a_model_that_a_module_loads(
    imports: str, call: str, files: Mapping[str, str], place: str, tmp_path: Path
) -> None:
    script = read(tmp_path, {"train.py": TRAIN.format(imports=imports, call=call), **files})
    said = fact(script, "quantization")
    assert said.value == "fp4" and said.location is not None
    assert (said.location.path, said.location.line) == (str(tmp_path / place), 5)
    assert str(tmp_path / place) in dict(script.modules)


@pytest.mark.parametrize("script", ["project/train.py", "project/jobs/train.py"])
def test_a_script_that_is_part_of_a_package(script: str, tmp_path: Path) -> None:
    relative = "from ..model import load" if "jobs" in script else "from .model import load"
    for imports in ("from project.model import load", relative):
        files = {"project/__init__.py": "", "project/jobs/__init__.py": "", "project/model.py": MODEL}
        found = read(tmp_path, {script: TRAIN.format(imports=imports, call="load()"), **files}, script)
        assert fact(found, "quantization").value == "fp4"


@pytest.mark.parametrize(
    ("imports", "files"),
    [
        ("from nowhere import load", {}),
        ("from model import load", {"model.py": "raise ImportError('no')"}),
        ("from model import load", {"model.py": "def load(:"}),
        ("from model import load", {"model.py": "from elsewhere import load"}),
        ("from json import load", {"json/__init__.py": MODEL}),
        ("from datasets import load", {"datasets/__init__.py": MODEL}),
        ("from other.model import load", {"beside-0.1.dist-info/METADATA": "", "other/model.py": MODEL}),
    ],
)
def test_what_is_not_followed_is_not_known(imports: str, files: Mapping[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, {"train.py": TRAIN.format(imports=imports, call="load()"), **files})
    assert fact(found, "quantization").value == "unknown"
    assert fact(found, "trainer_class").value == "SFTTrainer"


def test_what_a_module_does_as_a_script_does_not_happen(tmp_path: Path) -> None:
    alone = f"{MODEL}\n\nif __name__ == '__main__':\n    load = None\n"
    train = TRAIN.format(imports="from model import load", call="load()")
    assert fact(read(tmp_path, {"train.py": train, "model.py": alone}), "quantization").value == "fp4"


def test_modules_that_go_too_far_leave_what_the_script_says(tmp_path: Path) -> None:
    loops = "".join(f"{' ' * depth}for x{depth} in {tuple(range(24))}:\n" for depth in range(5))
    train = TRAIN.format(imports="from model import load", call="load()")
    found = read(tmp_path, {"train.py": train, "model.py": f"{loops}     load = 1\n"})
    assert (fact(found, "trainer_class").value, fact(found, "quantization").value) == ("SFTTrainer", "unknown")


def test_what_is_thought_of_counts(tmp_path: Path) -> None:
    train = TRAIN.format(imports="from model import load", call="load()")
    read(tmp_path, {"train.py": train, "model.py": MODEL})
    thought = {str(tmp_path / "model.py"): MODEL.replace("4bit", "8bit").encode()}
    found = read_script(read_source(tmp_path / "train.py"), (), thought)[0]
    assert fact(found, "quantization").value == "int8"


def test_what_a_module_imports_is_not_what_the_script_needs(tmp_path: Path) -> None:
    """It may do so for others, or only where it is there."""
    train = TRAIN.format(imports="import wandb\nfrom model import load", call="load()")
    found = read(tmp_path, {"train.py": train, "model.py": f"import mlflow, os\nos.environ['A'] = '1'\n{MODEL}"})
    assert {one.value for one in found.facts if one.name == "imports"} == {"trl", "wandb", "model"}
    assert fact(found, "sets_variable").value == "A"
