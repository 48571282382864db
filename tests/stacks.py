"""Tiny venvs that look like a fine-tuning stack: real interpreters, real metadata, a few lines of source each."""

from __future__ import annotations

import sysconfig
import venv
from pathlib import Path

VERSIONS = {
    "torch": "2.13.0",
    "transformers": "4.57.3",
    "trl": "0.24.0",
    "peft": "0.5.0",
    "bitsandbytes": "0.49.2",
    "accelerate": "1.10.1",
    "datasets": "4.3.0",
}
OLD = "def prepare_model_for_kbit_training(model, use_gradient_checkpointing=True):\n    return model\n"
NEW = OLD.replace("=True", "=True, gradient_checkpointing_kwargs=None")
SOURCES = {
    "torch/__init__.py": "",
    "accelerate/__init__.py": "class Accelerator: ...\n",
    "bitsandbytes/__init__.py": "",
    "datasets/__init__.py": "class Dataset: ...\n",
    "transformers/__init__.py": "".join(
        f"class {name}:\n    def __init__(self, *args, **kwargs): ...\n"
        for name in ("AutoModelForCausalLM", "AutoTokenizer", "BitsAndBytesConfig", "LlamaForCausalLM", "Trainer")
    )
    + "class TrainingArguments:\n    def __init__(self, output_dir=None, **kwargs): ...\n",
    "peft/__init__.py": "from .utils.other import prepare_model_for_kbit_training\n"
    "class LoraConfig: ...\n"
    "def get_peft_model(model, peft_config): ...\n",
    "peft/utils/__init__.py": "",
    "trl/__init__.py": "from .trainer import SFTConfig, SFTTrainer\n",
    "trl/trainer.py": "from peft import prepare_model_for_kbit_training\n"
    "from transformers import Trainer, TrainingArguments\n"
    "class SFTConfig(TrainingArguments):\n"
    "    def __init__(self, output_dir=None, max_length=1024): ...\n"
    "class SFTTrainer(Trainer):\n"
    "    def __init__(self, model=None, args=None, peft_config=None):\n"
    "        prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={})\n",
}


def make_stack(folder: Path, *, peft: str = "0.5.0") -> Path:
    """Make a venv with a stack that breaks as the first failure does, or, with a later peft, does not.

    Args:
        folder: Where to.
        peft: Version of peft; from 0.6 on it takes the argument.

    Returns:
        The folder.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    scheme = {"base": str(folder), "platbase": str(folder)}
    name = "venv" if "venv" in sysconfig.get_scheme_names() else sysconfig.get_default_scheme()
    site = Path(sysconfig.get_path("purelib", name, scheme))
    sources = {**SOURCES, "peft/utils/other.py": OLD if peft == "0.5.0" else NEW}
    for path, text in sources.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for name, version in {**VERSIONS, "peft": peft}.items():
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        paths = [path for path in sources if path.startswith(f"{name}/")]
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in paths), encoding="utf-8")
    return folder
