"""When a package has, or had, what is missing: the real table, and made-up rows for its forms."""

from __future__ import annotations

import json

import pytest

from sftdoctor.folders import data_folder
from sftdoctor.link.releases import _sentence, ages, remark
from sftdoctor.link.state import Event, Site

RELEASES = ["1.0.0", "1.1.0", "1.2.0", "2.0.0"]


def event(kind: str, name: str, module: str = "", symbol: str = "") -> Event:
    caller = Site("trl.trainer.sft_trainer", "trl", None, 1)
    callee = Site(module, module.partition(".")[0], None, 1) if module else None
    return Event(kind, "TypeError", "", name, caller, 0, callee, callee_symbol=f"{module}.{symbol}".strip("."))


@pytest.mark.parametrize(
    ("distribution", "version", "missing", "said"),
    [
        (
            *("peft", "0.5.0"),
            event(
                "unexpected-keyword",
                "gradient_checkpointing_kwargs",
                "peft.utils.other",
                "prepare_model_for_kbit_training",
            ),
            "peft has it since 0.6.0.",
        ),
        (
            *("accelerate", "1.0.1"),
            event("unexpected-keyword", "keep_torch_compile", "accelerate.accelerator", "Accelerator.unwrap_model"),
            "accelerate has it since 1.3.0.",
        ),
        (
            *("trl", "1.16.0"),
            event("unexpected-keyword", "max_seq_length", "trl.trainer.sft_config", "SFTConfig.__init__"),
            "trl had it until 0.19.1.",
        ),
        (
            *("peft", "0.7.1"),
            event("unexpected-keyword", "low_cpu_mem_usage", "peft.mapping", "get_peft_model"),
            "peft has it since 0.14.0.",  # 0.15 has the function in a module of another name
        ),
        (
            *("trl", "0.24.0"),
            event("missing-name", "DataCollatorForCompletionOnlyLM", "trl"),
            "trl had it until 0.19.1.",
        ),
        (
            *("torch", "2.1.2"),
            event("missing-attribute", "register_pytree_node", "torch.utils._pytree"),
            "torch has it since 2.2.0.",
        ),
        (
            "transformers",
            "4.40.0",
            event("missing-module", "transformers.masking_utils"),
            "transformers has it since 4.53.0.",
        ),
        ("transformers", "5.0.0", event("missing-name", "no_such_thing", "transformers"), ""),
        ("transformers", None, event("missing-name", "HybridCache", "transformers"), ""),
        ("transformers", "no version", event("missing-name", "HybridCache", "transformers"), ""),
        ("no-such-distribution", "1.0", event("missing-name", "HybridCache", "transformers"), ""),
        ("../../escape", "1.0", event("missing-name", "HybridCache", "transformers"), ""),
        ("trl", "1.0.0", event("missing-argument", "max_seq_length", "trl.trainer.sft_config", "SFTConfig"), ""),
    ],
)
def test_remark(distribution: str, version: str | None, missing: Event, said: str) -> None:
    assert remark(missing, distribution, version) == said


@pytest.mark.parametrize(
    ("version", "runs", "said"),
    [
        ("1.0.0", "2-", "x has it since 1.2.0."),
        ("1.0.0", "1-2", "x has it from 1.1.0 to 1.2.0."),
        ("2.0.0", "0-1", "x had it until 1.1.0."),
        ("1.1.0", "0-0 3-", "x has it since 2.0.0."),
        ("3.0.0", "2-", ""),
        ("1.1.0", "0-", ""),
        ("1.1.0.post1", "0-1", "x had it until 1.1.0."),
    ],
)
def test_sentence(version: str, runs: str, said: str) -> None:
    assert _sentence("x", version, runs, RELEASES) == said


@pytest.mark.parametrize(
    ("kind", "symbol", "name", "said"),
    [
        ("missing-name", "trl.trainer.utils", "PeftSavingCallback", "trl had it from 0.4.5 to 0.7.4."),
        ("missing-name", "accelerate.utils", "is_npu_available", "accelerate has it since 0.21.0."),
        ("missing-name", "transformers", "EncoderDecoderCache", "transformers has it since 4.43.0."),
        ("missing-name", "transformers", "AutoConfig", ""),  # always there
        ("missing-name", "somewhere.else", "PeftSavingCallback", ""),
        ("missing-module", "trl.core", "trl.core", "trl had it until 0.24.0."),
        ("unexpected-keyword", "Trainer.__init__", "processing_class", "transformers has it since 4.46.1."),
        ("unexpected-keyword", "Trainer.__init__", "no_such_thing", ""),
        ("missing-attribute", "torch.library", "register_fake", "torch has it since 2.4.0."),
        ("missing-attribute", "DynamicCache", "get_usable_length", "transformers had it from 4.36.0 to 4.53.3."),
        # a class of somebody's own, derived as its name says
        ("missing-attribute", "QwenTokenizer", "batch_encode_plus", "transformers had it until 4.57.6."),
        ("missing-attribute", "QwenWhatever", "batch_encode_plus", ""),
        ("missing-attribute", "LlamaTokenizer", "build_inputs_with_special_tokens", ""),  # another class has it now
        ("missing-attribute", "LlamaForCausalLM", "get_input_embeddings", ""),
        ("too-many-positionals", "DPOTrainer.log", "", ""),
    ],
)
def test_ages_of_what_an_exception_misses(kind: str, symbol: str, name: str, said: str) -> None:
    assert ages(kind, symbol, name) == said


def test_every_run_of_the_tables_is_in_its_releases() -> None:
    for path in (data_folder() / "releases").glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        last = len(data["releases"]) - 1
        entries = [runs for facts in data["facts"].values() for runs in facts.values()] + list(data["modules"].values())
        bounds = {int(bound) for runs in entries for bound in runs.replace("-", " ").split()}
        assert path.name == "torch.json" or len(entries) > 100
        assert min(bounds) >= 0
        assert max(bounds) <= last
