"""Every cell of the tables of what really happened, replayed over the libraries' own functions."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sftdoctor.model import Fact
from sftdoctor.predicates.gradient.outcome import Training
from sftdoctor.predicates.gradient.remote import RemoteModel, remote_model
from sftdoctor.predicates.gradient.training import replay
from sftdoctor.workload import read_model_folder
from tests.predicates.overrides import write_variant
from tests.predicates.training_scripts import GPU, HEAD, TRUTH, environment, facts_of, row_script, stack

WORDS = {"trains": "ok", "no-grad": "E0", "silent": "SILENT"}
QWEN = Path(__file__).parents[2] / "fixtures" / "models" / "qwen_old"


def _name(row: dict[str, Any]) -> str:
    return "-".join(str(row[key]) for key in ("model", "trainer", "use_reentrant", "fix", "lm_head"))


@pytest.mark.parametrize("row", TRUTH["training"], ids=_name)
def test_training_tables(row: dict[str, Any]) -> None:
    facts = facts_of(row_script(row))
    wrong = []
    for name, expected in row["outcomes"].items():
        if expected == "n/a":
            continue  # that TrainingArguments has no such argument: the linker's to find
        got = replay(environment(stack(name)), facts)
        answer = f"{got.detail}" if got.outcome == "raises" else WORDS.get(got.outcome, got.outcome)
        if not answer.startswith(expected[:60]):
            wrong.append((name, expected, answer))
    assert not wrong


def test_argument_that_the_stack_lacks() -> None:
    row = {"model": "fp32", "trainer": "Trainer", "use_reentrant": "False", "fix": "none", "lm_head": False}
    got = replay(environment(stack("Q-A2310")), facts_of(row_script(row)))
    assert got.outcome == "raises"
    assert "unexpected keyword argument 'gradient_checkpointing_kwargs'" in got.detail


_TRAINER = (
    Fact("trainer_class", "Trainer"),
    Fact("trainer_args_class", "TrainingArguments"),
    Fact("gradient_checkpointing", True),
)
_LOAD = Fact("step", ("load", "from_pretrained"))
_WRAP = Fact("step", ("wrap", "get_peft_model", "LoraConfig", True, False, False))
_ENABLE = (_LOAD, Fact("step", ("gc_enable", "unset", False)))
_PATHS: dict[str, tuple[Fact, ...]] = {
    # the tables' first path switches checkpointing on and off again
    "enable()": (*_ENABLE, Fact("step", ("gc_disable",))),
    "enable(kwargs)": (_LOAD, Fact("step", ("gc_enable", True, True))),
    "Trainer(gradient_checkpointing=True)": (*_TRAINER, _LOAD, Fact("step", ("trainer",))),
    "peft get_peft_model+Trainer(gc)": (*_TRAINER, _LOAD, _WRAP, Fact("step", ("trainer",))),
    "peft prepare_kbit(flagged)+Trainer(gc)": (
        *_TRAINER,
        _LOAD,
        Fact("step", ("set", "is_loaded_in_4bit", True)),
        Fact("step", ("prepare_kbit", "unset", "unset", False)),
        _WRAP,
        Fact("step", ("trainer",)),
    ),
}


def _peft_for(transformers: str) -> str:
    major, minor, *_ = (int(part) for part in transformers.split("."))
    return "0.21.2" if major > 4 else ("0.5.0" if minor < 36 else "0.11.1")


def _override(path: str, version: str, remote: RemoteModel) -> Training:
    target = environment({"transformers": version, "peft": _peft_for(version), "trl": "0.7.2"})
    if path == "enable()":
        alone = replay(target, _ENABLE, remote)
        if alone.outcome == "raises" or alone.cause == "no-recompute":
            return alone
    return replay(target, _PATHS[path], remote)


def _fits(expected: str, got: Training, path: str) -> bool:
    kind, _, message = got.detail.partition(": ")
    if got.outcome != "raises":
        recomputes = got.cause != "no-recompute"
        by_call = path.startswith("enable")  # the other paths' tables do not say whether a layer was recomputed
        answer = {"trains": "ok" if recomputes or not by_call else "SILENT", "no-grad": "element 0"}[got.outcome]
        return expected.startswith(answer)
    texts = {
        "TypeError missing arg": "missing 1 required positional argument",
        "ValueError not compatible": "is not compatible with gradient checkpointing",
        "ValueError no support": "does not support gradient checkpointing",
    }
    if not expected.startswith(kind):
        return False
    shown = expected.removeprefix(kind).lstrip(": ")
    return texts.get(expected, shown) in message or message.startswith(shown)


@pytest.mark.parametrize("variant", list(TRUTH["overrides"]["enable()"]))
@pytest.mark.parametrize("path", list(_PATHS))
def test_override_tables(path: str, variant: str, tmp_path: Path) -> None:
    remote = remote_model(read_model_folder(write_variant(variant, QWEN, tmp_path / "model")))
    assert remote is not None
    wrong = []
    for version, expected in TRUTH["overrides"][path][variant].items():
        got = _override(path, version, remote)
        if not _fits(expected, got, path):
            wrong.append((version, expected, got))
    assert not wrong


def _sft(*lines: str, extra: str = "", quantized: bool = True) -> str:
    config = ", quantization_config=BitsAndBytesConfig(load_in_4bit=True)" if quantized else ""
    return "\n".join(
        [
            *HEAD,
            f'model = AutoModelForCausalLM.from_pretrained("tiny"{config})',
            *lines,
            'args = SFTConfig(output_dir="out", gradient_checkpointing=True)',
            f"SFTTrainer(model=model, args=args, train_dataset=data{extra}).train()\n",
        ]
    )


WRAP = "model = get_peft_model(model, LoraConfig(r=4))"
PREPARED = "model = prepare_model_for_kbit_training(model)"


@pytest.mark.parametrize(("name", "outcome"), [("int8", "trains"), ("some_other", "unknown")])
def test_the_preparation_by_another_name(name: str, outcome: str, tmp_path: Path) -> None:
    target = environment(stack("Q-A2310"))
    peft = target.distributions["peft"]
    shutil.copytree(str(peft.root), tmp_path / "peft")
    for file in (tmp_path / "peft").rglob("*.py"):
        file.write_text(
            file.read_text().replace("prepare_model_for_kbit_training", f"prepare_model_for_{name}_training")
        )
    older = replace(peft, version="0.3.0", root=str(tmp_path / "peft"))
    target = replace(target, distributions={**target.distributions, "peft": older})
    facts = (*_TRAINER, Fact("quantization", "int8"), _LOAD, Fact("step", ("prepare_kbit", "unset", "unset", False)))
    assert replay(target, (*facts, _WRAP, Fact("step", ("trainer",)))).outcome == outcome


@pytest.mark.parametrize(
    ("trl", "gpu", "outcome"),
    [
        ("0.19.1", True, "no-grad"),
        ("0.20.0", True, "silent"),
        ("0.22.2", True, "silent"),
        ("0.20.0", False, "trains"),  # on a CPU trl takes 4-bit weights for sharded ones
        ("0.23.1", True, "trains"),
        ("0.24.0", True, "trains"),
        ("0.28.0", True, "trains"),
    ],
)
def test_trl_freezes_a_quantized_peft_model(trl: str, gpu: bool, outcome: str) -> None:
    target = environment({"transformers": "4.57.6", "peft": "0.17.1", "trl": trl}, GPU if gpu else ())
    got = replay(target, facts_of(_sft(WRAP)))
    assert got.outcome == outcome
    assert (got.detail == "trl") is (outcome == "silent")


@pytest.mark.parametrize(
    ("trl", "outcome"),
    [("0.19.1", "no-grad"), ("0.22.2", "trains"), ("0.26.2", "trains"), ("0.27.1", "raises"), ("0.28.0", "raises")],
)
def test_peft_config_for_a_wrapped_model(trl: str, outcome: str) -> None:
    target = environment({"transformers": "4.57.6", "peft": "0.17.1", "trl": trl}, GPU)
    got = replay(target, facts_of(_sft(WRAP, extra=", peft_config=LoraConfig(r=4)")))
    assert got.outcome == outcome


@pytest.mark.parametrize(
    ("lines", "stack_name", "expected"),
    [
        ((WRAP, PREPARED), "Q-G2504", ("silent", "frozen-adapter", "prepare_model_for_kbit_training")),
        (
            ('model = PeftModel.from_pretrained(model, "a")',),
            "Q-N2611",
            ("silent", "frozen-adapter", "PeftModel.from_pretrained"),
        ),
        (
            ('model = PeftModel.from_pretrained(model, "a")',),
            "Q-C2404",
            ("no-grad", "frozen-adapter", "PeftModel.from_pretrained"),
        ),
        (('model = PeftModel.from_pretrained(model, "a", is_trainable=True)',), "Q-N2611", ("trains", "", "")),
        (
            (WRAP, "for p in model.parameters():\n    p.requires_grad = False"),
            "Q-N2611",
            ("silent", "frozen-adapter", "the script"),
        ),
        ((WRAP, "helper(model)"), "Q-C2404", ("unknown", "", None)),
        (("if flag:\n    model.enable_input_require_grads()", WRAP), "Q-C2404", ("unknown", "", None)),
        (("model.get_input_embeddings().register_forward_hook(hook)", WRAP), "Q-C2404", ("trains", "", "")),
        (
            ('model = get_peft_model(model, LoraConfig(modules_to_save=["embed_tokens"]))',),
            "Q-C2404",
            ("trains", "", ""),
        ),
    ],
)
def test_causes(lines: tuple[str, ...], stack_name: str, expected: tuple[str, str, str | None]) -> None:
    text = "from elsewhere import flag, helper, hook\n" + _sft(*lines)
    got = replay(environment(stack(stack_name), GPU), facts_of(text))
    assert (got.outcome, got.cause) == expected[:2]
    assert expected[2] is None or got.detail == expected[2]
