"""Exceptions → who asked whom for what, and whether it is any business of this tool."""

from __future__ import annotations

import pytest

from sftdoctor.logs.asked import asked_by, in_words, probe_script
from sftdoctor.model import Frame, Raised

TRL = Frame("/e/lib/python3.11/site-packages/trl/trainer/sft_trainer.py", 335, "__init__", "prepare(model)")
TORCH = Frame("/e/lib/python3.11/site-packages/torch/nn/modules/module.py", 722, "_call_impl", "forward(*input)")
KW = "got an unexpected keyword argument 'x'"
USER = Frame("/app/train.py", 3, "<module>", "args = TrainingArguments(")


@pytest.mark.parametrize(
    ("message", "frames", "expected"),
    [
        ("cannot import name 'AdamW' from 'transformers' (/x.py)", (), ("missing-name", "AdamW", "transformers", True)),
        ("cannot import name 'train' from 'utils'", (USER,), ("missing-name", "train", "utils", False)),
        ("cannot import name 'x' from 'utils'", (TRL,), ("missing-name", "x", "utils", False)),
        ("No module named 'triton.ops'", (USER,), ("missing-module", "triton.ops", "triton.ops", True)),
        ("No module named 'scipy'", (TRL,), ("missing-module", "scipy", "scipy", True)),
        ("No module named 'scipy'", (USER,), ("missing-module", "scipy", "scipy", False)),
        (f"SFTConfig.__init__() {KW}", (), ("unexpected-keyword", "x", "SFTConfig.__init__", True)),
        (f"__init__() {KW}", (USER,), ("unexpected-keyword", "x", "TrainingArguments.__init__", True)),
        (f"mine() {KW}", (USER,), ("unexpected-keyword", "x", "mine", False)),
        ("SFTConfig.__init__() got an unexpected keyword argument \n'x'", (),
         ("unexpected-keyword", "x", "SFTConfig.__init__", True)),
        (f"mine() {KW}", (TRL,), ("unexpected-keyword", "x", "mine", True)),
        (f"forward() {KW}", (USER, TORCH), ("override-mismatch", "x", "forward", False)),
        (f"M.compute_loss() {KW}", (), ("override-mismatch", "x", "M.compute_loss", True)),
        ("module 'torch' has no attribute 'x'", (USER,), ("missing-attribute", "x", "torch", True)),
        ("module transformers.models has no attribute x", (), ("missing-attribute", "x", "transformers.models", True)),
        ("'LlamaAttention' object has no attribute 'x'", (), ("missing-attribute", "x", "LlamaAttention", True)),
        ("'MyGRPOTrainer' object has no attribute 'x'", (), ("missing-attribute", "x", "MyGRPOTrainer", True)),
        ("'MyTrainer' object has no attribute 'x'", (), ("missing-attribute", "x", "MyTrainer", False)),
        ("'MyAttention' object has no attribute 'x'", (), ("missing-attribute", "x", "MyAttention", False)),
        ("'NoneType' object has no attribute 'x'", (TRL,), ("missing-attribute", "x", "NoneType", False)),
        ("name 'nn' is not defined", (TRL,), ("unbound-name", "nn", "nn", True)),
        ("name 'nn' is not defined", (USER,), ("unbound-name", "nn", "nn", False)),
        ("f() missing 1 required positional argument: 'x'", (USER,), ("missing-argument", "x", "f", False)),
        ("SFTConfig.__init__() takes 1 positional argument but 2 were given", (),
         ("too-many-positionals", "", "SFTConfig.__init__", True)),
    ],
)  # fmt: skip
def test_what_is_asked(message: str, frames: tuple[Frame, ...], expected: tuple[object, ...]) -> None:
    asked = asked_by(Raised("TypeError", message, frames))
    assert asked is not None
    assert (asked.kind, asked.name, asked.symbol, asked.of_stack) == expected
    assert in_words(asked)


@pytest.mark.parametrize("message", ["", "it broke", "too many dimensions 'str'", "'x'"])
def test_what_asks_nothing(message: str) -> None:
    assert asked_by(Raised("ValueError", message)) is None


@pytest.mark.parametrize(
    ("message", "script"),
    [
        ("cannot import name 'AdamW' from 'transformers'", "from transformers import AdamW\n"),
        (
            f"SFTConfig.__init__() {KW}",
            "from trl import SFTConfig\nSFTConfig(x=None)\n",
        ),
        ("cannot import name 'train' from 'utils'", ""),
        (f"mine() {KW}", ""),
    ],
)
def test_the_line_that_failed_can_be_linked_alone(message: str, script: str) -> None:
    asked = asked_by(Raised("TypeError", message))
    assert asked is not None
    assert probe_script(asked) == script
